#!/usr/bin/env bash
# effect 4.1.0: an RcMap with idleTimeToLive keeps a failed lookup, and every request for the key keeps it longer.
#
# One would guess that a lookup that failed has given no resource to keep, so that the next RcMap.get tries again, as it does in
# an RcMap without idleTimeToLive and in an RcRef with it. The failure is kept like a resource instead: for the idle time since
# its last use, and a request that gets the kept failure is a use. With one failure at the first request and requests that come
# more often than the idle time, the key never works again. LayerMap is made of it. (Cache keeps failures too, but says so, and
# for a time that does not start again.)
#
# Known as a symptom in https://github.com/anomalyco/opencode/issues/38404.
#
# Seen on 2026-11-28 with effect 4.1.0: the first lookup fails, all later ones would succeed, and the clock is a test clock.
#   RcMap: failure, then success, 2 lookups
#   RcMap with idleTimeToLive 10 minutes, asked every 9 minutes for 3 hours: 21 of 21 failures, 1 lookup
#   and after 11 minutes in which nobody asked: success, 2 lookups
#   RcRef with idleTimeToLive 10 minutes: failure, then success, 2 lookups
#
# What it does to users: a connection per tenant that could not be opened once, as the database was starting, is refused until
# nobody wants it for a while. Call RcMap.invalidate when the get fails.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 > /dev/null

cat > rcmap.mjs <<'JS'
import { Effect, RcMap, RcRef } from "effect"
import { TestClock } from "effect/testing"

const opening = () => {
  const state = { lookups: 0 }
  return {
    state,
    open: Effect.suspend(() => ++state.lookups === 1 ? Effect.fail("starting") : Effect.succeed("connection"))
  }
}
const outcome = (get) => Effect.map(Effect.exit(Effect.scoped(get)), (exit) => exit._tag.toLowerCase())
const count = (n) => `${n} lookup${n === 1 ? "" : "s"}`

const twice = (name, make) =>
  Effect.gen(function*() {
    const { open, state } = opening()
    const get = yield* make(open)
    console.log(`${name}: ${yield* outcome(get)}, then ${yield* outcome(get)}, ${count(state.lookups)}`)
  })

const program = Effect.gen(function*() {
  yield* twice("RcMap", (open) => Effect.map(RcMap.make({ lookup: () => open }), (map) => RcMap.get(map, "tenant")))

  const { open, state } = opening()
  const map = yield* RcMap.make({ lookup: () => open, idleTimeToLive: "10 minutes" })
  const outcomes = [yield* outcome(RcMap.get(map, "tenant"))]
  for (let minutes = 9; minutes <= 180; minutes += 9) {
    yield* TestClock.adjust("9 minutes")
    outcomes.push(yield* outcome(RcMap.get(map, "tenant")))
  }
  const failures = outcomes.filter((outcome) => outcome === "failure").length
  console.log(
    `RcMap with idleTimeToLive 10 minutes, asked every 9 minutes for 3 hours: ` +
      `${failures} of ${outcomes.length} failures, ${count(state.lookups)}`
  )
  yield* TestClock.adjust("11 minutes")
  const late = yield* outcome(RcMap.get(map, "tenant"))
  console.log(`and after 11 minutes in which nobody asked: ${late}, ${count(state.lookups)}`)

  yield* twice("RcRef with idleTimeToLive 10 minutes", (open) =>
    Effect.map(RcRef.make({ acquire: open, idleTimeToLive: "10 minutes" }), RcRef.get))
})
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(TestClock.layer())))
JS
node rcmap.mjs | tee seen

diff seen - <<'EXPECTED'
RcMap: failure, then success, 2 lookups
RcMap with idleTimeToLive 10 minutes, asked every 9 minutes for 3 hours: 21 of 21 failures, 1 lookup
and after 11 minutes in which nobody asked: success, 2 lookups
RcRef with idleTimeToLive 10 minutes: failure, then success, 2 lookups
EXPECTED
echo "as on 2026-11-28"

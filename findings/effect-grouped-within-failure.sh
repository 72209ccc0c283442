#!/usr/bin/env bash
# effect 4.1.0: Stream.groupedWithin loses the group it was filling when the stream fails; Stream.grouped hands it on first.
#
# One would guess that `groupedWithin(n, duration)` is `grouped(n)` with a time limit, so that the elements before a failure
# arrive in both, the last of them in a group that is not full. `grouped` does that. `groupedWithin` fails at once: up to n - 1
# elements that came through the stream are never seen, also those that came long before the failure, within the time limit. The
# end of the stream is not affected: then the last group arrives in both.
#
# Seen on 2026-11-28 with effect 4.1.0, for the elements 1 to 5 and then the end or a failure:
#   grouped, end: [[1,2],[3,4],[5]]
#   groupedWithin, end: [[1,2],[3,4],[5]]
#   grouped, failure: [[1,2],[3,4],[5]] failure
#   groupedWithin, failure: [[1,2],[3,4]] failure
#
# What it does to users: a consumer that writes events in batches drops the last ones whenever its source fails. With a retry
# that goes on behind the last element that was read, rather than the last that was written, they are lost for good.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 > /dev/null

cat > grouped.mjs <<'JS'
import { Effect, Stream } from "effect"

const groups = { grouped: Stream.grouped(2), groupedWithin: Stream.groupedWithin(2, "1 minute") }
const ends = { end: Stream.empty, failure: Stream.fromEffect(Effect.delay(Effect.fail("failure"), "200 millis")) }
for (const [end, last] of Object.entries(ends)) {
  for (const [name, group] of Object.entries(groups)) {
    const seen = []
    const error = await Effect.runPromise(
      Stream.make(1, 2, 3, 4, 5).pipe(
        Stream.concat(last),
        group,
        Stream.runForEach((numbers) => Effect.sync(() => seen.push([...numbers]))),
        Effect.as(""),
        Effect.catch((error) => Effect.succeed(` ${error}`))
      )
    )
    console.log(`${name}, ${end}: ${JSON.stringify(seen)}${error}`)
  }
}
JS
node grouped.mjs | tee seen

diff seen - <<'EXPECTED'
grouped, end: [[1,2],[3,4],[5]]
groupedWithin, end: [[1,2],[3,4],[5]]
grouped, failure: [[1,2],[3,4],[5]] failure
groupedWithin, failure: [[1,2],[3,4]] failure
EXPECTED
echo "as on 2026-11-28"

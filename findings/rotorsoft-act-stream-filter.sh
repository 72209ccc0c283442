#!/usr/bin/env bash
# @rotorsoft/act 1.31.26: a query for the stream "counter1" also gives the events of "counter10" and of "xcounter1".
#
# One would guess that `query_array({ stream })` gives the events of the stream of that name: `do` and `load` take such a name
# under the same key. In a query it is a regular expression without anchors, so that a dot in a name stands for any character as
# well. `stream_exact: true` gives what one would expect.
#
# Seen on 2026-11-29 with @rotorsoft/act 1.31.26 and zod 4.6.7:
#   counter1: counter1 counter10 xcounter1
#   a.b: a.b axb
#   counter1, stream_exact: counter1
#
# What it does to users: an export, an audit or a migration of one stream takes those of others with it, as soon as an id is the
# beginning of another one. Tests with one stream find nothing.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm pkg set description="a counter" author="the author" type=module
npm install --silent --no-audit --no-fund @rotorsoft/act@1.31.26 zod@4.6.7 node@24.21.0 > /dev/null
export PATH="$PWD/node_modules/.bin:$PATH"

cat > filter.mjs <<'JS'
import { act, state } from "@rotorsoft/act"
import { z } from "zod"

const Counter = state({ Counter: z.object({ count: z.number() }) })
  .init(() => ({ count: 0 }))
  .emits({ Counted: z.object({ by: z.number() }) })
  .patch({ Counted: ({ data }, { count }) => ({ count: count + data.by }) })
  .on({ count: z.object({ by: z.number() }) })
  .emit(({ by }) => ["Counted", { by }])
  .build()
const app = act().withState(Counter).build()

for (const stream of ["counter1", "counter10", "xcounter1", "a.b", "axb"]) {
  await app.do("count", { stream, actor: { id: "1", name: "user" } }, { by: 1 })
}
const show = async (name, query) =>
  console.log(`${name}: ${(await app.query_array(query)).map(({ stream }) => stream).join(" ")}`)
await show("counter1", { stream: "counter1" })
await show("a.b", { stream: "a.b" })
await show("counter1, stream_exact", { stream: "counter1", stream_exact: true })
JS
LOG_LEVEL=fatal node filter.mjs | tee seen

diff seen - <<'EXPECTED'
counter1: counter1 counter10 xcounter1
a.b: a.b axb
counter1, stream_exact: counter1
EXPECTED
echo "as on 2026-11-29"

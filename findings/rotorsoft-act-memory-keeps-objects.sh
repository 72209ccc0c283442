#!/usr/bin/env bash
# @rotorsoft/act 1.31.26: the in-memory store keeps the objects that it is given, so an event can change after its commit.
#
# One would guess that a store of events keeps a copy, by JSON at the latest, as its stores in databases do: the package says that
# the one in memory is for tests of the same code. It keeps the payload itself, and gives it out again. A program that goes on
# with the array or object which it has put into an event changes the event, and whoever changes what a query gave does as well.
#
# Seen on 2026-11-29 with @rotorsoft/act 1.31.26 and zod 4.6.7:
#   committed: {"tags":["a"]}
#   after the caller has changed its array: {"tags":["a","b"]}
#   after a reader has changed what it got: {"tags":["a","b","c"]}
#
# What it does to users: tests pass that fail on a database, or the other way round, and what fails is far from what changed it.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm pkg set description="notes" author="the author" type=module
npm install --silent --no-audit --no-fund @rotorsoft/act@1.31.26 zod@4.6.7 node@24.21.0 > /dev/null
export PATH="$PWD/node_modules/.bin:$PATH"

cat > keeps.mjs <<'JS'
import { act, state } from "@rotorsoft/act"
import { z } from "zod"

const Note = state({ Note: z.object({ count: z.number() }) })
  .init(() => ({ count: 0 }))
  .emits({ Tagged: z.object({ tags: z.any() }) })
  .patch({ Tagged: (_, { count }) => ({ count: count + 1 }) })
  .on({ tag: z.object({ tags: z.any() }) })
  .emit(({ tags }) => ["Tagged", { tags }])
  .build()
const app = act().withState(Note).build()

const tags = ["a"]
await app.do("tag", { stream: "note1", actor: { id: "1", name: "user" } }, { tags })
const read = async () => (await app.query_array({ stream: "note1" }))[0].data
console.log(`committed: ${JSON.stringify(await read())}`)
tags.push("b")
console.log(`after the caller has changed its array: ${JSON.stringify(await read())}`)
const data = await read()
data.tags.push("c")
console.log(`after a reader has changed what it got: ${JSON.stringify(await read())}`)
JS
LOG_LEVEL=fatal node keeps.mjs | tee seen

diff seen - <<'EXPECTED'
committed: {"tags":["a"]}
after the caller has changed its array: {"tags":["a","b"]}
after a reader has changed what it got: {"tags":["a","b","c"]}
EXPECTED
echo "as on 2026-11-29"

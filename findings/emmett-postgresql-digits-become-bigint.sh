#!/usr/bin/env bash
# @event-driven-io/emmett-postgresql 0.42.0: texts of digits in events come back as bigint, and small bigints come back as
# texts.
#
# One would guess that a string in the data of an event is read as that string. The store reads JSON with a rule that makes a
# bigint of a string of 16 characters and more, if it starts with a digit, is an integer for JavaScript, and is too large to be
# a safe one. The rule knows nothing of the event: long numbers of orders, parcels, cards and posts are text up to some value
# and bigint from there on, leading zeros go, and so does the form 0x.., which BigInt() takes too. It is there to bring back
# bigints, which are stored as strings; but those that are safe integers stay strings. Metadata is read the same way.
#
# Seen on 2026-11-28 with @event-driven-io/emmett and emmett-postgresql 0.42.0, on @electric-sql/pglite 0.5.17:
#   order number "9007199254740991" -> string 9007199254740991
#   order number "9007199254740993" -> bigint 9007199254740993
#   parcel code "00012345678901234567" -> bigint 12345678901234567
#   address "0x52908400098527886e0f7030069857d2e4169ee7" -> bigint 471360049350540672339372329809862569580528312039
#   amount 5n -> string 5
#
# What it does to users: comparing with === fails, JSON.stringify throws, a lookup by the text finds nothing: for some values,
# months after the first test. Put a letter before such texts, and convert bigints yourself.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund @event-driven-io/emmett@0.42.0 @event-driven-io/emmett-postgresql@0.42.0 \
  @electric-sql/pglite@0.5.17 > /dev/null

cat > server.mjs <<'JS'
// PGlite behind a port of this machine, one message at a time
import { PGlite } from "@electric-sql/pglite"
import { createServer } from "node:net"

export const start = async () => {
  const db = await PGlite.create()
  let turn = Promise.resolve()
  const server = createServer((socket) => {
    socket.on("error", () => {})
    socket.on("data", (chunk) => {
      const terminate = chunk[0] === 88
      if (terminate) return
      turn = turn.then(async () => socket.write(await db.execProtocolRaw(new Uint8Array(chunk))))
    })
  })
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `postgresql://postgres:postgres@127.0.0.1:${server.address().port}/postgres`,
    stop: () => {
      server.close()
      return db.close()
    }
  }
}
JS

cat > digits.mjs <<'JS'
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql"
import { start } from "./server.mjs"

const { stop, url } = await start()
const store = getPostgreSQLEventStore(url)
const cases = [
  ["order number", "9007199254740991"],
  ["order number", "9007199254740993"],
  ["parcel code", "00012345678901234567"],
  ["address", "0x52908400098527886e0f7030069857d2e4169ee7"],
  ["amount", 5n]
]
for (const [index, [name, value]] of cases.entries()) {
  await store.appendToStream(`case-${index}`, [{ type: "Noted", data: { value } }])
  const { events: [{ data }] } = await store.readStream(`case-${index}`)
  const written = typeof value === "bigint" ? `${value}n` : `"${value}"`
  console.log(`${name} ${written} -> ${typeof data.value} ${data.value}`)
}
await store.close()
await stop()
JS
node digits.mjs | tee seen

diff seen - <<'EXPECTED'
order number "9007199254740991" -> string 9007199254740991
order number "9007199254740993" -> bigint 9007199254740993
parcel code "00012345678901234567" -> bigint 12345678901234567
address "0x52908400098527886e0f7030069857d2e4169ee7" -> bigint 471360049350540672339372329809862569580528312039
amount 5n -> string 5
EXPECTED
echo "as on 2026-11-28"

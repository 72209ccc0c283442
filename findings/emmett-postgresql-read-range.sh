#!/usr/bin/env bash
# @event-driven-io/emmett-postgresql 0.42.0: readStream takes a range for another than the in-memory store does, reads one event
# more than maxCount, and gives the version of the last event that it read for the version of the stream.
#
# One would guess that { from, to, maxCount } mean the same in both stores of one library, that maxCount bounds the number of
# events, and that currentStreamVersion is the version of the stream. In memory, `from` is how many events to pass over. In
# PostgreSQL it is the position of the first event to read, and with `from` the limit is one too high. There
# currentStreamVersion is the position of the last event that was read, so it is what one asked for; and a range behind the end
# says that the stream does not exist.
#
# Seen on 2026-11-28 with @event-driven-io/emmett and emmett-postgresql 0.42.0, on @electric-sql/pglite 0.5.17, for the 5 events
# of a stream, with currentStreamVersion behind "of":
#   from 2: in memory 3 4 5 of 5, PostgreSQL 2 3 4 5 of 5
#   from 2, maxCount 2: in memory 3 4 of 5, PostgreSQL 2 3 4 of 4
#   from 1, to 3: in memory 2 3 of 5, PostgreSQL 1 2 3 of 3
#   maxCount 2: in memory 1 2 of 5, PostgreSQL 1 2 of 2
#   from 6: in memory none of 5, PostgreSQL no stream
#
# What it does to users: reading in pages of n, or on from a snapshot at version v, is right in tests and applies an event twice
# in production; and a version from a read of a part makes the next append fail, or pass for a new stream.
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

cat > range.mjs <<'JS'
import { getInMemoryEventStore } from "@event-driven-io/emmett"
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql"
import { start } from "./server.mjs"

const { stop, url } = await start()
const memory = getInMemoryEventStore()
const postgres = getPostgreSQLEventStore(url)
for (const store of [memory, postgres]) {
  await store.appendToStream("account", [1, 2, 3, 4, 5].map((number) => ({ type: "Counted", data: { number } })))
}
const read = async (store, options) => {
  const { currentStreamVersion, events, streamExists } = await store.readStream("account", options)
  if (!streamExists) return "no stream"
  return `${events.map(({ data }) => data.number).join(" ") || "none"} of ${currentStreamVersion}`
}
const ranges = [{ from: 2n }, { from: 2n, maxCount: 2n }, { from: 1n, to: 3n }, { maxCount: 2n }, { from: 6n }]
for (const options of ranges) {
  const name = Object.entries(options).map(([key, value]) => `${key} ${value}`).join(", ")
  console.log(`${name}: in memory ${await read(memory, options)}, PostgreSQL ${await read(postgres, options)}`)
}
await postgres.close()
await stop()
JS
node range.mjs | tee seen

diff seen - <<'EXPECTED'
from 2: in memory 3 4 5 of 5, PostgreSQL 2 3 4 5 of 5
from 2, maxCount 2: in memory 3 4 of 5, PostgreSQL 2 3 4 of 4
from 1, to 3: in memory 2 3 of 5, PostgreSQL 1 2 3 of 3
maxCount 2: in memory 1 2 of 5, PostgreSQL 1 2 of 2
from 6: in memory none of 5, PostgreSQL no stream
EXPECTED
echo "as on 2026-11-28"

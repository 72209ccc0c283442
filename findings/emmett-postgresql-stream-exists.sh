#!/usr/bin/env bash
# @event-driven-io/emmett-postgresql 0.42.0: STREAM_DOES_NOT_EXIST and STREAM_EXISTS are accepted and not checked.
#
# One would guess that appendToStream with expectedStreamVersion STREAM_DOES_NOT_EXIST fails when the stream is there already,
# and with STREAM_EXISTS when it is not, as they do in the in-memory store of emmett, whose constants they are, and as a number
# that is wrong does in both stores. The PostgreSQL store turns the two into "no expectation", and the append succeeds. Its
# result cannot tell either: createdNewStream is true for the stream that was there.
#
# Seen on 2026-11-28 with @event-driven-io/emmett and emmett-postgresql 0.42.0, on @electric-sql/pglite 0.5.17:
#   in memory, must not exist, on a stream of 1 event: ExpectedVersionConflictError
#   in memory, must exist, on no stream: ExpectedVersionConflictError
#   in memory, version 7, on a stream of 1 event: ExpectedVersionConflictError
#   PostgreSQL, must not exist, on a stream of 1 event: appended as 2, createdNewStream true
#   PostgreSQL, must exist, on no stream: appended as 1, createdNewStream true
#   PostgreSQL, version 7, on a stream of 1 event: ExpectedVersionConflictError
#
# What it does to users: an account is opened twice and a name is taken twice, and the tests with the in-memory store pass.
# Expect the version 0n for a new stream, and a version that was read for one that must be there.
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

cat > exists.mjs <<'JS'
import { getInMemoryEventStore, STREAM_DOES_NOT_EXIST, STREAM_EXISTS } from "@event-driven-io/emmett"
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql"
import { start } from "./server.mjs"

const { stop, url } = await start()
const postgres = getPostgreSQLEventStore(url)
const opened = [{ type: "Opened", data: {} }]
for (const [name, store] of Object.entries({ "in memory": getInMemoryEventStore(), PostgreSQL: postgres })) {
  const append = async (what, stream, expectedStreamVersion) => {
    const outcome = await store.appendToStream(stream, opened, { expectedStreamVersion }).then(
      (result) => `appended as ${result.nextExpectedStreamVersion}, createdNewStream ${result.createdNewStream}`,
      (error) => error.constructor.name.replace(/^_/, "")
    )
    console.log(`${name}, ${what}: ${outcome}`)
  }
  await store.appendToStream("account-1", opened)
  await append("must not exist, on a stream of 1 event", "account-1", STREAM_DOES_NOT_EXIST)
  await append("must exist, on no stream", "account-2", STREAM_EXISTS)
  await store.appendToStream("account-3", opened)
  await append("version 7, on a stream of 1 event", "account-3", 7n)
}
await postgres.close()
await stop()
JS
node exists.mjs | tee seen

diff seen - <<'EXPECTED'
in memory, must not exist, on a stream of 1 event: ExpectedVersionConflictError
in memory, must exist, on no stream: ExpectedVersionConflictError
in memory, version 7, on a stream of 1 event: ExpectedVersionConflictError
PostgreSQL, must not exist, on a stream of 1 event: appended as 2, createdNewStream true
PostgreSQL, must exist, on no stream: appended as 1, createdNewStream true
PostgreSQL, version 7, on a stream of 1 event: ExpectedVersionConflictError
EXPECTED
echo "as on 2026-11-28"

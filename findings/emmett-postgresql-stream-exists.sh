#!/usr/bin/env bash
# @event-driven-io/emmett-postgresql 0.42.0: STREAM_DOES_NOT_EXIST and STREAM_EXISTS are accepted and not checked.
#
# One would guess that appendToStream with expectedStreamVersion STREAM_DOES_NOT_EXIST fails when the stream is there already,
# and with STREAM_EXISTS when it is not, as they do in the in-memory store of emmett, whose constants they are, and as a number
# that is wrong does in both stores. The PostgreSQL store turns the two into "no expectation", and the append succeeds. Its
# result cannot tell either: createdNewStream is true for the stream that was there. CommandHandler appends the first events of
# a stream with STREAM_DOES_NOT_EXIST, so of two commands that meet on a new stream both are carried out, each decided on the
# empty state.
#
# Seen on 2026-11-28 with @event-driven-io/emmett and emmett-postgresql 0.42.0, on @electric-sql/pglite 0.5.17:
#   in memory, must not exist, on a stream of 1 event: ExpectedVersionConflictError
#   in memory, must exist, on no stream: ExpectedVersionConflictError
#   in memory, version 7, on a stream of 1 event: ExpectedVersionConflictError
#   in memory, two commands to open account-4: opened, ExpectedVersionConflictError; 1 event
#   PostgreSQL, must not exist, on a stream of 1 event: appended as 2, createdNewStream true
#   PostgreSQL, must exist, on no stream: appended as 1, createdNewStream true
#   PostgreSQL, version 7, on a stream of 1 event: ExpectedVersionConflictError
#   PostgreSQL, two commands to open account-4: opened, opened; 2 events
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
import { CommandHandler, getInMemoryEventStore, STREAM_DOES_NOT_EXIST, STREAM_EXISTS } from "@event-driven-io/emmett"
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql"
import { start } from "./server.mjs"

const { stop, url } = await start()
const postgres = getPostgreSQLEventStore(url)
const opened = [{ type: "Opened", data: {} }]
const handle = CommandHandler({ evolve: () => "open", initialState: () => "none" })
for (const [name, store] of Object.entries({ "in memory": getInMemoryEventStore(), PostgreSQL: postgres })) {
  const outcome = (promise, success) => promise.then(success, (error) => error.constructor.name.replace(/^_/, ""))
  const append = async (what, stream, expectedStreamVersion) => {
    const result = await outcome(
      store.appendToStream(stream, opened, { expectedStreamVersion }),
      ({ createdNewStream, nextExpectedStreamVersion: version }) =>
        `appended as ${version}, createdNewStream ${createdNewStream}`
    )
    console.log(`${name}, ${what}: ${result}`)
  }
  await store.appendToStream("account-1", opened)
  await append("must not exist, on a stream of 1 event", "account-1", STREAM_DOES_NOT_EXIST)
  await append("must exist, on no stream", "account-2", STREAM_EXISTS)
  await store.appendToStream("account-3", opened)
  await append("version 7, on a stream of 1 event", "account-3", 7n)

  // the second command is decided and carried out while the first is being decided
  const open = (meanwhile) =>
    outcome(
      handle(store, "account-4", async (state) => {
        if (state === "open") throw new Error("is open")
        await meanwhile()
        return opened
      }),
      () => "opened"
    )
  let second
  const first = await open(async () => {
    second = await open(async () => {})
  })
  const { events: { length } } = await store.readStream("account-4")
  console.log(`${name}, two commands to open account-4: ${second}, ${first}; ${length} event${length === 1 ? "" : "s"}`)
}
await postgres.close()
await stop()
JS
node exists.mjs | tee seen

diff seen - <<'EXPECTED'
in memory, must not exist, on a stream of 1 event: ExpectedVersionConflictError
in memory, must exist, on no stream: ExpectedVersionConflictError
in memory, version 7, on a stream of 1 event: ExpectedVersionConflictError
in memory, two commands to open account-4: opened, ExpectedVersionConflictError; 1 event
PostgreSQL, must not exist, on a stream of 1 event: appended as 2, createdNewStream true
PostgreSQL, must exist, on no stream: appended as 1, createdNewStream true
PostgreSQL, version 7, on a stream of 1 event: ExpectedVersionConflictError
PostgreSQL, two commands to open account-4: opened, opened; 2 events
EXPECTED
echo "as on 2026-11-28"

#!/usr/bin/env bash
# @effect/sql-pg 4.0.5: a Date that is written to a column `timestamp` comes back as another moment, unless the session is in UTC.
#
# One would guess that what the client writes it reads back: node-postgres writes and reads such a column in the zone of the process,
# other clients in UTC. This one sends a Date as timestamptz, so that the server turns it into the wall clock of the session's
# TimeZone, and reads the column as if that wall clock were UTC's. A comparison with the same Date in SQL holds, because it goes the
# same way, so tests that only query find nothing. `timestamptz` is right in every zone.
#
# Seen on 2026-11-29 with effect 4.1.0, @effect/sql-pg 4.0.5 and @electric-sql/pglite 0.5.17:
#   UTC: timestamp 2026-01-01T00:00:00.000Z, equal in SQL true, timestamptz 2026-01-01T00:00:00.000Z
#   Asia/Tokyo: timestamp 2026-01-01T09:00:00.000Z, equal in SQL true, timestamptz 2026-01-01T00:00:00.000Z
#
# What it does to users: Message DB's own column `time` is a `timestamp` in UTC, and so are many tables of read models. A Date written to
# one is off by the server's zone, which differs between a laptop and production. Use timestamptz, or `at time zone 'utc'` in SQL.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/sql-pg@4.0.5 @electric-sql/pglite@0.5.17 > /dev/null

cat > read.mjs <<'JS'
import { PGlite } from "@electric-sql/pglite"
import { PgClient } from "@effect/sql-pg"
import { Effect } from "effect"
import { Duplex } from "node:stream"

const db = await PGlite.create()
const connection = () =>
  new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      db.execProtocolRaw(new Uint8Array(chunk)).then((reply) => {
        if (reply.length > 0) this.push(Buffer.from(reply))
        done()
      }, done)
    },
    final(done) {
      this.push(null)
      done()
    }
  })

const program = Effect.gen(function*() {
  const sql = yield* PgClient.PgClient
  yield* sql`create table event (plain timestamp, zoned timestamptz)`
  for (const zone of ["UTC", "Asia/Tokyo"]) {
    yield* sql`select set_config('TimeZone', ${zone}, false)`
    const written = new Date("2026-01-01T00:00:00Z")
    yield* sql`insert into event values (${written}, ${written})`
    const [row] = yield* sql`select plain, zoned, plain = ${written} as same from event`
    console.log(
      `${zone}: timestamp ${row.plain.toISOString()}, equal in SQL ${row.same}, timestamptz ${row.zoned.toISOString()}`
    )
    yield* sql`delete from event`
  }
})
const pool = PgClient.layer({ stream: connection, username: "postgres", database: "postgres", maxConnections: 1 })
await Effect.runPromise(Effect.provide(program, pool))
await db.close()
JS
node read.mjs | tee seen

diff seen - <<'EXPECTED'
UTC: timestamp 2026-01-01T00:00:00.000Z, equal in SQL true, timestamptz 2026-01-01T00:00:00.000Z
Asia/Tokyo: timestamp 2026-01-01T09:00:00.000Z, equal in SQL true, timestamptz 2026-01-01T00:00:00.000Z
EXPECTED
echo "as on 2026-11-29"

#!/usr/bin/env bash
# @effect/sql-pg 4.0.5: the times `infinity` and `-infinity` become an invalid Date, but the dates of the same names become strings.
#
# One would guess the number Infinity for both, as node-postgres gives it, or an error. A column timestamptz or timestamp gives a Date
# whose getTime() is NaN, without an error, and so does a time after the year 275760, the last one of a Date. A column date gives
# "infinity". Two of them are not told apart any more: NaN is neither before nor after any time, so a filter or a sort in the
# program is wrong in silence. `isfinite(column)` in the query tells.
#
# Seen on 2026-11-29 with effect 4.1.0, @effect/sql-pg 4.0.5 and @electric-sql/pglite 0.5.17:
#   infinity: timestamptz object NaN, timestamp object NaN, date string infinity
#   -infinity: timestamptz object NaN, timestamp object NaN, date string -infinity
#   2026-01-01: timestamptz object 1767225600000, timestamp object 1767225600000, date string 2026-01-01
#
# What it does to users: "valid until infinity" is a usual way to say that a row has no end. Read it as text, or test with isfinite.
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
  for (const value of ["infinity", "-infinity", "2026-01-01"]) {
    const [row] = yield* sql`select ${value}::timestamptz as zoned, ${value}::timestamp as plain, ${value}::date as day`
    const [zoned, plain] = [row.zoned, row.plain].map((time) => `${typeof time} ${time.getTime()}`)
    console.log(`${value}: timestamptz ${zoned}, timestamp ${plain}, date ${typeof row.day} ${row.day}`)
  }
})
const pool = PgClient.layer({ stream: connection, username: "postgres", database: "postgres", maxConnections: 1 })
await Effect.runPromise(Effect.provide(program, pool))
await db.close()
JS
node read.mjs | tee seen

diff seen - <<'EXPECTED'
infinity: timestamptz object NaN, timestamp object NaN, date string infinity
-infinity: timestamptz object NaN, timestamp object NaN, date string -infinity
2026-01-01: timestamptz object 1767225600000, timestamp object 1767225600000, date string 2026-01-01
EXPECTED
echo "as on 2026-11-29"

#!/usr/bin/env bash
# @effect/sql-pg 4.0.5: a JavaScript number loses its last digits on the way into a numeric column; the text of it does not.
#
# One would guess that a number arrives in a numeric column as JavaScript prints it, as with the clients that send parameters as
# text (pg, PGlite), and that the 16 and 17 digits that a double may need are kept. sql-pg declares a number that is not a safe
# integer as float8, and PostgreSQL casts float8 to numeric with 15 significant digits. So 12345678901234.56 becomes
# 12345678901234.6, and 2 ** 53 becomes 9007199254740990, an integer that no double was ever about. A column of float8 keeps
# all.
#
# Seen on 2026-11-28 with @effect/sql-pg 4.0.5, effect 4.1.0 and @electric-sql/pglite 0.5.17 (PostgreSQL 18):
#   12345678901234.56 -> by sql-pg 12345678901234.6, by PGlite 12345678901234.56
#   0.1234567890123456 -> by sql-pg 0.123456789012346, by PGlite 0.1234567890123456
#   9007199254740992 -> by sql-pg 9007199254740990, by PGlite 9007199254740992
#
# What it does to users: sums, coordinates and times in seconds with a fraction are stored rounded; a search for the value that
# was written finds nothing; a test against PGlite's own client passes. Send numeric values as strings or with PgTypes.numeric.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/sql-pg@4.0.5 @electric-sql/pglite@0.5.17 > /dev/null

cat > numeric.mjs <<'JS'
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

await db.exec("create table payment (amount numeric)")
const program = Effect.gen(function*() {
  const sql = yield* PgClient.PgClient
  for (const amount of [12345678901234.56, 0.1234567890123456, 2 ** 53]) {
    const [bySqlPg] = yield* sql`insert into payment values (${amount}) returning amount`
    const byPglite = yield* Effect.promise(() => db.query("insert into payment values ($1) returning amount", [amount]))
    console.log(`${amount} -> by sql-pg ${bySqlPg.amount}, by PGlite ${byPglite.rows[0].amount}`)
  }
})
const pool = PgClient.layer({ stream: connection, username: "postgres", database: "postgres", maxConnections: 1 })
await Effect.runPromise(Effect.provide(program, pool))
await db.close()
JS
node numeric.mjs | tee seen

diff seen - <<'EXPECTED'
12345678901234.56 -> by sql-pg 12345678901234.6, by PGlite 12345678901234.56
0.1234567890123456 -> by sql-pg 0.123456789012346, by PGlite 0.1234567890123456
9007199254740992 -> by sql-pg 9007199254740990, by PGlite 9007199254740992
EXPECTED
echo "as on 2026-11-28"

#!/usr/bin/env bash
# @effect/sql-pg 4.0.5: a column of a type that it has no codec for comes as the bytes of the wire, in a string.
#
# One would guess the text form, as psql shows it and as node-postgres gives it for every type that it does not know, or an error
# that names the type. The client asks for binary results throughout, and reads those of other types as if they were text. Ranges,
# composite types, arrays of an enum, pg_lsn, xid8, macaddr and tsvector are such types; an enum itself is right. Where the bytes
# are no UTF-8, as of money, point, bit and row(..), the query fails with "Invalid UTF-8 in text value", which does not name the
# column. A cast to text in the query gives what one would expect.
#
# Seen on 2026-11-29 with effect 4.1.0, @effect/sql-pg 4.0.5 and @electric-sql/pglite 0.5.17:
#   'paid'::status: "paid", cast to text "paid"
#   '{paid}'::status[]: "\u0000\u0000\u0000\u0001\u0000\u0000\u0000\u0000\u0000\u0000@\u0001\u0000\u0000\u0000\u0001\u0000\u0000\u0000\u0001\u0000\u0000\u0000\u0004paid", cast to text "{paid}"
#   '[1,3)'::int4range: "\u0002\u0000\u0000\u0000\u0004\u0000\u0000\u0000\u0001\u0000\u0000\u0000\u0004\u0000\u0000\u0000\u0003", cast to text "[1,3)"
#   '0/16B3748'::pg_lsn: "\u0000\u0000\u0000\u0000\u0001k7H", cast to text "0/16B3748"
#   '7'::xid8: "\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0007", cast to text "7"
#
# What it does to users: a read model with a range or an array of an enum returns garbage without an error, and a comparison of
# WAL positions or transaction ids in the program compares control characters. Cast such columns to text.
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
  yield* sql`create type status as enum ('open', 'paid')`
  for (const value of ["'paid'::status", "'{paid}'::status[]", "'[1,3)'::int4range", "'0/16B3748'::pg_lsn", "'7'::xid8"]) {
    const [row] = yield* sql.unsafe(`select ${value} as plain, (${value})::text as cast`)
    console.log(`${value}: ${JSON.stringify(row.plain)}, cast to text ${JSON.stringify(row.cast)}`)
  }
})
const pool = PgClient.layer({ stream: connection, username: "postgres", database: "postgres", maxConnections: 1 })
await Effect.runPromise(Effect.provide(program, pool))
await db.close()
JS
node read.mjs | tee seen

diff seen - <<'EXPECTED'
'paid'::status: "paid", cast to text "paid"
'{paid}'::status[]: "\u0000\u0000\u0000\u0001\u0000\u0000\u0000\u0000\u0000\u0000@\u0001\u0000\u0000\u0000\u0001\u0000\u0000\u0000\u0001\u0000\u0000\u0000\u0004paid", cast to text "{paid}"
'[1,3)'::int4range: "\u0002\u0000\u0000\u0000\u0004\u0000\u0000\u0000\u0001\u0000\u0000\u0000\u0004\u0000\u0000\u0000\u0003", cast to text "[1,3)"
'0/16B3748'::pg_lsn: "\u0000\u0000\u0000\u0000\u0001k7H", cast to text "0/16B3748"
'7'::xid8: "\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0007", cast to text "7"
EXPECTED
echo "as on 2026-11-29"

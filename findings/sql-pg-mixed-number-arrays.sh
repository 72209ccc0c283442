#!/usr/bin/env bash
# @effect/sql-pg 4.0.5: an array of numbers fails when some of them are integers and some are not, or some are large.
#
# One would guess that an array of JavaScript numbers is a parameter like any other: [1, 2.5] for an array of float8 or numeric
# as [1.5, 2.5] is, and the cast in the text of the statement decides. The type is inferred for each element by its value: int4,
# int8 from 2 ** 31 on, float8 for what is not an integer. When they differ the client refuses the array, whatever the cast. The
# same numbers work one by one.
#
# Seen on 2026-11-28 with @effect/sql-pg 4.0.5, effect 4.1.0 and @electric-sql/pglite 0.5.17:
#   [1, 2] as float8[]: {1,2}
#   [1.5, 2.5] as float8[]: {1.5,2.5}
#   [1, 2.5] as float8[]: Array parameter elements must have the same inferred OID
#   [1, 3000000000] as int8[]: Array parameter elements must have the same inferred OID
#   1 then 2.5 as float8: 1, 2.5
#
# What it does to users: a bulk insert with unnest(..) passes its tests with whole prices and fails with the first batch that
# has 10 and 12.5 in it; one of milliseconds or counters fails in the batch in which they pass 2 ** 31. Send strings and cast
# them.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/sql-pg@4.0.5 @electric-sql/pglite@0.5.17 > /dev/null

cat > arrays.mjs <<'JS'
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
  const show = (name, statement) =>
    statement.pipe(
      Effect.map(([row]) => row.value),
      Effect.catch((error) => Effect.succeed(error.reason.cause.message)),
      Effect.map((outcome) => console.log(`${name}: ${outcome}`))
    )
  yield* show("[1, 2] as float8[]", sql`select (${[1, 2]}::float8[])::text as value`)
  yield* show("[1.5, 2.5] as float8[]", sql`select (${[1.5, 2.5]}::float8[])::text as value`)
  yield* show("[1, 2.5] as float8[]", sql`select (${[1, 2.5]}::float8[])::text as value`)
  yield* show("[1, 3000000000] as int8[]", sql`select (${[1, 3_000_000_000]}::int8[])::text as value`)
  yield* show("1 then 2.5 as float8", sql`select ${1}::float8 || ', ' || ${2.5}::float8 as value`)
})
const pool = PgClient.layer({ stream: connection, username: "postgres", database: "postgres", maxConnections: 1 })
await Effect.runPromise(Effect.provide(program, pool))
await db.close()
JS
node arrays.mjs | tee seen

diff seen - <<'EXPECTED'
[1, 2] as float8[]: {1,2}
[1.5, 2.5] as float8[]: {1.5,2.5}
[1, 2.5] as float8[]: Array parameter elements must have the same inferred OID
[1, 3000000000] as int8[]: Array parameter elements must have the same inferred OID
1 then 2.5 as float8: 1, 2.5
EXPECTED
echo "as on 2026-11-28"

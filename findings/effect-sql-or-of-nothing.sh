#!/usr/bin/env bash
# effect 4.1.0: `sql.or([])` is true.
#
# One would guess that a disjunction of no conditions holds for no row, as sql.in("id", []) does and as Array.some does, or that
# it is refused. `sql.or` gives 1=1 for the empty list, the same as `sql.and`. So a statement for the rows that match any of a
# list finds fewer rows the shorter the list is, and all rows when it is empty. @effect/sql 0.52.1, for version 3, has it too.
#
# Seen on 2026-11-28 with effect 4.1.0, @effect/sql-pg 4.0.5 and @electric-sql/pglite 0.5.17, of 3 rows:
#   or of 2 conditions: 2 rows
#   or of 1 condition: 1 row
#   or of no condition: 3 rows
#   in of no value: 0 rows
#
# What it does to users: DELETE ... WHERE ${sql.or(matches)} empties the table when there was nothing to delete. Test for the
# empty list first.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/sql-pg@4.0.5 @electric-sql/pglite@0.5.17 > /dev/null

cat > or.mjs <<'JS'
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

await db.exec("create table stream (category text, id int); insert into stream values ('a', 1), ('b', 2), ('c', 3)")
const program = Effect.gen(function*() {
  const sql = yield* PgClient.PgClient
  const of = (category, id) => sql`category = ${category} and id = ${id}`
  const show = (name, condition) =>
    Effect.map(
      sql`select * from stream where ${condition}`,
      ({ length }) => console.log(`${name}: ${length} row${length === 1 ? "" : "s"}`)
    )
  yield* show("or of 2 conditions", sql.or([of("a", 1), of("b", 2)]))
  yield* show("or of 1 condition", sql.or([of("a", 1)]))
  yield* show("or of no condition", sql.or([]))
  yield* show("in of no value", sql.in("id", []))
})
const pool = PgClient.layer({ stream: connection, username: "postgres", database: "postgres", maxConnections: 1 })
await Effect.runPromise(Effect.provide(program, pool))
await db.close()
JS
node or.mjs | tee seen

diff seen - <<'EXPECTED'
or of 2 conditions: 2 rows
or of 1 condition: 1 row
or of no condition: 3 rows
in of no value: 0 rows
EXPECTED
echo "as on 2026-11-28"

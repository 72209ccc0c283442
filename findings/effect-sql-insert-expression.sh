#!/usr/bin/env bash
# effect 4.1.0: an SQL expression among the values of `sql.insert` or `sql.update` is dropped, and NULL or a part of it is
# written.
#
# One would guess that a fragment is a fragment everywhere: sql.update({ updated_at: sql`now()` }) sets the column to now(), or
# the fragment is refused. Only the first segment of such a fragment is looked at. When that is a parameter its value alone is
# written, so `${10} + 1` writes 10; when it is text, as in now() or total + ${5}, NULL is written. The statement succeeds and
# the types allow it. (`sql.json(..)` is a fragment too, and works.)
#
# Seen on 2026-11-28 with effect 4.1.0, @effect/sql-pg 4.0.5 and @electric-sql/pglite 0.5.17, the compiled statement and the
# row:
#   insert into account ("id","total","note") VALUES ($1,$2,$3) returning * [1,10,"a"] -> {"id":1,"total":10,"note":"a"}
#   update account set "total" = $1, "note" = $2 returning * [null,null] -> {"id":1,"total":null,"note":null}
#
# What it does to users: counters, timestamps and concatenated texts become NULL or half of what was written down, in a column
# that allows it without a word. Write such columns in the text of the statement.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/sql-pg@4.0.5 @electric-sql/pglite@0.5.17 > /dev/null

cat > expression.mjs <<'JS'
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
  yield* sql`create table account (id int, total int, note text)`
  const show = (statement) =>
    Effect.map(statement, ([row]) => {
      const [text, values] = statement.compile()
      console.log(`${text} ${JSON.stringify(values)} -> ${JSON.stringify(row)}`)
    })
  yield* show(sql`insert into account ${sql.insert({ id: 1, total: sql`${10} + 1`, note: sql`${"a"} || ${"b"}` })} returning *`)
  yield* show(sql`update account set ${sql.update({ total: sql`total + ${5}`, note: sql`upper(note)` })} returning *`)
})
const pool = PgClient.layer({ stream: connection, username: "postgres", database: "postgres", maxConnections: 1 })
await Effect.runPromise(Effect.provide(program, pool))
await db.close()
JS
node expression.mjs | tee seen

diff seen - <<'EXPECTED'
insert into account ("id","total","note") VALUES ($1,$2,$3) returning * [1,10,"a"] -> {"id":1,"total":10,"note":"a"}
update account set "total" = $1, "note" = $2 returning * [null,null] -> {"id":1,"total":null,"note":null}
EXPECTED
echo "as on 2026-11-28"

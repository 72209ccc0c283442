#!/usr/bin/env bash
# effect 4.1.0: `sql.and` and `sql.or` put no parentheses around their conditions, and none around a single one.
#
# One would guess that sql.and([a, b]) holds where a holds and b holds, whatever stands in them. The texts are joined as they
# are, with one pair of parentheses around the whole if there are two or more. A condition that has an OR in its text is taken
# apart by the AND next to it; a list of one condition lets it run into the statement around it. Conditions that are made with
# `sql.or` bring their parentheses along, unless they have one element, which may be such a text again.
#
# Seen on 2026-11-28 with effect 4.1.0, @effect/sql-pg 4.0.5 and @electric-sql/pglite 0.5.17, where one row is open and over
# 100:
#   and([large, open or late]): where (amount > 100 AND state = 'open' or state = 'late') -> 2 rows
#   and([open or late]) and large: where state = 'open' or state = 'late' and amount > 100 -> 2 rows
#   and([large, or([open, late])]): where (amount > 100 AND (state = 'open' OR state = 'late')) -> 1 row
#
# What it does to users: a filter that is put together from parts gives too many rows, for some parts only. Write the
# parentheses in the text of each part that has an OR.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/sql-pg@4.0.5 @electric-sql/pglite@0.5.17 > /dev/null

cat > and.mjs <<'JS'
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

await db.exec("create table bill (amount int, state text)")
await db.exec("insert into bill values (200, 'open'), (50, 'open'), (50, 'late'), (200, 'paid')")
const program = Effect.gen(function*() {
  const sql = yield* PgClient.PgClient
  const show = (name, statement) =>
    Effect.map(statement, ({ length }) => {
      const where = statement.compile()[0].replace("select * from bill ", "")
      console.log(`${name}: ${where} -> ${length} row${length === 1 ? "" : "s"}`)
    })
  const large = sql`amount > 100`
  const open = sql`state = 'open'`
  const late = sql`state = 'late'`
  const openOrLate = sql`state = 'open' or state = 'late'`
  yield* show("and([large, open or late])", sql`select * from bill where ${sql.and([large, openOrLate])}`)
  yield* show("and([open or late]) and large", sql`select * from bill where ${sql.and([openOrLate])} and ${large}`)
  yield* show("and([large, or([open, late])])", sql`select * from bill where ${sql.and([large, sql.or([open, late])])}`)
})
const pool = PgClient.layer({ stream: connection, username: "postgres", database: "postgres", maxConnections: 1 })
await Effect.runPromise(Effect.provide(program, pool))
await db.close()
JS
node and.mjs | tee seen

diff seen - <<'EXPECTED'
and([large, open or late]): where (amount > 100 AND state = 'open' or state = 'late') -> 2 rows
and([open or late]) and large: where state = 'open' or state = 'late' and amount > 100 -> 2 rows
and([large, or([open, late])]): where (amount > 100 AND (state = 'open' OR state = 'late')) -> 1 row
EXPECTED
echo "as on 2026-11-28"

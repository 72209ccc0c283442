#!/usr/bin/env bash
# effect 4.1.0: the parameters of `sql.unsafe(text, parameters)` are lost when it is used inside another statement.
#
# One would guess that sql.unsafe("level = $1", [2]) can be put into a template like any fragment, parameters included, as the
# types say and as its own `compile` shows. The text is put in as it is, its values go to those of the statement, and nothing is
# counted. $1 in the text is the first parameter of the whole statement, and the parameters behind the fragment start with $1
# once more. The values that are left over go unused, which PostgreSQL accepts where it knows their types: numbers, booleans and
# dates do not even cause an error (strings do).
#
# Seen on 2026-11-28 with effect 4.1.0, @effect/sql-pg 4.0.5 and @electric-sql/pglite 0.5.17, wanted is the account of level 2
# and owner 1:
#   alone: where level = $1 [2] -> owner 1 level 2, owner 2 level 2
#   after a parameter: where owner = $1 and level = $1 [1,2] -> owner 1 level 1
#   before a parameter: where level = $1 and owner = $1 [2,1] -> owner 2 level 2
#   as a template: where owner = $1 and level = $2 [1,2] -> owner 1 level 2
#
# What it does to users: a condition that worked alone finds, or an update changes, the rows for the value of another condition.
# Use templates, with sql.literal for the text, and sql.unsafe for whole statements only.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/sql-pg@4.0.5 @electric-sql/pglite@0.5.17 > /dev/null

cat > unsafe.mjs <<'JS'
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

await db.exec("create table account (owner int, level int); insert into account values (1, 1), (1, 2), (2, 1), (2, 2)")
const program = Effect.gen(function*() {
  const sql = yield* PgClient.PgClient
  const show = (name, statement) =>
    Effect.map(statement, (rows) => {
      const [text, values] = statement.compile()
      const found = rows.map(({ level, owner }) => `owner ${owner} level ${level}`).join(", ")
      console.log(`${name}: ${text.replace("select * from account ", "")} ${JSON.stringify(values)} -> ${found}`)
    })
  const column = "level"
  const filter = sql.unsafe(`${column} = $1`, [2])
  yield* show("alone", sql`select * from account where ${filter}`)
  yield* show("after a parameter", sql`select * from account where owner = ${1} and ${filter}`)
  yield* show("before a parameter", sql`select * from account where ${filter} and owner = ${1}`)
  const template = sql`${sql.literal(column)} = ${2}`
  yield* show("as a template", sql`select * from account where owner = ${1} and ${template}`)
})
const pool = PgClient.layer({ stream: connection, username: "postgres", database: "postgres", maxConnections: 1 })
await Effect.runPromise(Effect.provide(program, pool))
await db.close()
JS
node unsafe.mjs | tee seen

diff seen - <<'EXPECTED'
alone: where level = $1 [2] -> owner 1 level 2, owner 2 level 2
after a parameter: where owner = $1 and level = $1 [1,2] -> owner 1 level 1
before a parameter: where level = $1 and owner = $1 [2,1] -> owner 2 level 2
as a template: where owner = $1 and level = $2 [1,2] -> owner 1 level 2
EXPECTED
echo "as on 2026-11-28"

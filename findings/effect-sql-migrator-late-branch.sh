#!/usr/bin/env bash
# effect 4.1.0: the Migrator never runs a migration whose number is below the highest that has run, and says nothing.
#
# One would guess that a migration runs if it has not run yet, since the table of the migrator has one row for each, or that an
# older number that turns up late is an error, as in Flyway. Only the highest number in the table counts. A migration that comes
# with a branch merged later is passed over on every database that has seen a higher number, and the result is the same as that
# of nothing to do. A new database gets it, so tests and development look fine.
#
# Known as a symptom in https://github.com/pingdotgg/t3code/issues/8896.
#
# Seen on 2026-11-28 with effect 4.1.0, @effect/sql-pg 4.0.5 and @electric-sql/pglite 0.5.17:
#   first release, 1_a and 3_c: ran 1_a 3_c
#   second release, with 2_b of another branch: ran nothing
#   third release, with 4_d: ran 4_d
#   tables: a c d
#
# What it does to users: the deployment succeeds and the table is missing in production only. Compare the loaded migrations with
# the rows of effect_sql_migrations after the run, and number by the time of the merge.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/sql-pg@4.0.5 @electric-sql/pglite@0.5.17 > /dev/null

cat > migrator.mjs <<'JS'
import { PGlite } from "@electric-sql/pglite"
import { PgClient } from "@effect/sql-pg"
import { Effect } from "effect"
import { Migrator } from "effect/sql"
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
  const release = (name, migrations) =>
    Migrator.make({})({
      loader: Migrator.fromRecord(
        Object.fromEntries(migrations.map((key) => [key, sql`create table ${sql(key.slice(2))} (id int)`]))
      )
    }).pipe(
      Effect.map((ran) => ran.map((migration) => migration.join("_")).join(" ") || "nothing"),
      Effect.map((ran) => console.log(`${name}: ran ${ran}`))
    )
  yield* release("first release, 1_a and 3_c", ["1_a", "3_c"])
  yield* release("second release, with 2_b of another branch", ["1_a", "2_b", "3_c"])
  yield* release("third release, with 4_d", ["1_a", "2_b", "3_c", "4_d"])
  const tables = yield* sql`select relname from pg_class where relname in ('a', 'b', 'c', 'd') order by relname`
  console.log(`tables: ${tables.map(({ relname }) => relname).join(" ")}`)
})
const pool = PgClient.layer({ stream: connection, username: "postgres", database: "postgres", maxConnections: 1 })
await Effect.runPromise(Effect.provide(program, pool))
await db.close()
JS
node migrator.mjs | tee seen

diff seen - <<'EXPECTED'
first release, 1_a and 3_c: ran 1_a 3_c
second release, with 2_b of another branch: ran nothing
third release, with 4_d: ran 4_d
tables: a c d
EXPECTED
echo "as on 2026-11-28"

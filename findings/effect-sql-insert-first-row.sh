#!/usr/bin/env bash
# effect 4.1.0: `sql.insert` of many rows takes the columns of the first row, and drops what the others have besides.
#
# One would guess that rows with different keys are inserted with all their columns and the default of the table where a row has
# none, or that they are refused. The columns are the keys of the first row. A value under any other key is not written, and a
# column that a later row lacks gets NULL rather than its default; so the same rows in another order are stored differently. The
# types accept it: Record<string, unknown>, and optional fields of a row type. `sql.updateValues` does the same.
#
# Seen on 2026-11-28 with effect 4.1.0, @effect/sql-pg 4.0.5 and @electric-sql/pglite 0.5.17:
#   plain row first: [{"id":1,"note":null,"state":"open"},{"id":2,"note":null,"state":"open"}]
#   row with more keys first: [{"id":2,"note":"urgent","state":"closed"},{"id":1,"note":null,"state":null}]
#
# What it does to users: a bulk insert of rows with optional fields (a rebuild of a read model, say) loses the optional values
# whenever the first row of a batch happens to have none. Give all rows all keys.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/sql-pg@4.0.5 @electric-sql/pglite@0.5.17 > /dev/null

cat > rows.mjs <<'JS'
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

await db.exec("create table ticket (id int, note text, state text default 'open')")
const plain = { id: 1 }
const full = { id: 2, note: "urgent", state: "closed" }
const program = Effect.gen(function*() {
  const sql = yield* PgClient.PgClient
  const insert = (name, rows) =>
    Effect.map(
      sql`insert into ticket ${sql.insert(rows)} returning id, note, state`,
      (stored) => console.log(`${name}: ${JSON.stringify(stored)}`)
    )
  yield* insert("plain row first", [plain, full])
  yield* insert("row with more keys first", [full, plain])
})
const pool = PgClient.layer({ stream: connection, username: "postgres", database: "postgres", maxConnections: 1 })
await Effect.runPromise(Effect.provide(program, pool))
await db.close()
JS
node rows.mjs | tee seen

diff seen - <<'EXPECTED'
plain row first: [{"id":1,"note":null,"state":"open"},{"id":2,"note":null,"state":"open"}]
row with more keys first: [{"id":2,"note":"urgent","state":"closed"},{"id":1,"note":null,"state":null}]
EXPECTED
echo "as on 2026-11-28"

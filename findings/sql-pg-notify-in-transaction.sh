#!/usr/bin/env bash
# @effect/sql-pg 4.0.5: `notify` of the client leaves the transaction that it is called in.
#
# One would guess that `sql.notify(channel, payload)` inside `sql.withTransaction` is part of the transaction, as every
# statement there is and as NOTIFY is in PostgreSQL: sent when the transaction commits, never sent when it rolls back. `notify`
# takes a connection from the pool, whatever transaction the fiber is in. The message is out at once: listeners look for rows
# that are not committed yet, and hear of rows that never will be. The call also needs a second connection. A statement with
# pg_notify() behaves as one would guess.
#
# Each connection has a PGlite database of its own here, so that what it gets tells which connection it went over.
#
# Seen on 2026-11-28 with @effect/sql-pg 4.0.5, effect 4.1.0 and @electric-sql/pglite 0.5.17:
#   committed: the transaction heard ["by a statement"], another connection heard ["by notify"]
#   rolled back: the transaction heard [], another connection heard ["by notify"]
#
# What it does to users: an outbox or a wake-up that is announced with `notify` in the transaction that writes it is announced
# too early and also when it is not written. Write `SELECT pg_notify(...)` as a statement.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/sql-pg@4.0.5 @electric-sql/pglite@0.5.17 > /dev/null

cat > notify.mjs <<'JS'
import { PGlite } from "@electric-sql/pglite"
import { PgClient } from "@effect/sql-pg"
import { Effect } from "effect"
import { Duplex } from "node:stream"

const connectionTo = (db) =>
  new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      const terminate = chunk[0] === 88
      if (terminate) return done()
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

const databases = [await PGlite.create(), await PGlite.create()]
let heard = [[], []]
for (const index of [0, 1]) await databases[index].listen("orders", (payload) => heard[index].push(payload))

const run = async (name, end) => {
  heard = [[], []]
  let opened = 0
  const pool = PgClient.layer({
    stream: () => connectionTo(databases[opened++]),
    username: "postgres",
    database: "postgres",
    maxConnections: 2
  })
  await Effect.runPromise(
    Effect.flatMap(PgClient.PgClient, (sql) =>
      sql.withTransaction(
        sql.notify("orders", "by notify").pipe(
          Effect.andThen(sql`SELECT pg_notify('orders', 'by a statement')`),
          Effect.andThen(end)
        )
      )).pipe(Effect.ignore, Effect.provide(pool))
  )
  console.log(
    `${name}: the transaction heard ${JSON.stringify(heard[0])}, another connection heard ${JSON.stringify(heard[1])}`
  )
}

await run("committed", Effect.void)
await run("rolled back", Effect.fail("no"))
for (const db of databases) await db.close()
JS
node notify.mjs | tee seen

diff seen - <<'EXPECTED'
committed: the transaction heard ["by a statement"], another connection heard ["by notify"]
rolled back: the transaction heard [], another connection heard ["by notify"]
EXPECTED
echo "as on 2026-11-28"

#!/usr/bin/env bash
# @rotorsoft/act-pg 0.4.6: to import it changes what all of the program's `pg` reads: texts in jsonb that look like a time become Dates.
#
# One would guess that importing a store leaves other connections alone, and that a text which was stored as JSON is a text when it
# is read. The module sets the parser of jsonb in `pg` for the whole process, to one that turns each text of the form
# 2026-01-01T00:00:00Z into a Date, whatever the schema of the event says. A day without a time stays a text.
#
# Seen on 2026-11-29 with @rotorsoft/act-pg 0.4.6, pg 8.16.3 and @electric-sql/pglite-socket 0.2.17:
#   before: "2026-01-01T00:00:00Z" is a string, "2026-01-01" is a string
#   after the import: "2026-01-01T00:00:00Z" is a Date, "2026-01-01" is a string
#
# What it does to users: a field that the schema calls a string is a Date after the event was read, and the program's own tables, which
# have nothing to do with events, give other values than before.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm pkg set description="notes" author="the author" type=module
npm install --silent --no-audit --no-fund \
  @rotorsoft/act-pg@0.4.6 pg@8.16.3 @electric-sql/pglite@0.5.14 @electric-sql/pglite-socket@0.2.17 node@24.21.0 > /dev/null
export PATH="$PWD/node_modules/.bin:$PATH"

cat > dates.mjs <<'JS'
import { PGlite } from "@electric-sql/pglite"
import { PGLiteSocketServer } from "@electric-sql/pglite-socket"
import pg from "pg"

const db = await PGlite.create()
const server = new PGLiteSocketServer({ db, port: 0, host: "127.0.0.1" })
const listening = new Promise((resolve) => server.addEventListener("listening", ({ detail }) => resolve(detail.port)))
await server.start()
const client = new pg.Client({ host: "127.0.0.1", port: await listening, user: "postgres", database: "postgres" })
await client.connect()
const show = async (name) => {
  const { rows: [{ value }] } = await client.query(`select '{"time":"2026-01-01T00:00:00Z","day":"2026-01-01"}'::jsonb as value`)
  const kind = (field) => field instanceof Date ? "Date" : typeof field
  console.log(`${name}: "2026-01-01T00:00:00Z" is a ${kind(value.time)}, "2026-01-01" is a ${kind(value.day)}`)
}
await show("before")
await import("@rotorsoft/act-pg")
await show("after the import")
process.exit()
JS
LOG_LEVEL=fatal node dates.mjs | tee seen

diff seen - <<'EXPECTED'
before: "2026-01-01T00:00:00Z" is a string, "2026-01-01" is a string
after the import: "2026-01-01T00:00:00Z" is a Date, "2026-01-01" is a string
EXPECTED
echo "as on 2026-11-29"

#!/usr/bin/env bash
# @electric-sql/pglite 0.5.17: timestamps of the years 1 to 99 are read as years of the 20th and 21st century.
#
# One would guess that a timestamp of the year 1 is read as that or refused. The text that PostgreSQL gives is handed to `new
# Date`, which takes 0001-01-01 00:00:00+00 (not quite ISO, no T in it) by older rules and a year below 100 for the short form
# of another: 0 to 49 mean 2000 to 2049, 50 to 99 mean 1950 to 1999. date columns are read right. 0001-01-01 00:00:00 is how
# .NET (DateTime.MinValue) and Go (the zero time) write "no time", so tables that they fill are full of it.
#
# Seen on 2026-11-28 with @electric-sql/pglite 0.5.17:
#   timestamptz 0001-01-01 00:00:00+00: 2001-01-01T00:00:00.000Z
#   timestamptz 0099-12-31 00:00:00+00: 1999-12-31T00:00:00.000Z
#   timestamptz 0100-01-01 00:00:00+00: 0100-01-01T00:00:00.000Z
#   date 0001-01-01: 0001-01-01T00:00:00.000Z
#   found by the Date that was read: 0 of 1 row
#
# What it does to users: "never" becomes New Year of 2001, sorts among real dates, passes for a plausible date, and is written
# back as such. The client pg and sql-pg over the same PGlite read the year right.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund @electric-sql/pglite@0.5.17 > /dev/null

cat > century.mjs <<'JS'
import { PGlite } from "@electric-sql/pglite"

const db = await PGlite.create()
const cases = [
  ["timestamptz", "0001-01-01 00:00:00+00"],
  ["timestamptz", "0099-12-31 00:00:00+00"],
  ["timestamptz", "0100-01-01 00:00:00+00"],
  ["date", "0001-01-01"]
]
for (const [type, text] of cases) {
  const { rows } = await db.query(`select '${text}'::${type} as value`)
  console.log(`${type} ${text}: ${rows[0].value.toISOString()}`)
}
await db.exec("create table login (last timestamptz); insert into login values ('0001-01-01 00:00:00+00')")
const { rows: [{ last }] } = await db.query("select last from login")
const { rows } = await db.query("select last from login where last = $1", [last])
console.log(`found by the Date that was read: ${rows.length} of 1 row`)
await db.close()
JS
node century.mjs | tee seen

diff seen - <<'EXPECTED'
timestamptz 0001-01-01 00:00:00+00: 2001-01-01T00:00:00.000Z
timestamptz 0099-12-31 00:00:00+00: 1999-12-31T00:00:00.000Z
timestamptz 0100-01-01 00:00:00+00: 0100-01-01T00:00:00.000Z
date 0001-01-01: 0001-01-01T00:00:00.000Z
found by the Date that was read: 0 of 1 row
EXPECTED
echo "as on 2026-11-28"

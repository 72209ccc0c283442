#!/usr/bin/env bash
# @electric-sql/pglite 0.5.17: a live query does not notice TRUNCATE, nor rows written straight to a partition or a child table.
#
# One would guess that a live query shows the result of its query again whenever that changed, whatever statement changed it. It
# watches INSERT, UPDATE and DELETE of the tables that its view names. A table that is emptied with TRUNCATE keeps all its rows
# on the screen until another row is written. For a partitioned table only the statements count that name it: those that name
# the partition are missed. The rows themselves are read right the next time.
#
# Seen on 2026-11-28 with @electric-sql/pglite 0.5.17, the counts that the callback got for one row, then the statement:
#   delete from note: 1, 0
#   truncate note: 1
#   insert into parted: 1, 2
#   insert into parted_a: 1
#   insert into child (inherits parent): 1
#
# What it does to users: a read model that is reset with TRUNCATE and filled again in a partition of its own never comes to the
# screen. Delete the rows, or write through the table that is watched.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund @electric-sql/pglite@0.5.17 > /dev/null

cat > live.mjs <<'JS'
import { PGlite } from "@electric-sql/pglite"
import { live } from "@electric-sql/pglite/live"
import { setTimeout } from "node:timers/promises"

const db = await PGlite.create({ extensions: { live } })
const cases = [
  ["delete from note", "note", "delete from note"],
  ["truncate note", "note", "truncate note"],
  ["insert into parted", "parted", "insert into parted values ('a')"],
  ["insert into parted_a", "parted", "insert into parted_a values ('a')"],
  ["insert into child (inherits parent)", "parent", "insert into child values ('a')"]
]
for (const [name, table, statement] of cases) {
  await db.exec(`
    drop table if exists note, parted, parent, child;
    create table note (id text);
    create table parted (id text) partition by list (id);
    create table parted_a partition of parted for values in ('a');
    create table parent (id text);
    create table child () inherits (parent);
    insert into ${table} values ('a')
  `)
  const counts = []
  const query = await db.live.query(`select count(*)::int as n from ${table}`, [], ({ rows }) => counts.push(rows[0].n))
  await db.exec(statement)
  await setTimeout(1000)
  await query.unsubscribe()
  console.log(`${name}: ${counts.join(", ")}`)
}
await db.close()
JS
node live.mjs | tee seen

diff seen - <<'EXPECTED'
delete from note: 1, 0
truncate note: 1
insert into parted: 1, 2
insert into parted_a: 1
insert into child (inherits parent): 1
EXPECTED
echo "as on 2026-11-28"

-- Removes the schemas with every message in them, and the role message_store unless something else uses it:
--
--   psql -v ON_ERROR_STOP=1 -v database=NAME -d NAME -f uninstall.sql
--
-- The name of the database guards against removing the schemas of another one; the database itself stays. A stock
-- Message DB loses only the schema eventfold, or with -v stock=on its message_store and role as well. When something of
-- yours depends on the schemas, such as a view, the script fails and removes nothing.

\set ON_ERROR_STOP on
\set QUIET on
\encoding UTF8

\if :{?database} \else \set database '' \endif
\if :{?stock} \else \set stock off \endif

BEGIN;
-- No name may mean an object of another role. The transaction's end brings the session's own path back.
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;
SELECT
  set_config('eventfold.uninstall_database', :'database', true) AS uninstall_database,
  set_config('eventfold.uninstall_stock', CASE WHEN :'stock'::boolean THEN 'on' ELSE 'off' END, true) AS uninstall_stock
\gset
-- The same lock as an installation takes.
DO $$ BEGIN PERFORM pg_advisory_xact_lock(7311152491296418916); END $$;

\ir uninstall/drop.sql

SELECT
  current_setting('eventfold.uninstalled_message_store') AS message_store,
  current_setting('eventfold.uninstalled_role') AS role
\gset

COMMIT;

\if :message_store
\echo Removed the schemas message_store and eventfold.
\else
\echo 'Removed the schema eventfold. A stock message_store stays unless you pass -v stock=on.'
\endif
\if :role
\echo Removed the role message_store.
\endif

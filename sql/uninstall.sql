-- Removes the schemas with every message in them, and the role message_store unless something else uses it:
--
--   psql -v ON_ERROR_STOP=1 -v database=NAME -d NAME -f sql/uninstall.sql
--
-- The database's name is asked for so that no other one is hit; the database itself stays. A stock Message DB loses only
-- the eventfold schema, or its message_store and role as well with -v stock=on. Anything that was built on what is to go,
-- such as a view of one's own, is an error and nothing is removed.

\set ON_ERROR_STOP on
\set QUIET on
\encoding UTF8

\if :{?database} \else \set database '' \endif
\if :{?stock} \else \set stock off \endif

BEGIN;
SET LOCAL client_min_messages = warning;
SELECT
  set_config('eventfold.uninstall_database', :'database', true) AS uninstall_database,
  set_config('eventfold.uninstall_stock', CASE WHEN :'stock'::boolean THEN 'on' ELSE 'off' END, true) AS uninstall_stock
\gset
-- The lock of an installation.
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
\echo 'Removed the schema eventfold. There is no message_store of its own; a stock one stays without -v stock=on.'
\endif
\if :role
\echo Removed the role message_store.
\endif

-- Installs the schemas, or upgrades them:
--
--   psql -v ON_ERROR_STOP=1 -d DATABASE -f install.sql
--
-- One transaction. You can run it again at any time, several sessions can run it at once, and it never touches a message.
-- The user must own the database, or be allowed to create schemas in it, and needs no superuser. Variables, each as
-- -v NAME=VALUE:
--
--   role=off              creates no role message_store and grants it nothing: for a user that may not create roles
--   owner=NAME            the owner of a schema that this creates. Defaults to the user. A schema that exists keeps its
--                         owner, which also owns what is added to the schema.
--   replace_functions=on  replaces the functions and views of a stock Message DB with these, and keeps its table. Without
--                         it, a stock message_store stays as it is and gets the schema eventfold beside it.
--   trace_indexes=on      makes the indexes for what caused what, also on a stock message_store; =off removes them. Without
--                         it they stay as they are. What a large table or one in use leaves to do is printed.
--
-- The library runs the included files itself, under the same lock. The other statements here do the same for psql.

\set ON_ERROR_STOP on
\set QUIET on
\encoding UTF8

\if :{?role} \else \set role on \endif
\if :{?owner} \else \set owner '' \endif
\if :{?replace_functions} \else \set replace_functions off \endif
\if :{?trace_indexes} \else \set trace_indexes '' \endif

BEGIN;
-- No name may mean an object of another role. The transaction's end brings the session's own path back.
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;
SELECT
  set_config('eventfold.install_role', CASE WHEN :'role'::boolean THEN 'on' ELSE 'off' END, true) AS install_role,
  set_config('eventfold.install_owner', :'owner', true) AS install_owner,
  set_config('eventfold.replace_functions', CASE WHEN :'replace_functions'::boolean THEN 'on' ELSE 'off' END, true)
    AS replace_functions,
  set_config('eventfold.trace_indexes', :'trace_indexes', true) AS trace_indexes
\gset
-- Two installations at once would race for the same names.
DO $$ BEGIN PERFORM pg_advisory_xact_lock(7311152491296418916); END $$;

\ir install/begin.sql
\ir install/role.sql
\ir install/bindings.sql

SELECT current_setting('eventfold.install_message_store') AS install_message_store
\gset
\if :install_message_store
\ir message_store/schema.sql
\ir message_store/tables/messages.sql
\ir message_store/rebind.sql
\ir message_store/types/message.sql
\ir message_store/functions/message_store_version.sql
\ir message_store/functions/hash_64.sql
\ir message_store/functions/category.sql
\ir message_store/functions/id.sql
\ir message_store/functions/cardinal_id.sql
\ir message_store/functions/is_category.sql
\ir message_store/indexes/messages_id.sql
\ir message_store/indexes/messages_stream.sql
\ir message_store/indexes/messages_category.sql
\ir message_store/indexes/messages_at.sql
\ir message_store/indexes/reindex.sql
\ir message_store/functions/acquire_lock.sql
\ir message_store/functions/stream_version.sql
\ir message_store/functions/write_message.sql
\ir message_store/functions/get_stream_messages.sql
\ir message_store/functions/get_category_messages.sql
\ir message_store/functions/get_last_stream_message.sql
\ir message_store/views/stream_summary.sql
\ir message_store/views/type_summary.sql
\ir message_store/views/stream_type_summary.sql
\ir message_store/views/type_stream_summary.sql
\ir message_store/views/category_type_summary.sql
\ir message_store/views/type_category_summary.sql
\ir message_store/privileges.sql
\endif

\ir message_store/indexes/messages_traces.sql

-- What eventfold adds to Message DB.
\ir eventfold/schema.sql
\ir eventfold/tables/installations.sql
\ir eventfold/tables/read_models.sql
\ir eventfold/tables/positions.sql
\ir eventfold/tables/runners.sql
\ir eventfold/tables/streams.sql
\ir eventfold/tables/stream_categories.sql
\ir eventfold/tables/deleted_messages.sql
\ir eventfold/rebind.sql
\ir eventfold/functions/recorded.sql
\ir eventfold/functions/append_each.sql
\ir eventfold/functions/append.sql
\ir eventfold/functions/append_message.sql
\ir eventfold/functions/gap_writers.sql
\ir eventfold/functions/log_run.sql
\ir eventfold/functions/read_all.sql
\ir eventfold/functions/read_for_fold.sql
\ir eventfold/functions/is_mark.sql
\ir eventfold/functions/is_end.sql
\ir eventfold/functions/has_messages.sql
\ir eventfold/functions/add_stream.sql
\ir eventfold/functions/set_stream.sql
\ir eventfold/functions/get_stream.sql
\ir eventfold/functions/unnoted_streams.sql
\ir eventfold/functions/list_streams.sql
\ir eventfold/functions/count_streams.sql
\ir eventfold/functions/note_streams.sql
\ir eventfold/functions/stream_messages.sql
\ir eventfold/functions/snapshot_categories.sql
\ir eventfold/functions/acquire_locks.sql
\ir eventfold/functions/clear_streams.sql
\ir eventfold/functions/may_delete.sql
\ir eventfold/functions/delete_message.sql
\ir eventfold/functions/delete_stream.sql
\ir eventfold/functions/purge_streams.sql
\ir eventfold/functions/dependents.sql
\ir eventfold/functions/replace_schema.sql
\ir eventfold/functions/schema_version.sql
\ir eventfold/functions/oldest_client_version.sql
\ir eventfold/citus.sql
\ir eventfold/privileges.sql

\ir install/bindings.sql
\ir install/end.sql

SELECT
  current_setting('eventfold.install_mended') <> '[]' AS has_mended,
  current_setting('eventfold.install_unmended') <> '[]' AS has_unmended,
  current_setting('eventfold.install_mended') AS mended,
  current_setting('eventfold.install_unmended') AS unmended,
  current_setting('eventfold.install_trace_statements') <> '[]' AS has_trace_statements,
  current_setting('eventfold.install_trace_statements') AS trace_statements
\gset

COMMIT;

\if :has_mended
\echo These were bound to objects of other schemas, and are mended. Look who made those, and see SECURITY.md:
\echo :mended
\endif
\if :has_unmended
\echo These use objects of other schemas, and only their owner may mend them. Look who made those, and see SECURITY.md:
\echo :unmended
\endif
\if :has_trace_statements
\echo The table is large or in use, so these are left to run, outside of a transaction:
\echo :trace_statements
\endif

-- Installs the schemas, or brings them up to date: psql -v ON_ERROR_STOP=1 -d DATABASE -f sql/install.sql
-- One transaction. It can be run again at any time, by several at once, and never drops a message.
-- The library runs the included files itself, under the same lock, so all that is here besides is for psql.

\set ON_ERROR_STOP on
\set QUIET on
\encoding UTF8

BEGIN;
SET LOCAL client_min_messages = warning;
-- Two installs at once would race for the same names.
DO $$ BEGIN PERFORM pg_advisory_xact_lock(7311152491296418916); END $$;

\ir message_store/schema.sql
\ir message_store/tables/messages.sql
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
\ir message_store/functions/acquire_lock.sql
\ir message_store/functions/stream_version.sql
\ir message_store/functions/write_message.sql
\ir message_store/functions/get_stream_messages.sql
\ir message_store/functions/get_category_messages.sql
\ir message_store/functions/get_last_stream_message.sql

-- What Message DB does not have.
\ir eventfold/schema.sql
\ir eventfold/functions/recorded.sql
\ir eventfold/functions/append.sql
\ir eventfold/functions/schema_version.sql

COMMIT;

-- For eventfold.stream_messages: the messages of a stream by the text under `at` in their metadata, which a library of eventfold
-- writes for messages of streams with attributes. Messages without it are not in the index, and pay nothing but the look for it.
-- The column is null for a text that could be too large for an index, so that no append fails because of it. The hash stands for the
-- name, because a name makes the index twice as large, and is compared by the rules of a language.
--
-- To make the index, the server reads the whole table and lets nothing be written meanwhile. So it is made at once for a small
-- table that nobody writes to, such as a new one. Otherwise a later installation makes it, or this statement, beside all writers:
--
--   CREATE INDEX CONCURRENTLY messages_at ON message_store.messages (
--     hashtextextended(stream_name, 0),
--     (CASE WHEN length(metadata ->> 'at') < 32 THEN metadata ->> 'at' END) COLLATE "C",
--     position
--   ) WHERE jsonb_typeof(metadata -> 'at') = 'string';

DO $$
BEGIN
  IF to_regclass('message_store.messages_at') IS NOT NULL OR pg_relation_size('message_store.messages') > 128 * 1024 * 1024 THEN
    RETURN;
  END IF;

  LOCK TABLE message_store.messages IN SHARE MODE NOWAIT;
  CREATE INDEX messages_at ON message_store.messages (
    hashtextextended(stream_name, 0),
    (CASE WHEN length(metadata ->> 'at') < 32 THEN metadata ->> 'at' END) COLLATE "C",
    position
  ) WHERE jsonb_typeof(metadata -> 'at') = 'string';
EXCEPTION
  WHEN lock_not_available THEN
    NULL;
END;
$$;

-- A position is unique in its stream. Reads of a stream, and of its version, use this index.
-- The check comes first because CREATE INDEX IF NOT EXISTS waits for open writes (see messages_id.sql).

DO $$
BEGIN
  IF to_regclass('message_store.messages_stream') IS NULL THEN
    CREATE UNIQUE INDEX messages_stream ON message_store.messages (stream_name, position);
  END IF;
END;
$$;

-- Reads of a category, and of a category by correlation, in the order of the log.
-- The check comes first because CREATE INDEX IF NOT EXISTS waits for open writes (see messages_id.sql).

DO $$
BEGIN
  IF to_regclass('message_store.messages_category') IS NULL THEN
    CREATE INDEX messages_category ON message_store.messages (
      message_store.category(stream_name),
      global_position,
      message_store.category(metadata ->> 'correlationStreamName')
    );
  END IF;
END;
$$;

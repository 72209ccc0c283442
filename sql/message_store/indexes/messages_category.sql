-- For reads of a category, also by correlation, in the order of the log.
-- The check comes first because CREATE INDEX IF NOT EXISTS waits for open writes (see messages_id.sql).
-- When our function has just replaced Message DB's, open sessions inline the new body in their queries but remember the index
-- with the old one, and no longer use it. An ALTER that changes nothing, and waits for no writer, makes them load the index
-- again.

DO $$
BEGIN
  IF to_regclass('message_store.messages_category') IS NULL THEN
    CREATE INDEX messages_category ON message_store.messages (
      message_store.category(stream_name),
      global_position,
      message_store.category(metadata ->> 'correlationStreamName')
    );
  ELSIF current_setting('eventfold.install_replaces', true) = 'on' THEN
    ALTER INDEX message_store.messages_category RESET (fillfactor);
  END IF;
END;
$$;

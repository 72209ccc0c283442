-- Reads of a category, and of a category by correlation, in the order of the log.
-- The check comes first because CREATE INDEX IF NOT EXISTS waits for open writes (see messages_id.sql).
-- When the function has just taken the place of Message DB's, an ALTER that changes nothing, and waits for no writer, makes
-- the sessions that are open look at the index again. They would put the new function's body in the place of its calls, but
-- not in the index as they remember it, and no longer use it.

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

-- A message id is unique in the store. As in Message DB this is a unique index and not a constraint, and its name is part
-- of the error for a duplicate id.
-- CREATE INDEX IF NOT EXISTS locks the table against writers even when the index exists, so a repeated installation would
-- wait for every open write.

DO $$
BEGIN
  IF to_regclass('message_store.messages_id') IS NULL THEN
    CREATE UNIQUE INDEX messages_id ON message_store.messages (id);
  END IF;
END;
$$;

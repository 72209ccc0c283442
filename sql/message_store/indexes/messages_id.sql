-- A message id is unique in the store. A unique index and not a constraint, as in Message DB; the name is part of the
-- error that a duplicate id gets.
-- CREATE INDEX IF NOT EXISTS locks the table against writers even when the index is there, so that installing again
-- would wait for every open write.

DO $$
BEGIN
  IF to_regclass('message_store.messages_id') IS NULL THEN
    CREATE UNIQUE INDEX messages_id ON message_store.messages (id);
  END IF;
END;
$$;

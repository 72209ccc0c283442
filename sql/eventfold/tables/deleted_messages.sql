-- The messages that went with their streams: where they were, and nothing of what they said. A read model whose last message
-- is gone finds it here, and so tells a deletion from a store with another history.

CREATE TABLE IF NOT EXISTS eventfold.deleted_messages (
  global_position bigint PRIMARY KEY,
  id uuid NOT NULL
);

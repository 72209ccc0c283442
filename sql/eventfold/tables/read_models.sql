-- The builds of the read models: a row for each build, with its checkpoint. The live build has its tables in a schema named
-- after the read model; any other build adds its number to that name, as in orders_2. A worker changes the tables and the row
-- in one transaction.

CREATE TABLE IF NOT EXISTS eventfold.read_models (
  read_model text NOT NULL,
  number integer NOT NULL CHECK (number > 0),
  version integer NOT NULL,
  fingerprint text NOT NULL,
  state text NOT NULL CHECK (state IN ('building', 'live', 'retired')),
  -- The checkpoint, inclusive: everything up to this global position has been handled.
  "position" bigint NOT NULL,
  -- The last handled message that the read model reads; null before the first one.
  last_position bigint,
  last_id text,
  -- The store of the messages, as far as it can be identified.
  store_system text,
  store_database text,
  store_database_name text,
  store_timeline integer,
  -- The global position of the last message that was written before the first build.
  history bigint NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (read_model, number)
) WITH (fillfactor = 50); -- Every handled batch updates a row; with room on the page it stays there.

CREATE UNIQUE INDEX IF NOT EXISTS read_models_live ON eventfold.read_models (read_model) WHERE state = 'live';

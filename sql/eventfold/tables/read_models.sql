-- The builds of the read models: a row for each, with its checkpoint. The tables of the one that is live are in a schema of
-- the read model's name, those of another in one of that name and the build's number, as orders_2. What a worker does to
-- the tables it commits together with the row.

CREATE TABLE IF NOT EXISTS eventfold.read_models (
  read_model text NOT NULL,
  number integer NOT NULL CHECK (number > 0),
  version integer NOT NULL,
  fingerprint text NOT NULL,
  state text NOT NULL CHECK (state IN ('building', 'live', 'retired')),
  -- Everything up to here has been handled.
  "position" bigint NOT NULL,
  -- The last message of those that the read model reads; null before the first one.
  last_position bigint,
  last_id text,
  -- The store that the messages are from, as far as it can tell.
  store_system text,
  store_database text,
  store_database_name text,
  store_timeline integer,
  -- The last message that was written before the first build.
  history bigint NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (read_model, number)
) WITH (fillfactor = 50); -- Rows change all the time, and stay where they are.

CREATE UNIQUE INDEX IF NOT EXISTS read_models_live ON eventfold.read_models (read_model) WHERE state = 'live';

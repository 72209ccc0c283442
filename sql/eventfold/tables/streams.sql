-- The streams of a category that were added, with their attributes, and those that were not added but have messages. The
-- latter have no attributes here, and are not always there: list_streams says how the two parts make a whole.

CREATE TABLE IF NOT EXISTS eventfold.streams (
  -- Compared by bytes, whatever the collation of the database is: the order of lists.
  category text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  -- Null when the stream was not added.
  attributes jsonb CHECK (jsonb_typeof(attributes) = 'object'),
  added_at timestamp with time zone,
  -- Of a stream that was not added: the run of its category that noted it. One of another run does not count.
  run integer,
  PRIMARY KEY (category, id)
);

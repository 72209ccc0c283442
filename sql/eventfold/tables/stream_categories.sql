-- The categories whose streams were listed, and up to which message the table streams has the streams of each.

CREATE TABLE IF NOT EXISTS eventfold.stream_categories (
  category text COLLATE "C" PRIMARY KEY,
  -- A global position, inclusive: the streams of all messages up to it were noted.
  through bigint NOT NULL,
  run integer NOT NULL,
  -- The file of the table of messages. When it is another one, that table was emptied or replaced, and a new run begins.
  log_file text NOT NULL
);

-- The programs that run consumers and read models, and what they do right now: a row for each, which is updated. It is no part of
-- the log, so it is not in the write-ahead log either: after a crash of the server it is empty until programs tell again.

CREATE UNLOGGED TABLE IF NOT EXISTS eventfold.runners (
  -- Tells a program from others, and from the one that had its pid before.
  id uuid NOT NULL PRIMARY KEY,
  host text NOT NULL,
  pid integer NOT NULL,
  started_at timestamp with time zone NOT NULL,
  -- A program tells at least every ten seconds.
  told_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  -- What runs there, as eventfold's module Runners describes it.
  runs jsonb NOT NULL
) WITH (fillfactor = 50); -- No index has what an update changes; with room on the page, the row stays there.

-- The history of installations, a row for each change: the last row describes the current state. `message_store` says whose
-- functions that schema has, eventfold's or those of a Message DB. A previous version without a row of its own is older than
-- this table.

CREATE TABLE IF NOT EXISTS eventfold.installations (
  ordinal integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  version integer NOT NULL,
  previous_version integer,
  message_store text NOT NULL,
  installed_at timestamp with time zone NOT NULL DEFAULT now(),
  installed_by text NOT NULL DEFAULT session_user
);

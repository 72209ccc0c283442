-- What was installed when, and by whom: a row for each change. The last one says what there is now. `message_store` tells
-- whose functions that schema has, eventfold's or those of a Message DB. A previous version without a row of its own is
-- from before there was this table.

CREATE TABLE IF NOT EXISTS eventfold.installations (
  ordinal integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  version integer NOT NULL,
  previous_version integer,
  message_store text NOT NULL,
  installed_at timestamp with time zone NOT NULL DEFAULT now(),
  installed_by text NOT NULL DEFAULT session_user
);

-- A text that changes when the server restarts and when the table of messages is emptied or replaced. What a reader has
-- learned about gaps is worth nothing after that: the names of transactions start again, and so may positions.
--
-- This is the only place with this rule. As with gap_writers, @eventfold/postgres runs the text between BEGIN ATOMIC
-- and END on a Message DB without this function. The name of the table is looked up at each call, so that the function
-- does not depend on the table.

CREATE OR REPLACE FUNCTION eventfold.log_run()
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT concat_ws(
    ' ',
    extract(epoch FROM pg_postmaster_start_time()),
    pg_relation_filepath(to_regclass('message_store.messages'))
  );
END;

-- The row type of the three read functions. As in Message DB, `data` and `metadata` are JSON text and `id` is the text of the
-- UUID: clients parse them themselves.
-- CREATE TYPE has no IF NOT EXISTS, and DROP TYPE would drop the read functions with it.

DO $$
BEGIN
  IF to_regtype('message_store.message') IS NULL THEN
    CREATE TYPE message_store.message AS (
      id varchar,
      stream_name varchar,
      type varchar,
      position bigint,
      global_position bigint,
      data varchar,
      metadata varchar,
      "time" timestamp without time zone
    );
  END IF;
END;
$$;

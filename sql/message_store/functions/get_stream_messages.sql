-- The messages of a stream from a position on (inclusive), in order. `batch_size` -1 means no limit; NULL means the default.
-- The function splices the SQL text of `condition` into its query as it is, with the caller's rights, and only when the
-- setting `message_store.sql_condition` is `on`. (For Message DB every value but `off` is on, even the empty one that RESET
-- leaves behind.)
--
-- Sequential scans are off, because a plan that was made while the table was small must not scan the whole table later. A table that a
-- condition has to scan costs without end then, which would turn on JIT, so JIT is off.

CREATE OR REPLACE FUNCTION message_store.get_stream_messages(
  stream_name varchar,
  "position" bigint DEFAULT 0,
  batch_size bigint DEFAULT 1000,
  condition varchar DEFAULT NULL
)
RETURNS SETOF message_store.message
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
  _position bigint := coalesce(get_stream_messages."position", 0);
  _batch_size bigint := coalesce(get_stream_messages.batch_size, 1000);
  _debug boolean := current_setting('message_store.debug_get', true) = 'on'
    OR current_setting('message_store.debug', true) = 'on';
  _command text;
BEGIN
  IF message_store.is_category(get_stream_messages.stream_name) THEN
    RAISE EXCEPTION 'Must be a stream name: %', get_stream_messages.stream_name;
  END IF;

  IF get_stream_messages.condition IS NULL AND _debug IS NOT TRUE THEN
    RETURN QUERY
      SELECT
        messages.id::varchar,
        messages.stream_name::varchar,
        messages.type::varchar,
        messages.position,
        messages.global_position,
        messages.data::varchar,
        messages.metadata::varchar,
        messages.time
      FROM message_store.messages
      WHERE messages.stream_name = get_stream_messages.stream_name
        AND messages.position >= _position
      ORDER BY messages.position
      LIMIT nullif(_batch_size, -1);
    RETURN;
  END IF;

  _command := '
    SELECT
      id::varchar, stream_name::varchar, type::varchar, position, global_position,
      data::varchar, metadata::varchar, time
    FROM message_store.messages
    WHERE stream_name = $1 AND position >= $2';

  IF get_stream_messages.condition IS NOT NULL THEN
    IF current_setting('message_store.sql_condition', true) IS DISTINCT FROM 'on' THEN
      RAISE EXCEPTION 'Retrieval with SQL condition is not activated';
    END IF;

    _command := _command || ' AND (' || get_stream_messages.condition || ')';
  END IF;

  _command := _command || '
    ORDER BY position
    LIMIT nullif($3, -1)';

  IF _debug THEN
    RAISE NOTICE '» get_stream_messages';
    RAISE NOTICE 'stream_name ($1): %', get_stream_messages.stream_name;
    RAISE NOTICE 'position ($2): %', _position;
    RAISE NOTICE 'batch_size ($3): %', _batch_size;
    RAISE NOTICE 'condition ($4): %', get_stream_messages.condition;
    RAISE NOTICE 'Generated Command: %', _command;
  END IF;

  RETURN QUERY EXECUTE _command USING get_stream_messages.stream_name, _position, _batch_size;
END;
$$;

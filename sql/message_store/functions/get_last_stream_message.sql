-- The message with the highest position of a stream, or the highest of one type. As in Message DB, the function does not
-- check the name: the name of a category means the stream of exactly that name.

-- Before 1.3.0 the function had no `type`. With both of them, a call with one argument would be ambiguous.
DROP FUNCTION IF EXISTS message_store.get_last_stream_message(varchar);

CREATE OR REPLACE FUNCTION message_store.get_last_stream_message(stream_name varchar, type varchar DEFAULT NULL)
RETURNS SETOF message_store.message
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
  _command text;
BEGIN
  IF current_setting('message_store.debug_get', true) = 'on' OR current_setting('message_store.debug', true) = 'on' THEN
    _command := '
    SELECT
      id::varchar, stream_name::varchar, type::varchar, position, global_position,
      data::varchar, metadata::varchar, time
    FROM message_store.messages
    WHERE stream_name = $1';

    IF get_last_stream_message.type IS NOT NULL THEN
      _command := _command || ' AND type = $2';
    END IF;

    _command := _command || '
    ORDER BY position DESC
    LIMIT 1';

    RAISE NOTICE '» get_last_message';
    RAISE NOTICE 'stream_name ($1): %', get_last_stream_message.stream_name;
    RAISE NOTICE 'type ($2): %', get_last_stream_message.type;
    RAISE NOTICE 'Generated Command: %', _command;

    RETURN QUERY EXECUTE _command USING get_last_stream_message.stream_name, get_last_stream_message.type;
  ELSIF get_last_stream_message.type IS NULL THEN
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
      WHERE messages.stream_name = get_last_stream_message.stream_name
      ORDER BY messages.position DESC
      LIMIT 1;
  ELSE
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
      WHERE messages.stream_name = get_last_stream_message.stream_name
        AND messages.type = get_last_stream_message.type
      ORDER BY messages.position DESC
      LIMIT 1;
  END IF;
END;
$$;

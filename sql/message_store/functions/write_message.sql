-- Appends a message to a stream and returns its position. `expected_version` is the version that the stream must have, -1 for
-- a stream that must not exist, NULL for any.
-- The steps are in Message DB's order, because it decides which error wins: lock, version, id, row. The id is
-- converted before the row takes its global position, so that an invalid id leaves no gap.

CREATE OR REPLACE FUNCTION message_store.write_message(
  id varchar,
  stream_name varchar,
  type varchar,
  data jsonb,
  metadata jsonb DEFAULT NULL,
  expected_version bigint DEFAULT NULL
)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
AS $$
DECLARE
  _id uuid;
  _stream_version bigint;
  _next_position bigint;
BEGIN
  PERFORM message_store.acquire_lock(write_message.stream_name);

  -- In a statement of its own: its snapshot must be newer than the wait for the lock.
  -- Not coalesce((SELECT max(position) ..), -1): that plan is the same look-up inside two more nodes, which start and end with
  -- each call.
  SELECT messages.position
  INTO _stream_version
  FROM message_store.messages
  WHERE messages.stream_name = write_message.stream_name
  ORDER BY messages.position DESC
  LIMIT 1;
  _stream_version := coalesce(_stream_version, -1);

  IF write_message.expected_version <> _stream_version THEN
    RAISE EXCEPTION 'Wrong expected version: % (Stream: %, Stream Version: %)',
      write_message.expected_version,
      write_message.stream_name,
      _stream_version;
  END IF;

  _next_position := _stream_version + 1;
  _id := write_message.id::uuid;

  INSERT INTO message_store.messages (stream_name, position, type, data, metadata, id)
  VALUES (
    write_message.stream_name,
    _next_position,
    write_message.type,
    write_message.data,
    write_message.metadata,
    _id
  );

  IF current_setting('message_store.debug_write', true) = 'on' OR current_setting('message_store.debug', true) = 'on' THEN
    RAISE NOTICE '» write_message';
    RAISE NOTICE 'id ($1): %', write_message.id;
    RAISE NOTICE 'stream_name ($2): %', write_message.stream_name;
    RAISE NOTICE 'type ($3): %', write_message.type;
    RAISE NOTICE 'data ($4): %', write_message.data;
    RAISE NOTICE 'metadata ($5): %', write_message.metadata;
    RAISE NOTICE 'expected_version ($6): %', write_message.expected_version;
    RAISE NOTICE '_stream_version: %', _stream_version;
    RAISE NOTICE '_next_position: %', _next_position;
  END IF;

  RETURN _next_position;
END;
$$;

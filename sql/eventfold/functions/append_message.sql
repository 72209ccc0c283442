-- Writes one message as eventfold.append does with `careful => false`, and returns the same row, by the fewest steps.

CREATE OR REPLACE FUNCTION eventfold.append_message(
  stream_name text,
  expected_version bigint,
  id uuid,
  type text,
  data jsonb,
  metadata jsonb,
  OUT outcome text,
  OUT stream_version bigint,
  OUT last_global_position bigint,
  OUT taken_id uuid
)
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
  PERFORM message_store.acquire_lock(append_message.stream_name);

  -- In a statement of its own: its snapshot must be newer than the wait for the lock.
  SELECT messages.position
  INTO append_message.stream_version
  FROM message_store.messages
  WHERE messages.stream_name = append_message.stream_name
    -- Keeps the index scan short: see append.
    AND messages.position >= append_message.expected_version
  ORDER BY messages.position DESC
  LIMIT 1;
  stream_version := coalesce(stream_version, -1);

  IF expected_version IN (-3, stream_version) OR (expected_version = -2 AND stream_version >= 0) THEN
    stream_version := stream_version + 1;
    INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata)
    VALUES (
      append_message.id,
      append_message.stream_name,
      append_message.type,
      append_message.stream_version,
      append_message.data,
      append_message.metadata
    )
    RETURNING global_position INTO last_global_position;
    outcome := 'written';
  ELSE
    SELECT *
    INTO outcome, stream_version, last_global_position, taken_id
    FROM eventfold.append_each(
      ARRAY[append_message.stream_name],
      ARRAY[expected_version],
      ARRAY[1],
      ARRAY[append_message.id],
      ARRAY[append_message.type],
      ARRAY[append_message.data::text],
      ARRAY[coalesce(append_message.metadata::text, '')],
      false,
      false
    );
  END IF;
END;
$$;

-- What a fold needs of the messages of a stream from a position on (inclusive), in order. To write the rest of them as text would take
-- twice as long.
--
-- The plan is kept, because to make it takes longer than to read a short stream. One that was made while the table was small must not
-- scan the whole table later, so sequential scans are off. Its estimate knows no limit: streams of a million messages would turn on JIT,
-- which takes a hundred times as long as such a read, so JIT is off.

CREATE OR REPLACE FUNCTION eventfold.read_for_fold(stream_name text, "position" bigint, batch_size bigint)
RETURNS TABLE (type varchar, data varchar, message_position bigint, schema_version varchar)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
  RETURN QUERY
    SELECT
      messages.type::varchar,
      messages.data::varchar,
      messages.position,
      (messages.metadata -> 'schemaVersion')::varchar
    FROM message_store.messages
    WHERE messages.stream_name = read_for_fold.stream_name
      AND messages.position >= read_for_fold."position"
    ORDER BY messages.position
    LIMIT read_for_fold.batch_size;
END;
$$;

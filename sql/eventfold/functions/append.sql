-- Writes several appends in one transaction and returns the outcome of each. An append is atomic: the function writes all of
-- its messages or none.
--
-- For each append, the arguments give its stream, the expected version (an exact one, -1 no stream, -2 an existing stream,
-- -3 any) and the number of its messages. For each message, in the order of the appends: id, type, data and metadata (JSON
-- text; an empty text is no metadata). An append of no messages is a check: it compares the version and writes nothing.
--
-- `atomic` writes all appends or none. `careful` looks for the ids in the store before it writes, which costs a look-up for
-- each message. Without it, an id that is in the store fails the whole call with a unique violation (23505), as it does in
-- write_message. The caller then repeats the call carefully, one append at a time.
--
-- Returns a row for each append, in their order:
--   written        at `stream_version`, `last_global_position` (both of its last message)
--   recorded       wrote nothing: the stream already has these messages, at `stream_version`, `last_global_position`
--   checked        wrote nothing: the append has no messages, and the stream is at `stream_version`, -1 when it does not exist
--   wrong_version  wrote nothing: the stream is at `stream_version`, -1 when it does not exist
--   duplicate      wrote nothing: `taken_id` is the id of another message
--   not_written    wrote nothing, because the call is atomic and another of its appends was refused
--
-- Three statements write the usual call, however many appends it has: they assume that every stream is at its expected
-- version, counting the appends of the call that come before. When one is not, or when the call has a check, append_each takes
-- the appends one by one.
--
-- The search path is for the acquire_lock of a stock Message DB, which calls other functions by their bare names. A custom
-- plan for arrays of each length would cost more than the whole call. A generic plan that was made while the table was empty
-- must not scan the whole table later, so sequential scans are off.

CREATE OR REPLACE FUNCTION eventfold.append(
  stream_names text[],
  expected_versions bigint[],
  message_counts integer[],
  ids uuid[],
  types text[],
  data text[],
  metadata text[],
  atomic boolean DEFAULT false,
  careful boolean DEFAULT false
)
RETURNS TABLE (outcome text, stream_version bigint, last_global_position bigint, taken_id uuid)
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
  _count CONSTANT integer := cardinality(stream_names);
  _category text;
  -- For each message, the append that it belongs to; for each append, the ordinal of its last message.
  _owners integer[];
  _lasts integer[];
  -- For each append, the version of its stream after it, and what to add to the ordinal of a message to get its position.
  _versions bigint[];
  _offsets bigint[];
  _is_usual boolean := NOT careful AND 0 <> ALL (message_counts);
  _global_positions bigint[];
BEGIN
  -- Every call takes the locks in the same order, so that two atomic calls can't deadlock.
  FOR _category IN
    SELECT category
    FROM (SELECT DISTINCT message_store.category(name) COLLATE "C" FROM unnest(stream_names) AS name) AS names (category)
    ORDER BY message_store.hash_64(category)
  LOOP
    PERFORM message_store.acquire_lock(_category);
  END LOOP;

  IF _is_usual THEN
    IF cardinality(ids) = _count THEN
      _lasts := ARRAY(SELECT generate_series(1, _count));
      _owners := _lasts;
    ELSIF _count = 1 THEN
      _lasts := message_counts;
      _owners := array_fill(1, message_counts);
    ELSE
      SELECT array_agg(last ORDER BY append)
      INTO _lasts
      FROM (
        SELECT append, (sum(messages) OVER (ORDER BY append))::integer AS last
        FROM unnest(message_counts) WITH ORDINALITY AS counts (messages, append)
      ) AS counts;

      SELECT array_agg(append ORDER BY append)
      INTO _owners
      FROM unnest(message_counts) WITH ORDINALITY AS counts (messages, append), generate_series(1, messages);
    END IF;

    -- In a statement of its own: its snapshot must be newer than the wait for the locks.
    SELECT
      array_agg(version ORDER BY append),
      array_agg(version - last ORDER BY append),
      bool_and(CASE expected
        WHEN -3 THEN true
        WHEN -2 THEN version >= messages
        ELSE expected = version - messages
      END)
    INTO _versions, _offsets, _is_usual
    FROM (
      SELECT
        append,
        expected_versions[append] AS expected,
        message_counts[append] AS messages,
        _lasts[append] AS last,
        sum(message_counts[append]) OVER (PARTITION BY stream_names[append] COLLATE "C" ORDER BY append) + coalesce(
          (
            SELECT messages.position
            FROM message_store.messages
            WHERE messages.stream_name = stream_names[append]
              -- A scan reads each index page to the end of its range. The expected version keeps the range short.
              AND messages.position >= expected_versions[append]
            ORDER BY messages.position DESC
            LIMIT 1
          ),
          -- The stream is behind the expected version. This value fails the check whatever the call appends before, and
          -- append_each looks up the actual version.
          CASE WHEN expected_versions[append] < 0 THEN -1 ELSE -4611686018427387904 END
        ) AS version
      FROM generate_series(1, _count) AS append
    ) AS appends;
  END IF;

  IF NOT _is_usual THEN
    RETURN QUERY SELECT *
    FROM eventfold.append_each(
      stream_names, expected_versions, message_counts, ids, types, data, metadata, atomic, careful
    );
    RETURN;
  END IF;

  WITH inserted AS (
    INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata)
    SELECT
      ids[ordinal],
      stream_names[_owners[ordinal]],
      types[ordinal],
      _offsets[_owners[ordinal]] + ordinal,
      data[ordinal]::jsonb,
      nullif(metadata[ordinal], '')::jsonb
    FROM (SELECT ordinal FROM generate_series(1, cardinality(ids)) AS ordinal ORDER BY ordinal) AS ordinals
    RETURNING global_position
  )
  SELECT array_agg(global_position ORDER BY global_position) INTO _global_positions FROM inserted;

  RETURN QUERY SELECT 'written', version, _global_positions[last], NULL::uuid
  FROM unnest(_versions, _lasts) AS written (version, last);
END;
$$;

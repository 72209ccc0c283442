-- Writes several appends in one transaction and tells the outcome of each. An append is all written or not at all.
--
-- Per append: its stream, the version that is expected (an exact one, -1 no stream, -2 an existing stream, -3 any) and
-- the number of its messages, at least one. Per message, in the order of the appends: id, type, data and metadata (JSON
-- text; an empty text is no metadata).
--
-- `atomic`: all appends or none. `careful`: look for ids that are in the store before anything is written, which costs a
-- look-up a message. Without it such an id is a unique violation (23505) of the whole call, as it is with write_message,
-- and the caller repeats it carefully, one append at a time.
--
-- One row an append, in their order:
--   written        at `stream_version`, `last_global_position` (those of its last message)
--   recorded       nothing written: the same messages are in the stream, at `stream_version`, `last_global_position`
--   wrong_version  nothing written: the stream is at `stream_version`, -1 when it does not exist
--   duplicate      nothing written: `taken_id` is the id of another message
--   not_written    nothing written, because another append of an atomic call was refused
--
-- What is usual is written by three statements, whatever the number of appends: they suppose that all of them are as
-- expected, each after those before it. Only when that is not so does append_each walk through them.
--
-- The search path is for the acquire_lock of a stock Message DB, which calls other functions by their bare names. A plan
-- for each call, for arrays of its length, would cost more than the whole call does, and one that was made while the table
-- was empty must not read all of it later.

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
SET search_path = message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
  _count CONSTANT integer := cardinality(stream_names);
  _category text;
  -- Of each message, the append it belongs to; of each append, the ordinal of its last message.
  _owners integer[];
  _lasts integer[];
  -- Of each append, the version of its stream after it, and the position of any of its messages less that one's ordinal.
  _versions bigint[];
  _offsets bigint[];
  _is_usual boolean := NOT careful;
  _global_positions bigint[];
BEGIN
  -- One order for everybody, or two atomic calls could wait for one another.
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

    -- A statement of its own: its snapshot has to be newer than the wait for the locks.
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
              -- A scan reads all of the index's page that it may: so much of it when the version is known.
              AND messages.position >= expected_versions[append]
            ORDER BY messages.position DESC
            LIMIT 1
          ),
          -- Not as far as is expected, which no number of messages before makes up for: append_each finds out how far.
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

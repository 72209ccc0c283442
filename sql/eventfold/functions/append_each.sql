-- Does what eventfold.append does when a stream is not at its expected version, when the call has a check, or when it is
-- careful: it takes the appends one by one. The arguments and rows are those of eventfold.append, which already holds the locks.
--
-- An atomic call whose messages are all recorded repeats an earlier one. The checks passed then, so they are not made again.

CREATE OR REPLACE FUNCTION eventfold.append_each(
  stream_names text[],
  expected_versions bigint[],
  message_counts integer[],
  ids uuid[],
  types text[],
  data text[],
  metadata text[],
  atomic boolean,
  careful boolean
)
RETURNS TABLE (outcome text, stream_version bigint, last_global_position bigint, taken_id uuid)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  _count CONSTANT integer := cardinality(stream_names);
  -- The appends to a stream share the slot of the first one, which holds the version of the stream as it grows.
  _slots integer[];
  _versions bigint[];
  -- For each message, the append that it belongs to; for each append, what to add to the ordinal of a message to get its
  -- position.
  _owners integer[];
  _first integer := 1;
  _offsets bigint[] := array_fill(-1::bigint, ARRAY[_count]);
  _version bigint;
  _is_expected boolean;
  -- What the store already has of each append that is not a check, looked up on first use; and the index in these arrays.
  _found bigint[];
  _same boolean[];
  _last_positions bigint[];
  _last_global_positions bigint[];
  _found_ids uuid[];
  _write integer := 0;
  _outcomes text[] := array_fill('written'::text, ARRAY[_count]);
  _result_versions bigint[] := array_fill(NULL::bigint, ARRAY[_count]);
  _result_positions bigint[] := array_fill(NULL::bigint, ARRAY[_count]);
  _taken_ids uuid[] := array_fill(NULL::uuid, ARRAY[_count]);
  _refused boolean := false;
  _recorded integer := 0;
  _written integer := 0;
  _global_positions bigint[];
BEGIN
  SELECT array_agg(slot ORDER BY ordinal), array_agg(version ORDER BY ordinal)
  INTO _slots, _versions
  FROM (
    SELECT
      ordinal,
      min(ordinal) OVER (PARTITION BY name) AS slot,
      coalesce(
        (
          SELECT messages.position
          FROM message_store.messages
          WHERE messages.stream_name = name
          ORDER BY messages.position DESC
          LIMIT 1
        ),
        -1
      ) AS version
    FROM unnest(stream_names) WITH ORDINALITY AS names (name, ordinal)
  ) AS streams;

  SELECT array_agg(append ORDER BY append)
  INTO _owners
  FROM unnest(message_counts) WITH ORDINALITY AS counts (messages, append), generate_series(1, messages);

  FOR _append IN 1 .. _count LOOP
    _version := _versions[_slots[_append]];
    _is_expected := CASE expected_versions[_append]
      WHEN -3 THEN true
      WHEN -2 THEN _version >= 0
      ELSE expected_versions[_append] = _version
    END;

    IF _found IS NULL AND (careful OR NOT _is_expected) THEN
      SELECT
        array_agg(recorded.found ORDER BY recorded.append),
        array_agg(recorded.same ORDER BY recorded.append),
        array_agg(recorded.last_position ORDER BY recorded.append),
        array_agg(recorded.last_global_position ORDER BY recorded.append),
        array_agg(recorded.taken_id ORDER BY recorded.append)
      INTO _found, _same, _last_positions, _last_global_positions, _found_ids
      FROM eventfold.recorded(stream_names, _owners, ids, types, data, metadata) AS recorded;
    END IF;

    IF message_counts[_append] = 0 THEN
      _outcomes[_append] := CASE WHEN _is_expected THEN 'checked' ELSE 'wrong_version' END;
      _result_versions[_append] := _version;
      _refused := _refused OR NOT _is_expected;
      CONTINUE;
    END IF;

    _write := _write + 1;
    IF _found IS NOT NULL AND _same[_write] THEN
      _outcomes[_append] := 'recorded';
      _recorded := _recorded + 1;
      _result_versions[_append] := _last_positions[_write];
      _result_positions[_append] := _last_global_positions[_write];
      _taken_ids[_append] := _found_ids[_write];
    ELSIF NOT _is_expected THEN
      _outcomes[_append] := 'wrong_version';
      _result_versions[_append] := _version;
      _refused := true;
    ELSIF _found IS NOT NULL AND _found[_write] > 0 THEN
      _outcomes[_append] := 'duplicate';
      _taken_ids[_append] := _found_ids[_write];
      _refused := true;
    ELSE
      _offsets[_append] := _version + 1 - _first;
      _version := _version + message_counts[_append];
      _versions[_slots[_append]] := _version;
      _result_versions[_append] := _version;
      _written := _written + 1;
    END IF;
    _first := _first + message_counts[_append];
  END LOOP;

  IF atomic AND _recorded > 0 AND _recorded = _write THEN
    _outcomes := array_replace(_outcomes, 'wrong_version', 'checked');
    _refused := false;
  ELSIF atomic AND NOT _refused AND _recorded > 0 AND _written > 0 THEN
    -- The store has only some of the appends, so this does not repeat an earlier atomic call.
    _outcomes := array_replace(_outcomes, 'recorded', 'duplicate');
    _refused := true;
  END IF;
  IF atomic AND _refused THEN
    _outcomes := array_replace(_outcomes, 'written', 'not_written');
    _written := 0;
  END IF;

  IF _written > 0 THEN
    WITH inserted AS (
      INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata)
      SELECT
        given.id,
        stream_names[given.owner],
        given.type,
        _offsets[given.owner] + given.ordinal,
        given.data::jsonb,
        nullif(given.metadata, '')::jsonb
      FROM unnest(ids, types, data, metadata, _owners)
        WITH ORDINALITY AS given (id, type, data, metadata, owner, ordinal)
      WHERE _outcomes[given.owner] = 'written'
      ORDER BY given.ordinal
      RETURNING global_position
    )
    SELECT array_agg(global_position ORDER BY global_position) INTO _global_positions FROM inserted;

    _first := 0;
    FOR _append IN 1 .. _count LOOP
      IF _outcomes[_append] = 'written' THEN
        _first := _first + message_counts[_append];
        _result_positions[_append] := _global_positions[_first];
      END IF;
    END LOOP;
  END IF;

  RETURN QUERY SELECT * FROM unnest(_outcomes, _result_versions, _result_positions, _taken_ids);
END;
$$;

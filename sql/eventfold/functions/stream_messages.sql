-- A page of the messages of a stream, without marks of deletions, by the text under `at` in their metadata and then by position,
-- both rising or both falling. The texts are compared by bytes. Messages without such a text come last, by position.
--
-- The index messages_at has this order, but for texts of 32 characters or more: they would be too large for it, and a library of
-- eventfold writes shorter ones. A stream with such a text is sorted. So is every stream where the index is missing: on a stock
-- Message DB, and after the upgrade of a large table (see message_store/indexes/messages_at.sql).

CREATE OR REPLACE FUNCTION eventfold.stream_messages(
  stream_name text,
  base bigint DEFAULT 0,
  batch_size bigint DEFAULT 100,
  ascending boolean DEFAULT false
)
RETURNS SETOF message_store.message
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET jit = off
AS $$
DECLARE
  _hash bigint := hashtextextended(stream_messages.stream_name, 0);
  _is_sorted boolean := coalesce(
    (SELECT NOT pg_index.indisvalid FROM pg_index WHERE pg_index.indexrelid = to_regclass('message_store.messages_at')),
    true
  );
  _left bigint;
  _base bigint;
BEGIN
  IF NOT _is_sorted THEN
    -- Without the name, so that no other index will do. A stream of the same hash does no harm.
    _is_sorted := EXISTS (
      SELECT
      FROM message_store.messages
      WHERE hashtextextended(messages.stream_name, 0) = _hash
        AND jsonb_typeof(messages.metadata -> 'at') = 'string'
        AND (CASE WHEN length(messages.metadata ->> 'at') < 32 THEN messages.metadata ->> 'at' END) COLLATE "C" IS NULL
    );
  END IF;

  IF _is_sorted THEN
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
      WHERE messages.stream_name = stream_messages.stream_name
        AND jsonb_typeof(messages.metadata -> 'at') = 'string'
        AND NOT eventfold.is_mark(messages.type, messages.data, messages.metadata)
      ORDER BY
        (CASE WHEN stream_messages.ascending THEN messages.metadata ->> 'at' END) COLLATE "C",
        (messages.metadata ->> 'at') COLLATE "C" DESC,
        CASE WHEN stream_messages.ascending THEN messages.position ELSE - messages.position END
      OFFSET stream_messages.base
      LIMIT stream_messages.batch_size;
  ELSIF stream_messages.ascending THEN
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
      WHERE hashtextextended(messages.stream_name, 0) = _hash
        AND messages.stream_name = stream_messages.stream_name
        AND jsonb_typeof(messages.metadata -> 'at') = 'string'
        AND NOT eventfold.is_mark(messages.type, messages.data, messages.metadata)
      ORDER BY
        (CASE WHEN length(messages.metadata ->> 'at') < 32 THEN messages.metadata ->> 'at' END) COLLATE "C",
        messages.position
      OFFSET stream_messages.base
      LIMIT stream_messages.batch_size;
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
      WHERE hashtextextended(messages.stream_name, 0) = _hash
        AND messages.stream_name = stream_messages.stream_name
        AND jsonb_typeof(messages.metadata -> 'at') = 'string'
        AND NOT eventfold.is_mark(messages.type, messages.data, messages.metadata)
      ORDER BY
        (CASE WHEN length(messages.metadata ->> 'at') < 32 THEN messages.metadata ->> 'at' END) COLLATE "C" DESC,
        messages.position DESC
      OFFSET stream_messages.base
      LIMIT stream_messages.batch_size;
  END IF;

  GET DIAGNOSTICS _left = ROW_COUNT;
  _left := stream_messages.batch_size - _left;
  IF _left = 0 THEN
    RETURN;
  END IF;

  IF _left < stream_messages.batch_size OR stream_messages.base = 0 THEN
    _base := 0;
  ELSE
    _base := stream_messages.base - (
      SELECT count(*)
      FROM message_store.messages
      WHERE messages.stream_name = stream_messages.stream_name
        AND jsonb_typeof(messages.metadata -> 'at') = 'string'
        AND NOT eventfold.is_mark(messages.type, messages.data, messages.metadata)
    );
  END IF;

  IF stream_messages.ascending THEN
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
      WHERE messages.stream_name = stream_messages.stream_name
        AND jsonb_typeof(messages.metadata -> 'at') IS DISTINCT FROM 'string'
        AND NOT eventfold.is_mark(messages.type, messages.data, messages.metadata)
      ORDER BY messages.position
      OFFSET _base
      LIMIT _left;
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
      WHERE messages.stream_name = stream_messages.stream_name
        AND jsonb_typeof(messages.metadata -> 'at') IS DISTINCT FROM 'string'
        AND NOT eventfold.is_mark(messages.type, messages.data, messages.metadata)
      ORDER BY messages.position DESC
      OFFSET _base
      LIMIT _left;
  END IF;
END;
$$;

-- A page of the streams of a category, by rising id: after the id `after`, without the first `base`.
--
-- A stream exists when it was added, or when it has messages. Nothing that appends takes part in this, so that an append costs
-- what it did. The table streams has the streams that were added, and those of the messages that note_streams has looked at;
-- the messages since then are read with each list. They are few: when there are more than `most_unnoted`, the function returns
-- no page but a row without an id. The caller then runs note_streams, or asks for the page without that limit.
--
-- Writes of a category become visible in the order of their global positions, because of its lock. So what is read is complete
-- and the same at any time, whether note_streams has run or not.

CREATE OR REPLACE FUNCTION eventfold.list_streams(
  category text,
  after text DEFAULT NULL,
  base bigint DEFAULT 0,
  batch_size bigint DEFAULT 100,
  most_unnoted bigint DEFAULT NULL
)
RETURNS TABLE (id text, attributes jsonb)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  _run integer;
  _ids text[];
BEGIN
  SELECT unnoted.run, unnoted.ids
  INTO _run, _ids
  FROM eventfold.unnoted_streams(list_streams.category, coalesce(list_streams.most_unnoted, 9223372036854775806)) AS unnoted;

  IF _ids IS NULL THEN
    RETURN QUERY SELECT NULL::text, NULL::jsonb;
    RETURN;
  END IF;

  RETURN QUERY
    SELECT listed.id, coalesce(listed.attributes, '{}')
    FROM (
      (
        SELECT streams.id, streams.attributes
        FROM eventfold.streams
        WHERE streams.category = list_streams.category
          AND streams.id > coalesce(list_streams.after, '')
          AND (streams.attributes IS NOT NULL OR streams.run = _run)
        ORDER BY streams.category, streams.id
        LIMIT list_streams.base + list_streams.batch_size
      )
      UNION ALL
      (
        -- In order, so that it ends with the page.
        SELECT unnoted.id, NULL
        FROM (
          SELECT names.id
          FROM unnest(_ids) AS names (id)
          WHERE names.id COLLATE "C" > coalesce(list_streams.after, '')
          ORDER BY names.id COLLATE "C"
        ) AS unnoted
        WHERE NOT EXISTS (
          SELECT
          FROM eventfold.streams
          WHERE streams.category = list_streams.category
            AND streams.id = unnoted.id
            AND (streams.attributes IS NOT NULL OR streams.run = _run)
        )
        ORDER BY unnoted.id COLLATE "C"
        LIMIT list_streams.base + list_streams.batch_size
      )
    ) AS listed (id, attributes)
    ORDER BY listed.id COLLATE "C"
    OFFSET list_streams.base
    LIMIT list_streams.batch_size;
END;
$$;

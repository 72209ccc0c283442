-- The number of streams of a category that exist; NULL when more than `most_unnoted` messages are unnoted: see list_streams.

CREATE OR REPLACE FUNCTION eventfold.count_streams(category text, most_unnoted bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, message_store, pg_temp
SET enable_seqscan = off
SET enable_nestloop = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  _run integer;
  _ids text[];
BEGIN
  SELECT unnoted.run, unnoted.ids
  INTO _run, _ids
  FROM eventfold.unnoted_streams(count_streams.category, coalesce(count_streams.most_unnoted, 9223372036854775806)) AS unnoted;

  RETURN CASE
    WHEN _ids IS NOT NULL THEN
      (
        SELECT count(*)
        FROM eventfold.streams
        WHERE streams.category = count_streams.category AND (streams.attributes IS NOT NULL OR streams.run = _run)
      ) + (
        SELECT count(*)
        FROM unnest(_ids) AS unnoted (id)
        WHERE NOT EXISTS (
          SELECT
          FROM eventfold.streams
          WHERE streams.category = count_streams.category
            AND streams.id = unnoted.id
            AND (streams.attributes IS NOT NULL OR streams.run = _run)
        )
      )
  END;
END;
$$;

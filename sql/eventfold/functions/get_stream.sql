-- The attributes of a stream, `{}` when it was not added; NULL when it does not exist.

CREATE OR REPLACE FUNCTION eventfold.get_stream(category text, id text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
DECLARE
  _attributes jsonb;
BEGIN
  SELECT streams.attributes
  INTO _attributes
  FROM eventfold.streams
  WHERE streams.category = get_stream.category AND streams.id = get_stream.id;
  RETURN CASE
    WHEN _attributes IS NOT NULL THEN _attributes
    WHEN eventfold.has_messages(get_stream.category || '-' || get_stream.id) THEN '{}'
  END;
END;
$$;

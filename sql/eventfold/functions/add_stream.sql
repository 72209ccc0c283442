-- Gives attributes to a stream that has none, whether it has messages or not. Returns false, and changes nothing, when it has.
-- Like an append, it takes the lock of the category: so it never deadlocks with what else writes there.

CREATE OR REPLACE FUNCTION eventfold.add_stream(category text, id text, attributes jsonb)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
  PERFORM message_store.acquire_lock(add_stream.category);

  INSERT INTO eventfold.streams AS existing (category, id, attributes, added_at)
  VALUES (add_stream.category, add_stream.id, add_stream.attributes, now())
  ON CONFLICT ON CONSTRAINT streams_pkey DO UPDATE
    SET attributes = excluded.attributes, added_at = excluded.added_at
    WHERE existing.attributes IS NULL;
  RETURN FOUND;
END;
$$;

-- Replaces the attributes of a stream that exists, also of one that was not added. Returns false, and changes nothing, when it
-- does not exist.

CREATE OR REPLACE FUNCTION eventfold.set_stream(category text, id text, attributes jsonb)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
  PERFORM message_store.acquire_lock(set_stream.category);

  UPDATE eventfold.streams
  SET attributes = set_stream.attributes
  WHERE streams.category = set_stream.category AND streams.id = set_stream.id AND streams.attributes IS NOT NULL;
  IF FOUND THEN
    RETURN true;
  ELSIF NOT eventfold.has_messages(set_stream.category || '-' || set_stream.id) THEN
    RETURN false;
  END IF;
  RETURN eventfold.add_stream(set_stream.category, set_stream.id, set_stream.attributes);
END;
$$;

-- Takes the exclusive lock of the stream's category until the transaction ends, and returns its key. With this lock the
-- writes of a category commit in the order of their global positions, so a reader of the category never skips one.
-- A NULL name takes no lock and returns NULL.
-- Message DB calls this function by its bare name, so a function earlier in the search_path can take its place. Here the
-- caller's search_path has no effect: to lock differently, replace this function.

CREATE OR REPLACE FUNCTION message_store.acquire_lock(stream_name varchar)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  _category varchar := message_store.category(acquire_lock.stream_name);
  _category_name_hash bigint := message_store.hash_64(_category);
BEGIN
  PERFORM pg_advisory_xact_lock(_category_name_hash);

  IF current_setting('message_store.debug_write', true) = 'on' OR current_setting('message_store.debug', true) = 'on' THEN
    RAISE NOTICE '» acquire_lock';
    RAISE NOTICE 'stream_name ($1): %', acquire_lock.stream_name;
    RAISE NOTICE '_category: %', _category;
    RAISE NOTICE '_category_name_hash: %', _category_name_hash;
  END IF;

  RETURN _category_name_hash;
END;
$$;

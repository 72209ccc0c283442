-- Takes the locks of categories, in the order in which eventfold.append takes them, so that the two can't deadlock.

CREATE OR REPLACE FUNCTION eventfold.acquire_locks(categories text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
AS $$
DECLARE
  _category text;
BEGIN
  FOR _category IN
    SELECT names.category
    FROM (SELECT DISTINCT name COLLATE "C" FROM unnest(categories) AS name) AS names (category)
    ORDER BY message_store.hash_64(names.category)
  LOOP
    PERFORM message_store.acquire_lock(_category);
  END LOOP;
END;
$$;

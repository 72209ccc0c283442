-- The categories of snapshots that are in the store: the given one, as `account:snapshot`, and those with a specifier, as
-- `account:snapshot+Balance`.
--
-- It goes from one category to the next along messages_category. Where that index compares by bytes it begins at the given
-- category; other collations may put such names anywhere, so there it looks at every category.

CREATE OR REPLACE FUNCTION eventfold.snapshot_categories(snapshots text)
RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_sort = off
AS $$
DECLARE
  _found text[] := ARRAY[snapshots];
  _by_bytes boolean := (
    -- Of the builtin provider, from PostgreSQL 17 on, every locale compares by bytes.
    SELECT pg_database.datlocprovider = 'b' OR (pg_database.datlocprovider = 'c' AND pg_database.datcollate IN ('C', 'POSIX'))
    FROM pg_database
    WHERE pg_database.datname = current_database()
  );
  _category text := CASE WHEN _by_bytes THEN snapshots || '+' ELSE '' END;
BEGIN
  LOOP
    SELECT message_store.category(messages.stream_name)
    INTO _category
    FROM message_store.messages
    WHERE message_store.category(messages.stream_name) > _category
    ORDER BY message_store.category(messages.stream_name), messages.global_position
    LIMIT 1;

    EXIT WHEN _category IS NULL;
    IF starts_with(_category, snapshots || '+') THEN
      _found := _found || _category;
    ELSIF _by_bytes THEN
      EXIT;
    END IF;
  END LOOP;
  RETURN _found;
END;
$$;

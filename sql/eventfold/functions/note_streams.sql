-- Notes the streams of the next messages of a category in the table streams, so that lists need not read these messages again:
-- see list_streams. Returns how many messages it has looked at, at most `batch_size`.
--
-- It changes nothing that a reader sees, and looks at nothing where it may not write or would wait: on a standby, in a read-only
-- transaction, for a role without the rights, and while another transaction has the lock of the category.

CREATE OR REPLACE FUNCTION eventfold.note_streams(category text, batch_size bigint)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_sort = off
SET jit = off
SET lock_timeout = '200ms'
AS $$
DECLARE
  _log_file text := pg_relation_filepath('message_store.messages');
  _through bigint;
  _run integer;
  _messages bigint;
BEGIN
  IF current_setting('transaction_read_only') = 'on'
    OR NOT has_table_privilege('eventfold.streams', 'INSERT')
    OR NOT has_table_privilege('eventfold.streams', 'UPDATE')
    OR NOT has_table_privilege('eventfold.stream_categories', 'INSERT')
    OR NOT has_table_privilege('eventfold.stream_categories', 'UPDATE')
  THEN
    RETURN 0;
  END IF;

  PERFORM message_store.acquire_lock(note_streams.category);

  INSERT INTO eventfold.stream_categories AS known (category, through, run, log_file)
  VALUES (note_streams.category, 0, 1, _log_file)
  ON CONFLICT ON CONSTRAINT stream_categories_pkey DO UPDATE
    SET through = 0, run = known.run + 1, log_file = excluded.log_file
    WHERE known.log_file <> excluded.log_file;

  SELECT stream_categories.through, stream_categories.run
  INTO _through, _run
  FROM eventfold.stream_categories
  WHERE stream_categories.category = note_streams.category;

  WITH page AS MATERIALIZED (
    SELECT messages.stream_name, messages.global_position, messages.type, messages.data, messages.metadata
    FROM message_store.messages
    WHERE (message_store.category(messages.stream_name), messages.global_position) > (note_streams.category, _through)
      AND message_store.category(messages.stream_name) <= note_streams.category
    ORDER BY message_store.category(messages.stream_name), messages.global_position
    LIMIT note_streams.batch_size
  ), noted AS (
    INSERT INTO eventfold.streams AS existing (category, id, run)
    SELECT DISTINCT note_streams.category, substr(page.stream_name, length(note_streams.category) + 2), _run
    FROM page
    WHERE length(page.stream_name) > length(note_streams.category) + 1
      AND NOT eventfold.is_end(page.type, page.data, page.metadata)
    ON CONFLICT ON CONSTRAINT streams_pkey DO UPDATE
      SET run = excluded.run
      WHERE existing.attributes IS NULL AND existing.run IS DISTINCT FROM excluded.run
  )
  SELECT count(*), max(page.global_position)
  INTO _messages, _through
  FROM page;

  IF _messages > 0 THEN
    UPDATE eventfold.stream_categories SET through = _through WHERE stream_categories.category = note_streams.category;
  END IF;
  RETURN _messages;
EXCEPTION
  WHEN lock_not_available THEN
    RETURN 0;
END;
$$;

-- Deletes a stream: its attributes, its messages and their copies (see delete_message). A stream that had messages keeps a
-- notice: see clear_streams. Returns false, and changes nothing, when the stream does not exist.

CREATE OR REPLACE FUNCTION eventfold.delete_stream(
  category text,
  id text,
  note jsonb,
  notice_id uuid,
  snapshots text,
  parked text[],
  erased text
)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
  _stream_name CONSTANT text := delete_stream.category || '-' || delete_stream.id;
  _snapshots text[] := eventfold.snapshot_categories(delete_stream.snapshots);
  _was_added boolean;
  _had_messages boolean;
BEGIN
  PERFORM eventfold.acquire_locks(_snapshots || delete_stream.category);

  IF EXISTS (SELECT FROM message_store.messages AS stored WHERE stored.id = delete_stream.notice_id) THEN
    RETURN true;
  END IF;

  DELETE FROM eventfold.streams AS stored
  WHERE stored.category = delete_stream.category AND stored.id = delete_stream.id
  RETURNING stored.attributes IS NOT NULL INTO _was_added;

  SELECT cleared.streams > 0
  INTO _had_messages
  FROM eventfold.clear_streams(ARRAY[_stream_name], delete_stream.note, delete_stream.notice_id) AS cleared;

  IF NOT (coalesce(_was_added, false) OR _had_messages) THEN
    RETURN false;
  END IF;

  PERFORM eventfold.clear_streams(
    ARRAY(SELECT name || '-' || delete_stream.id FROM unnest(_snapshots) AS name),
    delete_stream.note
  );

  UPDATE message_store.messages AS stored
  SET data = jsonb_set(stored.data - 'failure', '{error}', to_jsonb(delete_stream.erased))
  WHERE message_store.category(stored.stream_name) = ANY (delete_stream.parked)
    AND stored.data ->> 'streamName' = _stream_name
    AND stored.data ? 'error';

  RETURN true;
END;
$$;

REVOKE EXECUTE ON FUNCTION eventfold.delete_stream FROM PUBLIC;

-- Deletes a message of a stream: in its place stays a tombstone with its id, positions and time. A notice that names the
-- position is appended to the stream, so that readers see a new version. Returns false, and changes nothing, when the stream has
-- no such message or it is a mark. `notice_id` is the id of the notice: the same call again, after a lost answer, returns true.
--
-- `note` says who deletes, why and when. With the message go its copies: the snapshots of the stream, which are in the category
-- `snapshots`, with or without a specifier; and in the categories `parked`, the error with which it was parked.
--
-- The role needs UPDATE and DELETE on the table of messages. No role has them by this installation.

CREATE OR REPLACE FUNCTION eventfold.delete_message(
  stream_name text,
  id uuid,
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
  _snapshots text[] := eventfold.snapshot_categories(delete_message.snapshots);
  _position bigint;
BEGIN
  PERFORM eventfold.acquire_locks(_snapshots || message_store.category(delete_message.stream_name)::text);

  IF EXISTS (SELECT FROM message_store.messages AS stored WHERE stored.id = delete_message.notice_id) THEN
    RETURN true;
  END IF;

  UPDATE message_store.messages AS stored
  SET type = 'Deleted', data = NULL, metadata = jsonb_build_object('deleted', delete_message.note)
  WHERE stored.id = delete_message.id
    AND stored.stream_name = delete_message.stream_name
    AND NOT eventfold.is_mark(stored.type, stored.data, stored.metadata)
  RETURNING stored.position INTO _position;

  IF _position IS NULL THEN
    RETURN false;
  END IF;

  INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata)
  SELECT
    delete_message.notice_id,
    delete_message.stream_name,
    'Deleted',
    1 + max(stored.position),
    NULL,
    jsonb_build_object('deleted', delete_message.note || jsonb_build_object('position', _position))
  FROM message_store.messages AS stored
  WHERE stored.stream_name = delete_message.stream_name;

  PERFORM eventfold.clear_streams(
    ARRAY(SELECT name || '-' || message_store.id(delete_message.stream_name) FROM unnest(_snapshots) AS name),
    delete_message.note
  );

  UPDATE message_store.messages AS stored
  SET data = jsonb_set(stored.data - 'failure', '{error}', to_jsonb(delete_message.erased))
  WHERE message_store.category(stored.stream_name) = ANY (delete_message.parked)
    AND stored.data ->> 'streamName' = delete_message.stream_name
    AND stored.data -> 'position' = to_jsonb(_position)
    AND stored.data ? 'error';

  RETURN true;
END;
$$;

REVOKE EXECUTE ON FUNCTION eventfold.delete_message FROM PUBLIC;

-- Deletes all streams of a category, each as delete_stream does. Returns how many streams existed, and how many messages without
-- marks they had.

CREATE OR REPLACE FUNCTION eventfold.purge_streams(
  category text,
  note jsonb,
  snapshots text,
  parked text[],
  erased text,
  OUT streams bigint,
  OUT messages bigint
)
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
  _snapshots text[] := eventfold.snapshot_categories(purge_streams.snapshots);
BEGIN
  PERFORM eventfold.acquire_locks(_snapshots || purge_streams.category);

  purge_streams.streams := eventfold.count_streams(purge_streams.category);
  DELETE FROM eventfold.streams AS stored WHERE stored.category = purge_streams.category;

  SELECT cleared.messages
  INTO purge_streams.messages
  FROM eventfold.clear_streams(
    ARRAY(
      SELECT DISTINCT stored.stream_name
      FROM message_store.messages AS stored
      WHERE message_store.category(stored.stream_name) = purge_streams.category
        AND length(stored.stream_name) > length(purge_streams.category) + 1
    ),
    purge_streams.note
  ) AS cleared;

  PERFORM eventfold.clear_streams(
    ARRAY(
      SELECT DISTINCT stored.stream_name
      FROM message_store.messages AS stored
      WHERE message_store.category(stored.stream_name) = ANY (_snapshots)
    ),
    purge_streams.note
  );

  UPDATE message_store.messages AS stored
  SET data = jsonb_set(stored.data - 'failure', '{error}', to_jsonb(purge_streams.erased))
  WHERE message_store.category(stored.stream_name) = ANY (purge_streams.parked)
    AND message_store.category(stored.data ->> 'streamName') = purge_streams.category
    AND stored.data ? 'error';
END;
$$;

REVOKE EXECUTE ON FUNCTION eventfold.purge_streams FROM PUBLIC;

-- Deletes the messages of streams whose categories are locked. Each stream that had one keeps a notice, at the position after
-- its last one: `note` with that position as `through`. So the positions of the stream go on, and its version, which readers
-- compare, is a new one. A stream that has nothing but such a notice stays as it is. The table deleted_messages keeps where the
-- messages were.
--
-- `notice_id` is the id of the notice when there is one stream. Returns the number of streams, and that of messages without marks.

CREATE OR REPLACE FUNCTION eventfold.clear_streams(
  stream_names text[],
  note jsonb,
  notice_id uuid DEFAULT NULL,
  OUT streams bigint,
  OUT messages bigint
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
BEGIN
  WITH gone AS (
    DELETE FROM message_store.messages AS stored
    WHERE stored.stream_name = ANY (clear_streams.stream_names)
      AND NOT eventfold.is_end(stored.type, stored.data, stored.metadata)
    RETURNING
      stored.stream_name,
      stored.position,
      stored.global_position,
      stored.id,
      eventfold.is_mark(stored.type, stored.data, stored.metadata) AS is_mark
  ), cleared AS MATERIALIZED (
    SELECT gone.stream_name, max(gone.position) AS through, count(*) FILTER (WHERE NOT gone.is_mark) AS messages
    FROM gone
    GROUP BY gone.stream_name
  ), earlier_notices AS (
    DELETE FROM message_store.messages AS stored
    USING cleared
    WHERE stored.stream_name = cleared.stream_name AND eventfold.is_end(stored.type, stored.data, stored.metadata)
    RETURNING stored.global_position, stored.id
  ), kept AS (
    INSERT INTO eventfold.deleted_messages (global_position, id)
    SELECT gone.global_position, gone.id FROM gone
    UNION ALL
    SELECT earlier_notices.global_position, earlier_notices.id FROM earlier_notices
    ON CONFLICT ON CONSTRAINT deleted_messages_pkey DO UPDATE SET id = excluded.id
  ), notices AS (
    INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata)
    SELECT
      coalesce(clear_streams.notice_id, gen_random_uuid()),
      cleared.stream_name,
      'Deleted',
      cleared.through + 1,
      NULL,
      jsonb_build_object('deleted', clear_streams.note || jsonb_build_object('through', cleared.through))
    FROM cleared
    ORDER BY cleared.stream_name COLLATE "C"
  )
  SELECT count(*), coalesce(sum(cleared.messages), 0)
  INTO clear_streams.streams, clear_streams.messages
  FROM cleared;
END;
$$;

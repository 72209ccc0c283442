-- Whether a stream exists because of its messages: it has some, and the last one is not the notice of its deletion.

CREATE OR REPLACE FUNCTION eventfold.has_messages(stream_name text)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
  RETURN coalesce(
    (
      SELECT NOT eventfold.is_end(messages.type, messages.data, messages.metadata)
      FROM message_store.messages
      WHERE messages.stream_name = has_messages.stream_name
      ORDER BY messages.position DESC
      LIMIT 1
    ),
    false
  );
END;
$$;

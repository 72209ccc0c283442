-- The highest position of the stream of exactly this name, NULL when it has no message. As in Message DB, the name of a
-- category means the stream of exactly that name.

CREATE OR REPLACE FUNCTION message_store.stream_version(stream_name varchar)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
  RETURN (
    SELECT max(messages.position)
    FROM message_store.messages
    WHERE messages.stream_name = stream_version.stream_name
  );
END;
$$;

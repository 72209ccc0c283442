-- Looks up the messages of appends by their ids; `owners` tells for each message the append it belongs to, from 1. One row
-- an append: `found` is how many of its ids are in the store; `same` is whether they are all there as they are given: in
-- this stream, in this order, with this content. Then `last_position` and `last_global_position` are where the append
-- stands; otherwise `taken_id` is its first id that is in the store.
--
-- The metadata's `traceparent` is no content: an append that is sent again has another. So empty metadata is none.
--
-- A plan that was made while the table was empty would read all of it later: without that way to go, it is never made.

-- Version 1 looked up one append at a time.
DROP FUNCTION IF EXISTS eventfold.recorded(text, uuid[], text[], text[], text[]);

CREATE OR REPLACE FUNCTION eventfold.recorded(
  stream_names text[],
  owners integer[],
  ids uuid[],
  types text[],
  data text[],
  metadata text[]
)
RETURNS TABLE (
  append bigint,
  found bigint,
  same boolean,
  last_position bigint,
  last_global_position bigint,
  taken_id uuid
)
LANGUAGE sql STABLE
SET enable_seqscan = off
BEGIN ATOMIC
  SELECT
    names.append,
    count(stored.id),
    count(stored.id) = count(*)
      AND bool_and(
        stored.stream_name = names.name
        AND stored.type = given.type
        AND stored.data IS NOT DISTINCT FROM given.data::jsonb
        AND CASE jsonb_typeof(stored.metadata)
          WHEN 'object' THEN nullif(stored.metadata - 'traceparent', '{}')
          ELSE stored.metadata
        END IS NOT DISTINCT FROM CASE jsonb_typeof(nullif(given.metadata, '')::jsonb)
          WHEN 'object' THEN nullif(given.metadata::jsonb - 'traceparent', '{}')
          ELSE nullif(given.metadata, '')::jsonb
        END
      )
      AND min(stored.position - given.ordinal) = max(stored.position - given.ordinal),
    max(stored.position),
    max(stored.global_position),
    (array_agg(stored.id ORDER BY given.ordinal) FILTER (WHERE stored.id IS NOT NULL))[1]
  FROM unnest(recorded.stream_names) WITH ORDINALITY AS names (name, append)
  JOIN unnest(recorded.owners, recorded.ids, recorded.types, recorded.data, recorded.metadata)
    WITH ORDINALITY AS given (owner, id, type, data, metadata, ordinal) ON given.owner = names.append
  LEFT JOIN message_store.messages AS stored ON stored.id = given.id
  GROUP BY names.append;
END;

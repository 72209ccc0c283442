-- Looks up the messages of appends by their ids; `owners` names the append of each message, from 1. Returns a row for each
-- append. `found` is the number of its ids that the store has. `same` says whether the store has all of its messages as given:
-- in this stream, in this order, with this content; then `last_position` and `last_global_position` are those of its last
-- message. Otherwise `taken_id` is the first of its ids that the store has. An append of no messages has no row.
--
-- The `traceparent` of the metadata does not count as content, because a repeated append has another one. So metadata without
-- other keys equals no metadata.
--
-- A plan that was made while the table was empty would scan the whole table later, so sequential scans are off.

-- The function of version 1 looked up one append at a time.
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

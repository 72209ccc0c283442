-- Looks up the messages of one append by their ids. `found` is how many are in the store; `same` is whether they are all
-- there as they are given: in this stream, in this order, with this content. Then `last_position` and
-- `last_global_position` are where the append stands; otherwise `taken_id` is the first id that is in the store.

CREATE OR REPLACE FUNCTION eventfold.recorded(
  stream_name text,
  ids uuid[],
  types text[],
  data text[],
  metadata text[],
  OUT found bigint,
  OUT same boolean,
  OUT last_position bigint,
  OUT last_global_position bigint,
  OUT taken_id uuid
)
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT
    count(stored.id),
    count(stored.id) = count(*)
      AND bool_and(
        stored.stream_name = recorded.stream_name
        AND stored.type = given.type
        AND stored.data IS NOT DISTINCT FROM given.data::jsonb
        AND stored.metadata IS NOT DISTINCT FROM nullif(given.metadata, '')::jsonb
      )
      AND min(stored.position - given.ordinal) = max(stored.position - given.ordinal),
    max(stored.position),
    max(stored.global_position),
    (array_agg(stored.id ORDER BY given.ordinal) FILTER (WHERE stored.id IS NOT NULL))[1]
  FROM unnest(recorded.ids, recorded.types, recorded.data, recorded.metadata)
    WITH ORDINALITY AS given (id, type, data, metadata, ordinal)
  LEFT JOIN message_store.messages AS stored ON stored.id = given.id;
END;

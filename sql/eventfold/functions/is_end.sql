-- Whether a message is the notice of a deleted stream. A stream without any other message does not exist: a deletion removes
-- all messages but this one.

CREATE OR REPLACE FUNCTION eventfold.is_end(type text, data jsonb, metadata jsonb)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
  type = 'Deleted' AND data IS NULL AND jsonb_typeof(metadata -> 'deleted') = 'object'
    AND (metadata -> 'deleted') ? 'through'
) IS TRUE;

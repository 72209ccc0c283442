-- Whether a message is a mark of a deletion: a tombstone in the place of a deleted message, the notice that follows it, or
-- the notice of a deleted stream. The type alone does not tell, because an application may have events of that name.

CREATE OR REPLACE FUNCTION eventfold.is_mark(type text, data jsonb, metadata jsonb)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (type = 'Deleted' AND data IS NULL AND jsonb_typeof(metadata -> 'deleted') = 'object') IS TRUE;

-- The category of a stream name: the part before the first dash, or the whole name when there is none.
-- One expression, which the planner puts in place of the call: the index messages_category is on it.

CREATE OR REPLACE FUNCTION message_store.category(stream_name varchar)
RETURNS varchar
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN split_part(stream_name, '-', 1)::varchar;

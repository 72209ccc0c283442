-- The category of a stream name: the part before the first dash, or the whole name when it has no dash.
-- A single expression, so that the planner inlines the call: the index messages_category is on this expression.

CREATE OR REPLACE FUNCTION message_store.category(stream_name varchar)
RETURNS varchar
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN split_part(stream_name, '-', 1)::varchar;

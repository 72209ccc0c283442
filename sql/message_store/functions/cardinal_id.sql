-- The cardinal id of a stream name: its id up to the first plus sign. NULL when the name has no id.

CREATE OR REPLACE FUNCTION message_store.cardinal_id(stream_name varchar)
RETURNS varchar
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN split_part(message_store.id(stream_name), '+', 1)::varchar;

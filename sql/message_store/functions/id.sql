-- The id of a stream name: everything after the first dash. NULL when there is no dash, empty when the dash is last.

CREATE OR REPLACE FUNCTION message_store.id(stream_name varchar)
RETURNS varchar
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN substr(stream_name, nullif(strpos(stream_name, '-'), 0) + 1)::varchar;

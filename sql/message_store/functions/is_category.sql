-- Whether a name has no dash, and so names a category. As in Message DB, NULL counts as a category.

CREATE OR REPLACE FUNCTION message_store.is_category(stream_name varchar)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (strpos(stream_name, '-') = 0) IS NOT FALSE;

-- The version of Message DB whose interface this schema has. Clients ask for it to find out which functions they can call.

CREATE OR REPLACE FUNCTION message_store.message_store_version()
RETURNS varchar
LANGUAGE sql
RETURN '1.3.0'::varchar;

-- The version of the schema eventfold. It goes up by one with every change that a client has to know about.

CREATE OR REPLACE FUNCTION eventfold.schema_version()
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 6;

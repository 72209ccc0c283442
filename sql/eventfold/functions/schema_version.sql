-- The version of the eventfold schema: one more with every change that a client has to know of.

CREATE OR REPLACE FUNCTION eventfold.schema_version()
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 2;

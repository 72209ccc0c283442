-- The oldest version of this schema that a client may be written for and still use this one. A client that is written for an
-- older version refuses to start. Raise it only with a change that breaks such a client.

CREATE OR REPLACE FUNCTION eventfold.oldest_client_version()
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 3;

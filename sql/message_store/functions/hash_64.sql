-- The first 8 bytes of the value's MD5 as a signed 64-bit integer, big-endian. It is the key of a category's lock and, for a
-- cardinal id, decides the member of a consumer group. Other systems compute the same number, so it can't change.

CREATE OR REPLACE FUNCTION message_store.hash_64(value varchar)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('x' || left(md5(value), 16))::bit(64)::bigint;

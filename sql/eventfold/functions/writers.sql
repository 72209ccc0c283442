-- The transactions of others that have written messages, or are about to, and have not ended.

CREATE OR REPLACE FUNCTION eventfold.writers()
RETURNS text[]
LANGUAGE sql VOLATILE
BEGIN ATOMIC
  SELECT coalesce(array_agg(DISTINCT locks.virtualtransaction), '{}')
  FROM pg_locks AS locks
  WHERE locks.locktype = 'relation'
    AND locks.database = (SELECT databases.oid FROM pg_database AS databases WHERE databases.datname = current_database())
    AND locks.relation = 'message_store.messages'::regclass
    AND locks.mode = 'RowExclusiveLock'
    AND locks.granted
    AND locks.pid IS DISTINCT FROM pg_backend_pid();
END;

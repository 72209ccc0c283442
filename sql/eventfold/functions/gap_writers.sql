-- The transactions of other sessions that may still fill a gap in the global positions.
--
-- A transaction takes a position by nextval, and from before that until it ends it holds ROW EXCLUSIVE on the sequence.
-- So the holders of that lock are the transactions that may have taken positions and not written them yet. A
-- transaction that takes the lock later gets higher positions, and one that takes no position holds no such lock. Where
-- the column has no sequence, the lock on the table tells the same.
--
-- `transaction` is the virtual transaction id, as pg_locks names it; `pid` is null for a prepared transaction, which
-- has no session. pg_locks shows the locks of the moment at which it is read, whatever snapshot the statement has.
-- Every role may read it.
--
-- This is the only place with this rule. The planner puts the query in the place of a call, so that a call costs
-- nothing. On a Message DB without this function, @eventfold/postgres runs the text between BEGIN ATOMIC and END as a
-- query of its own: keep it one query without arguments.

CREATE OR REPLACE FUNCTION eventfold.gap_writers()
RETURNS TABLE (transaction text, pid integer)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
  SELECT locks.virtualtransaction AS transaction, locks.pid
  FROM pg_catalog.pg_locks AS locks
  WHERE locks.locktype = 'relation'
    AND locks.database = (
      SELECT databases.oid FROM pg_catalog.pg_database AS databases WHERE databases.datname = current_database()
    )
    AND locks.relation = coalesce(
      pg_get_serial_sequence('message_store.messages', 'global_position'),
      'message_store.messages'
    )::regclass::oid
    AND locks.mode = 'RowExclusiveLock'
    AND locks.granted
    AND locks.pid IS DISTINCT FROM pg_backend_pid();
END;

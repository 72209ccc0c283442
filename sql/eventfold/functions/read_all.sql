-- The messages of all categories from a global position on, in its order, up to the last one that is safe: no message that
-- is committed later can get a position below. `wait` is how long to wait for one at the most.
--
-- Categories commit independently, so a position may be taken by a transaction that is still to commit, or may never be
-- used. Who has taken one holds ROW EXCLUSIVE on the table, from before that and until its end. So when there is a gap below
-- a message that is visible, those who hold that lock now are noted. Once they are all gone, whatever is to be in the gap is
-- committed, and the rows are read again. Later writers get higher positions, and transactions that have written no message
-- hold no such lock: neither is waited for.

CREATE OR REPLACE FUNCTION eventfold.read_all(
  "position" bigint DEFAULT 1,
  batch_size bigint DEFAULT 1000,
  wait interval DEFAULT '200 milliseconds'
)
RETURNS SETOF message_store.message
LANGUAGE plpgsql
AS $$
DECLARE
  _deadline timestamptz := clock_timestamp() + wait;
  _count bigint;
  -- The last position of the page, and the last one before its first gap.
  _last bigint;
  _safe bigint;
  _writers text[];
BEGIN
  SELECT
    count(*),
    max(page.global_position),
    max(page.global_position) FILTER (WHERE page.global_position = read_all."position" + page.ordinal - 1)
  INTO _count, _last, _safe
  FROM (
    SELECT messages.global_position, row_number() OVER (ORDER BY messages.global_position) AS ordinal
    FROM message_store.messages
    WHERE messages.global_position >= read_all."position"
    ORDER BY messages.global_position
    LIMIT read_all.batch_size
  ) AS page;

  IF _count = 0 THEN
    RETURN;
  END IF;

  IF _safe IS DISTINCT FROM _last THEN
    _writers := eventfold.writers();
    LOOP
      IF NOT _writers && eventfold.writers() THEN
        _safe := _last;
        EXIT;
      END IF;
      EXIT WHEN clock_timestamp() >= _deadline;
      PERFORM pg_sleep(0.002);
    END LOOP;
  END IF;

  -- A statement of its own: its snapshot is newer than the end of the writers.
  RETURN QUERY
    SELECT
      messages.id::varchar,
      messages.stream_name::varchar,
      messages.type::varchar,
      messages.position,
      messages.global_position,
      messages.data::varchar,
      messages.metadata::varchar,
      messages.time
    FROM message_store.messages
    WHERE messages.global_position >= read_all."position" AND messages.global_position <= _safe
    ORDER BY messages.global_position
    LIMIT read_all.batch_size;
END;
$$;

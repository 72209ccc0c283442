-- A page of the messages of all categories, from the global position `first` on and in its order, as far as it is final: no
-- message that is committed later gets a position in what the page has looked at. `categories` and `types` keep the messages
-- of these.
--
-- Categories commit independently, so a position may be taken by a transaction that is still to commit, or may never be
-- used. Who takes one by nextval holds ROW EXCLUSIVE on the sequence, from before that and until the end of its transaction.
-- So everything up to the last message that is visible is final once those have ended who hold that lock after it was seen;
-- who takes it later gets higher positions. Transactions that have taken no position hold no such lock, and are not
-- waited for. Locks are looked at only when there is a gap, before the last message or in the page, and the rows are read by
-- a statement of its own, whose snapshot is newer than the look. Where the isolation level gives it no newer one, the page
-- ends before its first gap.
--
-- This function waits for nobody. Who calls it remembers the writers it has found, as `Finality` of @eventfold/postgres does:
-- when all of them have gone, others may have come, but everything up to the `last` message of that time is final. What is
-- known so is given as `final`, and up to there a page is just read.
--
-- The last row is about the page. Its data is JSON:
--   through   the position up to which the page has looked, inclusive; a page of `batch_size` messages: up to its last one
--   last      the position of the last message there is
--   writers   who may fill a gap before `last`, as pg_locks names transactions; null when it did not matter
--   run       changes when the server has started anew or the table was emptied, after which nothing is known any more
--
-- However the log grows, a page has to cost what it returns or what it passes over. So there is one way to go for each
-- statement (see get_category_messages): along messages_category for each of a few categories, otherwise along messages_pkey;
-- and a page with a filter by type, or by many categories, which may find nothing on a long way, looks at 50,000 positions at
-- the most.

CREATE OR REPLACE FUNCTION eventfold.read_all(
  first bigint DEFAULT 1,
  batch_size bigint DEFAULT 1000,
  categories varchar[] DEFAULT NULL,
  types text[] DEFAULT NULL,
  final bigint DEFAULT 0
)
RETURNS SETOF message_store.message
LANGUAGE plpgsql
SET enable_sort = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
DECLARE
  _last bigint;
  _through bigint := read_all.first - 1;
  _writers text[];
  _few_categories boolean := cardinality(read_all.categories) <= 8;
BEGIN
  _last := coalesce((SELECT max(messages.global_position) FROM message_store.messages), 0);

  IF read_all.first <= read_all.final THEN
    _through := greatest(least(read_all.final, _last), _through);
  ELSIF read_all.first <= _last THEN
    -- Without a gap there is nothing to come.
    SELECT coalesce(max(page.global_position) FILTER (WHERE page.global_position = _through + page.ordinal), _through)
    INTO _through
    FROM (
      SELECT messages.global_position, row_number() OVER (ORDER BY messages.global_position) AS ordinal
      FROM message_store.messages
      WHERE messages.global_position >= read_all.first
      ORDER BY messages.global_position
      LIMIT read_all.batch_size
    ) AS page;

    IF _through < _last
      AND (
        _through < read_all.first + read_all.batch_size - 1
        OR read_all.categories IS NOT NULL
        OR read_all.types IS NOT NULL
      )
    THEN
      IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'A replica does not know who may still fill a gap: read everything on the primary'
          USING ERRCODE = 'object_not_in_prerequisite_state';
      END IF;

      SELECT coalesce(array_agg(DISTINCT locks.virtualtransaction), '{}')
      INTO _writers
      FROM pg_locks AS locks
      WHERE locks.locktype = 'relation'
        AND locks.database = (SELECT databases.oid FROM pg_database AS databases WHERE databases.datname = current_database())
        AND locks.relation = coalesce(
          pg_get_serial_sequence('message_store.messages', 'global_position'),
          'message_store.messages'
        )::regclass
        AND locks.mode = 'RowExclusiveLock'
        AND locks.granted
        AND locks.pid IS DISTINCT FROM pg_backend_pid();

      IF cardinality(_writers) = 0 AND current_setting('transaction_isolation') IN ('read committed', 'read uncommitted') THEN
        _through := _last;
      END IF;
    END IF;
  END IF;

  IF read_all.types IS NOT NULL OR NOT _few_categories THEN
    _through := least(
      _through,
      50000 - 1 + (
        SELECT messages.global_position
        FROM message_store.messages
        WHERE messages.global_position >= read_all.first
        ORDER BY messages.global_position
        LIMIT 1
      )
    );
  END IF;

  IF _through < read_all.first THEN
    NULL;
  ELSIF _few_categories THEN
    RETURN QUERY
      SELECT
        found.id::varchar,
        found.stream_name::varchar,
        found.type::varchar,
        found.position,
        found.global_position,
        found.data::varchar,
        found.metadata::varchar,
        found.time
      FROM (
        SELECT wanted.*
        FROM unnest(read_all.categories) AS names (category),
        LATERAL (
          SELECT messages.*
          FROM message_store.messages
          WHERE (message_store.category(messages.stream_name), messages.global_position) >= (names.category, read_all.first)
            AND (message_store.category(messages.stream_name), messages.global_position) <= (names.category, _through)
            AND (read_all.types IS NULL OR messages.type = ANY (read_all.types))
          ORDER BY message_store.category(messages.stream_name), messages.global_position
          LIMIT read_all.batch_size
        ) AS wanted
        ORDER BY wanted.global_position
        LIMIT read_all.batch_size
      ) AS found;
  ELSE
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
      WHERE messages.global_position >= read_all.first
        AND messages.global_position <= _through
        AND (read_all.categories IS NULL OR message_store.category(messages.stream_name) = ANY (read_all.categories))
        AND (read_all.types IS NULL OR messages.type = ANY (read_all.types))
      ORDER BY messages.global_position
      LIMIT read_all.batch_size;
  END IF;

  RETURN QUERY
    SELECT
      NULL::varchar,
      NULL::varchar,
      NULL::varchar,
      NULL::bigint,
      NULL::bigint,
      json_build_object(
        'through', _through,
        'last', _last,
        'writers', _writers,
        'run', concat_ws(
          ' ',
          extract(epoch FROM pg_postmaster_start_time()),
          pg_relation_filepath('message_store.messages')
        )
      )::varchar,
      NULL::varchar,
      NULL::timestamp;
END;
$$;

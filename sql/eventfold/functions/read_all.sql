-- A page of the messages of all categories: from the global position `first` on, in the order of global positions, as
-- far as it is final. Final means that no message which is committed later gets a position in what the page has looked
-- at. `categories` and `types` keep only the messages of these.
--
-- Categories commit independently. So a position may be taken by a transaction that has not committed yet, or may never
-- be used. Everything up to the last visible message becomes final when the transactions have ended which gap_writers
-- shows after that message was seen: a transaction that starts later gets higher positions. The function looks for
-- writers only when there is a gap, before the last message or in the page. It then reads the rows by a statement of
-- their own, whose snapshot is newer than the look. Where the isolation level gives that statement no newer snapshot,
-- the page ends before its first gap.
--
-- This function never waits. Its caller remembers the writers that it has found, as `Finality` of @eventfold/postgres
-- does: when all of them have ended, everything up to the `last` message of that time is final, even if other writers
-- have started since. The caller passes what it knows in this way as `final`, and up to there the function just reads.
--
-- The last row describes the page. Its data is JSON:
--   through   the position up to which the page has looked; for a page of `batch_size` messages, up to its last one
--   last      the position of the last message in the store
--   writers   the transactions that may fill a gap before `last`; null when the function did not have to look
--   run       see log_run
--
-- However long the log is, a page costs what it returns or skips. So each statement leaves the planner one way (see
-- get_category_messages): along messages_category for each of a few categories, otherwise along messages_pkey. A page
-- with a filter by type or by many categories may find nothing for a long way, so it looks at 50,000 positions at most.

CREATE OR REPLACE FUNCTION eventfold.read_all(
  first bigint DEFAULT 1,
  batch_size bigint DEFAULT 1000,
  categories varchar[] DEFAULT NULL,
  types text[] DEFAULT NULL,
  final bigint DEFAULT 0
)
RETURNS SETOF message_store.message
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
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
    -- Positions without a gap are final.
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
        RAISE EXCEPTION 'A replica does not see the transactions that may still fill a gap: read everything on the primary'
          USING ERRCODE = 'object_not_in_prerequisite_state';
      END IF;

      SELECT coalesce(array_agg(DISTINCT writers.transaction), '{}') INTO _writers FROM eventfold.gap_writers() AS writers;

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
        'run', eventfold.log_run()
      )::varchar,
      NULL::varchar,
      NULL::timestamp;
END;
$$;

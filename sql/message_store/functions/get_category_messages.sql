-- The messages of a category from a global position on (inclusive), in the order of the log. `correlation` keeps the
-- messages whose metadata's `correlationStreamName` is of that category. A consumer group member gets the streams whose
-- cardinal id hashes to it. `batch_size` limits what is left after that: -1 means no limit, NULL the default.
-- As in Message DB, a stream without an id has no cardinal id and reaches no member of a group. Unlike in Message DB, a
-- group may be larger than a smallint, and `abs` gets the remainder, because it would overflow for the lowest bigint.
-- `condition` is as in get_stream_messages.
--
-- However large the table grows, a poll must cost no more than what it returns. So the statements leave the planner one path:
-- along messages_category from (category, position) to the end of the category. With `category = .. AND global_position >= ..`
-- the planner walks messages_pkey from the position to the end of the log when the category is a common one, and a quiet
-- category pays for that at each poll. A filter whose selectivity the planner can't know makes it read and sort the whole
-- table. With one path the generic plan is the right one, and planning each call is wasted. The estimate of that plan, which
-- knows no limit, would turn on JIT, so JIT is off.

CREATE OR REPLACE FUNCTION message_store.get_category_messages(
  category varchar,
  "position" bigint DEFAULT 1,
  batch_size bigint DEFAULT 1000,
  correlation varchar DEFAULT NULL,
  consumer_group_member bigint DEFAULT NULL,
  consumer_group_size bigint DEFAULT NULL,
  condition varchar DEFAULT NULL
)
RETURNS SETOF message_store.message
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_sort = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
DECLARE
  _position bigint := coalesce(get_category_messages."position", 1);
  _batch_size bigint := coalesce(get_category_messages.batch_size, 1000);
  _debug boolean := current_setting('message_store.debug_get', true) = 'on'
    OR current_setting('message_store.debug', true) = 'on';
  _command text;
BEGIN
  IF NOT message_store.is_category(get_category_messages.category) THEN
    RAISE EXCEPTION 'Must be a category: %', get_category_messages.category;
  END IF;

  IF NOT message_store.is_category(get_category_messages.correlation) THEN
    RAISE EXCEPTION 'Correlation must be a category (Correlation: %)', get_category_messages.correlation;
  END IF;

  IF (get_category_messages.consumer_group_member IS NULL) <> (get_category_messages.consumer_group_size IS NULL) THEN
    RAISE EXCEPTION 'Consumer group member and size must be specified (Consumer Group Member: %, Consumer Group Size: %)',
      get_category_messages.consumer_group_member,
      get_category_messages.consumer_group_size;
  END IF;

  IF get_category_messages.consumer_group_size < 1 THEN
    RAISE EXCEPTION 'Consumer group size must not be less than 1 (Consumer Group Member: %, Consumer Group Size: %)',
      get_category_messages.consumer_group_member,
      get_category_messages.consumer_group_size;
  END IF;

  IF get_category_messages.consumer_group_member < 0 THEN
    RAISE EXCEPTION 'Consumer group member must not be less than 0 (Consumer Group Member: %, Consumer Group Size: %)',
      get_category_messages.consumer_group_member,
      get_category_messages.consumer_group_size;
  END IF;

  IF get_category_messages.consumer_group_member >= get_category_messages.consumer_group_size THEN
    RAISE EXCEPTION 'Consumer group member must be less than the group size (Consumer Group Member: %, Consumer Group Size: %)',
      get_category_messages.consumer_group_member,
      get_category_messages.consumer_group_size;
  END IF;

  IF get_category_messages.condition IS NOT NULL
    AND current_setting('message_store.sql_condition', true) IS DISTINCT FROM 'on'
  THEN
    RAISE EXCEPTION 'Retrieval with SQL condition is not activated';
  END IF;

  IF get_category_messages.condition IS NOT NULL OR _debug THEN
    _command := '
    SELECT
      id::varchar, stream_name::varchar, type::varchar, position, global_position,
      data::varchar, metadata::varchar, time
    FROM message_store.messages
    WHERE (message_store.category(stream_name), global_position) >= ($1, $2)
      AND message_store.category(stream_name) <= $1';

    IF get_category_messages.correlation IS NOT NULL THEN
      _command := _command || '
      AND message_store.category(metadata ->> ''correlationStreamName'') = $4';
    END IF;

    IF get_category_messages.consumer_group_member IS NOT NULL THEN
      _command := _command || '
      AND abs(message_store.hash_64(message_store.cardinal_id(stream_name)) % $6) = $5';
    END IF;

    IF get_category_messages.condition IS NOT NULL THEN
      _command := _command || '
      AND (' || get_category_messages.condition || ')';
    END IF;

    _command := _command || '
    ORDER BY message_store.category(stream_name), global_position
    LIMIT nullif($3, -1)';

    IF _debug THEN
      RAISE NOTICE '» get_category_messages';
      RAISE NOTICE 'category ($1): %', get_category_messages.category;
      RAISE NOTICE 'position ($2): %', _position;
      RAISE NOTICE 'batch_size ($3): %', _batch_size;
      RAISE NOTICE 'correlation ($4): %', get_category_messages.correlation;
      RAISE NOTICE 'consumer_group_member ($5): %', get_category_messages.consumer_group_member;
      RAISE NOTICE 'consumer_group_size ($6): %', get_category_messages.consumer_group_size;
      RAISE NOTICE 'condition: %', get_category_messages.condition;
      RAISE NOTICE 'Generated Command: %', _command;
    END IF;

    RETURN QUERY EXECUTE _command
      USING
        get_category_messages.category,
        _position,
        _batch_size,
        get_category_messages.correlation,
        get_category_messages.consumer_group_member,
        get_category_messages.consumer_group_size;
  ELSIF get_category_messages.correlation IS NULL AND get_category_messages.consumer_group_member IS NULL THEN
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
      WHERE (message_store.category(messages.stream_name), messages.global_position)
          >= (get_category_messages.category, _position)
        AND message_store.category(messages.stream_name) <= get_category_messages.category
      ORDER BY message_store.category(messages.stream_name), messages.global_position
      LIMIT nullif(_batch_size, -1);
  ELSIF get_category_messages.correlation IS NULL THEN
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
      WHERE (message_store.category(messages.stream_name), messages.global_position)
          >= (get_category_messages.category, _position)
        AND message_store.category(messages.stream_name) <= get_category_messages.category
        AND abs(message_store.hash_64(message_store.cardinal_id(messages.stream_name)) % get_category_messages.consumer_group_size)
          = get_category_messages.consumer_group_member
      ORDER BY message_store.category(messages.stream_name), messages.global_position
      LIMIT nullif(_batch_size, -1);
  ELSIF get_category_messages.consumer_group_member IS NULL THEN
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
      WHERE (message_store.category(messages.stream_name), messages.global_position)
          >= (get_category_messages.category, _position)
        AND message_store.category(messages.stream_name) <= get_category_messages.category
        AND message_store.category(messages.metadata ->> 'correlationStreamName') = get_category_messages.correlation
      ORDER BY message_store.category(messages.stream_name), messages.global_position
      LIMIT nullif(_batch_size, -1);
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
      WHERE (message_store.category(messages.stream_name), messages.global_position)
          >= (get_category_messages.category, _position)
        AND message_store.category(messages.stream_name) <= get_category_messages.category
        AND message_store.category(messages.metadata ->> 'correlationStreamName') = get_category_messages.correlation
        AND abs(message_store.hash_64(message_store.cardinal_id(messages.stream_name)) % get_category_messages.consumer_group_size)
          = get_category_messages.consumer_group_member
      ORDER BY message_store.category(messages.stream_name), messages.global_position
      LIMIT nullif(_batch_size, -1);
  END IF;
END;
$$;

-- install/begin.sql

-- Looks at the database and decides what to install. The settings belong to the transaction:
-- `eventfold.install_role`, `eventfold.install_owner` and `eventfold.replace_functions` are the options of an installation;
-- this file sets the others for the files that follow.

-- No name in the files may mean an object of another role, whatever the session's search_path is. The functions and views are
-- bound to what the names mean here.

DO $$
BEGIN
  PERFORM pg_catalog.set_config('eventfold.install_search_path', pg_catalog.current_setting('search_path'), true);
END;
$$;
SET LOCAL search_path = pg_catalog, pg_temp;

DO $$
DECLARE
  -- The same as in eventfold.schema_version().
  _version CONSTANT integer := 6;
  _installed integer;
  _is_stock boolean;
  _replaces boolean;
BEGIN
  IF current_setting('server_version_num')::integer < 150000 THEN
    RAISE EXCEPTION 'eventfold needs PostgreSQL 15 or later, but the server is PostgreSQL %', current_setting('server_version')
      USING ERRCODE = 'feature_not_supported';
  END IF;

  -- The version is read from the function's text. To call it would be to run what the schema's owner has written, with the rights
  -- of who installs.
  SELECT (regexp_match(pg_get_function_sqlbody(oid), '^RETURN ([0-9]+)$'))[1]::integer INTO _installed
  FROM pg_proc
  WHERE pronamespace = to_regnamespace('eventfold') AND proname = 'schema_version' AND pronargs = 0;
  IF _installed IS NULL AND (
    EXISTS (SELECT FROM pg_proc WHERE pronamespace = to_regnamespace('eventfold'))
    OR EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('eventfold'))
  ) THEN
    RAISE EXCEPTION 'the schema eventfold has objects that eventfold has not made; it belongs to %', (
      SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'eventfold'
    ) USING
      ERRCODE = 'object_not_in_prerequisite_state',
      HINT = 'Look who made them and what they do. Then rename that schema, or have its owner empty it.';
  END IF;
  IF _installed > _version THEN
    RAISE EXCEPTION 'the eventfold schema is at version %, and this would install the older version %', _installed, _version
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Install with the newest eventfold that uses the database.';
  END IF;

  -- A table that is there already would become that of the messages.
  IF NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace = to_regnamespace('message_store') AND proname = 'category') AND (
    EXISTS (SELECT FROM pg_proc WHERE pronamespace = to_regnamespace('message_store'))
    OR EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('message_store'))
  ) THEN
    RAISE EXCEPTION 'the schema message_store has objects, and they are not those of a message store; it belongs to %', (
      SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'message_store'
    ) USING
      ERRCODE = 'object_not_in_prerequisite_state',
      HINT = 'Look who made them and what they are for. Then give the log another name, or have the owner empty the schema.';
  END IF;

  -- Message DB's own function is PL/pgSQL. A mark of ours would be wrong after an update of Message DB replaces our functions.
  _is_stock := EXISTS (
    SELECT FROM pg_proc
    WHERE pronamespace = to_regnamespace('message_store') AND proname = 'category' AND prosqlbody IS NULL
  );

  _replaces := _is_stock AND current_setting('eventfold.replace_functions', true) IS NOT DISTINCT FROM 'on';

  PERFORM
    set_config('eventfold.install_message_store', CASE WHEN _is_stock AND NOT _replaces THEN 'off' ELSE 'on' END, true),
    set_config('eventfold.install_replaces', CASE WHEN _replaces THEN 'on' ELSE 'off' END, true),
    set_config('eventfold.install_bindings', '', true),
    set_config('eventfold.install_previous', coalesce(_installed::text, ''), true),
    -- The role of the session, to return to after acting as the owner of a schema.
    set_config('eventfold.install_caller', current_setting('role'), true);
END;
$$;

-- install/role.sql

-- The role that clients of Message DB log in as, or are members of. As in Message DB, it may log in, has no password and
-- owns nothing. A role belongs to all databases of the server, so another session may create it at the same moment.

DO $$
BEGIN
  IF current_setting('eventfold.install_role', true) IS DISTINCT FROM 'off' AND to_regrole('message_store') IS NULL THEN
    CREATE ROLE message_store LOGIN;
  END IF;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN
    NULL;
  WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'the role message_store does not exist, and % may not create it', quote_ident(current_user)
      USING
        ERRCODE = 'insufficient_privilege',
        HINT = 'Ask an administrator to run CREATE ROLE message_store LOGIN, or install without the role: '
          || 'psql -v role=off, or role: false in the library.';
END;
$$;

-- install/bindings.sql

-- Finds what is bound wrongly: objects of the schemas that use a function, operator, type or collation which is neither
-- theirs nor PostgreSQL's. Versions up to 4 bound names by the search_path of the session that installed them, and another
-- role's overload of a built-in function may have matched better.
--
-- The file runs twice. The first time it notes what it finds, for rebind.sql and the files that replace objects. The second
-- time it reports: `eventfold.install_mended` has what was found before and is no longer wrong, `eventfold.install_unmended`
-- what still is, such as the objects of a stock Message DB. Both are JSON arrays of texts.
-- What an application has added to the schemas is its own, and does not count.

DO $$
DECLARE
  _before CONSTANT jsonb := nullif(current_setting('eventfold.install_bindings', true), '')::jsonb;
  _found jsonb;
BEGIN
  WITH namespaces AS (
    SELECT oid FROM pg_namespace WHERE nspname IN ('message_store', 'eventfold')
  ),
  relations AS (
    SELECT pg_class.oid, pg_class.relkind
    FROM pg_class
    WHERE relnamespace = to_regnamespace('eventfold')
      OR (
        relnamespace = to_regnamespace('message_store')
        AND relname IN (
          'messages',
          'messages_id',
          'messages_stream',
          'messages_category',
          'messages_at',
          'messages_correlation',
          'messages_causation',
          'stream_summary',
          'type_summary',
          'stream_type_summary',
          'type_stream_summary',
          'category_type_summary',
          'type_category_summary'
        )
      )
  ),
  objects (classid, objid, named_class, named_id) AS (
    SELECT 'pg_proc'::regclass::oid, oid, 'pg_proc'::regclass::oid, oid
    FROM pg_proc
    WHERE pronamespace = to_regnamespace('eventfold')
      OR (
        pronamespace = to_regnamespace('message_store')
        AND proname IN (
          'message_store_version',
          'hash_64',
          'category',
          'id',
          'cardinal_id',
          'is_category',
          'acquire_lock',
          'stream_version',
          'write_message',
          'get_stream_messages',
          'get_category_messages',
          'get_last_stream_message'
        )
      )
    UNION ALL
    SELECT 'pg_class'::regclass, oid, 'pg_class'::regclass, oid FROM relations
    UNION ALL
    SELECT 'pg_rewrite'::regclass, pg_rewrite.oid, 'pg_class'::regclass, relations.oid
    FROM relations JOIN pg_rewrite ON pg_rewrite.ev_class = relations.oid
    WHERE relations.relkind = 'v'
    UNION ALL
    SELECT 'pg_attrdef'::regclass, pg_attrdef.oid, 'pg_attrdef'::regclass, pg_attrdef.oid
    FROM relations JOIN pg_attrdef ON pg_attrdef.adrelid = relations.oid
    UNION ALL
    SELECT 'pg_constraint'::regclass, pg_constraint.oid, 'pg_constraint'::regclass, pg_constraint.oid
    FROM relations JOIN pg_constraint ON pg_constraint.conrelid = relations.oid
    WHERE pg_constraint.contype = 'c' AND pg_constraint.connamespace = to_regnamespace('eventfold')
  ),
  used (classid, objid, namespace) AS (
    SELECT 'pg_proc'::regclass::oid, oid, pronamespace FROM pg_proc
    UNION ALL
    SELECT 'pg_operator'::regclass, oid, oprnamespace FROM pg_operator
    UNION ALL
    SELECT 'pg_type'::regclass, oid, typnamespace FROM pg_type
    UNION ALL
    SELECT 'pg_collation'::regclass, oid, collnamespace FROM pg_collation
  )
  SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object(
    'class', objects.classid::bigint,
    'id', objects.objid::bigint,
    'text', format(
      '%s uses %s',
      pg_describe_object(objects.named_class, objects.named_id, 0),
      pg_describe_object(used.classid, used.objid, 0)
    )
  )), '[]')
  INTO _found
  FROM objects
  JOIN pg_depend ON pg_depend.classid = objects.classid AND pg_depend.objid = objects.objid
  JOIN used ON used.classid = pg_depend.refclassid AND used.objid = pg_depend.refobjid
  WHERE used.namespace <> 'pg_catalog'::regnamespace
    AND used.namespace NOT IN (SELECT oid FROM namespaces);

  IF _before IS NULL THEN
    PERFORM set_config('eventfold.install_bindings', _found::text, true);
    RETURN;
  END IF;

  PERFORM
    set_config('eventfold.install_mended', (
      SELECT coalesce(jsonb_agg(before ORDER BY before), '[]')
      FROM (
        SELECT value ->> 'text' FROM jsonb_array_elements(_before)
        EXCEPT
        SELECT value ->> 'text' FROM jsonb_array_elements(_found)
      ) AS mended (before)
    )::text, true),
    set_config('eventfold.install_unmended', (
      SELECT coalesce(jsonb_agg(value -> 'text' ORDER BY value ->> 'text'), '[]') FROM jsonb_array_elements(_found)
    )::text, true),
    set_config('eventfold.install_bindings', '', true);
END;
$$;

-- message_store/schema.sql

-- The schema of Message DB's interface: its table, type, functions and views, under its names.
-- CREATE SCHEMA IF NOT EXISTS needs the right to create a schema even when it exists. The statements that follow run as the
-- owner of the schema, so that one role can upgrade all objects later, whichever role installs them now.

DO $$
DECLARE
  _owner text;
BEGIN
  SELECT pg_get_userbyid(nspowner) INTO _owner FROM pg_namespace WHERE nspname = 'message_store';
  IF NOT FOUND THEN
    _owner := coalesce(nullif(current_setting('eventfold.install_owner', true), ''), current_user);
    EXECUTE format('CREATE SCHEMA message_store AUTHORIZATION %I', _owner);
  END IF;

  IF pg_has_role(_owner, CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END) THEN
    EXECUTE format('SET LOCAL ROLE %I', _owner);
  END IF;
END;
$$;

-- message_store/tables/messages.sql

-- The log. Column order, defaults, primary key and sequence names are Message DB's: clients use `SELECT *`, and error
-- messages contain the names. The time is the start of the writing transaction, in UTC without a zone.

CREATE TABLE IF NOT EXISTS message_store.messages (
  global_position bigserial NOT NULL,
  position bigint NOT NULL,
  time timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc') NOT NULL,
  stream_name text NOT NULL,
  type text NOT NULL,
  data jsonb,
  metadata jsonb,
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  CONSTRAINT messages_pkey PRIMARY KEY (global_position)
);

-- message_store/rebind.sql

-- Mends what bindings.sql has found of the table: the files that follow create a dropped index or view again, and replace the
-- functions and the other views. This waits for open writes; where nothing is wrong the file does nothing.

DO $$
DECLARE
  _wrong CONSTANT jsonb := current_setting('eventfold.install_bindings')::jsonb;
  _index regclass;
  _view regclass;
BEGIN
  FOR _index IN
    SELECT pg_class.oid
    FROM jsonb_array_elements(_wrong) JOIN pg_class ON pg_class.oid = (value ->> 'id')::oid
    WHERE (value ->> 'class')::oid = 'pg_class'::regclass AND pg_class.relkind = 'i'
  LOOP
    EXECUTE format('DROP INDEX %s', _index);
  END LOOP;

  -- What a view was bound to may have given a column another type, and then it can't be replaced in its place.
  FOR _view IN
    SELECT DISTINCT pg_rewrite.ev_class
    FROM jsonb_array_elements(_wrong)
    JOIN pg_rewrite ON pg_rewrite.oid = (value ->> 'id')::oid
    JOIN pg_attribute ON pg_attribute.attrelid = pg_rewrite.ev_class AND pg_attribute.attnum > 0
    WHERE (value ->> 'class')::oid = 'pg_rewrite'::regclass
      AND pg_attribute.atttypid <> CASE pg_attribute.attname
        WHEN 'message_count' THEN 'int8'::regtype
        WHEN 'percent' THEN 'numeric'::regtype
        WHEN 'category' THEN 'varchar'::regtype
        ELSE 'text'::regtype
      END
  LOOP
    EXECUTE format('DROP VIEW %s', _view);
  END LOOP;

  IF EXISTS (
    SELECT
    FROM jsonb_array_elements(_wrong) JOIN pg_attrdef ON pg_attrdef.oid = (value ->> 'id')::oid
    WHERE (value ->> 'class')::oid = 'pg_attrdef'::regclass
      AND pg_attrdef.adrelid = 'message_store.messages'::regclass
  ) THEN
    ALTER TABLE message_store.messages
      ALTER COLUMN time SET DEFAULT (now() AT TIME ZONE 'utc'),
      ALTER COLUMN id SET DEFAULT gen_random_uuid();
  END IF;
END;
$$;

-- message_store/types/message.sql

-- The row type of the three read functions. As in Message DB, `data` and `metadata` are JSON text and `id` is the text of the
-- UUID: clients parse them themselves.
-- CREATE TYPE has no IF NOT EXISTS, and DROP TYPE would drop the read functions with it.

DO $$
BEGIN
  IF to_regtype('message_store.message') IS NULL THEN
    CREATE TYPE message_store.message AS (
      id varchar,
      stream_name varchar,
      type varchar,
      position bigint,
      global_position bigint,
      data varchar,
      metadata varchar,
      "time" timestamp without time zone
    );
  END IF;
END;
$$;

-- message_store/functions/message_store_version.sql

-- The version of Message DB whose interface this schema has. Clients ask for it to find out which functions they can call.

CREATE OR REPLACE FUNCTION message_store.message_store_version()
RETURNS varchar
LANGUAGE sql
RETURN '1.3.0'::varchar;

-- message_store/functions/hash_64.sql

-- The first 8 bytes of the value's MD5 as a signed 64-bit integer, big-endian. It is the key of a category's lock and, for a
-- cardinal id, decides the member of a consumer group. Other systems compute the same number, so it can't change.

CREATE OR REPLACE FUNCTION message_store.hash_64(value varchar)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('x' || left(md5(value), 16))::bit(64)::bigint;

-- message_store/functions/category.sql

-- The category of a stream name: the part before the first dash, or the whole name when it has no dash.
-- A single expression, so that the planner inlines the call: the index messages_category is on this expression.

CREATE OR REPLACE FUNCTION message_store.category(stream_name varchar)
RETURNS varchar
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN split_part(stream_name, '-', 1)::varchar;

-- message_store/functions/id.sql

-- The id of a stream name: everything after the first dash. NULL when there is no dash, empty when the dash is last.

CREATE OR REPLACE FUNCTION message_store.id(stream_name varchar)
RETURNS varchar
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN substr(stream_name, nullif(strpos(stream_name, '-'), 0) + 1)::varchar;

-- message_store/functions/cardinal_id.sql

-- The cardinal id of a stream name: its id up to the first plus sign. NULL when the name has no id.

CREATE OR REPLACE FUNCTION message_store.cardinal_id(stream_name varchar)
RETURNS varchar
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN split_part(message_store.id(stream_name), '+', 1)::varchar;

-- message_store/functions/is_category.sql

-- Whether a name has no dash, and so names a category. As in Message DB, NULL counts as a category.

CREATE OR REPLACE FUNCTION message_store.is_category(stream_name varchar)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (strpos(stream_name, '-') = 0) IS NOT FALSE;

-- message_store/indexes/messages_id.sql

-- A message id is unique in the store. As in Message DB this is a unique index and not a constraint, and its name is part
-- of the error for a duplicate id.
-- CREATE INDEX IF NOT EXISTS locks the table against writers even when the index exists, so a repeated installation would
-- wait for every open write.

DO $$
BEGIN
  IF to_regclass('message_store.messages_id') IS NULL THEN
    CREATE UNIQUE INDEX messages_id ON message_store.messages (id);
  END IF;
END;
$$;

-- message_store/indexes/messages_stream.sql

-- A position is unique in its stream. Reads of a stream, and of its version, use this index.
-- The check comes first because CREATE INDEX IF NOT EXISTS waits for open writes (see messages_id.sql).

DO $$
BEGIN
  IF to_regclass('message_store.messages_stream') IS NULL THEN
    CREATE UNIQUE INDEX messages_stream ON message_store.messages (stream_name, position);
  END IF;
END;
$$;

-- message_store/indexes/messages_category.sql

-- For reads of a category, also by correlation, in the order of the log.
-- The check comes first because CREATE INDEX IF NOT EXISTS waits for open writes (see messages_id.sql).
-- When our function has just replaced Message DB's, open sessions inline the new body in their queries but remember the index
-- with the old one, and no longer use it. An ALTER that changes nothing, and waits for no writer, makes them load the index
-- again.

DO $$
BEGIN
  IF to_regclass('message_store.messages_category') IS NULL THEN
    CREATE INDEX messages_category ON message_store.messages (
      message_store.category(stream_name),
      global_position,
      message_store.category(metadata ->> 'correlationStreamName')
    );
  ELSIF current_setting('eventfold.install_replaces', true) = 'on' THEN
    ALTER INDEX message_store.messages_category RESET (fillfactor);
  END IF;
END;
$$;

-- message_store/indexes/messages_at.sql

-- For eventfold.stream_messages: the messages of a stream by the text under `at` in their metadata, which a library of eventfold
-- writes for messages of streams with attributes. Messages without it are not in the index, and pay nothing but the look for it.
-- The column is null for a text that could be too large for an index, so that no append fails because of it. The hash stands for the
-- name, because a name makes the index twice as large, and is compared by the rules of a language.
--
-- To make the index, the server reads the whole table and lets nothing be written meanwhile. So it is made at once for a small
-- table that nobody writes to, such as a new one. Otherwise a later installation makes it, or this statement, beside all writers:
--
--   CREATE INDEX CONCURRENTLY messages_at ON message_store.messages (
--     hashtextextended(stream_name, 0),
--     (CASE WHEN length(metadata ->> 'at') < 32 THEN metadata ->> 'at' END) COLLATE "C",
--     position
--   ) WHERE jsonb_typeof(metadata -> 'at') = 'string';

DO $$
BEGIN
  IF to_regclass('message_store.messages_at') IS NOT NULL OR pg_relation_size('message_store.messages') > 128 * 1024 * 1024 THEN
    RETURN;
  END IF;

  LOCK TABLE message_store.messages IN SHARE MODE NOWAIT;
  CREATE INDEX messages_at ON message_store.messages (
    hashtextextended(stream_name, 0),
    (CASE WHEN length(metadata ->> 'at') < 32 THEN metadata ->> 'at' END) COLLATE "C",
    position
  ) WHERE jsonb_typeof(metadata -> 'at') = 'string';
EXCEPTION
  WHEN lock_not_available THEN
    NULL;
END;
$$;

-- message_store/indexes/reindex.sql

-- An index holds what a function gave when its rows were written. When a function was bound wrongly (see bindings.sql), each
-- index on a function of the schema, an application's too, is built again. This waits for open writes; where nothing was
-- wrong the file does nothing.

DO $$
DECLARE
  _index regclass;
BEGIN
  IF EXISTS (
    SELECT FROM jsonb_array_elements(current_setting('eventfold.install_bindings')::jsonb)
    WHERE (value ->> 'class')::oid = 'pg_proc'::regclass
  ) THEN
    FOR _index IN
      SELECT DISTINCT pg_class.oid
      FROM pg_proc
      JOIN pg_depend
        ON pg_depend.refclassid = 'pg_proc'::regclass
        AND pg_depend.refobjid = pg_proc.oid
        AND pg_depend.classid = 'pg_class'::regclass
      JOIN pg_class ON pg_class.oid = pg_depend.objid
      WHERE pg_proc.pronamespace = 'message_store'::regnamespace AND pg_class.relkind IN ('i', 'I')
    LOOP
      EXECUTE format('REINDEX INDEX %s', _index);
    END LOOP;
  END IF;
END;
$$;

-- message_store/functions/acquire_lock.sql

-- Takes the exclusive lock of the stream's category until the transaction ends, and returns its key. With this lock the
-- writes of a category commit in the order of their global positions, so a reader of the category never skips one.
-- A NULL name takes no lock and returns NULL.
-- Message DB calls this function by its bare name, so a function earlier in the search_path can take its place. Here the
-- caller's search_path has no effect: to lock differently, replace this function.

CREATE OR REPLACE FUNCTION message_store.acquire_lock(stream_name varchar)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  _category varchar := message_store.category(acquire_lock.stream_name);
  _category_name_hash bigint := message_store.hash_64(_category);
BEGIN
  PERFORM pg_advisory_xact_lock(_category_name_hash);

  IF current_setting('message_store.debug_write', true) = 'on' OR current_setting('message_store.debug', true) = 'on' THEN
    RAISE NOTICE '» acquire_lock';
    RAISE NOTICE 'stream_name ($1): %', acquire_lock.stream_name;
    RAISE NOTICE '_category: %', _category;
    RAISE NOTICE '_category_name_hash: %', _category_name_hash;
  END IF;

  RETURN _category_name_hash;
END;
$$;

-- message_store/functions/stream_version.sql

-- The highest position of the stream of exactly this name, NULL when it has no message. As in Message DB, the name of a
-- category means the stream of exactly that name.

CREATE OR REPLACE FUNCTION message_store.stream_version(stream_name varchar)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
  RETURN (
    SELECT max(messages.position)
    FROM message_store.messages
    WHERE messages.stream_name = stream_version.stream_name
  );
END;
$$;

-- message_store/functions/write_message.sql

-- Appends a message to a stream and returns its position. `expected_version` is the version that the stream must have, -1 for
-- a stream that must not exist, NULL for any.
-- The steps are in Message DB's order, because it decides which error wins: lock, version, id, row. The id is
-- converted before the row takes its global position, so that an invalid id leaves no gap.

CREATE OR REPLACE FUNCTION message_store.write_message(
  id varchar,
  stream_name varchar,
  type varchar,
  data jsonb,
  metadata jsonb DEFAULT NULL,
  expected_version bigint DEFAULT NULL
)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
AS $$
DECLARE
  _id uuid;
  _stream_version bigint;
  _next_position bigint;
BEGIN
  PERFORM message_store.acquire_lock(write_message.stream_name);

  -- In a statement of its own: its snapshot must be newer than the wait for the lock.
  -- Not coalesce((SELECT max(position) ..), -1): that plan is the same look-up inside two more nodes, which start and end with
  -- each call.
  SELECT messages.position
  INTO _stream_version
  FROM message_store.messages
  WHERE messages.stream_name = write_message.stream_name
  ORDER BY messages.position DESC
  LIMIT 1;
  _stream_version := coalesce(_stream_version, -1);

  IF write_message.expected_version <> _stream_version THEN
    RAISE EXCEPTION 'Wrong expected version: % (Stream: %, Stream Version: %)',
      write_message.expected_version,
      write_message.stream_name,
      _stream_version;
  END IF;

  _next_position := _stream_version + 1;
  _id := write_message.id::uuid;

  INSERT INTO message_store.messages (stream_name, position, type, data, metadata, id)
  VALUES (
    write_message.stream_name,
    _next_position,
    write_message.type,
    write_message.data,
    write_message.metadata,
    _id
  );

  IF current_setting('message_store.debug_write', true) = 'on' OR current_setting('message_store.debug', true) = 'on' THEN
    RAISE NOTICE '» write_message';
    RAISE NOTICE 'id ($1): %', write_message.id;
    RAISE NOTICE 'stream_name ($2): %', write_message.stream_name;
    RAISE NOTICE 'type ($3): %', write_message.type;
    RAISE NOTICE 'data ($4): %', write_message.data;
    RAISE NOTICE 'metadata ($5): %', write_message.metadata;
    RAISE NOTICE 'expected_version ($6): %', write_message.expected_version;
    RAISE NOTICE '_stream_version: %', _stream_version;
    RAISE NOTICE '_next_position: %', _next_position;
  END IF;

  RETURN _next_position;
END;
$$;

-- message_store/functions/get_stream_messages.sql

-- The messages of a stream from a position on (inclusive), in order. `batch_size` -1 means no limit; NULL means the default.
-- The function splices the SQL text of `condition` into its query as it is, with the caller's rights, and only when the
-- setting `message_store.sql_condition` is `on`. (For Message DB every value but `off` is on, even the empty one that RESET
-- leaves behind.)
--
-- Sequential scans are off, because a plan that was made while the table was small must not scan the whole table later. A table that a
-- condition has to scan costs without end then, which would turn on JIT, so JIT is off.

CREATE OR REPLACE FUNCTION message_store.get_stream_messages(
  stream_name varchar,
  "position" bigint DEFAULT 0,
  batch_size bigint DEFAULT 1000,
  condition varchar DEFAULT NULL
)
RETURNS SETOF message_store.message
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
  _position bigint := coalesce(get_stream_messages."position", 0);
  _batch_size bigint := coalesce(get_stream_messages.batch_size, 1000);
  _debug boolean := current_setting('message_store.debug_get', true) = 'on'
    OR current_setting('message_store.debug', true) = 'on';
  _command text;
BEGIN
  IF message_store.is_category(get_stream_messages.stream_name) THEN
    RAISE EXCEPTION 'Must be a stream name: %', get_stream_messages.stream_name;
  END IF;

  IF get_stream_messages.condition IS NULL AND _debug IS NOT TRUE THEN
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
      WHERE messages.stream_name = get_stream_messages.stream_name
        AND messages.position >= _position
      ORDER BY messages.position
      LIMIT nullif(_batch_size, -1);
    RETURN;
  END IF;

  _command := '
    SELECT
      id::varchar, stream_name::varchar, type::varchar, position, global_position,
      data::varchar, metadata::varchar, time
    FROM message_store.messages
    WHERE stream_name = $1 AND position >= $2';

  IF get_stream_messages.condition IS NOT NULL THEN
    IF current_setting('message_store.sql_condition', true) IS DISTINCT FROM 'on' THEN
      RAISE EXCEPTION 'Retrieval with SQL condition is not activated';
    END IF;

    _command := _command || ' AND (' || get_stream_messages.condition || ')';
  END IF;

  _command := _command || '
    ORDER BY position
    LIMIT nullif($3, -1)';

  IF _debug THEN
    RAISE NOTICE '» get_stream_messages';
    RAISE NOTICE 'stream_name ($1): %', get_stream_messages.stream_name;
    RAISE NOTICE 'position ($2): %', _position;
    RAISE NOTICE 'batch_size ($3): %', _batch_size;
    RAISE NOTICE 'condition ($4): %', get_stream_messages.condition;
    RAISE NOTICE 'Generated Command: %', _command;
  END IF;

  RETURN QUERY EXECUTE _command USING get_stream_messages.stream_name, _position, _batch_size;
END;
$$;

-- message_store/functions/get_category_messages.sql

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

-- message_store/functions/get_last_stream_message.sql

-- The message with the highest position of a stream, or the highest of one type. As in Message DB, the function does not
-- check the name: the name of a category means the stream of exactly that name.

-- Before 1.3.0 the function had no `type`. With both of them, a call with one argument would be ambiguous.
DROP FUNCTION IF EXISTS message_store.get_last_stream_message(varchar);

CREATE OR REPLACE FUNCTION message_store.get_last_stream_message(stream_name varchar, type varchar DEFAULT NULL)
RETURNS SETOF message_store.message
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
  _command text;
BEGIN
  IF current_setting('message_store.debug_get', true) = 'on' OR current_setting('message_store.debug', true) = 'on' THEN
    _command := '
    SELECT
      id::varchar, stream_name::varchar, type::varchar, position, global_position,
      data::varchar, metadata::varchar, time
    FROM message_store.messages
    WHERE stream_name = $1';

    IF get_last_stream_message.type IS NOT NULL THEN
      _command := _command || ' AND type = $2';
    END IF;

    _command := _command || '
    ORDER BY position DESC
    LIMIT 1';

    RAISE NOTICE '» get_last_message';
    RAISE NOTICE 'stream_name ($1): %', get_last_stream_message.stream_name;
    RAISE NOTICE 'type ($2): %', get_last_stream_message.type;
    RAISE NOTICE 'Generated Command: %', _command;

    RETURN QUERY EXECUTE _command USING get_last_stream_message.stream_name, get_last_stream_message.type;
  ELSIF get_last_stream_message.type IS NULL THEN
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
      WHERE messages.stream_name = get_last_stream_message.stream_name
      ORDER BY messages.position DESC
      LIMIT 1;
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
      WHERE messages.stream_name = get_last_stream_message.stream_name
        AND messages.type = get_last_stream_message.type
      ORDER BY messages.position DESC
      LIMIT 1;
  END IF;
END;
$$;

-- message_store/views/stream_summary.sql

-- How many messages each stream has. The percentage is of all messages in the store.

CREATE OR REPLACE VIEW message_store.stream_summary AS
  SELECT
    stream_name,
    count(*) AS message_count,
    round(count(*) * 100 / sum(count(*)) OVER (), 2) AS percent
  FROM message_store.messages
  GROUP BY stream_name
  ORDER BY stream_name;

-- message_store/views/type_summary.sql

-- How many messages of each type the store has. The percentage is of all messages in the store.

CREATE OR REPLACE VIEW message_store.type_summary AS
  SELECT
    type,
    count(*) AS message_count,
    round(count(*) * 100 / sum(count(*)) OVER (), 2) AS percent
  FROM message_store.messages
  GROUP BY type
  ORDER BY type;

-- message_store/views/stream_type_summary.sql

-- How many messages each stream has of each type. The percentage is of all messages in the store.

CREATE OR REPLACE VIEW message_store.stream_type_summary AS
  SELECT
    stream_name,
    type,
    count(*) AS message_count,
    round(count(*) * 100 / sum(count(*)) OVER (), 2) AS percent
  FROM message_store.messages
  GROUP BY stream_name, type
  ORDER BY stream_name, type;

-- message_store/views/type_stream_summary.sql

-- How many messages of each type each stream has. The percentage is of all messages in the store.

CREATE OR REPLACE VIEW message_store.type_stream_summary AS
  SELECT
    type,
    stream_name,
    count(*) AS message_count,
    round(count(*) * 100 / sum(count(*)) OVER (), 2) AS percent
  FROM message_store.messages
  GROUP BY type, stream_name
  ORDER BY type, stream_name;

-- message_store/views/category_type_summary.sql

-- How many messages each category has of each type. The percentage is of all messages in the store.

CREATE OR REPLACE VIEW message_store.category_type_summary AS
  SELECT
    message_store.category(stream_name) AS category,
    type,
    count(*) AS message_count,
    round(count(*) * 100 / sum(count(*)) OVER (), 2) AS percent
  FROM message_store.messages
  GROUP BY message_store.category(stream_name), type
  ORDER BY message_store.category(stream_name), type;

-- message_store/views/type_category_summary.sql

-- How many messages of each type each category has. The percentage is of all messages in the store.

CREATE OR REPLACE VIEW message_store.type_category_summary AS
  SELECT
    type,
    message_store.category(stream_name) AS category,
    count(*) AS message_count,
    round(count(*) * 100 / sum(count(*)) OVER (), 2) AS percent
  FROM message_store.messages
  GROUP BY type, message_store.category(stream_name)
  ORDER BY type, message_store.category(stream_name);

-- message_store/privileges.sql

-- What the role message_store may do, as in Message DB: read and append, and nothing else. Message DB also grants it
-- gen_random_uuid(), which every role may execute; the grant would only tie the role to the database.

DO $$
BEGIN
  IF current_setting('eventfold.install_role', true) IS DISTINCT FROM 'off' THEN
    GRANT USAGE ON SCHEMA message_store TO message_store;
    GRANT SELECT, INSERT ON message_store.messages TO message_store;
    GRANT USAGE, SELECT ON SEQUENCE message_store.messages_global_position_seq TO message_store;
    GRANT SELECT ON
      message_store.stream_summary,
      message_store.type_summary,
      message_store.stream_type_summary,
      message_store.type_stream_summary,
      message_store.category_type_summary,
      message_store.type_category_summary
      TO message_store;
    GRANT EXECUTE ON FUNCTION
      message_store.message_store_version(),
      message_store.hash_64(varchar),
      message_store.category(varchar),
      message_store.id(varchar),
      message_store.cardinal_id(varchar),
      message_store.is_category(varchar),
      message_store.acquire_lock(varchar),
      message_store.stream_version(varchar),
      message_store.write_message(varchar, varchar, varchar, jsonb, jsonb, bigint),
      message_store.get_stream_messages(varchar, bigint, bigint, varchar),
      message_store.get_category_messages(varchar, bigint, bigint, varchar, bigint, bigint, varchar),
      message_store.get_last_stream_message(varchar, varchar)
      TO message_store;
  END IF;
END;
$$;

-- message_store/indexes/messages_traces.sql

-- The indexes for what caused what: messages_correlation has the messages of a correlation, messages_causation the effects of a
-- message. Each is over a hash, because a text of an index may be too large for it, and an append would fail then; and without the
-- messages that name no correlation, or no cause.
--
-- They cost appends and space, so they are an option: `eventfold.trace_indexes` is `on` to make them, `off` to remove them, and
-- otherwise what is there stays. A table of more than 128 MB, or one that is in use, is left as it is, because the server would let
-- nothing be written meanwhile. What is left to do then is in `eventfold.install_trace_statements`, a JSON array of statements that
-- run beside all writers. `eventfold.install_trace_indexes` is `on` when both indexes can be used.

DO $$
DECLARE
  _wanted CONSTANT text := current_setting('eventfold.trace_indexes', true);
  _is_small CONSTANT boolean := pg_relation_size('message_store.messages') <= 128 * 1024 * 1024;
  _index record;
  _statements text[] := '{}';
  _ready integer := 0;
  _is_valid boolean;
BEGIN
  FOR _index IN
    SELECT
      format('message_store.%I', name) AS qualified,
      format(
        '%I ON message_store.messages (hashtextextended(metadata ->> %L, 0), global_position) WHERE (metadata ->> %L) IS NOT NULL',
        name,
        key,
        key
      ) AS definition
    FROM (VALUES
      ('messages_correlation', 'correlationStreamName'),
      ('messages_causation', 'causationMessageGlobalPosition')
    ) AS indexes (name, key)
  LOOP
    SELECT indisvalid INTO _is_valid FROM pg_index WHERE indexrelid = to_regclass(_index.qualified);
    IF _wanted = 'on' AND _is_valid IS NULL THEN
      BEGIN
        IF NOT _is_small THEN
          RAISE lock_not_available;
        END IF;
        LOCK TABLE message_store.messages IN SHARE MODE NOWAIT;
        EXECUTE 'CREATE INDEX ' || _index.definition;
        _is_valid := true;
      EXCEPTION
        WHEN lock_not_available THEN
          _statements := _statements || ('CREATE INDEX CONCURRENTLY ' || _index.definition);
      END;
    ELSIF _wanted = 'on' AND NOT _is_valid THEN
      -- It is being made, or its making was cut off. This waits for the one and mends the other.
      _statements := _statements || ('REINDEX INDEX CONCURRENTLY ' || _index.qualified);
    ELSIF _wanted = 'off' AND _is_valid IS NOT NULL THEN
      BEGIN
        LOCK TABLE message_store.messages IN ACCESS EXCLUSIVE MODE NOWAIT;
        EXECUTE 'DROP INDEX ' || _index.qualified;
        _is_valid := NULL;
      EXCEPTION
        WHEN lock_not_available THEN
          _statements := _statements || ('DROP INDEX CONCURRENTLY ' || _index.qualified);
      END;
    END IF;
    _ready := _ready + CASE WHEN _is_valid THEN 1 ELSE 0 END;
  END LOOP;

  PERFORM
    set_config('eventfold.install_trace_indexes', CASE WHEN _ready = 2 THEN 'on' ELSE 'off' END, true),
    set_config('eventfold.install_trace_statements', to_jsonb(_statements)::text, true);
END;
$$;

-- eventfold/schema.sql

-- The schema of what eventfold adds, so that message_store stays Message DB's interface. Its owner is the owner of
-- message_store, unless the installation names another one (see message_store/schema.sql).

DO $$
DECLARE
  _privilege CONSTANT text := CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END;
  _owner text;
BEGIN
  PERFORM set_config('role', coalesce(nullif(current_setting('eventfold.install_caller', true), ''), 'none'), true);

  SELECT pg_get_userbyid(nspowner) INTO _owner FROM pg_namespace WHERE nspname = 'eventfold';
  IF NOT FOUND THEN
    SELECT coalesce(
      nullif(current_setting('eventfold.install_owner', true), ''),
      (
        SELECT pg_get_userbyid(nspowner)
        FROM pg_namespace
        WHERE nspname = 'message_store' AND pg_has_role(nspowner, _privilege)
      ),
      current_user
    ) INTO _owner;
    EXECUTE format('CREATE SCHEMA eventfold AUTHORIZATION %I', _owner);
  END IF;

  IF pg_has_role(_owner, _privilege) THEN
    EXECUTE format('SET LOCAL ROLE %I', _owner);
  END IF;
END;
$$;

-- eventfold/tables/installations.sql

-- The history of installations, a row for each change: the last row describes the current state. `message_store` says whose
-- functions that schema has, eventfold's or those of a Message DB. A previous version without a row of its own is older than
-- this table.

CREATE TABLE IF NOT EXISTS eventfold.installations (
  ordinal integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  version integer NOT NULL,
  previous_version integer,
  message_store text NOT NULL,
  installed_at timestamp with time zone NOT NULL DEFAULT now(),
  installed_by text NOT NULL DEFAULT session_user
);

-- eventfold/tables/read_models.sql

-- The builds of the read models: a row for each build, with its checkpoint. The live build has its tables in a schema named
-- after the read model; any other build adds its number to that name, as in orders_2. A worker changes the tables and the row
-- in one transaction.

CREATE TABLE IF NOT EXISTS eventfold.read_models (
  read_model text NOT NULL,
  number integer NOT NULL CHECK (number > 0),
  version integer NOT NULL,
  fingerprint text NOT NULL,
  state text NOT NULL CHECK (state IN ('building', 'live', 'retired')),
  -- The checkpoint, inclusive: everything up to this global position has been handled.
  "position" bigint NOT NULL,
  -- The last handled message that the read model reads; null before the first one.
  last_position bigint,
  last_id text,
  -- The store of the messages, as far as it can be identified.
  store_system text,
  store_database text,
  store_database_name text,
  store_timeline integer,
  -- The global position of the last message that was written before the first build.
  history bigint NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (read_model, number)
) WITH (fillfactor = 50); -- Every handled batch updates a row; with room on the page it stays there.

CREATE UNIQUE INDEX IF NOT EXISTS read_models_live ON eventfold.read_models (read_model) WHERE state = 'live';

-- eventfold/tables/positions.sql

-- The positions of consumers, and of the deadlines of processes: a row for each, which is updated. Without a row, a consumer
-- starts from the last Recorded message of its position stream, such as account:position-welcome, if there is one.

CREATE TABLE IF NOT EXISTS eventfold.positions (
  -- The category that the consumer reads; $all when it reads several or everything.
  category text NOT NULL,
  consumer_id text NOT NULL,
  -- The member of a consumer group, from 0; -1 without a group.
  member integer NOT NULL CHECK (member >= -1),
  -- The low-water mark, inclusive: everything up to this global position has been handled.
  "position" bigint NOT NULL,
  -- The size of the group; null without a group.
  group_size integer CHECK (group_size > 0),
  updated_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (category, consumer_id, member)
) WITH (fillfactor = 50); -- No index has what an update changes; with room on the page, the row stays there.

-- eventfold/tables/runners.sql

-- The programs that run consumers and read models, and what they do right now: a row for each, which is updated. It is no part of
-- the log, so it is not in the write-ahead log either: after a crash of the server it is empty until programs tell again.

CREATE UNLOGGED TABLE IF NOT EXISTS eventfold.runners (
  -- Tells a program from others, and from the one that had its pid before.
  id uuid NOT NULL PRIMARY KEY,
  host text NOT NULL,
  pid integer NOT NULL,
  started_at timestamp with time zone NOT NULL,
  -- A program tells at least every ten seconds.
  told_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  -- What runs there, as eventfold's module Runners describes it.
  runs jsonb NOT NULL
) WITH (fillfactor = 50); -- No index has what an update changes; with room on the page, the row stays there.

-- eventfold/tables/streams.sql

-- The streams of a category that were added, with their attributes, and those that were not added but have messages. The
-- latter have no attributes here, and are not always there: list_streams says how the two parts make a whole.

CREATE TABLE IF NOT EXISTS eventfold.streams (
  -- Compared by bytes, whatever the collation of the database is: the order of lists.
  category text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  -- Null when the stream was not added.
  attributes jsonb CHECK (jsonb_typeof(attributes) = 'object'),
  added_at timestamp with time zone,
  -- Of a stream that was not added: the run of its category that noted it. One of another run does not count.
  run integer,
  PRIMARY KEY (category, id)
);

-- eventfold/tables/stream_categories.sql

-- The categories whose streams were listed, and up to which message the table streams has the streams of each.

CREATE TABLE IF NOT EXISTS eventfold.stream_categories (
  category text COLLATE "C" PRIMARY KEY,
  -- A global position, inclusive: the streams of all messages up to it were noted.
  through bigint NOT NULL,
  run integer NOT NULL,
  -- The file of the table of messages. When it is another one, that table was emptied or replaced, and a new run begins.
  log_file text NOT NULL
);

-- eventfold/tables/deleted_messages.sql

-- The messages that went with their streams: where they were, and nothing of what they said. A read model whose last message
-- is gone finds it here, and so tells a deletion from a store with another history.

CREATE TABLE IF NOT EXISTS eventfold.deleted_messages (
  global_position bigint PRIMARY KEY,
  id uuid NOT NULL
);

-- eventfold/rebind.sql

-- Mends what bindings.sql has found of the tables: the files that follow replace the functions. This waits for open writes of
-- read models; where nothing is wrong the file does nothing.

DO $$
BEGIN
  IF EXISTS (
    SELECT
    FROM jsonb_array_elements(current_setting('eventfold.install_bindings')::jsonb)
    JOIN pg_attrdef ON pg_attrdef.oid = (value ->> 'id')::oid
    JOIN pg_class ON pg_class.oid = pg_attrdef.adrelid
    WHERE (value ->> 'class')::oid = 'pg_attrdef'::regclass AND pg_class.relnamespace = 'eventfold'::regnamespace
  ) THEN
    ALTER TABLE eventfold.installations
      ALTER COLUMN installed_at SET DEFAULT now(),
      ALTER COLUMN installed_by SET DEFAULT session_user;
    ALTER TABLE eventfold.read_models ALTER COLUMN created_at SET DEFAULT clock_timestamp();
  END IF;
END;
$$;

-- eventfold/functions/recorded.sql

-- Looks up the messages of appends by their ids; `owners` names the append of each message, from 1. Returns a row for each
-- append. `found` is the number of its ids that the store has. `same` says whether the store has all of its messages as given:
-- in this stream, in this order, with this content; then `last_position` and `last_global_position` are those of its last
-- message. Otherwise `taken_id` is the first of its ids that the store has. An append of no messages has no row.
--
-- The `traceparent` of the metadata does not count as content, because a repeated append has another one. So metadata without
-- other keys equals no metadata.
--
-- A plan that was made while the table was empty would scan the whole table later, so sequential scans are off.

-- The function of version 1 looked up one append at a time.
DROP FUNCTION IF EXISTS eventfold.recorded(text, uuid[], text[], text[], text[]);

CREATE OR REPLACE FUNCTION eventfold.recorded(
  stream_names text[],
  owners integer[],
  ids uuid[],
  types text[],
  data text[],
  metadata text[]
)
RETURNS TABLE (
  append bigint,
  found bigint,
  same boolean,
  last_position bigint,
  last_global_position bigint,
  taken_id uuid
)
LANGUAGE sql STABLE
SET enable_seqscan = off
BEGIN ATOMIC
  SELECT
    names.append,
    count(stored.id),
    count(stored.id) = count(*)
      AND bool_and(
        stored.stream_name = names.name
        AND stored.type = given.type
        AND stored.data IS NOT DISTINCT FROM given.data::jsonb
        AND CASE jsonb_typeof(stored.metadata)
          WHEN 'object' THEN nullif(stored.metadata - 'traceparent', '{}')
          ELSE stored.metadata
        END IS NOT DISTINCT FROM CASE jsonb_typeof(nullif(given.metadata, '')::jsonb)
          WHEN 'object' THEN nullif(given.metadata::jsonb - 'traceparent', '{}')
          ELSE nullif(given.metadata, '')::jsonb
        END
      )
      AND min(stored.position - given.ordinal) = max(stored.position - given.ordinal),
    max(stored.position),
    max(stored.global_position),
    (array_agg(stored.id ORDER BY given.ordinal) FILTER (WHERE stored.id IS NOT NULL))[1]
  FROM unnest(recorded.stream_names) WITH ORDINALITY AS names (name, append)
  JOIN unnest(recorded.owners, recorded.ids, recorded.types, recorded.data, recorded.metadata)
    WITH ORDINALITY AS given (owner, id, type, data, metadata, ordinal) ON given.owner = names.append
  LEFT JOIN message_store.messages AS stored ON stored.id = given.id
  GROUP BY names.append;
END;

-- eventfold/functions/append_each.sql

-- Does what eventfold.append does when a stream is not at its expected version, when the call has a check, or when it is
-- careful: it takes the appends one by one. The arguments and rows are those of eventfold.append, which already holds the locks.
--
-- An atomic call whose messages are all recorded repeats an earlier one. The checks passed then, so they are not made again.

CREATE OR REPLACE FUNCTION eventfold.append_each(
  stream_names text[],
  expected_versions bigint[],
  message_counts integer[],
  ids uuid[],
  types text[],
  data text[],
  metadata text[],
  atomic boolean,
  careful boolean
)
RETURNS TABLE (outcome text, stream_version bigint, last_global_position bigint, taken_id uuid)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  _count CONSTANT integer := cardinality(stream_names);
  -- The appends to a stream share the slot of the first one, which holds the version of the stream as it grows.
  _slots integer[];
  _versions bigint[];
  -- For each message, the append that it belongs to; for each append, what to add to the ordinal of a message to get its
  -- position.
  _owners integer[];
  _first integer := 1;
  _offsets bigint[] := array_fill(-1::bigint, ARRAY[_count]);
  _version bigint;
  _is_expected boolean;
  -- What the store already has of each append that is not a check, looked up on first use; and the index in these arrays.
  _found bigint[];
  _same boolean[];
  _last_positions bigint[];
  _last_global_positions bigint[];
  _found_ids uuid[];
  _write integer := 0;
  _outcomes text[] := array_fill('written'::text, ARRAY[_count]);
  _result_versions bigint[] := array_fill(NULL::bigint, ARRAY[_count]);
  _result_positions bigint[] := array_fill(NULL::bigint, ARRAY[_count]);
  _taken_ids uuid[] := array_fill(NULL::uuid, ARRAY[_count]);
  _refused boolean := false;
  _recorded integer := 0;
  _written integer := 0;
  _global_positions bigint[];
BEGIN
  SELECT array_agg(slot ORDER BY ordinal), array_agg(version ORDER BY ordinal)
  INTO _slots, _versions
  FROM (
    SELECT
      ordinal,
      min(ordinal) OVER (PARTITION BY name) AS slot,
      coalesce(
        (
          SELECT messages.position
          FROM message_store.messages
          WHERE messages.stream_name = name
          ORDER BY messages.position DESC
          LIMIT 1
        ),
        -1
      ) AS version
    FROM unnest(stream_names) WITH ORDINALITY AS names (name, ordinal)
  ) AS streams;

  SELECT array_agg(append ORDER BY append)
  INTO _owners
  FROM unnest(message_counts) WITH ORDINALITY AS counts (messages, append), generate_series(1, messages);

  FOR _append IN 1 .. _count LOOP
    _version := _versions[_slots[_append]];
    _is_expected := CASE expected_versions[_append]
      WHEN -3 THEN true
      WHEN -2 THEN _version >= 0
      ELSE expected_versions[_append] = _version
    END;

    IF _found IS NULL AND (careful OR NOT _is_expected) THEN
      SELECT
        array_agg(recorded.found ORDER BY recorded.append),
        array_agg(recorded.same ORDER BY recorded.append),
        array_agg(recorded.last_position ORDER BY recorded.append),
        array_agg(recorded.last_global_position ORDER BY recorded.append),
        array_agg(recorded.taken_id ORDER BY recorded.append)
      INTO _found, _same, _last_positions, _last_global_positions, _found_ids
      FROM eventfold.recorded(stream_names, _owners, ids, types, data, metadata) AS recorded;
    END IF;

    IF message_counts[_append] = 0 THEN
      _outcomes[_append] := CASE WHEN _is_expected THEN 'checked' ELSE 'wrong_version' END;
      _result_versions[_append] := _version;
      _refused := _refused OR NOT _is_expected;
      CONTINUE;
    END IF;

    _write := _write + 1;
    IF _found IS NOT NULL AND _same[_write] THEN
      _outcomes[_append] := 'recorded';
      _recorded := _recorded + 1;
      _result_versions[_append] := _last_positions[_write];
      _result_positions[_append] := _last_global_positions[_write];
      _taken_ids[_append] := _found_ids[_write];
    ELSIF NOT _is_expected THEN
      _outcomes[_append] := 'wrong_version';
      _result_versions[_append] := _version;
      _refused := true;
    ELSIF _found IS NOT NULL AND _found[_write] > 0 THEN
      _outcomes[_append] := 'duplicate';
      _taken_ids[_append] := _found_ids[_write];
      _refused := true;
    ELSE
      _offsets[_append] := _version + 1 - _first;
      _version := _version + message_counts[_append];
      _versions[_slots[_append]] := _version;
      _result_versions[_append] := _version;
      _written := _written + 1;
    END IF;
    _first := _first + message_counts[_append];
  END LOOP;

  IF atomic AND _recorded > 0 AND _recorded = _write THEN
    _outcomes := array_replace(_outcomes, 'wrong_version', 'checked');
    _refused := false;
  ELSIF atomic AND NOT _refused AND _recorded > 0 AND _written > 0 THEN
    -- The store has only some of the appends, so this does not repeat an earlier atomic call.
    _outcomes := array_replace(_outcomes, 'recorded', 'duplicate');
    _refused := true;
  END IF;
  IF atomic AND _refused THEN
    _outcomes := array_replace(_outcomes, 'written', 'not_written');
    _written := 0;
  END IF;

  IF _written > 0 THEN
    WITH inserted AS (
      INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata)
      SELECT
        given.id,
        stream_names[given.owner],
        given.type,
        _offsets[given.owner] + given.ordinal,
        given.data::jsonb,
        nullif(given.metadata, '')::jsonb
      FROM unnest(ids, types, data, metadata, _owners)
        WITH ORDINALITY AS given (id, type, data, metadata, owner, ordinal)
      WHERE _outcomes[given.owner] = 'written'
      ORDER BY given.ordinal
      RETURNING global_position
    )
    SELECT array_agg(global_position ORDER BY global_position) INTO _global_positions FROM inserted;

    _first := 0;
    FOR _append IN 1 .. _count LOOP
      IF _outcomes[_append] = 'written' THEN
        _first := _first + message_counts[_append];
        _result_positions[_append] := _global_positions[_first];
      END IF;
    END LOOP;
  END IF;

  RETURN QUERY SELECT * FROM unnest(_outcomes, _result_versions, _result_positions, _taken_ids);
END;
$$;

-- eventfold/functions/append.sql

-- Writes several appends in one transaction and returns the outcome of each. An append is atomic: the function writes all of
-- its messages or none.
--
-- For each append, the arguments give its stream, the expected version (an exact one, -1 no stream, -2 an existing stream,
-- -3 any) and the number of its messages. For each message, in the order of the appends: id, type, data and metadata (JSON
-- text; an empty text is no metadata). An append of no messages is a check: it compares the version and writes nothing.
--
-- `atomic` writes all appends or none. `careful` looks for the ids in the store before it writes, which costs a look-up for
-- each message. Without it, an id that is in the store fails the whole call with a unique violation (23505), as it does in
-- write_message. The caller then repeats the call carefully, one append at a time.
--
-- Returns a row for each append, in their order:
--   written        at `stream_version`, `last_global_position` (both of its last message)
--   recorded       wrote nothing: the stream already has these messages, at `stream_version`, `last_global_position`
--   checked        wrote nothing: the append has no messages, and the stream is at `stream_version`, -1 when it does not exist
--   wrong_version  wrote nothing: the stream is at `stream_version`, -1 when it does not exist
--   duplicate      wrote nothing: `taken_id` is the id of another message
--   not_written    wrote nothing, because the call is atomic and another of its appends was refused
--
-- Three statements write the usual call, however many appends it has: they assume that every stream is at its expected
-- version, counting the appends of the call that come before. When one is not, or when the call has a check, append_each takes
-- the appends one by one.
--
-- The search path is for the acquire_lock of a stock Message DB, which calls other functions by their bare names. A custom
-- plan for arrays of each length would cost more than the whole call. A generic plan that was made while the table was empty
-- must not scan the whole table later, so sequential scans are off.

CREATE OR REPLACE FUNCTION eventfold.append(
  stream_names text[],
  expected_versions bigint[],
  message_counts integer[],
  ids uuid[],
  types text[],
  data text[],
  metadata text[],
  atomic boolean DEFAULT false,
  careful boolean DEFAULT false
)
RETURNS TABLE (outcome text, stream_version bigint, last_global_position bigint, taken_id uuid)
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
  _count CONSTANT integer := cardinality(stream_names);
  _category text;
  -- For each message, the append that it belongs to; for each append, the ordinal of its last message.
  _owners integer[];
  _lasts integer[];
  -- For each append, the version of its stream after it, and what to add to the ordinal of a message to get its position.
  _versions bigint[];
  _offsets bigint[];
  _is_usual boolean := NOT careful AND 0 <> ALL (message_counts);
  _global_positions bigint[];
BEGIN
  -- Every call takes the locks in the same order, so that two atomic calls can't deadlock.
  FOR _category IN
    SELECT category
    FROM (SELECT DISTINCT message_store.category(name) COLLATE "C" FROM unnest(stream_names) AS name) AS names (category)
    ORDER BY message_store.hash_64(category)
  LOOP
    PERFORM message_store.acquire_lock(_category);
  END LOOP;

  IF _is_usual THEN
    IF cardinality(ids) = _count THEN
      _lasts := ARRAY(SELECT generate_series(1, _count));
      _owners := _lasts;
    ELSIF _count = 1 THEN
      _lasts := message_counts;
      _owners := array_fill(1, message_counts);
    ELSE
      SELECT array_agg(last ORDER BY append)
      INTO _lasts
      FROM (
        SELECT append, (sum(messages) OVER (ORDER BY append))::integer AS last
        FROM unnest(message_counts) WITH ORDINALITY AS counts (messages, append)
      ) AS counts;

      SELECT array_agg(append ORDER BY append)
      INTO _owners
      FROM unnest(message_counts) WITH ORDINALITY AS counts (messages, append), generate_series(1, messages);
    END IF;

    -- In a statement of its own: its snapshot must be newer than the wait for the locks.
    SELECT
      array_agg(version ORDER BY append),
      array_agg(version - last ORDER BY append),
      bool_and(CASE expected
        WHEN -3 THEN true
        WHEN -2 THEN version >= messages
        ELSE expected = version - messages
      END)
    INTO _versions, _offsets, _is_usual
    FROM (
      SELECT
        append,
        expected_versions[append] AS expected,
        message_counts[append] AS messages,
        _lasts[append] AS last,
        sum(message_counts[append]) OVER (PARTITION BY stream_names[append] COLLATE "C" ORDER BY append) + coalesce(
          (
            SELECT messages.position
            FROM message_store.messages
            WHERE messages.stream_name = stream_names[append]
              -- A scan reads each index page to the end of its range. The expected version keeps the range short.
              AND messages.position >= expected_versions[append]
            ORDER BY messages.position DESC
            LIMIT 1
          ),
          -- The stream is behind the expected version. This value fails the check whatever the call appends before, and
          -- append_each looks up the actual version.
          CASE WHEN expected_versions[append] < 0 THEN -1 ELSE -4611686018427387904 END
        ) AS version
      FROM generate_series(1, _count) AS append
    ) AS appends;
  END IF;

  IF NOT _is_usual THEN
    RETURN QUERY SELECT *
    FROM eventfold.append_each(
      stream_names, expected_versions, message_counts, ids, types, data, metadata, atomic, careful
    );
    RETURN;
  END IF;

  WITH inserted AS (
    INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata)
    SELECT
      ids[ordinal],
      stream_names[_owners[ordinal]],
      types[ordinal],
      _offsets[_owners[ordinal]] + ordinal,
      data[ordinal]::jsonb,
      nullif(metadata[ordinal], '')::jsonb
    FROM (SELECT ordinal FROM generate_series(1, cardinality(ids)) AS ordinal ORDER BY ordinal) AS ordinals
    RETURNING global_position
  )
  SELECT array_agg(global_position ORDER BY global_position) INTO _global_positions FROM inserted;

  RETURN QUERY SELECT 'written', version, _global_positions[last], NULL::uuid
  FROM unnest(_versions, _lasts) AS written (version, last);
END;
$$;

-- eventfold/functions/append_message.sql

-- Writes one message as eventfold.append does with `careful => false`, and returns the same row, by the fewest steps.

CREATE OR REPLACE FUNCTION eventfold.append_message(
  stream_name text,
  expected_version bigint,
  id uuid,
  type text,
  data jsonb,
  metadata jsonb,
  OUT outcome text,
  OUT stream_version bigint,
  OUT last_global_position bigint,
  OUT taken_id uuid
)
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
  PERFORM message_store.acquire_lock(append_message.stream_name);

  -- In a statement of its own: its snapshot must be newer than the wait for the lock.
  SELECT messages.position
  INTO append_message.stream_version
  FROM message_store.messages
  WHERE messages.stream_name = append_message.stream_name
    -- Keeps the index scan short: see append.
    AND messages.position >= append_message.expected_version
  ORDER BY messages.position DESC
  LIMIT 1;
  stream_version := coalesce(stream_version, -1);

  IF expected_version IN (-3, stream_version) OR (expected_version = -2 AND stream_version >= 0) THEN
    stream_version := stream_version + 1;
    INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata)
    VALUES (
      append_message.id,
      append_message.stream_name,
      append_message.type,
      append_message.stream_version,
      append_message.data,
      append_message.metadata
    )
    RETURNING global_position INTO last_global_position;
    outcome := 'written';
  ELSE
    SELECT *
    INTO outcome, stream_version, last_global_position, taken_id
    FROM eventfold.append_each(
      ARRAY[append_message.stream_name],
      ARRAY[expected_version],
      ARRAY[1],
      ARRAY[append_message.id],
      ARRAY[append_message.type],
      ARRAY[append_message.data::text],
      ARRAY[coalesce(append_message.metadata::text, '')],
      false,
      false
    );
  END IF;
END;
$$;

-- eventfold/functions/gap_writers.sql

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

-- eventfold/functions/log_run.sql

-- A text that changes when the server restarts and when the table of messages is emptied or replaced. What a reader has
-- learned about gaps is worth nothing after that: the names of transactions start again, and so may positions.
--
-- This is the only place with this rule. As with gap_writers, @eventfold/postgres runs the text between BEGIN ATOMIC
-- and END on a Message DB without this function. The name of the table is looked up at each call, so that the function
-- does not depend on the table.

CREATE OR REPLACE FUNCTION eventfold.log_run()
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT concat_ws(
    ' ',
    extract(epoch FROM pg_postmaster_start_time()),
    pg_relation_filepath(to_regclass('message_store.messages'))
  );
END;

-- eventfold/functions/read_all.sql

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

-- eventfold/functions/read_for_fold.sql

-- What a fold needs of the messages of a stream from a position on (inclusive), in order. To write the rest of them as text would take
-- twice as long.
--
-- The plan is kept, because to make it takes longer than to read a short stream. One that was made while the table was small must not
-- scan the whole table later, so sequential scans are off. Its estimate knows no limit: streams of a million messages would turn on JIT,
-- which takes a hundred times as long as such a read, so JIT is off.

CREATE OR REPLACE FUNCTION eventfold.read_for_fold(stream_name text, "position" bigint, batch_size bigint)
RETURNS TABLE (type varchar, data varchar, message_position bigint, schema_version varchar)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
  RETURN QUERY
    SELECT
      messages.type::varchar,
      messages.data::varchar,
      messages.position,
      (messages.metadata -> 'schemaVersion')::varchar
    FROM message_store.messages
    WHERE messages.stream_name = read_for_fold.stream_name
      AND messages.position >= read_for_fold."position"
    ORDER BY messages.position
    LIMIT read_for_fold.batch_size;
END;
$$;

-- eventfold/functions/is_mark.sql

-- Whether a message is a mark of a deletion: a tombstone in the place of a deleted message, the notice that follows it, or
-- the notice of a deleted stream. The type alone does not tell, because an application may have events of that name.

CREATE OR REPLACE FUNCTION eventfold.is_mark(type text, data jsonb, metadata jsonb)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (type = 'Deleted' AND data IS NULL AND jsonb_typeof(metadata -> 'deleted') = 'object') IS TRUE;

-- eventfold/functions/is_end.sql

-- Whether a message is the notice of a deleted stream. A stream without any other message does not exist: a deletion removes
-- all messages but this one.

CREATE OR REPLACE FUNCTION eventfold.is_end(type text, data jsonb, metadata jsonb)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
  type = 'Deleted' AND data IS NULL AND jsonb_typeof(metadata -> 'deleted') = 'object'
    AND (metadata -> 'deleted') ? 'through'
) IS TRUE;

-- eventfold/functions/has_messages.sql

-- Whether a stream exists because of its messages: it has some, and the last one is not the notice of its deletion.

CREATE OR REPLACE FUNCTION eventfold.has_messages(stream_name text)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
  RETURN coalesce(
    (
      SELECT NOT eventfold.is_end(messages.type, messages.data, messages.metadata)
      FROM message_store.messages
      WHERE messages.stream_name = has_messages.stream_name
      ORDER BY messages.position DESC
      LIMIT 1
    ),
    false
  );
END;
$$;

-- eventfold/functions/add_stream.sql

-- Gives attributes to a stream that has none, whether it has messages or not. Returns false, and changes nothing, when it has.
-- Like an append, it takes the lock of the category: so it never deadlocks with what else writes there.

CREATE OR REPLACE FUNCTION eventfold.add_stream(category text, id text, attributes jsonb)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
  PERFORM message_store.acquire_lock(add_stream.category);

  INSERT INTO eventfold.streams AS existing (category, id, attributes, added_at)
  VALUES (add_stream.category, add_stream.id, add_stream.attributes, now())
  ON CONFLICT ON CONSTRAINT streams_pkey DO UPDATE
    SET attributes = excluded.attributes, added_at = excluded.added_at
    WHERE existing.attributes IS NULL;
  RETURN FOUND;
END;
$$;

-- eventfold/functions/set_stream.sql

-- Replaces the attributes of a stream that exists, also of one that was not added. Returns false, and changes nothing, when it
-- does not exist.

CREATE OR REPLACE FUNCTION eventfold.set_stream(category text, id text, attributes jsonb)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
  PERFORM message_store.acquire_lock(set_stream.category);

  UPDATE eventfold.streams
  SET attributes = set_stream.attributes
  WHERE streams.category = set_stream.category AND streams.id = set_stream.id AND streams.attributes IS NOT NULL;
  IF FOUND THEN
    RETURN true;
  ELSIF NOT eventfold.has_messages(set_stream.category || '-' || set_stream.id) THEN
    RETURN false;
  END IF;
  RETURN eventfold.add_stream(set_stream.category, set_stream.id, set_stream.attributes);
END;
$$;

-- eventfold/functions/get_stream.sql

-- The attributes of a stream, `{}` when it was not added; NULL when it does not exist.

CREATE OR REPLACE FUNCTION eventfold.get_stream(category text, id text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
DECLARE
  _attributes jsonb;
BEGIN
  SELECT streams.attributes
  INTO _attributes
  FROM eventfold.streams
  WHERE streams.category = get_stream.category AND streams.id = get_stream.id;
  RETURN CASE
    WHEN _attributes IS NOT NULL THEN _attributes
    WHEN eventfold.has_messages(get_stream.category || '-' || get_stream.id) THEN '{}'
  END;
END;
$$;

-- eventfold/functions/unnoted_streams.sql

-- The streams of a category with messages after the last one that note_streams has looked at, each once and in no order; NULL
-- when there are more than `most` such messages. `run` is that of the streams which were noted.
--
-- A notice of a deletion makes no stream. An id is not empty, so a stream with the name of the category is none of its streams.

CREATE OR REPLACE FUNCTION eventfold.unnoted_streams(category text, most bigint, OUT run integer, OUT ids text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_sort = off
SET jit = off
AS $$
DECLARE
  _through bigint;
  _messages bigint;
BEGIN
  SELECT stream_categories.through, stream_categories.run
  INTO _through, unnoted_streams.run
  FROM eventfold.stream_categories
  WHERE stream_categories.category = unnoted_streams.category
    AND stream_categories.log_file = pg_relation_filepath('message_store.messages');

  SELECT
    sum(streams.messages),
    array_agg(streams.id) FILTER (WHERE streams.has_messages AND streams.id <> '')
  INTO _messages, ids
  FROM (
    SELECT
      substr(page.stream_name, length(unnoted_streams.category) + 2) AS id,
      bool_or(NOT eventfold.is_end(page.type, page.data, page.metadata)) AS has_messages,
      count(*) AS messages
    FROM (
      -- One way for the planner, along messages_category: see get_category_messages.
      SELECT messages.stream_name, messages.type, messages.data, messages.metadata
      FROM message_store.messages
      WHERE (message_store.category(messages.stream_name), messages.global_position)
          > (unnoted_streams.category, coalesce(_through, 0))
        AND message_store.category(messages.stream_name) <= unnoted_streams.category
      ORDER BY message_store.category(messages.stream_name), messages.global_position
      LIMIT unnoted_streams.most + 1
    ) AS page
    GROUP BY page.stream_name
  ) AS streams;

  IF _messages > unnoted_streams.most THEN
    ids := NULL;
  ELSE
    ids := coalesce(ids, '{}');
  END IF;
END;
$$;

-- eventfold/functions/list_streams.sql

-- A page of the streams of a category, by rising id: after the id `after`, without the first `base`.
--
-- A stream exists when it was added, or when it has messages. Nothing that appends takes part in this, so that an append costs
-- what it did. The table streams has the streams that were added, and those of the messages that note_streams has looked at;
-- the messages since then are read with each list. They are few: when there are more than `most_unnoted`, the function returns
-- no page but a row without an id. The caller then runs note_streams, or asks for the page without that limit.
--
-- Writes of a category become visible in the order of their global positions, because of its lock. So what is read is complete
-- and the same at any time, whether note_streams has run or not.

CREATE OR REPLACE FUNCTION eventfold.list_streams(
  category text,
  after text DEFAULT NULL,
  base bigint DEFAULT 0,
  batch_size bigint DEFAULT 100,
  most_unnoted bigint DEFAULT NULL
)
RETURNS TABLE (id text, attributes jsonb)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  _run integer;
  _ids text[];
BEGIN
  SELECT unnoted.run, unnoted.ids
  INTO _run, _ids
  FROM eventfold.unnoted_streams(list_streams.category, coalesce(list_streams.most_unnoted, 9223372036854775806)) AS unnoted;

  IF _ids IS NULL THEN
    RETURN QUERY SELECT NULL::text, NULL::jsonb;
    RETURN;
  END IF;

  RETURN QUERY
    SELECT listed.id, coalesce(listed.attributes, '{}')
    FROM (
      (
        SELECT streams.id, streams.attributes
        FROM eventfold.streams
        WHERE streams.category = list_streams.category
          AND streams.id > coalesce(list_streams.after, '')
          AND (streams.attributes IS NOT NULL OR streams.run = _run)
        ORDER BY streams.category, streams.id
        LIMIT list_streams.base + list_streams.batch_size
      )
      UNION ALL
      (
        -- In order, so that it ends with the page.
        SELECT unnoted.id, NULL
        FROM (
          SELECT names.id
          FROM unnest(_ids) AS names (id)
          WHERE names.id COLLATE "C" > coalesce(list_streams.after, '')
          ORDER BY names.id COLLATE "C"
        ) AS unnoted
        WHERE NOT EXISTS (
          SELECT
          FROM eventfold.streams
          WHERE streams.category = list_streams.category
            AND streams.id = unnoted.id
            AND (streams.attributes IS NOT NULL OR streams.run = _run)
        )
        ORDER BY unnoted.id COLLATE "C"
        LIMIT list_streams.base + list_streams.batch_size
      )
    ) AS listed (id, attributes)
    ORDER BY listed.id COLLATE "C"
    OFFSET list_streams.base
    LIMIT list_streams.batch_size;
END;
$$;

-- eventfold/functions/count_streams.sql

-- The number of streams of a category that exist; NULL when more than `most_unnoted` messages are unnoted: see list_streams.

CREATE OR REPLACE FUNCTION eventfold.count_streams(category text, most_unnoted bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, message_store, pg_temp
SET enable_seqscan = off
SET enable_nestloop = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  _run integer;
  _ids text[];
BEGIN
  SELECT unnoted.run, unnoted.ids
  INTO _run, _ids
  FROM eventfold.unnoted_streams(count_streams.category, coalesce(count_streams.most_unnoted, 9223372036854775806)) AS unnoted;

  RETURN CASE
    WHEN _ids IS NOT NULL THEN
      (
        SELECT count(*)
        FROM eventfold.streams
        WHERE streams.category = count_streams.category AND (streams.attributes IS NOT NULL OR streams.run = _run)
      ) + (
        SELECT count(*)
        FROM unnest(_ids) AS unnoted (id)
        WHERE NOT EXISTS (
          SELECT
          FROM eventfold.streams
          WHERE streams.category = count_streams.category
            AND streams.id = unnoted.id
            AND (streams.attributes IS NOT NULL OR streams.run = _run)
        )
      )
  END;
END;
$$;

-- eventfold/functions/note_streams.sql

-- Notes the streams of the next messages of a category in the table streams, so that lists need not read these messages again:
-- see list_streams. Returns how many messages it has looked at, at most `batch_size`.
--
-- It changes nothing that a reader sees, and looks at nothing where it may not write or would wait: on a standby, in a read-only
-- transaction, for a role without the rights, and while another transaction has the lock of the category.

CREATE OR REPLACE FUNCTION eventfold.note_streams(category text, batch_size bigint)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_sort = off
SET jit = off
SET lock_timeout = '200ms'
AS $$
DECLARE
  _log_file text := pg_relation_filepath('message_store.messages');
  _through bigint;
  _run integer;
  _messages bigint;
BEGIN
  IF current_setting('transaction_read_only') = 'on'
    OR NOT has_table_privilege('eventfold.streams', 'INSERT')
    OR NOT has_table_privilege('eventfold.streams', 'UPDATE')
    OR NOT has_table_privilege('eventfold.stream_categories', 'INSERT')
    OR NOT has_table_privilege('eventfold.stream_categories', 'UPDATE')
  THEN
    RETURN 0;
  END IF;

  PERFORM message_store.acquire_lock(note_streams.category);

  INSERT INTO eventfold.stream_categories AS known (category, through, run, log_file)
  VALUES (note_streams.category, 0, 1, _log_file)
  ON CONFLICT ON CONSTRAINT stream_categories_pkey DO UPDATE
    SET through = 0, run = known.run + 1, log_file = excluded.log_file
    WHERE known.log_file <> excluded.log_file;

  SELECT stream_categories.through, stream_categories.run
  INTO _through, _run
  FROM eventfold.stream_categories
  WHERE stream_categories.category = note_streams.category;

  WITH page AS MATERIALIZED (
    SELECT messages.stream_name, messages.global_position, messages.type, messages.data, messages.metadata
    FROM message_store.messages
    WHERE (message_store.category(messages.stream_name), messages.global_position) > (note_streams.category, _through)
      AND message_store.category(messages.stream_name) <= note_streams.category
    ORDER BY message_store.category(messages.stream_name), messages.global_position
    LIMIT note_streams.batch_size
  ), noted AS (
    INSERT INTO eventfold.streams AS existing (category, id, run)
    SELECT DISTINCT note_streams.category, substr(page.stream_name, length(note_streams.category) + 2), _run
    FROM page
    WHERE length(page.stream_name) > length(note_streams.category) + 1
      AND NOT eventfold.is_end(page.type, page.data, page.metadata)
    ON CONFLICT ON CONSTRAINT streams_pkey DO UPDATE
      SET run = excluded.run
      WHERE existing.attributes IS NULL AND existing.run IS DISTINCT FROM excluded.run
  )
  SELECT count(*), max(page.global_position)
  INTO _messages, _through
  FROM page;

  IF _messages > 0 THEN
    UPDATE eventfold.stream_categories SET through = _through WHERE stream_categories.category = note_streams.category;
  END IF;
  RETURN _messages;
EXCEPTION
  WHEN lock_not_available THEN
    RETURN 0;
END;
$$;

-- eventfold/functions/stream_messages.sql

-- A page of the messages of a stream, without marks of deletions, by the text under `at` in their metadata and then by position,
-- both rising or both falling. The texts are compared by bytes. Messages without such a text come last, by position.
--
-- The index messages_at has this order, but for texts of 32 characters or more: they would be too large for it, and a library of
-- eventfold writes shorter ones. A stream with such a text is sorted. So is every stream where the index is missing: on a stock
-- Message DB, and after the upgrade of a large table (see message_store/indexes/messages_at.sql).

CREATE OR REPLACE FUNCTION eventfold.stream_messages(
  stream_name text,
  base bigint DEFAULT 0,
  batch_size bigint DEFAULT 100,
  ascending boolean DEFAULT false
)
RETURNS SETOF message_store.message
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET jit = off
AS $$
DECLARE
  _hash bigint := hashtextextended(stream_messages.stream_name, 0);
  _is_sorted boolean := coalesce(
    (SELECT NOT pg_index.indisvalid FROM pg_index WHERE pg_index.indexrelid = to_regclass('message_store.messages_at')),
    true
  );
  _left bigint;
  _base bigint;
BEGIN
  IF NOT _is_sorted THEN
    -- Without the name, so that no other index will do. A stream of the same hash does no harm.
    _is_sorted := EXISTS (
      SELECT
      FROM message_store.messages
      WHERE hashtextextended(messages.stream_name, 0) = _hash
        AND jsonb_typeof(messages.metadata -> 'at') = 'string'
        AND (CASE WHEN length(messages.metadata ->> 'at') < 32 THEN messages.metadata ->> 'at' END) COLLATE "C" IS NULL
    );
  END IF;

  IF _is_sorted THEN
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
      WHERE messages.stream_name = stream_messages.stream_name
        AND jsonb_typeof(messages.metadata -> 'at') = 'string'
        AND NOT eventfold.is_mark(messages.type, messages.data, messages.metadata)
      ORDER BY
        (CASE WHEN stream_messages.ascending THEN messages.metadata ->> 'at' END) COLLATE "C",
        (messages.metadata ->> 'at') COLLATE "C" DESC,
        CASE WHEN stream_messages.ascending THEN messages.position ELSE - messages.position END
      OFFSET stream_messages.base
      LIMIT stream_messages.batch_size;
  ELSIF stream_messages.ascending THEN
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
      WHERE hashtextextended(messages.stream_name, 0) = _hash
        AND messages.stream_name = stream_messages.stream_name
        AND jsonb_typeof(messages.metadata -> 'at') = 'string'
        AND NOT eventfold.is_mark(messages.type, messages.data, messages.metadata)
      ORDER BY
        (CASE WHEN length(messages.metadata ->> 'at') < 32 THEN messages.metadata ->> 'at' END) COLLATE "C",
        messages.position
      OFFSET stream_messages.base
      LIMIT stream_messages.batch_size;
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
      WHERE hashtextextended(messages.stream_name, 0) = _hash
        AND messages.stream_name = stream_messages.stream_name
        AND jsonb_typeof(messages.metadata -> 'at') = 'string'
        AND NOT eventfold.is_mark(messages.type, messages.data, messages.metadata)
      ORDER BY
        (CASE WHEN length(messages.metadata ->> 'at') < 32 THEN messages.metadata ->> 'at' END) COLLATE "C" DESC,
        messages.position DESC
      OFFSET stream_messages.base
      LIMIT stream_messages.batch_size;
  END IF;

  GET DIAGNOSTICS _left = ROW_COUNT;
  _left := stream_messages.batch_size - _left;
  IF _left = 0 THEN
    RETURN;
  END IF;

  IF _left < stream_messages.batch_size OR stream_messages.base = 0 THEN
    _base := 0;
  ELSE
    _base := stream_messages.base - (
      SELECT count(*)
      FROM message_store.messages
      WHERE messages.stream_name = stream_messages.stream_name
        AND jsonb_typeof(messages.metadata -> 'at') = 'string'
        AND NOT eventfold.is_mark(messages.type, messages.data, messages.metadata)
    );
  END IF;

  IF stream_messages.ascending THEN
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
      WHERE messages.stream_name = stream_messages.stream_name
        AND jsonb_typeof(messages.metadata -> 'at') IS DISTINCT FROM 'string'
        AND NOT eventfold.is_mark(messages.type, messages.data, messages.metadata)
      ORDER BY messages.position
      OFFSET _base
      LIMIT _left;
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
      WHERE messages.stream_name = stream_messages.stream_name
        AND jsonb_typeof(messages.metadata -> 'at') IS DISTINCT FROM 'string'
        AND NOT eventfold.is_mark(messages.type, messages.data, messages.metadata)
      ORDER BY messages.position DESC
      OFFSET _base
      LIMIT _left;
  END IF;
END;
$$;

-- eventfold/functions/snapshot_categories.sql

-- The categories of snapshots that are in the store: the given one, as `account:snapshot`, and those with a specifier, as
-- `account:snapshot+Balance`.
--
-- It goes from one category to the next along messages_category. Where that index compares by bytes it begins at the given
-- category; other collations may put such names anywhere, so there it looks at every category.

CREATE OR REPLACE FUNCTION eventfold.snapshot_categories(snapshots text)
RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_sort = off
AS $$
DECLARE
  _found text[] := ARRAY[snapshots];
  _by_bytes boolean := (
    -- Of the builtin provider, from PostgreSQL 17 on, every locale compares by bytes.
    SELECT pg_database.datlocprovider = 'b' OR (pg_database.datlocprovider = 'c' AND pg_database.datcollate IN ('C', 'POSIX'))
    FROM pg_database
    WHERE pg_database.datname = current_database()
  );
  _category text := CASE WHEN _by_bytes THEN snapshots || '+' ELSE '' END;
BEGIN
  LOOP
    SELECT message_store.category(messages.stream_name)
    INTO _category
    FROM message_store.messages
    WHERE message_store.category(messages.stream_name) > _category
    ORDER BY message_store.category(messages.stream_name), messages.global_position
    LIMIT 1;

    EXIT WHEN _category IS NULL;
    IF starts_with(_category, snapshots || '+') THEN
      _found := _found || _category;
    ELSIF _by_bytes THEN
      EXIT;
    END IF;
  END LOOP;
  RETURN _found;
END;
$$;

-- eventfold/functions/acquire_locks.sql

-- Takes the locks of categories, in the order in which eventfold.append takes them, so that the two can't deadlock.

CREATE OR REPLACE FUNCTION eventfold.acquire_locks(categories text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
AS $$
DECLARE
  _category text;
BEGIN
  FOR _category IN
    SELECT names.category
    FROM (SELECT DISTINCT name COLLATE "C" FROM unnest(categories) AS name) AS names (category)
    ORDER BY message_store.hash_64(names.category)
  LOOP
    PERFORM message_store.acquire_lock(_category);
  END LOOP;
END;
$$;

-- eventfold/functions/clear_streams.sql

-- Deletes the messages of streams whose categories are locked. Each stream that had one keeps a notice, at the position after
-- its last one: `note` with that position as `through`. So the positions of the stream go on, and its version, which readers
-- compare, is a new one. A stream that has nothing but such a notice stays as it is. The table deleted_messages keeps where the
-- messages were.
--
-- `notice_id` is the id of the notice when there is one stream. Returns the number of streams, and that of messages without marks.

CREATE OR REPLACE FUNCTION eventfold.clear_streams(
  stream_names text[],
  note jsonb,
  notice_id uuid DEFAULT NULL,
  OUT streams bigint,
  OUT messages bigint
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
BEGIN
  WITH gone AS (
    DELETE FROM message_store.messages AS stored
    WHERE stored.stream_name = ANY (clear_streams.stream_names)
      AND NOT eventfold.is_end(stored.type, stored.data, stored.metadata)
    RETURNING
      stored.stream_name,
      stored.position,
      stored.global_position,
      stored.id,
      eventfold.is_mark(stored.type, stored.data, stored.metadata) AS is_mark
  ), cleared AS MATERIALIZED (
    SELECT gone.stream_name, max(gone.position) AS through, count(*) FILTER (WHERE NOT gone.is_mark) AS messages
    FROM gone
    GROUP BY gone.stream_name
  ), earlier_notices AS (
    DELETE FROM message_store.messages AS stored
    USING cleared
    WHERE stored.stream_name = cleared.stream_name AND eventfold.is_end(stored.type, stored.data, stored.metadata)
    RETURNING stored.global_position, stored.id
  ), kept AS (
    INSERT INTO eventfold.deleted_messages (global_position, id)
    SELECT gone.global_position, gone.id FROM gone
    UNION ALL
    SELECT earlier_notices.global_position, earlier_notices.id FROM earlier_notices
    ON CONFLICT ON CONSTRAINT deleted_messages_pkey DO UPDATE SET id = excluded.id
  ), notices AS (
    INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata)
    SELECT
      coalesce(clear_streams.notice_id, gen_random_uuid()),
      cleared.stream_name,
      'Deleted',
      cleared.through + 1,
      NULL,
      jsonb_build_object('deleted', clear_streams.note || jsonb_build_object('through', cleared.through))
    FROM cleared
    ORDER BY cleared.stream_name COLLATE "C"
  )
  SELECT count(*), coalesce(sum(cleared.messages), 0)
  INTO clear_streams.streams, clear_streams.messages
  FROM cleared;
END;
$$;

-- eventfold/functions/may_delete.sql

-- Whether the role may delete messages and streams: see delete_message. A transaction asks before it calls one of the functions,
-- because an error of the server would break it.

CREATE OR REPLACE FUNCTION eventfold.may_delete()
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN has_table_privilege('message_store.messages', 'DELETE')
    AND has_column_privilege('message_store.messages', 'type', 'UPDATE')
    AND has_column_privilege('message_store.messages', 'data', 'UPDATE')
    AND has_column_privilege('message_store.messages', 'metadata', 'UPDATE')
    AND has_table_privilege('eventfold.streams', 'DELETE')
    AND has_table_privilege('eventfold.deleted_messages', 'INSERT')
    AND has_table_privilege('eventfold.deleted_messages', 'UPDATE')
    AND (
      SELECT bool_and(has_function_privilege(pg_proc.oid, 'EXECUTE'))
      FROM pg_proc
      WHERE pg_proc.pronamespace = 'eventfold'::regnamespace
        AND pg_proc.proname IN ('delete_message', 'delete_stream', 'purge_streams')
    );
END;
$$;

-- eventfold/functions/delete_message.sql

-- Deletes a message of a stream: in its place stays a tombstone with its id, positions and time. A notice that names the
-- position is appended to the stream, so that readers see a new version. Returns false, and changes nothing, when the stream has
-- no such message or it is a mark. `notice_id` is the id of the notice: the same call again, after a lost answer, returns true.
--
-- `note` says who deletes, why and when. With the message go its copies: the snapshots of the stream, which are in the category
-- `snapshots`, with or without a specifier; and in the categories `parked`, the error with which it was parked.
--
-- The role needs UPDATE and DELETE on the table of messages. No role has them by this installation.

CREATE OR REPLACE FUNCTION eventfold.delete_message(
  stream_name text,
  id uuid,
  note jsonb,
  notice_id uuid,
  snapshots text,
  parked text[],
  erased text
)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
  _snapshots text[] := eventfold.snapshot_categories(delete_message.snapshots);
  _position bigint;
BEGIN
  PERFORM eventfold.acquire_locks(_snapshots || message_store.category(delete_message.stream_name)::text);

  IF EXISTS (SELECT FROM message_store.messages AS stored WHERE stored.id = delete_message.notice_id) THEN
    RETURN true;
  END IF;

  UPDATE message_store.messages AS stored
  SET type = 'Deleted', data = NULL, metadata = jsonb_build_object('deleted', delete_message.note)
  WHERE stored.id = delete_message.id
    AND stored.stream_name = delete_message.stream_name
    AND NOT eventfold.is_mark(stored.type, stored.data, stored.metadata)
  RETURNING stored.position INTO _position;

  IF _position IS NULL THEN
    RETURN false;
  END IF;

  INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata)
  SELECT
    delete_message.notice_id,
    delete_message.stream_name,
    'Deleted',
    1 + max(stored.position),
    NULL,
    jsonb_build_object('deleted', delete_message.note || jsonb_build_object('position', _position))
  FROM message_store.messages AS stored
  WHERE stored.stream_name = delete_message.stream_name;

  PERFORM eventfold.clear_streams(
    ARRAY(SELECT name || '-' || message_store.id(delete_message.stream_name) FROM unnest(_snapshots) AS name),
    delete_message.note
  );

  UPDATE message_store.messages AS stored
  SET data = jsonb_set(stored.data - 'failure', '{error}', to_jsonb(delete_message.erased))
  WHERE message_store.category(stored.stream_name) = ANY (delete_message.parked)
    AND stored.data ->> 'streamName' = delete_message.stream_name
    AND stored.data -> 'position' = to_jsonb(_position)
    AND stored.data ? 'error';

  RETURN true;
END;
$$;

REVOKE EXECUTE ON FUNCTION eventfold.delete_message FROM PUBLIC;

-- eventfold/functions/delete_stream.sql

-- Deletes a stream: its attributes, its messages and their copies (see delete_message). A stream that had messages keeps a
-- notice: see clear_streams. Returns false, and changes nothing, when the stream does not exist.

CREATE OR REPLACE FUNCTION eventfold.delete_stream(
  category text,
  id text,
  note jsonb,
  notice_id uuid,
  snapshots text,
  parked text[],
  erased text
)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
  _stream_name CONSTANT text := delete_stream.category || '-' || delete_stream.id;
  _snapshots text[] := eventfold.snapshot_categories(delete_stream.snapshots);
  _was_added boolean;
  _had_messages boolean;
BEGIN
  PERFORM eventfold.acquire_locks(_snapshots || delete_stream.category);

  IF EXISTS (SELECT FROM message_store.messages AS stored WHERE stored.id = delete_stream.notice_id) THEN
    RETURN true;
  END IF;

  DELETE FROM eventfold.streams AS stored
  WHERE stored.category = delete_stream.category AND stored.id = delete_stream.id
  RETURNING stored.attributes IS NOT NULL INTO _was_added;

  SELECT cleared.streams > 0
  INTO _had_messages
  FROM eventfold.clear_streams(ARRAY[_stream_name], delete_stream.note, delete_stream.notice_id) AS cleared;

  IF NOT (coalesce(_was_added, false) OR _had_messages) THEN
    RETURN false;
  END IF;

  PERFORM eventfold.clear_streams(
    ARRAY(SELECT name || '-' || delete_stream.id FROM unnest(_snapshots) AS name),
    delete_stream.note
  );

  UPDATE message_store.messages AS stored
  SET data = jsonb_set(stored.data - 'failure', '{error}', to_jsonb(delete_stream.erased))
  WHERE message_store.category(stored.stream_name) = ANY (delete_stream.parked)
    AND stored.data ->> 'streamName' = _stream_name
    AND stored.data ? 'error';

  RETURN true;
END;
$$;

REVOKE EXECUTE ON FUNCTION eventfold.delete_stream FROM PUBLIC;

-- eventfold/functions/purge_streams.sql

-- Deletes all streams of a category, each as delete_stream does. Returns how many streams existed, and how many messages without
-- marks they had.

CREATE OR REPLACE FUNCTION eventfold.purge_streams(
  category text,
  note jsonb,
  snapshots text,
  parked text[],
  erased text,
  OUT streams bigint,
  OUT messages bigint
)
LANGUAGE plpgsql
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
  _snapshots text[] := eventfold.snapshot_categories(purge_streams.snapshots);
BEGIN
  PERFORM eventfold.acquire_locks(_snapshots || purge_streams.category);

  purge_streams.streams := eventfold.count_streams(purge_streams.category);
  DELETE FROM eventfold.streams AS stored WHERE stored.category = purge_streams.category;

  SELECT cleared.messages
  INTO purge_streams.messages
  FROM eventfold.clear_streams(
    ARRAY(
      SELECT DISTINCT stored.stream_name
      FROM message_store.messages AS stored
      WHERE message_store.category(stored.stream_name) = purge_streams.category
        AND length(stored.stream_name) > length(purge_streams.category) + 1
    ),
    purge_streams.note
  ) AS cleared;

  PERFORM eventfold.clear_streams(
    ARRAY(
      SELECT DISTINCT stored.stream_name
      FROM message_store.messages AS stored
      WHERE message_store.category(stored.stream_name) = ANY (_snapshots)
    ),
    purge_streams.note
  );

  UPDATE message_store.messages AS stored
  SET data = jsonb_set(stored.data - 'failure', '{error}', to_jsonb(purge_streams.erased))
  WHERE message_store.category(stored.stream_name) = ANY (purge_streams.parked)
    AND message_store.category(stored.data ->> 'streamName') = purge_streams.category
    AND stored.data ? 'error';
END;
$$;

REVOKE EXECUTE ON FUNCTION eventfold.purge_streams FROM PUBLIC;

-- eventfold/functions/dependents.sql

-- The names of objects outside of a schema that depend on objects in it: views, foreign keys and functions. They refer to the
-- tables themselves, so a renamed table stays their table.

CREATE OR REPLACE FUNCTION eventfold.dependents("schema" text)
RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT DISTINCT outside.name
  FROM pg_depend,
    LATERAL (
      SELECT pg_class.relnamespace, format('%s %s', CASE pg_class.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, pg_class.oid::regclass)
      FROM pg_rewrite JOIN pg_class ON pg_class.oid = pg_rewrite.ev_class
      WHERE pg_depend.classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = pg_depend.objid
      UNION ALL
      SELECT pg_constraint.connamespace, format('foreign key %I of %s', pg_constraint.conname, pg_constraint.conrelid::regclass)
      FROM pg_constraint
      WHERE pg_depend.classid = 'pg_constraint'::regclass AND pg_constraint.oid = pg_depend.objid
        AND pg_constraint.contype = 'f'
      UNION ALL
      SELECT pg_proc.pronamespace, format('function %s', pg_proc.oid::regprocedure)
      FROM pg_proc
      WHERE pg_depend.classid = 'pg_proc'::regclass AND pg_proc.oid = pg_depend.objid
    ) AS outside (namespace, name)
  WHERE outside.namespace <> to_regnamespace(quote_ident(dependents."schema"))
    AND (pg_depend.refclassid, pg_depend.refobjid) IN (
      SELECT 'pg_class'::regclass, pg_class.oid
      FROM pg_class WHERE pg_class.relnamespace = to_regnamespace(quote_ident(dependents."schema"))
      UNION ALL
      SELECT 'pg_type'::regclass, pg_type.oid
      FROM pg_type WHERE pg_type.typnamespace = to_regnamespace(quote_ident(dependents."schema"))
      UNION ALL
      SELECT 'pg_proc'::regclass, pg_proc.oid
      FROM pg_proc WHERE pg_proc.pronamespace = to_regnamespace(quote_ident(dependents."schema"))
    )
  ORDER BY 1;
$$;

-- eventfold/functions/replace_schema.sql

-- Renames a schema to `retired`, and `replacement` to the name of the schema. A role with rights on the old schema, or on its
-- tables, views and sequences, gets the same rights on the objects of the same names in the new one. Only names in the
-- catalog change: the function takes no lock on a table and waits for none, and running queries finish on the tables that
-- they began with.

CREATE OR REPLACE FUNCTION eventfold.replace_schema("schema" text, retired text, replacement text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  _statement text;
BEGIN
  FOR _statement IN
    SELECT format(
      'GRANT %s ON %s TO %s%s',
      granted.privilege,
      granted.object,
      CASE granted.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(granted.grantee)) END,
      CASE WHEN granted.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
    )
    FROM (
      SELECT
        acl.grantee, acl.is_grantable, pg_namespace.nspowner AS owner,
        acl.privilege_type AS privilege,
        format('SCHEMA %I', replace_schema.replacement) AS object
      FROM pg_namespace, aclexplode(pg_namespace.nspacl) AS acl
      WHERE pg_namespace.nspname = replace_schema."schema"
      UNION ALL
      SELECT
        acl.grantee, acl.is_grantable, live.relowner,
        acl.privilege_type || acl.columns,
        format('%s %s', CASE new.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, new.oid::regclass)
      FROM pg_class AS live
      JOIN pg_class AS new ON new.relname = live.relname AND (new.relkind = 'S') = (live.relkind = 'S'),
      LATERAL (
        SELECT of_table.*, '' AS columns
        FROM aclexplode(live.relacl) AS of_table
        UNION ALL
        SELECT of_column.*, format(' (%I)', pg_attribute.attname)
        FROM pg_attribute, aclexplode(pg_attribute.attacl) AS of_column
        WHERE pg_attribute.attrelid = live.oid AND NOT pg_attribute.attisdropped
          AND EXISTS (
            SELECT FROM pg_attribute AS same
            WHERE same.attrelid = new.oid AND same.attname = pg_attribute.attname AND NOT same.attisdropped
          )
      ) AS acl
      WHERE live.relnamespace = to_regnamespace(quote_ident(replace_schema."schema"))
        AND new.relnamespace = to_regnamespace(quote_ident(replace_schema.replacement))
        AND live.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND new.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    ) AS granted
    WHERE granted.grantee <> granted.owner
  LOOP
    EXECUTE _statement;
  END LOOP;

  EXECUTE format('ALTER SCHEMA %I RENAME TO %I', replace_schema."schema", replace_schema.retired);
  EXECUTE format('ALTER SCHEMA %I RENAME TO %I', replace_schema.replacement, replace_schema."schema");
END;
$$;

-- eventfold/functions/schema_version.sql

-- The version of the schema eventfold. It goes up by one with every change that a client has to know about.

CREATE OR REPLACE FUNCTION eventfold.schema_version()
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 6;

-- eventfold/functions/oldest_client_version.sql

-- The oldest version of this schema that a client may be written for and still use this one. A client that is written for an
-- older version refuses to start. Raise it only with a change that breaks such a client.

CREATE OR REPLACE FUNCTION eventfold.oldest_client_version()
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 3;

-- eventfold/citus.sql

-- On Citus a plan names the server that has the log, so no plan is generic: a function that asks for one fails there. The others have
-- no statement on the messages that is planned in that way. Elsewhere this changes nothing, and the functions keep their plans. Whoever
-- adds the extension to a database that has a log installs the log again.

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
    ALTER FUNCTION eventfold.append(text[], bigint[], integer[], uuid[], text[], text[], text[], boolean, boolean)
      RESET plan_cache_mode;
    ALTER FUNCTION eventfold.read_for_fold(text, bigint, bigint) RESET plan_cache_mode;
  END IF;
END;
$$;

-- eventfold/privileges.sql

-- The role message_store may also use the schema eventfold, so that an application needs one role only. It may delete neither
-- messages nor streams: that is for roles to which the database grants it.

DO $$
DECLARE
  _functions text;
BEGIN
  IF current_setting('eventfold.install_role', true) IS DISTINCT FROM 'off' THEN
    GRANT USAGE ON SCHEMA eventfold TO message_store;
    GRANT SELECT ON eventfold.installations TO message_store;
    GRANT SELECT, INSERT, UPDATE, DELETE ON eventfold.read_models TO message_store;
    GRANT SELECT, INSERT, UPDATE ON eventfold.positions TO message_store;
    GRANT SELECT, INSERT, UPDATE, DELETE ON eventfold.runners TO message_store;
    GRANT SELECT ON eventfold.deleted_messages TO message_store;
    GRANT SELECT, INSERT, UPDATE ON eventfold.streams, eventfold.stream_categories TO message_store;
    SELECT string_agg(pg_proc.oid::regprocedure::text, ', ')
    INTO _functions
    FROM pg_catalog.pg_proc
    WHERE pg_proc.pronamespace = 'eventfold'::regnamespace
      AND pg_proc.proname NOT IN ('delete_message', 'delete_stream', 'purge_streams');
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO message_store', _functions);
  END IF;
END;
$$;

-- install/bindings.sql

-- Finds what is bound wrongly: objects of the schemas that use a function, operator, type or collation which is neither
-- theirs nor PostgreSQL's. Versions up to 4 bound names by the search_path of the session that installed them, and another
-- role's overload of a built-in function may have matched better.
--
-- The file runs twice. The first time it notes what it finds, for rebind.sql and the files that replace objects. The second
-- time it reports: `eventfold.install_mended` has what was found before and is no longer wrong, `eventfold.install_unmended`
-- what still is, such as the objects of a stock Message DB. Both are JSON arrays of texts.
-- What an application has added to the schemas is its own, and does not count.

DO $$
DECLARE
  _before CONSTANT jsonb := nullif(current_setting('eventfold.install_bindings', true), '')::jsonb;
  _found jsonb;
BEGIN
  WITH namespaces AS (
    SELECT oid FROM pg_namespace WHERE nspname IN ('message_store', 'eventfold')
  ),
  relations AS (
    SELECT pg_class.oid, pg_class.relkind
    FROM pg_class
    WHERE relnamespace = to_regnamespace('eventfold')
      OR (
        relnamespace = to_regnamespace('message_store')
        AND relname IN (
          'messages',
          'messages_id',
          'messages_stream',
          'messages_category',
          'messages_at',
          'messages_correlation',
          'messages_causation',
          'stream_summary',
          'type_summary',
          'stream_type_summary',
          'type_stream_summary',
          'category_type_summary',
          'type_category_summary'
        )
      )
  ),
  objects (classid, objid, named_class, named_id) AS (
    SELECT 'pg_proc'::regclass::oid, oid, 'pg_proc'::regclass::oid, oid
    FROM pg_proc
    WHERE pronamespace = to_regnamespace('eventfold')
      OR (
        pronamespace = to_regnamespace('message_store')
        AND proname IN (
          'message_store_version',
          'hash_64',
          'category',
          'id',
          'cardinal_id',
          'is_category',
          'acquire_lock',
          'stream_version',
          'write_message',
          'get_stream_messages',
          'get_category_messages',
          'get_last_stream_message'
        )
      )
    UNION ALL
    SELECT 'pg_class'::regclass, oid, 'pg_class'::regclass, oid FROM relations
    UNION ALL
    SELECT 'pg_rewrite'::regclass, pg_rewrite.oid, 'pg_class'::regclass, relations.oid
    FROM relations JOIN pg_rewrite ON pg_rewrite.ev_class = relations.oid
    WHERE relations.relkind = 'v'
    UNION ALL
    SELECT 'pg_attrdef'::regclass, pg_attrdef.oid, 'pg_attrdef'::regclass, pg_attrdef.oid
    FROM relations JOIN pg_attrdef ON pg_attrdef.adrelid = relations.oid
    UNION ALL
    SELECT 'pg_constraint'::regclass, pg_constraint.oid, 'pg_constraint'::regclass, pg_constraint.oid
    FROM relations JOIN pg_constraint ON pg_constraint.conrelid = relations.oid
    WHERE pg_constraint.contype = 'c' AND pg_constraint.connamespace = to_regnamespace('eventfold')
  ),
  used (classid, objid, namespace) AS (
    SELECT 'pg_proc'::regclass::oid, oid, pronamespace FROM pg_proc
    UNION ALL
    SELECT 'pg_operator'::regclass, oid, oprnamespace FROM pg_operator
    UNION ALL
    SELECT 'pg_type'::regclass, oid, typnamespace FROM pg_type
    UNION ALL
    SELECT 'pg_collation'::regclass, oid, collnamespace FROM pg_collation
  )
  SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object(
    'class', objects.classid::bigint,
    'id', objects.objid::bigint,
    'text', format(
      '%s uses %s',
      pg_describe_object(objects.named_class, objects.named_id, 0),
      pg_describe_object(used.classid, used.objid, 0)
    )
  )), '[]')
  INTO _found
  FROM objects
  JOIN pg_depend ON pg_depend.classid = objects.classid AND pg_depend.objid = objects.objid
  JOIN used ON used.classid = pg_depend.refclassid AND used.objid = pg_depend.refobjid
  WHERE used.namespace <> 'pg_catalog'::regnamespace
    AND used.namespace NOT IN (SELECT oid FROM namespaces);

  IF _before IS NULL THEN
    PERFORM set_config('eventfold.install_bindings', _found::text, true);
    RETURN;
  END IF;

  PERFORM
    set_config('eventfold.install_mended', (
      SELECT coalesce(jsonb_agg(before ORDER BY before), '[]')
      FROM (
        SELECT value ->> 'text' FROM jsonb_array_elements(_before)
        EXCEPT
        SELECT value ->> 'text' FROM jsonb_array_elements(_found)
      ) AS mended (before)
    )::text, true),
    set_config('eventfold.install_unmended', (
      SELECT coalesce(jsonb_agg(value -> 'text' ORDER BY value ->> 'text'), '[]') FROM jsonb_array_elements(_found)
    )::text, true),
    set_config('eventfold.install_bindings', '', true);
END;
$$;

-- install/end.sql

-- Records the installation when it changed something, and returns to the role and the search_path of the session.

DO $$
DECLARE
  _version CONSTANT integer := eventfold.schema_version();
  _message_store CONSTANT text := CASE
    WHEN current_setting('eventfold.install_message_store', true) = 'off'
    -- From the function's text, as begin.sql reads that of eventfold: its owner may be another role.
    THEN 'Message DB ' || coalesce((
      SELECT substring(coalesce(pg_get_function_sqlbody(oid), prosrc) FROM 'RETURN ''([0-9.]+)''')
      FROM pg_proc
      WHERE pronamespace = to_regnamespace('message_store') AND proname = 'message_store_version' AND pronargs = 0
    ), 'of an unknown version')
    ELSE 'eventfold'
  END;
BEGIN
  INSERT INTO eventfold.installations (version, previous_version, message_store)
  SELECT _version, nullif(current_setting('eventfold.install_previous', true), '')::integer, _message_store
  WHERE (_version, _message_store) IS DISTINCT FROM (
    SELECT (installations.version, installations.message_store)
    FROM eventfold.installations
    ORDER BY installations.ordinal DESC
    LIMIT 1
  );

  PERFORM set_config('role', coalesce(nullif(current_setting('eventfold.install_caller', true), ''), 'none'), true);
  PERFORM set_config('search_path', current_setting('eventfold.install_search_path'), true);
END;
$$;

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

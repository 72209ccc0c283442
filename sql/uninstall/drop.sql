-- Removes the schemas as the settings `eventfold.uninstall_database` and `eventfold.uninstall_stock` of the transaction say.
-- Reports in `eventfold.uninstalled_message_store` and `eventfold.uninstalled_role` what it removed.

-- No name here may mean an object of another role, whatever the session's search_path is.

DO $$
BEGIN
  PERFORM pg_catalog.set_config('eventfold.uninstall_search_path', pg_catalog.current_setting('search_path'), true);
END;
$$;
SET LOCAL search_path = pg_catalog, pg_temp;

DO $$
DECLARE
  _is_stock CONSTANT boolean := EXISTS (
    SELECT FROM pg_proc
    WHERE pronamespace = to_regnamespace('message_store') AND proname = 'category' AND prosqlbody IS NULL
  );
  _with_message_store CONSTANT boolean := to_regnamespace('message_store') IS NOT NULL
    AND (NOT _is_stock OR current_setting('eventfold.uninstall_stock', true) = 'on');
  _count bigint := 0;
  _schema text;
  _statement text;
  _without_role boolean := false;
BEGIN
  IF current_setting('eventfold.uninstall_database', true) IS DISTINCT FROM current_database() THEN
    IF _with_message_store AND to_regclass('message_store.messages') IS NOT NULL THEN
      SELECT count(*) INTO _count FROM message_store.messages;
    END IF;
    RAISE EXCEPTION 'this is the database %, but the name given is %',
      quote_ident(current_database()),
      coalesce(quote_ident(nullif(current_setting('eventfold.uninstall_database', true), '')), 'none')
      USING
        DETAIL = format('It would lose %s %s.', _count, CASE _count WHEN 1 THEN 'message' ELSE 'messages' END),
        HINT = 'To remove the schemas, give the name of the database: psql -v database=NAME, or database: NAME in the library.';
  END IF;

  -- No CASCADE: it would also remove what the application has built on the store. In this order, nothing that is left in
  -- the schemas depends on what is dropped.
  FOREACH _schema IN ARRAY CASE WHEN _with_message_store THEN '{eventfold,message_store}' ELSE '{eventfold}' END::text[] LOOP
    FOR _statement IN
      SELECT format('DROP VIEW %s', string_agg(oid::regclass::text, ', '))
      FROM pg_class WHERE relnamespace = to_regnamespace(_schema) AND relkind = 'v'
      HAVING count(*) > 0
    LOOP
      EXECUTE _statement;
    END LOOP;
    -- The function bodies of eventfold name tables; an index of message_store's table names functions.
    FOR _statement IN
      SELECT format(
        'DROP %s %s',
        CASE objects.kind WHEN 'table' THEN 'TABLE' ELSE 'ROUTINE' END,
        string_agg(objects.name, ', ')
      )
      FROM (
        SELECT 'table' AS kind, oid::regclass::text AS name
        FROM pg_class WHERE relnamespace = to_regnamespace(_schema) AND relkind = 'r'
        UNION ALL
        SELECT 'routine', oid::regprocedure::text
        FROM pg_proc WHERE pronamespace = to_regnamespace(_schema)
      ) AS objects
      GROUP BY objects.kind
      ORDER BY (objects.kind = 'table') = (_schema = 'eventfold')
    LOOP
      EXECUTE _statement;
    END LOOP;
    FOR _statement IN
      SELECT format('DROP TYPE %s', string_agg(pg_type.oid::regtype::text, ', '))
      FROM pg_type JOIN pg_class ON pg_class.oid = typrelid
      WHERE typnamespace = to_regnamespace(_schema) AND relkind = 'c'
      HAVING count(*) > 0
    LOOP
      EXECUTE _statement;
    END LOOP;
    EXECUTE format('DROP SCHEMA IF EXISTS %I', _schema);
  END LOOP;

  -- The role belongs to all databases of the server. The server refuses to drop a role that has rights or objects in any of
  -- them. A role with members is in use as well; from PostgreSQL 16 on its creator is a member that can't act as the role,
  -- and does not count.
  IF _with_message_store AND to_regrole('message_store') IS NOT NULL AND NOT EXISTS (
    SELECT FROM pg_auth_members
    WHERE roleid = to_regrole('message_store')
      AND coalesce(
        (to_jsonb(pg_auth_members) ->> 'inherit_option')::boolean OR (to_jsonb(pg_auth_members) ->> 'set_option')::boolean,
        true
      )
  ) THEN
    BEGIN
      -- Message DB grants the role functions of PostgreSQL that every role may execute: gen_random_uuid(), and md5() in old
      -- versions.
      FOR _statement IN
        SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM message_store', oid::regprocedure)
        FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace
          AND EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = to_regrole('message_store'))
      LOOP
        EXECUTE _statement;
      END LOOP;
      DROP ROLE message_store;
      _without_role := true;
    EXCEPTION
      WHEN dependent_objects_still_exist OR object_in_use OR insufficient_privilege THEN
        NULL;
    END;
  END IF;

  PERFORM
    set_config('eventfold.uninstalled_message_store', _with_message_store::text, true),
    set_config('eventfold.uninstalled_role', _without_role::text, true),
    set_config('search_path', current_setting('eventfold.uninstall_search_path'), true);
END;
$$;

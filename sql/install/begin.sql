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

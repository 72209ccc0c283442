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

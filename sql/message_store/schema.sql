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

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

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

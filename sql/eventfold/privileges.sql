-- The role message_store may also use the schema eventfold, so that an application needs one role only.

DO $$
BEGIN
  IF current_setting('eventfold.install_role', true) IS DISTINCT FROM 'off' THEN
    GRANT USAGE ON SCHEMA eventfold TO message_store;
    GRANT SELECT ON eventfold.installations TO message_store;
    GRANT SELECT, INSERT, UPDATE, DELETE ON eventfold.read_models TO message_store;
    GRANT SELECT, INSERT, UPDATE ON eventfold.positions TO message_store;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA eventfold TO message_store;
  END IF;
END;
$$;

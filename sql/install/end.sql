-- Records the installation when it changed something, and returns to the role and the search_path of the session.

DO $$
DECLARE
  _version CONSTANT integer := eventfold.schema_version();
  _message_store CONSTANT text := CASE
    WHEN current_setting('eventfold.install_message_store', true) = 'off'
    THEN 'Message DB ' || message_store.message_store_version()
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

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

-- What the role message_store may do, as in Message DB: read and append, and nothing else. Message DB also grants it
-- gen_random_uuid(), which every role may execute; the grant would only tie the role to the database.

DO $$
BEGIN
  IF current_setting('eventfold.install_role', true) IS DISTINCT FROM 'off' THEN
    GRANT USAGE ON SCHEMA message_store TO message_store;
    GRANT SELECT, INSERT ON message_store.messages TO message_store;
    GRANT USAGE, SELECT ON SEQUENCE message_store.messages_global_position_seq TO message_store;
    GRANT SELECT ON
      message_store.stream_summary,
      message_store.type_summary,
      message_store.stream_type_summary,
      message_store.type_stream_summary,
      message_store.category_type_summary,
      message_store.type_category_summary
      TO message_store;
    GRANT EXECUTE ON FUNCTION
      message_store.message_store_version(),
      message_store.hash_64(varchar),
      message_store.category(varchar),
      message_store.id(varchar),
      message_store.cardinal_id(varchar),
      message_store.is_category(varchar),
      message_store.acquire_lock(varchar),
      message_store.stream_version(varchar),
      message_store.write_message(varchar, varchar, varchar, jsonb, jsonb, bigint),
      message_store.get_stream_messages(varchar, bigint, bigint, varchar),
      message_store.get_category_messages(varchar, bigint, bigint, varchar, bigint, bigint, varchar),
      message_store.get_last_stream_message(varchar, varchar)
      TO message_store;
  END IF;
END;
$$;

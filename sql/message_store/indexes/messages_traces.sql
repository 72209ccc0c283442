-- The indexes for what caused what: messages_correlation has the messages of a correlation, messages_causation the effects of a
-- message. Each is over a hash, because a text of an index may be too large for it, and an append would fail then; and without the
-- messages that name no correlation, or no cause.
--
-- They cost appends and space, so they are an option: `eventfold.trace_indexes` is `on` to make them, `off` to remove them, and
-- otherwise what is there stays. A table of more than 128 MB, or one that is in use, is left as it is, because the server would let
-- nothing be written meanwhile. What is left to do then is in `eventfold.install_trace_statements`, a JSON array of statements that
-- run beside all writers. `eventfold.install_trace_indexes` is `on` when both indexes can be used.

DO $$
DECLARE
  _wanted CONSTANT text := current_setting('eventfold.trace_indexes', true);
  _is_small CONSTANT boolean := pg_relation_size('message_store.messages') <= 128 * 1024 * 1024;
  _index record;
  _statements text[] := '{}';
  _ready integer := 0;
  _is_valid boolean;
BEGIN
  FOR _index IN
    SELECT
      format('message_store.%I', name) AS qualified,
      format(
        '%I ON message_store.messages (hashtextextended(metadata ->> %L, 0), global_position) WHERE (metadata ->> %L) IS NOT NULL',
        name,
        key,
        key
      ) AS definition
    FROM (VALUES
      ('messages_correlation', 'correlationStreamName'),
      ('messages_causation', 'causationMessageGlobalPosition')
    ) AS indexes (name, key)
  LOOP
    SELECT indisvalid INTO _is_valid FROM pg_index WHERE indexrelid = to_regclass(_index.qualified);
    IF _wanted = 'on' AND _is_valid IS NULL THEN
      BEGIN
        IF NOT _is_small THEN
          RAISE lock_not_available;
        END IF;
        LOCK TABLE message_store.messages IN SHARE MODE NOWAIT;
        EXECUTE 'CREATE INDEX ' || _index.definition;
        _is_valid := true;
      EXCEPTION
        WHEN lock_not_available THEN
          _statements := _statements || ('CREATE INDEX CONCURRENTLY ' || _index.definition);
      END;
    ELSIF _wanted = 'on' AND NOT _is_valid THEN
      -- It is being made, or its making was cut off. This waits for the one and mends the other.
      _statements := _statements || ('REINDEX INDEX CONCURRENTLY ' || _index.qualified);
    ELSIF _wanted = 'off' AND _is_valid IS NOT NULL THEN
      BEGIN
        LOCK TABLE message_store.messages IN ACCESS EXCLUSIVE MODE NOWAIT;
        EXECUTE 'DROP INDEX ' || _index.qualified;
        _is_valid := NULL;
      EXCEPTION
        WHEN lock_not_available THEN
          _statements := _statements || ('DROP INDEX CONCURRENTLY ' || _index.qualified);
      END;
    END IF;
    _ready := _ready + CASE WHEN _is_valid THEN 1 ELSE 0 END;
  END LOOP;

  PERFORM
    set_config('eventfold.install_trace_indexes', CASE WHEN _ready = 2 THEN 'on' ELSE 'off' END, true),
    set_config('eventfold.install_trace_statements', to_jsonb(_statements)::text, true);
END;
$$;

-- On Citus a plan names the server that has the log, so no plan is generic: a function that asks for one fails there. The others have
-- no statement on the messages that is planned in that way. Elsewhere this changes nothing, and the functions keep their plans. Whoever
-- adds the extension to a database that has a log installs the log again.

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
    ALTER FUNCTION eventfold.append(text[], bigint[], integer[], uuid[], text[], text[], text[], boolean, boolean)
      RESET plan_cache_mode;
    ALTER FUNCTION eventfold.read_for_fold(text, bigint, bigint) RESET plan_cache_mode;
  END IF;
END;
$$;

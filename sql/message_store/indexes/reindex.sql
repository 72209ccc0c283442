-- An index holds what a function gave when its rows were written. When a function was bound wrongly (see bindings.sql), each
-- index on a function of the schema, an application's too, is built again. This waits for open writes; where nothing was
-- wrong the file does nothing.

DO $$
DECLARE
  _index regclass;
BEGIN
  IF EXISTS (
    SELECT FROM jsonb_array_elements(current_setting('eventfold.install_bindings')::jsonb)
    WHERE (value ->> 'class')::oid = 'pg_proc'::regclass
  ) THEN
    FOR _index IN
      SELECT DISTINCT pg_class.oid
      FROM pg_proc
      JOIN pg_depend
        ON pg_depend.refclassid = 'pg_proc'::regclass
        AND pg_depend.refobjid = pg_proc.oid
        AND pg_depend.classid = 'pg_class'::regclass
      JOIN pg_class ON pg_class.oid = pg_depend.objid
      WHERE pg_proc.pronamespace = 'message_store'::regnamespace AND pg_class.relkind IN ('i', 'I')
    LOOP
      EXECUTE format('REINDEX INDEX %s', _index);
    END LOOP;
  END IF;
END;
$$;

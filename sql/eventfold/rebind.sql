-- Mends what bindings.sql has found of the tables: the files that follow replace the functions. This waits for open writes of
-- read models; where nothing is wrong the file does nothing.

DO $$
BEGIN
  IF EXISTS (
    SELECT
    FROM jsonb_array_elements(current_setting('eventfold.install_bindings')::jsonb)
    JOIN pg_attrdef ON pg_attrdef.oid = (value ->> 'id')::oid
    JOIN pg_class ON pg_class.oid = pg_attrdef.adrelid
    WHERE (value ->> 'class')::oid = 'pg_attrdef'::regclass AND pg_class.relnamespace = 'eventfold'::regnamespace
  ) THEN
    ALTER TABLE eventfold.installations
      ALTER COLUMN installed_at SET DEFAULT now(),
      ALTER COLUMN installed_by SET DEFAULT session_user;
    ALTER TABLE eventfold.read_models ALTER COLUMN created_at SET DEFAULT clock_timestamp();
  END IF;
END;
$$;

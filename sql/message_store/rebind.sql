-- Mends what bindings.sql has found of the table: the files that follow create a dropped index again, and replace the functions
-- and views. This waits for open writes; where nothing is wrong the file does nothing.

DO $$
DECLARE
  _wrong CONSTANT jsonb := current_setting('eventfold.install_bindings')::jsonb;
  _index regclass;
BEGIN
  FOR _index IN
    SELECT pg_class.oid
    FROM jsonb_array_elements(_wrong) JOIN pg_class ON pg_class.oid = (value ->> 'id')::oid
    WHERE (value ->> 'class')::oid = 'pg_class'::regclass AND pg_class.relkind = 'i'
  LOOP
    EXECUTE format('DROP INDEX %s', _index);
  END LOOP;

  IF EXISTS (
    SELECT
    FROM jsonb_array_elements(_wrong) JOIN pg_attrdef ON pg_attrdef.oid = (value ->> 'id')::oid
    WHERE (value ->> 'class')::oid = 'pg_attrdef'::regclass
      AND pg_attrdef.adrelid = 'message_store.messages'::regclass
  ) THEN
    ALTER TABLE message_store.messages
      ALTER COLUMN time SET DEFAULT (now() AT TIME ZONE 'utc'),
      ALTER COLUMN id SET DEFAULT gen_random_uuid();
  END IF;
END;
$$;

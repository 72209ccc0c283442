-- Mends what bindings.sql has found of the table: the files that follow create a dropped index or view again, and replace the
-- functions and the other views. This waits for open writes; where nothing is wrong the file does nothing.

DO $$
DECLARE
  _wrong CONSTANT jsonb := current_setting('eventfold.install_bindings')::jsonb;
  _index regclass;
  _view regclass;
BEGIN
  FOR _index IN
    SELECT pg_class.oid
    FROM jsonb_array_elements(_wrong) JOIN pg_class ON pg_class.oid = (value ->> 'id')::oid
    WHERE (value ->> 'class')::oid = 'pg_class'::regclass AND pg_class.relkind = 'i'
  LOOP
    EXECUTE format('DROP INDEX %s', _index);
  END LOOP;

  -- What a view was bound to may have given a column another type, and then it can't be replaced in its place.
  FOR _view IN
    SELECT DISTINCT pg_rewrite.ev_class
    FROM jsonb_array_elements(_wrong)
    JOIN pg_rewrite ON pg_rewrite.oid = (value ->> 'id')::oid
    JOIN pg_attribute ON pg_attribute.attrelid = pg_rewrite.ev_class AND pg_attribute.attnum > 0
    WHERE (value ->> 'class')::oid = 'pg_rewrite'::regclass
      AND pg_attribute.atttypid <> CASE pg_attribute.attname
        WHEN 'message_count' THEN 'int8'::regtype
        WHEN 'percent' THEN 'numeric'::regtype
        WHEN 'category' THEN 'varchar'::regtype
        ELSE 'text'::regtype
      END
  LOOP
    EXECUTE format('DROP VIEW %s', _view);
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

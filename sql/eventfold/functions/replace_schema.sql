-- Renames a schema to `retired`, and `replacement` to the name of the schema. A role with rights on the old schema, or on its
-- tables, views and sequences, gets the same rights on the objects of the same names in the new one. Only names in the
-- catalog change: the function takes no lock on a table and waits for none, and running queries finish on the tables that
-- they began with.

CREATE OR REPLACE FUNCTION eventfold.replace_schema("schema" text, retired text, replacement text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  _statement text;
BEGIN
  FOR _statement IN
    SELECT format(
      'GRANT %s ON %s TO %s%s',
      granted.privilege,
      granted.object,
      CASE granted.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(granted.grantee)) END,
      CASE WHEN granted.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
    )
    FROM (
      SELECT
        acl.grantee, acl.is_grantable, pg_namespace.nspowner AS owner,
        acl.privilege_type AS privilege,
        format('SCHEMA %I', replace_schema.replacement) AS object
      FROM pg_namespace, aclexplode(pg_namespace.nspacl) AS acl
      WHERE pg_namespace.nspname = replace_schema."schema"
      UNION ALL
      SELECT
        acl.grantee, acl.is_grantable, live.relowner,
        acl.privilege_type || acl.columns,
        format('%s %s', CASE new.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, new.oid::regclass)
      FROM pg_class AS live
      JOIN pg_class AS new ON new.relname = live.relname AND (new.relkind = 'S') = (live.relkind = 'S'),
      LATERAL (
        SELECT of_table.*, '' AS columns
        FROM aclexplode(live.relacl) AS of_table
        UNION ALL
        SELECT of_column.*, format(' (%I)', pg_attribute.attname)
        FROM pg_attribute, aclexplode(pg_attribute.attacl) AS of_column
        WHERE pg_attribute.attrelid = live.oid AND NOT pg_attribute.attisdropped
          AND EXISTS (
            SELECT FROM pg_attribute AS same
            WHERE same.attrelid = new.oid AND same.attname = pg_attribute.attname AND NOT same.attisdropped
          )
      ) AS acl
      WHERE live.relnamespace = to_regnamespace(quote_ident(replace_schema."schema"))
        AND new.relnamespace = to_regnamespace(quote_ident(replace_schema.replacement))
        AND live.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND new.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    ) AS granted
    WHERE granted.grantee <> granted.owner
  LOOP
    EXECUTE _statement;
  END LOOP;

  EXECUTE format('ALTER SCHEMA %I RENAME TO %I', replace_schema."schema", replace_schema.retired);
  EXECUTE format('ALTER SCHEMA %I RENAME TO %I', replace_schema.replacement, replace_schema."schema");
END;
$$;

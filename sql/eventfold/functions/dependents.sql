-- The names of objects outside of a schema that depend on objects in it: views, foreign keys and functions. They refer to the
-- tables themselves, so a renamed table stays their table.

CREATE OR REPLACE FUNCTION eventfold.dependents("schema" text)
RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT DISTINCT outside.name
  FROM pg_depend,
    LATERAL (
      SELECT pg_class.relnamespace, format('%s %s', CASE pg_class.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, pg_class.oid::regclass)
      FROM pg_rewrite JOIN pg_class ON pg_class.oid = pg_rewrite.ev_class
      WHERE pg_depend.classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = pg_depend.objid
      UNION ALL
      SELECT pg_constraint.connamespace, format('foreign key %I of %s', pg_constraint.conname, pg_constraint.conrelid::regclass)
      FROM pg_constraint
      WHERE pg_depend.classid = 'pg_constraint'::regclass AND pg_constraint.oid = pg_depend.objid
        AND pg_constraint.contype = 'f'
      UNION ALL
      SELECT pg_proc.pronamespace, format('function %s', pg_proc.oid::regprocedure)
      FROM pg_proc
      WHERE pg_depend.classid = 'pg_proc'::regclass AND pg_proc.oid = pg_depend.objid
    ) AS outside (namespace, name)
  WHERE outside.namespace <> to_regnamespace(quote_ident(dependents."schema"))
    AND (pg_depend.refclassid, pg_depend.refobjid) IN (
      SELECT 'pg_class'::regclass, pg_class.oid
      FROM pg_class WHERE pg_class.relnamespace = to_regnamespace(quote_ident(dependents."schema"))
      UNION ALL
      SELECT 'pg_type'::regclass, pg_type.oid
      FROM pg_type WHERE pg_type.typnamespace = to_regnamespace(quote_ident(dependents."schema"))
      UNION ALL
      SELECT 'pg_proc'::regclass, pg_proc.oid
      FROM pg_proc WHERE pg_proc.pronamespace = to_regnamespace(quote_ident(dependents."schema"))
    )
  ORDER BY 1;
$$;

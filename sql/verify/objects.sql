-- The objects of the schemas, each with a digest of its definition: what `Verify` compares with installed.txt, which has those that an
-- installation makes. It is one query. PostgreSQL 18 leaves out the table of a column in the text of a view, and earlier ones do not.
-- The names are found by a path that begins with pg_catalog.

WITH namespaces AS (
  SELECT oid FROM pg_namespace WHERE nspname IN ('message_store', 'eventfold')
),
relations AS (
  SELECT pg_class.oid, pg_class.relkind FROM pg_class JOIN namespaces ON namespaces.oid = pg_class.relnamespace
)
SELECT 'function' AS kind, pg_proc.oid::regprocedure::text AS name, md5(CASE
  -- eventfold/citus.sql takes this setting away.
  WHEN pg_proc.proname IN ('append', 'read_for_fold') AND EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN replace(
    pg_get_functiondef(pg_proc.oid),
    E'\n SET enable_seqscan',
    E'\n SET plan_cache_mode TO ''force_generic_plan''\n SET enable_seqscan'
  )
  ELSE pg_get_functiondef(pg_proc.oid)
END) AS digest
FROM pg_proc JOIN namespaces ON namespaces.oid = pg_proc.pronamespace
WHERE pg_proc.prokind <> 'a'
UNION ALL
SELECT 'view', oid::regclass::text, md5(replace(pg_get_viewdef(oid), 'messages.', '')) FROM relations WHERE relkind = 'v'
UNION ALL
SELECT 'index', oid::regclass::text, md5(pg_get_indexdef(oid)) FROM relations WHERE relkind = 'i'
UNION ALL
SELECT
  'column',
  pg_attribute.attrelid::regclass::text || '.' || pg_attribute.attname,
  md5(format(
    '%s %s %s',
    format_type(pg_attribute.atttypid, pg_attribute.atttypmod),
    pg_attribute.attnotnull,
    pg_get_expr(pg_attrdef.adbin, pg_attrdef.adrelid)
  ))
FROM pg_attribute
JOIN relations ON relations.oid = pg_attribute.attrelid
LEFT JOIN pg_attrdef ON pg_attrdef.adrelid = pg_attribute.attrelid AND pg_attrdef.adnum = pg_attribute.attnum
WHERE relations.relkind = 'r' AND pg_attribute.attnum > 0 AND NOT pg_attribute.attisdropped
ORDER BY kind, name

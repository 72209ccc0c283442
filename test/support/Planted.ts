/**
 * Overloads of PostgreSQL's own functions and operators in the schema `public`, as a role that may create functions there could
 * leave them. They do no harm: each only fails, with a message that names it.
 */
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import { readdir, readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

const folders = ["../../sql", "../../packages/postgres/src"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url))
)

/** All that is written before a parenthesis in our SQL and in the statements of the client. */
const names: Effect.Effect<ReadonlyArray<string>> = Effect.promise(async () => {
  const found = new Set<string>()
  for (const folder of folders) {
    for (const file of await readdir(folder, { recursive: true })) {
      if (!/\.(sql|ts)$/.test(file) || file.includes("node_modules")) continue
      const text = await readFile(`${folder}/${file}`, "utf8")
      for (const [, name = ""] of text.matchAll(/\b([a-z_0-9]+)\s*\(/g)) found.add(name)
    }
  }
  return [...found]
})

/** The types by which an overload may match better than PostgreSQL's own, for each type of an argument. */
const alternatives = {
  text: ["text", "varchar", "name"],
  int8: ["int8", "int4"],
  int4: ["int4", "int8"],
  oid: ["oid", "regclass", "regprocedure", "regnamespace"],
  regclass: ["regclass", "text", "varchar"],
  name: ["name", "text", "varchar"],
  anyarray: ["anyarray", "text[]", "varchar[]", "int8[]", "int4[]", "jsonb[]"],
  anycompatiblearray: ["anycompatiblearray", "text[]", "varchar[]"],
  anyelement: ["anyelement", "text", "varchar", "int8", "int4"],
  anynonarray: ["anynonarray", "text", "varchar", "int8"],
  jsonb: ["jsonb"]
}

const operandTypes = [
  "text",
  "varchar",
  "name",
  "int4",
  "int8",
  "oid",
  "regclass",
  "regprocedure",
  "regnamespace",
  "uuid",
  "jsonb",
  "bool",
  "\"char\"",
  "timestamptz",
  "timestamp",
  "float8",
  "numeric",
  "text[]",
  "int4[]"
]

const operators = ["=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "||", "->", "->>", "?", "~"]

/**
 * Plants the overloads in the database of the client, and gives their number. Those with the very arguments of PostgreSQL's own come
 * into play where `public` is named before `pg_catalog` in the search_path; the other ones with any path that has `public`.
 */
export const plant = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* sql.unsafe(`DO $plant$
    DECLARE
      _alternatives CONSTANT jsonb := '${JSON.stringify(alternatives)}';
      _function record;
      _lists text[];
      _next text[];
      _list text;
      _types text[];
      _operator text;
      _left text;
      _right text;
    BEGIN
      SET LOCAL search_path = pg_catalog, pg_temp;
      FOR _function IN
        SELECT DISTINCT ON (proname, proargtypes)
          proname, proargtypes::oid[] AS types, pronargs,
          CASE WHEN typtype = 'p' AND typname <> 'void' THEN 'text' ELSE format_type(prorettype, NULL) END AS result
        FROM pg_proc JOIN pg_type ON pg_type.oid = prorettype
        WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY ('{${(yield* names).join()}}')
          AND pronargs <= 4
          AND NOT proargtypes::oid[] && ARRAY['internal'::regtype, 'cstring'::regtype, '"any"'::regtype]::oid[]
      LOOP
        _lists := ARRAY[''];
        FOR i IN 1 .. _function.pronargs LOOP
          SELECT coalesce(
            ARRAY(SELECT jsonb_array_elements_text(_alternatives -> typname)),
            ARRAY[]::text[]
          ) INTO _types FROM pg_type WHERE oid = _function.types[i - 1];
          IF cardinality(_types) = 0 THEN
            _types := ARRAY[format_type(_function.types[i - 1], NULL)];
          END IF;
          SELECT array_agg(concat_ws(', ', nullif(list, ''), type)) INTO _next
          FROM unnest(_lists) AS list, unnest(_types) AS type;
          _lists := _next;
        END LOOP;
        FOREACH _list IN ARRAY _lists LOOP
          CONTINUE WHEN to_regprocedure(format('public.%I(%s)', _function.proname, _list)) IS NOT NULL;
          EXECUTE format(
            'CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql IMMUTABLE AS %L',
            _function.proname,
            _list,
            _function.result,
            format('BEGIN RAISE EXCEPTION %L; END', format('the planted function %s(%s) was called', _function.proname, _list))
          );
        END LOOP;
      END LOOP;

      FOREACH _left IN ARRAY '{${operandTypes.map((type) => JSON.stringify(type)).join()}}'::text[] LOOP
        FOREACH _right IN ARRAY '{${operandTypes.map((type) => JSON.stringify(type)).join()}}'::text[] LOOP
          EXECUTE format(
            'CREATE FUNCTION public.planted(%s, %s) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS %L',
            _left,
            _right,
            format('BEGIN RAISE EXCEPTION %L; END', format('a planted operator of %s and %s was called', _left, _right))
          );
          FOREACH _operator IN ARRAY '{${operators.map((name) => JSON.stringify(name)).join()}}'::text[] LOOP
            EXECUTE format(
              'CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.planted)',
              _operator, _left, _right
            );
          END LOOP;
        END LOOP;
      END LOOP;
    END;
    $plant$`)
  const [count] = yield* sql<{ readonly count: number }>`SELECT pg_catalog.count(*)::pg_catalog.int4 AS count
    FROM pg_catalog.pg_proc WHERE pronamespace OPERATOR(pg_catalog.=) ('public'::pg_catalog.regnamespace)::pg_catalog.oid`
  return count?.count ?? 0
})

/**
 * The objects in the schemas of a database, as the server describes them.
 */
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"

/** All that an installation creates, with owners and privileges, as text. */
export const objects = Effect.fnUntraced(function*(
  schemas: ReadonlyArray<string> = ["message_store", "eventfold"]
) {
  const sql = yield* SqlClient
  const rows = yield* sql<{ readonly object: string }>`
    WITH schemas AS (SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE ${sql.in("nspname", schemas)})
    SELECT format('schema %s of %s, %s', nspname, nspowner::regrole, nspacl) AS object FROM schemas
    UNION ALL
    SELECT format('%s of %s, %s', pg_get_functiondef(pg_proc.oid), proowner::regrole, proacl)
    FROM pg_proc JOIN schemas ON pronamespace = schemas.oid WHERE prokind <> 'a'
    UNION ALL
    SELECT format('relation %s %s of %s, %s', relname, relkind, relowner::regrole, relacl)
    FROM pg_class JOIN schemas ON relnamespace = schemas.oid
    UNION ALL
    SELECT format(
      'column %s.%s.%s %s %s not null %s default %s', nspname, relname, attnum, attname,
      format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
    )
    FROM pg_attribute
    JOIN pg_class ON attrelid = pg_class.oid
    JOIN schemas ON relnamespace = schemas.oid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND relkind <> 'i'
    UNION ALL
    SELECT pg_get_indexdef(pg_class.oid) FROM pg_class JOIN schemas ON relnamespace = schemas.oid WHERE relkind = 'i'
    UNION ALL
    SELECT format('constraint %s %s', conname, pg_get_constraintdef(pg_constraint.oid))
    FROM pg_constraint JOIN schemas ON connamespace = schemas.oid
    UNION ALL
    SELECT pg_get_viewdef(pg_class.oid) FROM pg_class JOIN schemas ON relnamespace = schemas.oid WHERE relkind = 'v'
    ORDER BY object`
  return rows.map((row) => row.object)
})

/** The log, independent of the order of the table's columns. */
export const messages = Effect.gen(function*() {
  const sql = yield* SqlClient
  return yield* sql`SELECT global_position, position, "time", stream_name, type, data, metadata, id
    FROM message_store.messages ORDER BY global_position`
})

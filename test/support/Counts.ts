/**
 * What read models of the suite count, in a table of their schema.
 */
import type * as ReadModelSuite from "@eventfold/testing/ReadModelSuite"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"

/** Counts in SQL. `schemaOf` gives the schema of a read model. */
export const counting = (
  schemaOf: (readModel: string) => string = (readModel) => readModel
): ReadModelSuite.Counting<SqlClient> => ({
  tables: ["CREATE TABLE counts (key text PRIMARY KEY, count bigint NOT NULL)"],
  add: (_, key, count) =>
    Effect.flatMap(SqlClient, (sql) =>
      sql`INSERT INTO counts VALUES (${key}, ${count})
        ON CONFLICT (key) DO UPDATE SET count = counts.count + excluded.count`),
  counts: (readModel) =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const rows = yield* sql<{ readonly key: string; readonly count: bigint }>`SELECT key, count
        FROM ${sql(`${schemaOf(readModel)}.counts`)}`
      return Object.fromEntries(rows.map(({ count, key }) => [key, Number(count)]))
    })
})

/**
 * How many pages of a database statements look at: a cost that is the same on each machine.
 */
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import * as Database from "./Database.ts"
import * as MessageDb from "./MessageDb.ts"

/** The schemas that a store works on. */
export const kinds = ["our", "a stock"] as const

/** A store on a fresh database of a server, after an effect has filled the table. */
export const filled = <E, R>(
  kind: typeof kinds[number],
  server: Database.Server,
  fill: Effect.Effect<unknown, E, R>
) => {
  const database = Layer.unwrap(Effect.map(
    kind === "our" ? Database.make({ server }) : MessageDb.makeDatabase({ server }),
    ({ url }) => Database.client(url)
  ))
  return Layer.merge(Postgres.layerClient({ announce: false }), Layer.effectDiscard(fill)).pipe(
    Layer.provideMerge(database)
  )
}

/** Autovacuum's looks at the table would be counted as well. */
export const withoutAutovacuum = Effect.flatMap(
  SqlClient,
  (sql) => sql`ALTER TABLE message_store.messages SET (autovacuum_enabled = off)`
)

/** How many pages of the table and its indexes have been looked at by the one session so far. */
const pagesSoFar = Effect.gen(function*() {
  const sql = yield* SqlClient
  // Counts are known to others, and to the next statement, from time to time only.
  yield* sql`SELECT pg_stat_force_next_flush()`
  const [row] = yield* sql<{ readonly pages: bigint }>`SELECT
      heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read AS pages
    FROM pg_statio_user_tables WHERE relid = 'message_store.messages'::regclass`
  return Number(row?.pages ?? 0n)
})

/** Runs an effect, and gives its result with the number of pages that it has looked at. */
export const measured = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const before = yield* pagesSoFar
    const result = yield* effect
    return { result, pages: (yield* pagesSoFar) - before }
  })

/** How many pages an effect looks at. */
export const costOf = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.map(measured(effect), ({ pages }) => pages)

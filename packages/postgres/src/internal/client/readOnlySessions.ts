import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { isInProcess } from "./connections.ts"

/** Looks that are this close, in milliseconds, are of one outage: sessions that began since the last look are not old. */
const outage = 10_000

/** How long one look at the pool may take. All of its connections may be in use, or the server silent. */
const limit = "5 seconds"

/**
 * Whether a session takes no writes, and how old it is. It then ends itself, as PostgreSQL lets every role, also on a standby.
 */
const look = `SELECT
    current_setting('transaction_read_only')::boolean,
    extract(epoch FROM clock_timestamp() - backend_start)::float8 * 1000::float8
  FROM pg_stat_activity WHERE pid = pg_backend_pid()`

/**
 * Ends the idle sessions of a client's pool that take no writes, so that new ones are opened. After a failover the old ones may
 * lead to what is a standby now, while a new one leads to the primary: by the name of the host, or through a proxy. A session also
 * keeps the `default_transaction_read_only` that it began with.
 *
 * A session that takes no writes although it is new says that the server has not changed yet. Then it ends that one only: the next
 * statement that fails tries again. Calls at the same time share one look, which ends with the scope.
 */
export const make = Effect.fnUntraced(function*(
  sql: PgClient
): Effect.fn.Return<Effect.Effect<void>, never, Scope.Scope> {
  // A PGlite is its only session.
  if (isInProcess(sql)) return Effect.void
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  const oneAtATime = Semaphore.makeUnsafe(1)
  let looks = 0
  let previous = Number.NEGATIVE_INFINITY

  /** Ends a session if it takes no writes; whether it was an old one, so that there may be more of them. */
  const endOne = (since: number) =>
    Effect.scoped(Effect.gen(function*() {
      const connection = yield* sql.reserve
      const [row] = yield* Effect.provideService(sql.unsafe(look).valuesUnprepared, sql.transactionService, [
        connection,
        0
      ])
      if (row?.[0] !== true) return false
      yield* Effect.ignore(connection.executeUnprepared("SELECT pg_terminate_backend(pg_backend_pid())", [], undefined))
      return Number(row[1]) > clock.currentTimeMillisUnsafe() - since
    }))

  const lookThrough = Effect.suspend(() => {
    looks++
    const begin = clock.currentTimeMillisUnsafe()
    const since = begin - previous < outage ? previous : begin
    previous = begin
    let goesOn = true
    return Effect.whileLoop({
      while: () => goesOn,
      body: () => endOne(since),
      step: (isOld) => goesOn = isOld
    })
  })

  return Effect.suspend(() => {
    const asked = looks
    return oneAtATime.withPermit(Effect.suspend(() => looks > asked ? Effect.void : lookThrough)).pipe(
      Effect.timeoutOption(limit),
      Effect.ignore({ log: "Debug", message: "store could not look for sessions that take no writes" }),
      // In a fiber of its own: to interrupt a statement can take seconds, and who waits for this may be in a hurry.
      Effect.forkIn(scope),
      Effect.flatMap(Fiber.await),
      Effect.asVoid
    )
  })
})

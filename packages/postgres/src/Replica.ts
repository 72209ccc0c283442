/**
 * Reads on a streaming replica that see what this process has written: `Postgres.layerReplica` gives this service beside the store.
 *
 * @since 0.1.0
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { provideClient } from "./internal/client/connections.ts"
import type { PoolOptions } from "./internal/client/poolSettings.ts"
import { levelOf } from "./internal/client/transactions.ts"
import type { Following, Status } from "./internal/replica/following.ts"

/**
 * The options of its pool.
 *
 * @category options
 * @since 0.1.0
 */
export type { PoolOptions } from "./internal/client/poolSettings.ts"

/**
 * What has been read where, and whether the replica is in use.
 *
 * @category models
 * @since 0.1.0
 */
export type { Status } from "./internal/replica/following.ts"

/**
 * How the replica is reached. Its URL leads to one server, and through no pooler that shares sessions: otherwise a read could see less
 * than the server that was asked before. Several hosts and such a pooler are refused.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends PoolOptions {
  /**
   * How long a read waits until the replica has what this process has seen before. Then the primary answers, and reads go there until the
   * replica keeps up again. Defaults to 1 second, because a replica that is well takes milliseconds, and one that is behind for a moment
   * should not send all reads to the primary.
   */
  readonly wait?: Duration.Input | undefined
  /**
   * How long a read waits for the answer of the replica to one statement. Then the primary answers. Defaults to 5 seconds, which is less
   * than the primary has, because there is another server to ask.
   */
  readonly statementTimeout?: Duration.Input | undefined
}

/**
 * A streaming replica of a store's database.
 *
 * @category services
 * @since 0.1.0
 */
export class Replica extends Context.Service<Replica, {
  /**
   * Runs queries of the application on the replica, which has by then all that was committed before the call: as `SqlClient` and
   * `PgClient` they get its client. When it has not in time, or can't be reached, and in a transaction on the primary, they get the
   * primary's.
   *
   * **Details**
   *
   * So a query of a read model after `ReadModel.waitFor` sees what was waited for. It costs one short statement on the primary, for its
   * place in the log, and one on the replica.
   *
   * **Gotchas**
   *
   * For queries alone: a replica refuses to write. A query that fails on the replica fails, because what else the effect has done is
   * not known.
   *
   * @example
   * ```ts
   * import { Replica } from "@eventfold/postgres"
   * import { Effect } from "effect"
   * import { SqlClient } from "effect/sql"
   *
   * const totals = Effect.gen(function*() {
   *   const sql = yield* SqlClient.SqlClient
   *   return yield* sql<{ readonly total: number }>`SELECT sum(total)::int4 AS total FROM orders.orders`
   * })
   *
   * const program = Effect.flatMap(Replica.Replica, (replica) => replica.query(totals))
   * ```
   */
  readonly query: <A, E, R>(query: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, PgClient | SqlClient>>
  /**
   * What is read through the store from now on sees all that is committed now, by whatever process. It costs nothing by itself: the next
   * read asks the primary for its place in the log, and waits for the replica.
   *
   * **When to use**
   *
   * When a request says that its caller has written something through another process. What this process has written is seen without it.
   */
  readonly refresh: Effect.Effect<void>
  /** What has been read where since the layer was built. */
  readonly status: Effect.Effect<Status>
}>()("@eventfold/postgres/Replica") {}

/** @internal */
export const make = (primary: PgClient, replica: PgClient, following: Following): Replica["Service"] => ({
  query: <A, E, R>(query: Effect.Effect<A, E, R>) => {
    const onPrimary = provideClient(primary)(query)
    const onReplica = provideClient(replica)(query)
    return Effect.contextWith((context: Context.Context<Exclude<R, PgClient | SqlClient>>) => {
      if (levelOf(primary, context) !== undefined) return onPrimary
      following.seen()
      return Effect.flatMap(following.ready, (isReady) => isReady ? onReplica : onPrimary)
    })
  },
  refresh: Effect.sync(following.seen),
  status: following.status
})

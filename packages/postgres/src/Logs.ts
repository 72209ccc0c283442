/**
 * Many logs in one database, on one pool: a log for each tenant of an application.
 *
 * **When to use**
 *
 * When the messages of tenants are to be apart, and a database for each would be too much: a thousand databases need a thousand pools, and
 * a thousand logs need one. A log is opened when it is first used, and closed when it has been idle.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LayerMap from "effect/LayerMap"
import * as MessageStore from "eventfold/MessageStore"
import type { ReadModelStore } from "eventfold/ReadModelStore"
import * as Log from "./internal/client/log.ts"
import * as Statements from "./internal/client/statements.ts"
import type { OpenError } from "./OpenError.ts"
import * as Postgres from "./Postgres.ts"
import * as SqlReadModel from "./SqlReadModel.ts"

/**
 * How the logs are opened. The options of a store hold for each of them.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends Omit<Postgres.StoreOptions, "schema"> {
  /**
   * The schema of a tenant's log, by the rules of `Postgres.LogOptions`. Give no two tenants the same one: they would share the log. A name
   * that no log can have fails with an {@link OpenError} when the tenant's log is first used.
   */
  readonly of: (tenant: string) => string
  /**
   * How long the log of a tenant stays open after its last use. Defaults to a minute, because to open one again takes a few statements.
   * The messages stay, whether it is open or not.
   */
  readonly idleTimeToLive?: Duration.Input | undefined
}

/**
 * The logs of tenants, each with its messages and its read models.
 *
 * @category services
 * @since 0.1.0
 */
export class Logs
  extends Context.Service<Logs, LayerMap.LayerMap<string, MessageStore.MessageStore | ReadModelStore, OpenError>>()(
    "@eventfold/postgres/Logs"
  )
{}

/**
 * The messages and read models of a tenant.
 *
 * @example
 * ```ts
 * import { Logs, Postgres } from "@eventfold/postgres"
 * import { Effect, Layer, Redacted } from "effect"
 * import { MessageStore } from "eventfold"
 *
 * const open = (tenant: string, cart: string) =>
 *   Effect.flatMap(MessageStore.MessageStore, (store) => store.append(`cart-${cart}`, [{ type: "Opened", data: {} }])).pipe(
 *     Effect.provide(Logs.get(tenant))
 *   )
 *
 * const Database = Logs.layer({ of: (tenant) => `tenant_${tenant}`, install: { role: false } }).pipe(
 *   Layer.provide(Postgres.layerPool({ url: Redacted.make("postgres://app:secret@localhost/shop"), maxConnections: 20 }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const get = (
  tenant: string
): Layer.Layer<MessageStore.MessageStore | ReadModelStore, OpenError, Logs> =>
  Layer.unwrap(Effect.map(Logs, (logs) => logs.get(tenant)))

/**
 * Opens the log of a tenant when it is first used, and closes it when it has been idle.
 *
 * **Details**
 *
 * All logs share the pool of the client, one connection for wake-ups, one for leases, and up to two for what is done outside of
 * transactions. With the option `install`, the log of a new tenant is installed when it is first used: the user needs the right to create
 * schemas, and `{ role: false }` unless it may create the role `message_store`.
 *
 * **Gotchas**
 *
 * Consumers and read models run while their tenant's log is open, so start them within a scope that keeps it: `Logs.contextEffect` of the
 * service gives the stores for as long as a scope is open.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Logs, OpenError, PgClient.PgClient> =>
  Layer.effect(
    Logs,
    Effect.gen(function*() {
      const { idleTimeToLive = "1 minute", of, ...storeOptions } = options
      const client = yield* PgClient.PgClient
      const statements = yield* Statements.make(client, {
        log: Log.defaultLog,
        retry: options.retry,
        timeout: options.statementTimeout
      })
      const shared = yield* Postgres.share(client, statements, options)
      const storeOf = (schema: string) =>
        Layer.effect(
          MessageStore.MessageStore,
          Effect.flatMap(
            Postgres.open(client, { ...storeOptions, schema }, Context.empty(), shared),
            MessageStore.make
          )
        )
      return yield* LayerMap.make((tenant: string) => {
        const schema = of(tenant)
        const readModels = SqlReadModel.layer({
          schema,
          retry: options.retry,
          statementTimeout: options.statementTimeout
        })
        // The messages first: they may install the log.
        return Layer.provideMerge(readModels, storeOf(schema))
      }, { idleTimeToLive })
    })
  )

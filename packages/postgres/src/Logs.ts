/**
 * Many logs: one for each tenant of an application, or one store whose categories are in several of them.
 *
 * **When to use**
 *
 * {@link layer} when the messages of tenants are to be apart, and a database for each would be too much: a thousand databases need a
 * thousand pools, and a thousand logs need one. A log is opened when it is first used, and closed when it has been idle.
 *
 * {@link layerRouted} when one application has outgrown one server: its categories are then in logs on several, and programs still write
 * and read by the names of streams and categories.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LayerMap from "effect/LayerMap"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Record from "effect/Record"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import * as MessageStore from "eventfold/MessageStore"
import type { ReadModelStore } from "eventfold/ReadModelStore"
import { InvalidArgument } from "eventfold/StoreError"
import * as Log from "./internal/client/log.ts"
import { fromProblem } from "./internal/client/openErrors.ts"
import * as Pool from "./internal/client/openPool.ts"
import type { PoolOptions } from "./internal/client/poolSettings.ts"
import * as Statements from "./internal/client/statements.ts"
import * as RoutedBackend from "./internal/routed/backend.ts"
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

/**
 * Where a log is.
 *
 * @category options
 * @since 0.1.0
 */
export interface Place extends Omit<PoolOptions, "url">, Postgres.LogOptions {
  /**
   * The server of the log, when it is not on the client that the application provides. The log then has a pool of its own, with the other
   * options here, and no transaction spans it and another log.
   */
  readonly url?: Redacted.Redacted | undefined
}

/**
 * Which logs a store has, and which category is in which. The options of a store hold for each of them.
 *
 * @category options
 * @since 0.1.0
 */
export interface RoutedOptions<Name extends string> extends Omit<Postgres.StoreOptions, "schema" | "directUrl"> {
  /** The logs by names of the application's own. The first one keeps the leases of what is not about a log. */
  readonly logs: { readonly [N in Name]: Place }
  /**
   * The log of a category. It is asked for the category without types, so that `cart`, its commands, snapshots and parked messages are in
   * one log. It must always give the same answer: to move a category, export it and import it first.
   */
  readonly of: (category: string) => NoInfer<Name>
}

/**
 * What is there within one log: its messages, its read models, and the client that both are on.
 *
 * @category models
 * @since 0.1.0
 */
export type InLog = MessageStore.MessageStore | ReadModelStore | PgClient.PgClient | SqlClient

/**
 * The logs of a store of {@link layerRouted}, one by one: for whoever reads everything, or keeps a position.
 *
 * @category services
 * @since 0.1.0
 */
export class Routed extends Context.Service<Routed, {
  readonly names: Arr.NonEmptyReadonlyArray<string>
  /** The log of a category. */
  readonly of: (category: string) => string
  /** Runs an effect in the log of this name. Fails with `InvalidArgument` when there is none. */
  readonly inLog: (
    name: string
  ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | InvalidArgument, Exclude<R, InLog>>
  /**
   * Runs an effect in each log, all at once, and gives the results by the names of the logs. The first failure ends the others.
   *
   * @example
   * ```ts
   * import { Logs } from "@eventfold/postgres"
   * import { Effect, Schema } from "effect"
   * import { Category, Consumer } from "eventfold"
   *
   * const Order = Category.make("order", { Placed: { total: Schema.Int } })
   *
   * const Mail = Consumer.make("mail").on(Order, { Placed: ({ id }) => Effect.log(`order ${id}`) })
   *
   * // Each log has its own position of the consumer.
   * const program = Effect.flatMap(Logs.Routed, (routed) => routed.each(Consumer.run(Mail)))
   * ```
   */
  readonly each: <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<Readonly<Record<string, A>>, E, Exclude<R, InLog>>
}>()("@eventfold/postgres/Logs/Routed") {}

/** Opens a log where it is. */
const openLog = Effect.fnUntraced(function*(
  client: PgClient.PgClient,
  shared: Postgres.Shared,
  name: string,
  { schema, ...pool }: Place,
  options: Omit<Postgres.StoreOptions, "schema" | "directUrl">
) {
  const isApart = pool.url !== undefined
  const own = isApart
    ? yield* Effect.provideServiceEffect(Pool.make(pool), Reactivity.Reactivity, Reactivity.make)
    : client
  // An installation is on the client of the context.
  const backend = yield* Effect.provideService(
    Postgres.open(own, { ...options, schema }, Context.empty(), isApart ? undefined : shared),
    PgClient.PgClient,
    own
  )
  const readModels = SqlReadModel.layer({
    schema,
    retry: options.retry,
    statementTimeout: options.statementTimeout
  }).pipe(Layer.provide(Layer.succeed(PgClient.PgClient, own)))
  const services = (yield* Layer.build(readModels)).pipe(
    Context.add(MessageStore.MessageStore, yield* MessageStore.make(backend)),
    Context.add(PgClient.PgClient, own),
    Context.add(SqlClient, own)
  )
  const within = Effect.provideContext(services)
  return { log: { name, backend, isApart }, within }
})

/**
 * One store whose categories are in several logs, of one database or of several servers.
 *
 * **Details**
 *
 * An append, a stream, a category, and an entity are in one log, and all that holds of a store holds of them. `writeAll` and
 * `Entity.transactAll` to several logs are one transaction when these are on the client, as they are on Citus, and fail with
 * `Unsupported` when one is on another server. `MessageStore.transaction` is `Unsupported` as soon as any log is.
 *
 * Each log has global positions of its own, and there is no order between two logs. So what reads everything or several categories, or
 * counts by a position, is done in a log, by {@link Routed}: consumers, read models and processes run in each log that has their
 * categories, and keep one position for each. On the store itself, `readAll` and what else takes a position fails with a `StoreError`
 * that says so, unless its categories are in one log. Lists of categories and streams are those of all logs.
 *
 * @example
 * ```ts
 * import { Logs, Postgres } from "@eventfold/postgres"
 * import { Layer, Redacted } from "effect"
 *
 * const Store = Logs.layerRouted({
 *   logs: {
 *     sales: { schema: "sales" },
 *     telemetry: { schema: "telemetry", url: Redacted.make("postgres://app:secret@second/shop"), maxConnections: 10 }
 *   },
 *   of: (category) => category === "measurement" ? "telemetry" : "sales"
 * }).pipe(
 *   Layer.provide(Postgres.layerPool({ url: Redacted.make("postgres://app:secret@first/shop"), maxConnections: 10 }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRouted = <const Name extends string>(
  { logs: places, of, ...options }: RoutedOptions<Name>
): Layer.Layer<MessageStore.MessageStore | Routed, OpenError, PgClient.PgClient> =>
  Layer.effectContext(
    Effect.gen(function*(): Effect.fn.Return<
      Context.Context<MessageStore.MessageStore | Routed>,
      OpenError,
      PgClient.PgClient | Scope.Scope
    > {
      const client = yield* PgClient.PgClient
      const statements = yield* Statements.make(client, {
        log: Log.defaultLog,
        retry: options.retry,
        timeout: options.statementTimeout
      })
      const shared = yield* Postgres.share(client, statements, {})
      const [first, ...others] = yield* Effect.forEach(
        Record.toEntries<string, Place>(places),
        ([name, place]) => openLog(client, shared, name, place, options)
      )
      if (first === undefined) {
        return yield* fromProblem({ option: "logs", detail: "has no log, and a store needs one" })
      }
      const opened = new Map([first, ...others].map((one) => [one.log.name, one]))
      const backend = RoutedBackend.make({
        logs: [first.log, ...others.map(({ log }) => log)],
        of,
        retry: options.retry ?? Statements.defaultRetry
      })
      const routed = Routed.of({
        names: [first.log.name, ...others.map(({ log }) => log.name)],
        of,
        inLog: (name) => (effect) =>
          opened.get(name)?.within(effect) ??
            Effect.fail(
              new InvalidArgument({
                argument: "name",
                value: JSON.stringify(name),
                expected: `one of the logs ${[...opened.keys()].join(", ")}`
              })
            ),
        each: (effect) =>
          Effect.map(
            Effect.forEach(
              opened,
              ([name, { within }]) => Effect.map(within(effect), (result) => [name, result] as const),
              {
                concurrency: "unbounded"
              }
            ),
            Record.fromEntries
          )
      })
      return Context.make(MessageStore.MessageStore, yield* MessageStore.make(backend)).pipe(
        Context.add(Routed, routed)
      )
    })
  )

/**
 * The message store on PostgreSQL, 15 or later.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import * as MessageStore from "eventfold/MessageStore"
import type { ReadModel } from "eventfold/ReadModel"
import type { Duplex } from "node:stream"
import {
  hasTraceIndexes,
  installed,
  installForLayer,
  type InstallOptions,
  isCurrent,
  type LogOptions,
  readFiles,
  requestedInstallation,
  schemaVersion,
  whyUnusable
} from "./Install.ts"
import type { Bounded } from "./internal/client/bound.ts"
import { isInProcess, makeBeside, markInProcess } from "./internal/client/connections.ts"
import { ownFunctionCall, stockFunctionCall } from "./internal/client/functionCalls.ts"
import * as Places from "./internal/client/independence.ts"
import * as LockWaits from "./internal/client/lockWaits.ts"
import * as Log from "./internal/client/log.ts"
import { fromProblem, fromSqlError, requirePositive } from "./internal/client/openErrors.ts"
import * as Pool from "./internal/client/openPool.ts"
import * as OwnClient from "./internal/client/ownClient.ts"
import type { PoolOptions } from "./internal/client/poolSettings.ts"
import * as Statements from "./internal/client/statements.ts"
import * as Lasting from "./internal/coordination/lasting.ts"
import * as LeaseSession from "./internal/coordination/leaseSession.ts"
import * as WakeUps from "./internal/coordination/wakeUps.ts"
import { embeddedGapRule } from "./internal/readAll/gapRule.ts"
import * as ReplicaBackend from "./internal/replica/backend.ts"
import * as Following from "./internal/replica/following.ts"
import * as ReplicaPool from "./internal/replica/pool.ts"
import * as StockBackend from "./internal/stock/backend.ts"
import * as Backend from "./internal/store/backend.ts"
import * as FoldReads from "./internal/store/foldReads.ts"
import { makeIdentity } from "./internal/store/identity.ts"
import { open as openInline } from "./internal/store/inlineReadModels.ts"
import * as Lineage from "./internal/store/lineage.ts"
import * as Verify from "./internal/verify/verify.ts"
import type { OpenError } from "./OpenError.ts"
import * as Replica from "./Replica.ts"

/**
 * @since 0.1.0
 * @category errors
 */
export {
  AuthenticationFailed,
  DatabaseNotFound,
  InvalidOption,
  InvalidUrl,
  NotDirect,
  NotInline,
  NotReplica,
  OpenError,
  OpenFailed,
  PasswordUnavailable,
  PermissionDenied,
  ReadOnly,
  SchemaMissing,
  SchemaOutdated,
  SchemaTooNew,
  SessionsShared,
  TlsFailed,
  Unreachable
} from "./OpenError.ts"

/**
 * @since 0.1.0
 * @category installing
 */
export {
  install,
  type Installed,
  type InstallOptions,
  type LogOptions,
  schemaVersion,
  type TraceIndexes,
  uninstall,
  type Uninstalled,
  type UninstallOptions,
  UninstallRefused
} from "./Install.ts"

/**
 * @since 0.1.0
 * @category options
 */
export type { TargetSessionAttrs } from "./internal/client/hosts.ts"

/**
 * @since 0.1.0
 * @category options
 */
export type { PoolOptions } from "./internal/client/poolSettings.ts"

/**
 * Marks the `stream` of a client as the way to a database in this process, which no other process uses: a PGlite.
 *
 * **Details**
 *
 * A store on such a client has leases and wake-ups within the process, and opens no second connection. `Pglite` marks its own.
 * Without the mark, a stream leads to a server, as through a proxy or a tunnel.
 *
 * @since 0.1.0
 * @category options
 */
export const inProcess: (stream: () => Duplex) => () => Duplex = markInProcess

/**
 * How a store on PostgreSQL is opened.
 *
 * @since 0.1.0
 * @category options
 */
export interface StoreOptions extends LogOptions {
  /**
   * Install the schemas, or bring them up to date, before the store is used; with the options of {@link install}.
   * Defaults to false, because the user of an application seldom has the rights.
   */
  readonly install?: boolean | InstallOptions | undefined
  /**
   * Announce to other processes which categories were written, so that their `wakeUps` complete. One NOTIFY for many
   * appends follows their commits, off their path. Defaults to true.
   */
  readonly announce?: boolean | undefined
  /**
   * Where the sessions that last are opened, those of leases and of LISTEN, when the client goes through a pooler that shares the
   * server's sessions between transactions: the URL of the same database at the server itself, or through a pooler in session mode.
   * Defaults to none, because the client's own connections do where there is no such pooler.
   *
   * **Details**
   *
   * All else goes through the client. A URL without a password is used with the client's password.
   *
   * **Gotchas**
   *
   * Behind such a pooler and without this option, `MessageStore.lease` fails with `Unsupported`, and so do consumers, read models
   * and processes. Writes of other processes wake no readers here, which then find them when they poll. See the guide to poolers.
   */
  readonly directUrl?: Redacted.Redacted | undefined
  /**
   * For how long the store repeats a call that failed for a reason that passes: a lost connection, a server that restarts or
   * fails over, a deadlock. Defaults to pauses that double from 50 milliseconds to a second, for 30 seconds, because that
   * outlasts a usual failover.
   *
   * **Details**
   *
   * When the schedule ends, the call fails with a `StoreError` whose `isRetryable` is true. Interruption ends a call at once, so
   * `Effect.timeout` sets a bound for one call. What is done in a transaction of the caller is never repeated, because the
   * transaction is lost with the failure: repeat the whole transaction.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /**
   * How long the store waits for the server's answer to one statement, and for a connection of the pool. Defaults to 30
   * seconds, because that is far longer than any statement of the store takes on a server that is well.
   * `Duration.infinity` switches the bound off.
   *
   * **Details**
   *
   * A statement without an answer is given up, its connection is closed, and the store sends the statement again as `retry`
   * has it: an append is still written once, by the ids of its messages. When the schedule ends, the call fails with a
   * `StoreError` whose `isRetryable` is true and whose reason names this option. A watch looks at the statements now and then,
   * so one may take up to an eighth longer.
   *
   * In `MessageStore.transaction`, and in handlers of inline read models, each statement of the application is bounded as well.
   * In a transaction that the application begins by `sql.withTransaction`, only those of the store are. Counts of messages may
   * take ten times as long, because they read all that they count. The installation of the schema is not bounded.
   *
   * **Gotchas**
   *
   * A statement that waits for a lock is one without an answer; writes have `lockTimeout` for that. A store on PGlite has no
   * bound: its server is this process, and its only session could not be opened again.
   */
  readonly statementTimeout?: Duration.Input | undefined
  /**
   * How long a write waits for a lock: that of a category, which another transaction holds until it ends, or one on the table of
   * messages. Then it fails with a retryable `StoreError` that names the category and who holds its lock, and nothing is written.
   * Defaults to 10 seconds, because transactions that write are shorter, and who waits for a write seldom waits longer.
   *
   * **Details**
   *
   * It is the server's `lock_timeout`, set for the statement alone. The layer does not send a write again that has waited for so
   * long; consumers, read models and processes do, as after every failure that passes. An append that joins a transaction of the
   * application keeps the `lock_timeout` that the application has set there. An append that has come while a group of its category
   * is being committed waits for that group first. It is at most four fifths of `statementTimeout`, so that the failure can say
   * what the wait was for; `Infinity` waits so long. A `lock_timeout` of the role or the database does not count here.
   */
  readonly lockTimeout?: Duration.Input | undefined
  /**
   * After how much silence the server gives the leases of this process to another one, from a second: for a process that is frozen, or cut
   * off from the server. The leases of a process that was killed are free at once. Defaults to 15 seconds, because a machine that swaps
   * may be silent for some. A process that is cut off stops its consumers after about half of it.
   */
  readonly leaseTimeout?: Duration.Input | undefined
  /**
   * Read a number of data or metadata as its text when a JavaScript number would change it: 2^53 + 1 as `"9007199254740993"`, and
   * also 1e400 and a decimal with more digits than a number keeps. A schema of a number then refuses it with a `DecodeError`,
   * wherever events are decoded: by categories, entities, consumers and read models. `Schema.BigInt` accepts it.
   *
   * **Details**
   *
   * Defaults to false, because it costs a look at every text that is read, and no program in JavaScript writes such numbers. The
   * nearest number is then read in their place: 2^53 + 1 without its last digit, and 1e400 as `Infinity`, which `Schema.Finite`
   * and `Schema.Int` refuse. `Schema.Int` also refuses every integer beyond 2^53 - 1.
   */
  readonly exactNumbers?: boolean | undefined
}

/**
 * Read models that are kept in the transactions of the appends to their category: an append and what the handlers make
 * of it are committed together, or not at all.
 *
 * @since 0.1.0
 * @category options
 */
export interface Inline<Models extends ReadonlyArray<InlineModel>> {
  /**
   * Each reads one category. A handler that fails refuses the append, with a `StoreError` that is not retryable. The layer
   * requires what the handlers need, except for the client.
   */
  readonly inline?: Models | undefined
}

/**
 * A read model that can be kept in the transactions of appends.
 *
 * @since 0.1.0
 * @category models
 */
export type InlineModel = ReadModel<unknown, unknown>

/**
 * What the handlers of read models need, except for the client.
 *
 * @since 0.1.0
 * @category models
 */
export type InlineServices<Model extends InlineModel> = Model extends ReadModel<unknown, infer R>
  ? Exclude<R, PgClient.PgClient | SqlClient>
  : never

/**
 * A pool of connections and the store on it.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options extends PoolOptions, StoreOptions {}

/** What a database has installed, after an installation if the options ask for one and it is due. */
const ensureInstalled = Effect.fnUntraced(function*({ bound, sql }: Bounded, options: StoreOptions) {
  const look = Effect.mapError(bound.statement(installed(sql)), fromSqlError(sql.config))
  const installation = requestedInstallation(options.install)
  const found = yield* look
  if (installation === undefined) return found
  const isToReplace = installation.replaceFunctions === true && found.functions === "stock"
  // Nothing to install: the user may not have the rights to.
  if (isCurrent(found.schema) && !isToReplace) {
    const hasIndexes = hasTraceIndexes(sql, installation)
    if (yield* Effect.mapError(bound.statement(hasIndexes), fromSqlError(sql.config))) return found
  }
  yield* installForLayer({ ...installation, schema: options.schema })
  return yield* look
})

/**
 * What stores on a client have beside its pool. The stores of several logs can share it.
 *
 * @internal
 */
export interface Shared {
  readonly lasting: Lasting.LastingSessions
  /** The client of what is done outside of transactions; none on a PGlite. */
  readonly spare: PgClient.PgClient | undefined
}

/**
 * Makes what stores on a client can share, until the scope closes. Nothing is connected before it is needed.
 *
 * @internal
 */
export const share = Effect.fnUntraced(function*(
  client: PgClient.PgClient,
  bounded: Bounded,
  { directUrl, leaseTimeout = LeaseSession.defaultTimeout }: Pick<StoreOptions, "directUrl" | "leaseTimeout">
): Effect.fn.Return<Shared, OpenError, Scope.Scope> {
  const config = directUrl === undefined || isInProcess(client)
    ? client.config
    : yield* Pool.openDirect(bounded, directUrl)
  const timeout = Duration.fromInputUnsafe(leaseTimeout)
  if (!Duration.isFinite(timeout) || Duration.isLessThan(timeout, Duration.seconds(1))) {
    const detail = `is ${Duration.format(timeout)}, and must be from a second to any finite time`
    return yield* fromProblem({ option: "leaseTimeout", detail })
  }
  return {
    lasting: yield* Lasting.make(client, config, timeout),
    spare: isInProcess(client) ? undefined : yield* makeBeside(client)
  }
})

/**
 * The backend that fits what the database has installed.
 *
 * @internal
 */
export const open = Effect.fnUntraced(function*(
  client: PgClient.PgClient,
  options: StoreOptions & Inline<ReadonlyArray<InlineModel>>,
  context: Context.Context<never>,
  shared?: Shared
) {
  yield* Pool.checkSessions(client)
  const log = yield* Log.fromOption(options.schema)
  const statements = yield* Statements.make(client, {
    log,
    exactNumbers: options.exactNumbers,
    retry: options.retry,
    timeout: options.statementTimeout
  })
  const limits = yield* LockWaits.limitsOf(options.lockTimeout, options.statementTimeout)
  const { functions, schema } = yield* ensureInstalled(statements, options)
  const { sql } = statements
  const { lasting, spare } = shared ?? (yield* share(client, statements, options))
  const wakeUps = WakeUps.make(statements, lasting.listener, { announce: options.announce ?? true })
  const lease = lasting.leasesOf(log)
  const beside = spare === undefined ? undefined : yield* statements.on(OwnClient.of(spare, log))
  const lockWaits = LockWaits.make(sql, beside, limits)
  const places = Places.make(statements, beside, lockWaits)
  const identity = makeIdentity(statements)
  const lineage = Lineage.make(statements, lasting, identity)
  // So that the first load needs none. If it fails, the first load looks.
  if (lineage !== undefined) yield* Effect.ignore(statements.once(lineage.look))
  const { inline = [] } = options
  const verify = Verify.make(statements, {
    version: schemaVersion,
    functions: functions === "stock" ? "stock" : "ours",
    schema: schema?.version
  })
  if (schema === undefined && functions === "stock" && inline.length === 0) {
    const gapRule = yield* readFiles(sql, embeddedGapRule(sql))
    return StockBackend.make(statements, gapRule, yield* wakeUps, lease, places, lockWaits, {
      identity,
      lineage,
      verify
    })
  }
  const unusable = whyUnusable(sql, { schema, missing: functions === "stock" ? "eventfold" : "messageStore" })
  if (unusable !== undefined) return yield* unusable
  const call = functions === "stock" ? stockFunctionCall(sql) : ownFunctionCall(sql)
  const inlineReadModels = inline.length === 0 ? undefined : yield* openInline(statements, call, inline, context)
  return yield* Backend.make(
    statements,
    call,
    yield* wakeUps,
    lease,
    places,
    lockWaits,
    { identity, lineage, verify },
    inlineReadModels
  )
})

/**
 * The store on a client that the application provides and may use for its own statements as well.
 *
 * **Details**
 *
 * In a transaction of the client (`sql.withTransaction`, or `MessageStore.transaction`), appends and reads are a part of it: rows
 * of the application and events are committed together, or not at all. An append is then three round trips, whatever its size,
 * for the savepoint around it. A refused one leaves the transaction usable. It is not retried, not committed in a group with
 * others, and keeps other writers of its category waiting until the transaction ends. What fails its statement, such as a
 * deadlock, ends the whole transaction with a `StoreError`. Transactions at REPEATABLE READ and SERIALIZABLE are refused, with a
 * `StoreError` that says so.
 *
 * What is done by `MessageStore.independently` in a transaction is outside of it, on up to two connections beside the client's
 * pool, which open when they are needed. A client of PGlite has a single
 * connection, so there it is refused.
 *
 * On a Message DB without the `eventfold` schema the store works through the functions and the table of `message_store`:
 * appends are committed one by one, `readAll` takes two statements a page, and reading backwards is `Unsupported`.
 * {@link install} adds the schema beside it.
 *
 * The options of the client are for the application's statements, and no answer of the store depends on them: on transforms of
 * names, codecs (`types`), and the settings of sessions. Only `maxMessageSize` limits what can be appended, because what is appended
 * must be read again: a larger message is refused with `InvalidMessage`. It defaults to 16 MiB for a `PgClient`, and to the longest
 * row of PostgreSQL for {@link layerPool}. A codec that does not give back what it has read is refused with the reason
 * {@link InvalidOption}.
 *
 * The first use of `wakeUps` opens a connection that listens to other processes, and the first `lease` one that holds the
 * leases. Neither comes from the client's pool; both have the client's configuration.
 *
 * **Gotchas**
 *
 * LISTEN and the locks of leases need a session of their own. Through a pooler that shares sessions between transactions,
 * wake-ups are only those of this process, and leases are `Unsupported`, unless the store has a `directUrl`. A client that prepares
 * statements by name does harm there: the layer refuses it with the reason {@link SessionsShared}.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerClient = <const Models extends ReadonlyArray<InlineModel> = []>(
  options: StoreOptions & Inline<Models> = {}
): Layer.Layer<MessageStore.MessageStore, OpenError, PgClient.PgClient | InlineServices<Models[number]>> =>
  Layer.effect(
    MessageStore.MessageStore,
    Effect.gen(function*() {
      const client = yield* PgClient.PgClient
      const context = yield* Effect.context<InlineServices<Models[number]>>()
      return yield* MessageStore.make(yield* open(client, options, context))
    })
  )

/**
 * A pool of connections as {@link layer} makes it, without a store.
 *
 * **When to use**
 *
 * When the application has statements of its own: provide {@link layerClient} with this client. `keepAlive` defaults to 30
 * seconds, as for {@link layer}.
 *
 * @example
 * ```ts
 * import { Postgres, SqlReadModel } from "@eventfold/postgres"
 * import { Layer, Redacted } from "effect"
 *
 * // MessageStore, ReadModelStore, PgClient and SqlClient, on one pool
 * const Database = SqlReadModel.layer().pipe(
 *   Layer.provideMerge(Postgres.layerClient({ install: true })),
 *   Layer.provideMerge(Postgres.layerPool({ url: Redacted.make("postgres://app:secret@localhost/shop") }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPool = (options: PoolOptions): Layer.Layer<PgClient.PgClient | SqlClient, OpenError> =>
  PgClient.layerFrom(Pool.make(options))

/**
 * The store on a connection pool of its own, which closes with the layer.
 *
 * **Details**
 *
 * The layer checks the server and its schema when it is built, and fails with an {@link OpenError} that says what is
 * wrong.
 *
 * @example
 * ```ts
 * import { Postgres } from "@eventfold/postgres"
 * import { Redacted } from "effect"
 *
 * const Store = Postgres.layer({ url: Redacted.make("postgres://app:secret@localhost/shop"), install: true })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <const Models extends ReadonlyArray<InlineModel> = []>(
  options: Options & Inline<Models>
): Layer.Layer<MessageStore.MessageStore, OpenError, InlineServices<Models[number]>> =>
  layerClient(options).pipe(Layer.provide(layerPool(options)))

/**
 * As {@link layer}, with options from `Config`. A password that is an Effect is given as `Config.succeed(effect)`.
 *
 * @example
 * ```ts
 * import { Postgres } from "@eventfold/postgres"
 * import { Config } from "effect"
 *
 * const Store = Postgres.layerConfig({ url: Config.Redacted("DATABASE_URL") })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<MessageStore.MessageStore, OpenError | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), (options) => layer(options)))

/**
 * A replica, and the options of the store on its primary.
 *
 * @since 0.1.0
 * @category options
 */
export interface ReplicaOptions<Primary> extends Replica.Options {
  /** How the store on the primary is opened: there it writes, and there it reads what a replica can't give. */
  readonly primary: Primary
}

/**
 * A store that writes to a primary and reads on one of its streaming replicas, on pools of their own.
 *
 * **When to use**
 *
 * When reads keep the primary busy. Writes are no faster by it.
 *
 * **Details**
 *
 * The replica answers the reads of streams, of categories and of everything, with the loads of entities and the pages of consumers and
 * read models. Each sees what this process has written, or has seen on the primary, before it began. For that the first read after a
 * write asks the primary where its write-ahead log ends, and waits until the replica has replayed that; the write itself stays one round
 * trip. When the replica does not in time (`wait`), or fails, the primary answers, and reads go there until the replica keeps up again.
 *
 * The primary answers all else: what is in a transaction, the last global position and the message at one, gaps of `readAll`, lists of
 * streams, positions of consumers, leases and wake-ups.
 *
 * The layer fails with an {@link OpenError} when either server can't be reached, and with the reason {@link NotReplica} when the second is
 * no replica of the first.
 *
 * **Gotchas**
 *
 * What other processes write is seen when the replica has it, as by every replica; `Replica.refresh` waits for that. A reader that was woken
 * waits for what woke it by itself.
 *
 * @example
 * ```ts
 * import { Postgres } from "@eventfold/postgres"
 * import { Redacted } from "effect"
 *
 * const Store = Postgres.layerReplica({
 *   url: Redacted.make("postgres://app:secret@replica/shop"),
 *   maxConnections: 10,
 *   primary: { url: Redacted.make("postgres://app:secret@primary/shop"), maxConnections: 10 }
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerReplica = <const Models extends ReadonlyArray<InlineModel> = []>(
  options: ReplicaOptions<Options & Inline<Models>>
): Layer.Layer<MessageStore.MessageStore | Replica.Replica, OpenError, InlineServices<Models[number]>> =>
  layerReplicaClient(options).pipe(Layer.provide(layerPool(options.primary)))

/**
 * As {@link layerReplica}, with the primary on a client that the application provides, as {@link layerClient} has it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerReplicaClient = <const Models extends ReadonlyArray<InlineModel> = []>(
  options: ReplicaOptions<StoreOptions & Inline<Models>>
): Layer.Layer<
  MessageStore.MessageStore | Replica.Replica,
  OpenError,
  PgClient.PgClient | InlineServices<Models[number]>
> =>
  Layer.effectContext(Effect.gen(function*() {
    const client = yield* PgClient.PgClient
    const { primary, wait = "1 second", ...replicaOptions } = options
    const backend = yield* open(client, primary, yield* Effect.context<InlineServices<Models[number]>>())
    const log = yield* Log.fromOption(primary.schema)
    const onPrimary = yield* Statements.make(client, { log, exactNumbers: primary.exactNumbers })
    const onReplica = yield* ReplicaPool.open(onPrimary, replicaOptions, { log, exactNumbers: primary.exactNumbers })
    const following = yield* Following.make(onPrimary, onReplica, yield* requirePositive("wait", wait))
    return Context.make(
      MessageStore.MessageStore,
      yield* MessageStore.make(
        ReplicaBackend.make(backend, onPrimary, onReplica, yield* FoldReads.make(onReplica), following)
      )
    ).pipe(Context.add(Replica.Replica, Replica.make(client, onReplica.application, following)))
  }))

/**
 * Where the operations of a store run when their fiber is in a transaction on the client: in that transaction, or outside of
 * it when the fiber has asked for that by `MessageStore.independently`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { isSqlError } from "effect/sql/SqlError"
import { type EncodedAppend, Independence, type StoreBackend, type Transactions } from "eventfold/StoreBackend"
import { StoreError } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import type { LockWaits } from "./lockWaits.ts"
import { categoryLock } from "./log.ts"
import { isLockTimeout, isWorthRepeating, storeError } from "./sqlError.ts"
import type { Statements } from "./statements.ts"
import { inTransaction, levelOf } from "./transactions.ts"

/** Where an operation runs: by itself, in the transaction of the caller, or outside of that. */
type Place = "alone" | "joined" | "outside"

/** Chooses where the operations of a store run. */
export interface Places {
  readonly transactions: Transactions
  /** Runs a read: in the caller's transaction if there is one, unless the caller has asked for the outside. */
  readonly read: <A, E>(operation: string, read: Effect.Effect<A, E>) => Effect.Effect<A, E | StoreError>
  /**
   * Runs a write: `alone`, or `joined` in a transaction. Outside of the caller's transaction, that is one on a connection
   * beside the pool.
   */
  readonly write: <A, E>(
    operation: string,
    appends: ReadonlyArray<EncodedAppend>,
    write: { readonly alone: Effect.Effect<A, E>; readonly joined: Effect.Effect<A, E> }
  ) => Effect.Effect<A, E | StoreError>
}

const refusal = (operation: string, reason: string) => new StoreError({ operation, reason, isRetryable: false })

const onlyConnection = (operation: string) =>
  refusal(
    operation,
    "the caller's transaction holds the client's only connection, and what is to be independent of it needs another: do it " +
      "before the transaction or after it"
  )

const alreadyOutside = (operation: string) =>
  refusal(
    operation,
    "the caller's transaction is itself one beside another, and a third one could wait for the first two: do it before the " +
      "inner transaction or after it"
  )

const locksCategory = (operation: string, category: string) =>
  refusal(
    operation,
    `the caller's transaction has locked the category ${category} until it ends, so an independent append to it would wait ` +
      "for itself: append to another category, or before the transaction does"
  )

/** The keys under which the context has what makes the savepoints of a transaction take turns. Effect does not export them. */
const turnKeys = "effect/sql/SqlClient/TransactionSemaphore/"

/**
 * Gives a transaction beside the caller's turns of its own for its savepoints. With those of the caller's transaction, it would
 * wait for savepoints in that, which may wait for it.
 */
const withOwnTurns = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateContext(effect, (context: Context.Context<R>) => {
    let own = context
    for (const key of context.mapUnsafe.keys()) {
      if (!key.startsWith(turnKeys)) continue
      own = Context.add(own, Context.Service<Semaphore.Semaphore>(key), Semaphore.makeUnsafe(1)) as Context.Context<R>
    }
    return own
  })

/**
 * Says what an independent write may have waited for. The server does not see that the caller's transaction waits for it, so it finds
 * no deadlock between the two.
 */
const explainLockTimeout = <E>(error: E | StoreError): E | StoreError => {
  if (!(error instanceof StoreError) || !isSqlError(error.cause) || !isLockTimeout(error.cause)) return error
  const reason =
    `${error.reason}; the transaction around may wait for that one, and can't end before this: append to another ` +
    "category, or before the transaction does"
  return new StoreError({ operation: error.operation, reason, isRetryable: error.isRetryable, cause: error.cause })
}

/**
 * How long an independent write may take. Handlers of inline read models, which are in a savepoint, may wait for a savepoint that
 * another fiber has in the transaction around, and that one for them.
 */
const writeTimeout = "30 seconds"

const bounded = <A, E>(operation: string, write: Effect.Effect<A, E>): Effect.Effect<A, E | StoreError> =>
  Effect.timeoutOrElse(write, {
    duration: writeTimeout,
    orElse: () =>
      Effect.fail(refusal(
        operation,
        `the independent write has not ended after ${writeTimeout}: the caller's transaction may wait for it and it for the ` +
          "transaction, so write before the transaction or after it"
      ))
  })

const isWorthRetrying = (error: unknown): boolean =>
  error instanceof StoreError && isSqlError(error.cause) && isWorthRepeating(error.cause)

/** Chooses for the operations on a client, and for those on the client `beside` it. */
export const make = (
  { bound, once, renewing, sql }: Statements,
  beside: Statements | undefined,
  lockWaits: LockWaits
): Places => {
  const placeOf = (context: Context.Context<never>): Place =>
    levelOf(sql, context) === undefined ? "alone" : Context.get(context, Independence) ? "outside" : "joined"

  const placed = <A, E, R>(run: (place: Place) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.contextWith((context: Context.Context<R>) => run(placeOf(context)))

  /** What runs beside the pool, if the caller can get a connection there without waiting for itself. */
  const besideFor = (operation: string): Effect.Effect<Statements, StoreError> =>
    Effect.contextWith((context: Context.Context<never>) =>
      beside === undefined
        ? Effect.fail(onlyConnection(operation))
        : levelOf(beside.sql, context) === undefined
        ? Effect.succeed(beside)
        : Effect.fail(alreadyOutside(operation))
    )

  /** Runs an effect in a transaction beside the caller's. In it, that is the transaction of `sql`. */
  const transactionOutside = <A, E, R>(operation: string, effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(
      besideFor(operation),
      ({ renewing, sql: client }) =>
        Effect.contextWith((context: Context.Context<never>) => {
          const level = levelOf(client, context)
          const limited = Effect.andThen(
            Effect.mapError(sql`SELECT ${lockWaits.limited}`, storeError(operation)),
            effect
          )
          return level === undefined
            ? Effect.die(new Error("a transaction has no connection"))
            : limited.pipe(
              Effect.provideService(sql.transactionService, level),
              Effect.provideService(Independence, false),
              withOwnTurns
            )
        }).pipe(inTransaction({ sql: client, bound }, operation), renewing, Effect.mapError(explainLockTimeout))
    )

  const readOutside = <A, E>(operation: string, read: Effect.Effect<A, E>) =>
    Effect.flatMap(besideFor(operation), (beside) =>
      Effect.scoped(Effect.flatMap(
        Effect.mapError(bound.statement(beside.sql.reserve), storeError(operation)),
        (connection) => Effect.provideService(read, sql.transactionService, [connection, 0])
      )))

  /** Fails when the caller's transaction has locked one of the categories. A transaction that is broken can't tell. */
  const requireUnlocked = Effect.fnUntraced(function*(operation: string, appends: ReadonlyArray<EncodedAppend>) {
    const categories = [...new Set(appends.map(({ streamName }) => StreamName.category(streamName)))]
    const rows = yield* bound.statement(sql<{ readonly category: string }>`SELECT names.category
      FROM unnest(${categories}::varchar[]) AS names (category)
      JOIN pg_locks ON (classid::bigint << 32) | objid::bigint = ${categoryLock(sql, sql`names.category`)}
      WHERE pid = pg_backend_pid() AND locktype = 'advisory' AND objsubid = 1 AND granted`).pipe(
      Effect.catch(() => Effect.succeed([]))
    )
    const [row] = rows
    if (row !== undefined) return yield* locksCategory(operation, row.category)
  })

  return {
    transactions: {
      isActive: (context) => placeOf(context) === "joined",
      run: (effect) =>
        placed((place) =>
          place === "outside"
            ? transactionOutside("transaction", effect)
            : renewing(inTransaction({ sql, bound }, "transaction")(effect))
        ),
      afterCommit: (effect) => placed((place) => place === "joined" ? sql.afterCommit(effect) : effect)
    },
    read: <A, E>(operation: string, read: Effect.Effect<A, E>) =>
      placed((place): Effect.Effect<A, E | StoreError> => {
        if (place === "alone") return read
        return place === "outside" ? readOutside(operation, read) : once(read)
      }),
    write: <A, E>(
      operation: string,
      appends: ReadonlyArray<EncodedAppend>,
      { alone, joined }: { readonly alone: Effect.Effect<A, E>; readonly joined: Effect.Effect<A, E> }
    ) =>
      placed((place): Effect.Effect<A, E | StoreError> => {
        if (place === "alone") return alone
        if (place === "joined") return joined
        return Effect.flatMap(
          besideFor(operation),
          ({ retrying }) =>
            Effect.andThen(
              requireUnlocked(operation, appends),
              retrying(bounded(operation, transactionOutside(operation, joined)), isWorthRetrying)
            )
        )
      })
  }
}

type Reads = Pick<
  StoreBackend,
  | "readStream"
  | "lastMessage"
  | "streamVersion"
  | "findMessage"
  | "messageById"
  | "readCategory"
  | "lastCategoryMessage"
  | "countCategory"
  | "readAll"
  | "heldBack"
  | "messageAt"
  | "lastPosition"
  | "countAll"
  | "news"
  | "identity"
>

/** The reads of a store, where their callers want them. */
export const placeReads = ({ read }: Places, { news, ...reads }: Reads): Reads => ({
  news: news === undefined ? undefined : (after) => read("news", news(after)),
  readStream: (page) => read("readStream", reads.readStream(page)),
  lastMessage: (streamName, type) => read("lastMessage", reads.lastMessage(streamName, type)),
  streamVersion: (streamName) => read("streamVersion", reads.streamVersion(streamName)),
  findMessage: (streamName, id) => read("findMessage", reads.findMessage(streamName, id)),
  messageById: (id) => read("messageById", reads.messageById(id)),
  readCategory: (page) => read("readCategory", reads.readCategory(page)),
  lastCategoryMessage: (category) => read("lastCategoryMessage", reads.lastCategoryMessage(category)),
  countCategory: (range) => read("countCategory", reads.countCategory(range)),
  readAll: (page) => read("readAll", reads.readAll(page)),
  heldBack: (from) => read("heldBack", reads.heldBack(from)),
  messageAt: (globalPosition) => read("messageAt", reads.messageAt(globalPosition)),
  lastPosition: read("lastPosition", reads.lastPosition),
  countAll: (range) => read("countAll", reads.countAll(range)),
  identity: read("identity", reads.identity)
})

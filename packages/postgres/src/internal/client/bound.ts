/**
 * The bound on the client's side of how long a statement may take. Without it, a statement on a connection that has fallen
 * silent would never end, and nor would what waits behind it.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { Connection } from "effect/sql/SqlConnection"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { OpenError } from "../../OpenError.ts"
import { isInProcess } from "./connections.ts"
import { requirePositive } from "./openErrors.ts"
import { type Level, levelOf } from "./transactions.ts"

/**
 * How long a statement may take, if the options do not say. It is far longer than any statement of the store takes on a server
 * that is well.
 */
export const defaultTimeout: Duration.Input = "30 seconds"

/** How many times as long a statement may take that goes through many rows. */
const patience = 10

/** How many times a watch looks at the statements in flight within their bound. */
const looks = 8

/**
 * How long the interruption of a statement waits until the client has cancelled it. On a server that answers that takes
 * milliseconds; on a silent connection five seconds.
 */
const interruptionTimeout = "1 second"

/** Whether a statement may take {@link patience} times as long. */
const IsPatient = Context.Reference<boolean>("@eventfold/postgres/IsPatient", { defaultValue: () => false })

/** Lets statements take longer, because they go through many rows. */
export const patiently = <A, E, R>(statements: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(statements, IsPatient, true)

/** Bounds the statements of a store. */
export interface Bound {
  /**
   * Runs one statement, with the wait for its connection. After the bound it fails with an `SqlError`, at once. The statement
   * is interrupted meanwhile: the client asks the server to cancel it, waits for some seconds, and then drops the connection.
   * Whether the statement took effect is unknown.
   *
   * In a transaction of a store nothing is added, because its connection bounds each statement.
   */
  readonly statement: <A, E, R>(statement: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
  /**
   * Runs a transaction of a client on a connection that bounds each of its statements, those of the application as well. The
   * connection is dropped when the server does not answer one.
   */
  readonly transaction: (
    sql: PgClient
  ) => <A, E, R>(transaction: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
  /** Runs a savepoint in a transaction of the caller. Its statements are bounded, and the caller's others are not. */
  readonly savepoint: (sql: PgClient) => <A, E, R>(savepoint: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** A client, and the bound of the statements on it. */
export interface Bounded {
  readonly sql: PgClient
  readonly bound: Bound
}

/** A statement in flight. */
interface InFlight {
  /** The look at which it began. */
  readonly since: number
  readonly giveUp: () => void
}

/** Runs a statement with a context and within a bound. Says when it gives the statement up. */
type Watch = <A, E, R>(
  context: Context.Context<R>,
  statement: Effect.Effect<A, E, R>,
  whenSilent?: (error: SqlError) => void
) => Effect.Effect<A, E | SqlError>

const silence = (message: string): SqlError =>
  new SqlError({ reason: new ConnectionError({ cause: new Error(message), message, operation: "execute" }) })

const noAnswer = (duration: Duration.Duration): SqlError =>
  silence(
    `the server gave no answer within ${Duration.format(duration)}, the bound that statementTimeout sets, ` +
      "or the client had no connection free for that long"
  )

/**
 * Watches the statements that may take up to a duration. One fiber does for all, and sleeps while there are none: a statement
 * costs an entry in a set and no timer.
 *
 * The fiber counts its looks, and not the time. So a process that was frozen does not give up the statements whose answers
 * have arrived meanwhile.
 */
const makeWatch = Effect.fnUntraced(
  function*(duration: Duration.Duration): Effect.fn.Return<Watch, never, Scope.Scope> {
    // In the order in which they began.
    const inFlight = new Set<InFlight>()
    const hasAny = Latch.makeUnsafe()
    let look = 0
    let isClosed = false

    const giveUpOverdue = () => {
      look += 1
      for (const statement of inFlight) {
        if (look - statement.since <= looks) break
        inFlight.delete(statement)
        statement.giveUp()
      }
      if (inFlight.size === 0) hasAny.closeUnsafe()
      endWhenDone()
    }
    const watching = yield* hasAny.await.pipe(
      Effect.andThen(Effect.sleep(Duration.millis(Duration.toMillis(duration) / looks))),
      Effect.andThen(Effect.sync(giveUpOverdue)),
      Effect.forever,
      Effect.forkDetach
    )
    const endWhenDone = () => {
      if (isClosed && inFlight.size === 0) watching.interruptUnsafe()
    }
    // It outlives the scope for as long as a statement is in flight: the pool waits for that before it closes.
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isClosed = true
        endWhenDone()
      })
    )

    return <A, E, R>(
      context: Context.Context<R>,
      statement: Effect.Effect<A, E, R>,
      whenSilent?: (error: SqlError) => void
    ) =>
      Effect.callback<A, E | SqlError>((resume) => {
        // A fiber of its own: to interrupt a statement that the server does not answer takes seconds.
        const fiber = Effect.runForkWith(context)(statement)
        const exit = fiber.pollUnsafe()
        if (exit !== undefined) return resume(exit)
        const entry: InFlight = {
          since: look,
          giveUp: () => {
            const error = noAnswer(duration)
            whenSilent?.(error)
            resume(Effect.fail(error))
            fiber.interruptUnsafe()
          }
        }
        inFlight.add(entry)
        hasAny.openUnsafe()
        fiber.addObserver((exit) => {
          inFlight.delete(entry)
          endWhenDone()
          resume(exit)
        })
        return Effect.suspend(() => {
          inFlight.delete(entry)
          endWhenDone()
          fiber.interruptUnsafe()
          return Effect.map(
            Effect.timeoutOption(Effect.interruptible(Fiber.await(fiber)), interruptionTimeout),
            (ended) => {
              if (Option.isNone(ended)) {
                whenSilent?.(silence("the server did not answer the interruption of a statement"))
              }
            }
          )
        })
      })
  }
)

interface Ends {
  /** Runs in the fiber of the transaction, before its first statement. */
  readonly begin: (fiber: Fiber.Fiber<unknown, unknown>) => void
  /** Runs after its last statement. */
  readonly end: Effect.Effect<void>
}

/**
 * The connection of a transaction, whose statements are bounded. Once the server has not answered one, it gets no other.
 */
class BoundedConnection implements Connection {
  readonly #connection: Connection
  readonly #watch: Watch
  readonly #ends: Ends | undefined
  #hasBegun = false
  #silent: SqlError | undefined

  constructor(connection: Connection, watch: Watch, ends?: Ends) {
    this.#connection = connection
    this.#watch = watch
    this.#ends = ends
  }

  #run<A, E>(statement: Effect.Effect<A, E>): Effect.Effect<A, E | SqlError> {
    return Effect.withFiber((fiber): Effect.Effect<A, E | SqlError> => {
      if (!this.#hasBegun) {
        this.#hasBegun = true
        this.#ends?.begin(fiber)
      }
      return this.#silent === undefined
        ? this.#watch(fiber.context, statement, (error) => {
          this.#silent = error
        })
        : Effect.fail(this.#silent)
    })
  }

  /** The end of the transaction is the end of its connection, before the client runs what waits for the commit. */
  #runLast<A, E>(sql: string, statement: Effect.Effect<A, E>): Effect.Effect<A, E | SqlError> {
    const run = this.#run(statement)
    if (this.#ends === undefined || (sql !== "COMMIT" && sql !== "ROLLBACK")) return run
    const { end } = this.#ends
    return Effect.onExit(run, () => end)
  }

  execute(...args: Parameters<Connection["execute"]>) {
    return this.#runLast(args[0], this.#connection.execute(...args))
  }

  executeRaw(...args: Parameters<Connection["executeRaw"]>) {
    return this.#runLast(args[0], this.#connection.executeRaw(...args))
  }

  executeValues(...args: Parameters<Connection["executeValues"]>) {
    return this.#run(this.#connection.executeValues(...args))
  }

  executeValuesUnprepared(...args: Parameters<Connection["executeValuesUnprepared"]>) {
    return this.#run(this.#connection.executeValuesUnprepared(...args))
  }

  executeUnprepared(...args: Parameters<Connection["executeUnprepared"]>) {
    return this.#run(this.#connection.executeUnprepared(...args))
  }

  /** Each wait for rows is bounded. */
  executeStream(...args: Parameters<Connection["executeStream"]>): ReturnType<Connection["executeStream"]> {
    return Stream.unwrap(Effect.gen({ self: this }, function*() {
      const rows = yield* Scope.make()
      yield* Effect.addFinalizer((exit) => {
        const end = Scope.close(rows, exit)
        return this.#silent === undefined ? end : Effect.forkDetach(end)
      })
      const pull = yield* Scope.provide(Stream.toPull(this.#connection.executeStream(...args)), rows)
      return Stream.fromPull(Effect.succeed(this.#run(pull)))
    }))
  }
}

/** Whether statements are in a savepoint of a store, in a transaction of the application. */
const IsInSavepoint = Context.Reference<boolean>("@eventfold/postgres/IsInSavepoint", { defaultValue: () => false })

/** Marks a connection of the application that {@link boundSavepoints} has changed. */
const hasBoundSavepoints = Symbol("@eventfold/postgres/hasBoundSavepoints")

/**
 * Has a connection of the application's transaction bound the statements in savepoints of a store. The client sends the
 * statements of a savepoint itself, on the connection object that the transaction began with. It makes an object for each
 * transaction.
 */
const boundSavepoints = (connection: Connection, watch: Watch): void => {
  if (hasBoundSavepoints in connection) return
  const plain: Connection = {
    execute: connection.execute.bind(connection),
    executeRaw: connection.executeRaw.bind(connection),
    executeStream: connection.executeStream.bind(connection),
    executeValues: connection.executeValues.bind(connection),
    executeValuesUnprepared: connection.executeValuesUnprepared.bind(connection),
    executeUnprepared: connection.executeUnprepared.bind(connection)
  }
  const bounded = new BoundedConnection(plain, watch)
  const chosen = <A, E>(run: (connection: Connection) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.flatMap(IsInSavepoint, (isInSavepoint) => run(isInSavepoint ? bounded : plain))
  const changed: Connection = {
    execute: (...args) => chosen((connection) => connection.execute(...args)),
    executeRaw: (...args) => chosen((connection) => connection.executeRaw(...args)),
    executeStream: (...args) =>
      Stream.unwrap(
        Effect.map(IsInSavepoint, (isInSavepoint) => (isInSavepoint ? bounded : plain).executeStream(...args))
      ),
    executeValues: (...args) => chosen((connection) => connection.executeValues(...args)),
    executeValuesUnprepared: (...args) => chosen((connection) => connection.executeValuesUnprepared(...args)),
    executeUnprepared: (...args) => chosen((connection) => connection.executeUnprepared(...args))
  }
  Object.assign(connection, changed, { [hasBoundSavepoints]: true })
}

const unbounded: Bound = {
  statement: (statement) => statement,
  transaction: () => (transaction) => transaction,
  savepoint: () => (savepoint) => savepoint
}

/**
 * Bounds the statements on a client, while the scope is open. Those of a PGlite are not bounded: it is in this process, and its
 * only session could not be opened again. Fails when the bound is not above zero.
 */
export const make = Effect.fnUntraced(function*(
  sql: PgClient,
  timeout: Duration.Input = defaultTimeout
): Effect.fn.Return<Bound, OpenError, Scope.Scope> {
  const duration = yield* requirePositive("statementTimeout", timeout)
  if (isInProcess(sql) || !Duration.isFinite(duration)) return unbounded
  const usual = yield* makeWatch(duration)
  const patient = yield* makeWatch(Duration.times(duration, patience))

  const watch: Watch = (context, statement, whenSilent) =>
    (Context.get(context, IsPatient) ? patient : usual)(context, statement, whenSilent)

  return {
    statement: <A, E, R>(statement: Effect.Effect<A, E, R>) =>
      Effect.contextWith((context: Context.Context<R>): Effect.Effect<A, E | SqlError, R> => {
        const level = levelOf(sql, context)
        return level !== undefined && level[0] instanceof BoundedConnection ? statement : watch(context, statement)
      }),

    transaction: (client) => <A, E, R>(transaction: Effect.Effect<A, E, R>) =>
      Effect.contextWith((context: Context.Context<R>): Effect.Effect<A, E | SqlError, R> => {
        if (levelOf(client, context) !== undefined) return transaction
        return Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(Scope.make(), (scope) => {
            const release = Effect.suspend(() => Scope.close(scope, Exit.void))
            return restore(watch(Context.add(context, Scope.Scope, scope), client.reserve)).pipe(
              Effect.flatMap((connection) => {
                // At level -1 the client begins a transaction, on the connection that it is given. What the client runs after
                // the commit must not find that level.
                const begin: Ends["begin"] = (fiber) =>
                  fiber.setContext(Context.omit(client.transactionService)(fiber.context))
                const level: Level = [new BoundedConnection(connection, watch, { begin, end: release }), -1]
                return restore(Effect.provideService(transaction, client.transactionService, level))
              }),
              Effect.onExit(() => release)
            )
          })
        )
      }),

    savepoint: (client) => <A, E, R>(savepoint: Effect.Effect<A, E, R>) =>
      Effect.contextWith((context: Context.Context<R>) => {
        const level = levelOf(client, context)
        if (level === undefined || level[0] instanceof BoundedConnection) return savepoint
        boundSavepoints(level[0], watch)
        return Effect.provideService(savepoint, IsInSavepoint, true)
      })
  }
})

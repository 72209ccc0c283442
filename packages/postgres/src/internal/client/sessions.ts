/**
 * Whether a client's connections have sessions of the server for themselves, or share them with others through a pooler.
 *
 * A pooler in front of the server gives its clients process ids that it has made up. So a connection whose id is that of its session
 * needs no further look: that is one connection and one round trip. Behind a pooler two connections are compared. What they ask
 * for changes nothing, so nothing is left on the pooler's sessions.
 */
import type { PgClientConfig } from "@effect/sql-pg/PgClient"
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { openDedicated } from "./connections.ts"

/**
 * How long a connection keeps its session: `own` until it closes, as without a pooler, or for the time of a transaction or of a
 * statement.
 */
export type Sharing = "own" | "transactions" | "statements"

/** How long a connection may take to answer. A pooler whose sessions are all in use keeps its clients waiting. */
const answerTimeout = "10 seconds"

/** How long another connection may wait for a session before the first one is asked whether it still has its own. */
const queueTime = "250 millis"

/** How often the first connection must be served before another one that waits, until that shows that it has its own session. */
const enoughServed = 3

/**
 * How often two connections are compared. Without other clients the first time tells. With others it is chance which session a
 * connection gets: with two sessions in the pool, and all of them busy, one comparison misses 1 time in 8.
 */
const comparisons = 6

const noAnswer = new SqlError({
  reason: new ConnectionError({
    cause: new Error(`no answer within ${answerTimeout}; a pooler may have no session to give`),
    message: "the connection does not answer",
    operation: "execute"
  })
})

/**
 * Waits for a statement for as long as it may take. A statement without an answer is left to the scope, which must close the
 * connection first: to interrupt it would take seconds.
 */
const answerOf = <A>(
  statement: Effect.Effect<A, SqlError>,
  duration: Duration.Input = answerTimeout
): Effect.Effect<A, SqlError, Scope.Scope> =>
  Effect.flatMap(
    Effect.forkScoped(statement),
    (asked) => Effect.timeoutOrElse(Fiber.join(asked), { duration, orElse: () => Effect.fail(noAnswer) })
  )

/** The process id of the session that runs the statement. Qualified, because it comes before an administrator's installation. */
export const sessionId = (connection: PgConnection): Effect.Effect<unknown, SqlError> =>
  Effect.map(connection.queryValues("SELECT pg_catalog.pg_backend_pid()", [], false), ([row]) => row?.[0])

/** A second connection, and the session that it had at first. */
interface Other {
  readonly connection: PgConnection
  readonly session: unknown
}

const openOther = (config: PgClientConfig): Effect.Effect<Other, SqlError, Scope.Scope> =>
  Effect.gen(function*() {
    const connection = yield* openDedicated(config)
    return { connection, session: yield* sessionId(connection) }
  })

/**
 * Compares the session of a connection with those that another one has, at rest and in a transaction. A session is shared if both
 * had it, or if one of them did not keep it.
 */
const compare = Effect.fnUntraced(function*(
  first: PgConnection,
  own: unknown,
  { connection, session }: Other
): Effect.fn.Return<Sharing, SqlError, Scope.Scope> {
  let atRest = session
  for (let i = 0; i < comparisons; i++) {
    yield* answerOf(connection.query("BEGIN", [], false))
    const inTransaction = yield* answerOf(sessionId(connection))
    // If the first connection gave up its session, this transaction has taken it, or another client has.
    const kept = inTransaction === own ? undefined : yield* answerOf(sessionId(first))
    yield* answerOf(connection.query("ROLLBACK", [], false))
    if (kept !== own || atRest === own || inTransaction !== atRest) return "transactions"
    const after = yield* answerOf(sessionId(connection))
    // One right after the other: unless another client comes between, they get the session that was used last.
    if (after !== atRest || (yield* answerOf(sessionId(first))) !== own) return "transactions"
    atRest = after
  }
  return "own"
})

/** Whether the error is that of a connection that has ended. */
const hasEnded = (error: SqlError): boolean => error.reason._tag === "ConnectionError" && error !== noAnswer

/** Whether a connection that works can begin a transaction: a pooler that shares sessions between statements ends it instead. */
const canBegin = (config: PgClientConfig): Effect.Effect<boolean, SqlError, Scope.Scope> =>
  Effect.flatMap(
    openOther(config),
    ({ connection }) =>
      Effect.andThen(connection.query("BEGIN", [], false), connection.query("ROLLBACK", [], false)).pipe(
        Effect.as(true),
        Effect.catchIf(hasEnded, () => Effect.succeed(false))
      )
  )

/** Compares a connection with one that is opened for that. */
const compareWithAnother = Effect.fnUntraced(function*(
  first: PgConnection,
  own: unknown,
  config: PgClientConfig
): Effect.fn.Return<Sharing, SqlError, Scope.Scope> {
  // Scopes close in the opposite order: the connection before its statements.
  const statements = yield* Scope.fork(yield* Effect.scope)
  const connected = yield* Scope.fork(yield* Effect.scope)
  const opening = yield* Effect.forkIn(Scope.provide(openOther(config), connected), statements)
  const compared = Effect.gen(function*() {
    for (let served = 0; served < enoughServed; served++) {
      const other = yield* Effect.timeoutOption(Fiber.join(opening), queueTime)
      if (Option.isSome(other)) return yield* compare(first, own, other.value)
      // The pooler has no session to give. If the first connection has one all the same, it has kept its own.
      if ((yield* answerOf(sessionId(first))) !== own) return "transactions"
    }
    return opening.pollUnsafe() === undefined ? "own" : yield* compare(first, own, yield* Fiber.join(opening))
  })
  return yield* Scope.provide(compared, statements)
})

/**
 * How long a connection keeps its session. The configuration is that of the connection, for another one to compare with. The
 * connection must close before the scope.
 */
export const sharingOf = Effect.fnUntraced(function*(
  connection: PgConnection,
  config: PgClientConfig
): Effect.fn.Return<Sharing, SqlError, Scope.Scope> {
  const own = yield* answerOf(sessionId(connection))
  if (own === connection.processId) return "own"
  return yield* Effect.scoped(compareWithAnother(connection, own, config)).pipe(
    Effect.catchIf(hasEnded, (error) =>
      // The connection may just have been lost: so try again.
      Effect.flatMap(
        Effect.scoped(canBegin(config)),
        (can): Effect.Effect<Sharing, SqlError> => can ? Effect.fail(error) : Effect.succeed("statements")
      ))
  )
})

/** Uses a connection that is opened for that, and closed before the statements in the scope that `use` gets. */
const onConnection = <A>(
  config: PgClientConfig,
  use: (connection: PgConnection) => Effect.Effect<A, SqlError, Scope.Scope>
): Effect.Effect<A, SqlError> =>
  Effect.scoped(
    Effect.flatMap(Effect.scope, (statements) =>
      Effect.scoped(Effect.flatMap(openDedicated(config), (connection) =>
        Scope.provide(use(connection), statements))))
  )

/** How long the connections of a client keep their sessions: looks at one that is opened for that, or at two. */
export const findSharing = (config: PgClientConfig): Effect.Effect<Sharing, SqlError> =>
  onConnection(config, (connection) => sharingOf(connection, config))

/** The first row that a query gives on a connection of its own. */
export const askOnce = (
  config: PgClientConfig,
  query: string
): Effect.Effect<ReadonlyArray<unknown> | undefined, SqlError> =>
  onConnection(config, (connection) => Effect.map(answerOf(connection.queryValues(query, [], false)), ([row]) => row))

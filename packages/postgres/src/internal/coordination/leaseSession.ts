import type { PgClientConfig } from "@effect/sql-pg/PgClient"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { SqlError } from "effect/sql/SqlError"
import { StoreError, Unsupported } from "eventfold/StoreError"
import { createHash } from "node:crypto"
import { openDedicated } from "../client/connections.ts"
import { sharingOf } from "../client/sessions.ts"
import { errorText, storeError } from "../client/sqlError.ts"

/**
 * The server ends a session that is silent for this long, and its leases with it. So neither a frozen process nor a
 * machine that has gone keeps them.
 */
export const defaultTimeout = Duration.seconds(15)

/** How often a session that holds leases asks the server for a sign of life: five times within the timeout. */
const heartbeatOf = (timeout: Duration.Duration) => Duration.divideUnsafe(timeout, 5)

/** How long it waits for any answer. So a holder that is cut off finds out in half the time after which the server gives its leases away. */
const answerTimeoutOf = (timeout: Duration.Duration) => Duration.divideUnsafe(timeout, 3)

/** How many statements wait for their answers at a time. The server answers one after the other. */
const maxAsked = 16

/** Nothing is ever sent on it: a session that listens learns at once that its connection has ended. */
const channel = "eventfold_lease"

/**
 * The advisory lock of a lease: the first 64 bits of a hash, as two integers. PostgreSQL keeps locks with two
 * integers apart from those with one bigint. Message DB's locks of categories and the installation's lock have one
 * bigint, so no lease ever blocks a write.
 */
const lockKey = (key: string): readonly [number, number] => {
  const hash = createHash("sha256").update(key).digest()
  return [hash.readInt32BE(0), hash.readInt32BE(4)]
}

/** A lost lease can always be tried for again. */
const lossOf = (reason: string, cause?: SqlError) =>
  new StoreError({ operation: "lease", reason, isRetryable: true, ...(cause === undefined ? {} : { cause }) })

const noAnswer = "the server does not answer"

/** A dedicated connection whose advisory locks are leases. */
export interface LeaseSession {
  /** Tries to take the lock of a key until the scope closes. */
  readonly lock: (key: string) => Effect.Effect<boolean, StoreError, Scope.Scope>
  /** Completes, with the reason, when the session is lost. */
  readonly lost: Effect.Effect<StoreError>
}

/** A pooler between has given the connection another session, although its first one seemed to be its own. */
const anotherSession = lossOf("the connection has another session of the server now, without its locks")

/** The locks of a session that is shared would be held by whoever gets it next. */
const unsupported = new Unsupported({
  operation: "leases",
  remedy:
    "a pooler on the way to the server shares its sessions between transactions, and a lease is a lock of a session; open " +
    "the store with a `directUrl` that leads to the server itself, or through a pooler in session mode"
})

/** Opens a session, until the scope closes or the session is lost. Runs `onLost` when it is lost. */
export const open = Effect.fnUntraced(function*(
  config: PgClientConfig,
  timeout: Duration.Duration,
  onLost: Effect.Effect<unknown>
): Effect.fn.Return<LeaseSession, Unsupported | StoreError, Scope.Scope> {
  const scope = yield* Effect.scope
  const answerTimeout = answerTimeoutOf(timeout)
  // Scopes close in the opposite order, so the connection closes first and ends its statements. To interrupt a
  // statement that the server does not answer would take seconds.
  const statements = yield* Scope.fork(scope)
  const connected = yield* Scope.fork(scope)

  const connection = yield* Effect.mapError(Scope.provide(openDedicated(config), connected), storeError("lease"))
  const sharing = yield* Effect.mapError(Scope.provide(sharingOf(connection, config), statements), storeError("lease"))
  if (sharing !== "own") return yield* unsupported
  const pinned = yield* Scope.provide(connection.pin, statements)
  const failures = yield* Scope.provide(pinned.listen(channel), statements).pipe(
    Effect.mapError(storeError("lease")),
    Effect.timeoutOrElse({ duration: answerTimeout, orElse: () => Effect.fail(lossOf(noAnswer)) })
  )
  const lost = yield* Deferred.make<StoreError>()
  /** Fails when a statement finds out that the session is lost. */
  const broken = yield* Deferred.make<never, StoreError>()

  /** The time of a statement counts from when it is sent: thousands of leases at once are no silence of the server. */
  const turns = Semaphore.makeUnsafe(maxAsked)
  const ask = Effect.fnUntraced(
    function*(statement: string, parameters: ReadonlyArray<unknown> = []) {
      const asked = yield* Effect.forkIn(pinned.queryValues(statement, parameters), statements)
      // The timeout does not interrupt the statement itself, which would wait for the server.
      const answer = yield* Effect.timeoutOption(Fiber.join(asked), answerTimeout)
      if (Option.isSome(answer)) return answer.value
      const error = lossOf(noAnswer)
      yield* Deferred.fail(broken, error)
      return yield* error
    },
    Effect.mapError((error: SqlError | StoreError) => error._tag === "SqlError" ? storeError("lease")(error) : error),
    turns.withPermits(1)
  )

  const unlock = Effect.fnUntraced(function*(key: readonly [number, number]) {
    if (Deferred.isDoneUnsafe(lost)) return
    // A lock that can't be released ends with the connection.
    yield* Effect.catch(ask("SELECT pg_advisory_unlock($1, $2)", key), (error) => Deferred.fail(broken, error))
  })

  const silence = `${Math.ceil(Duration.toMillis(timeout))}ms`
  const [set] = yield* ask(`SELECT set_config('idle_session_timeout', '${silence}', false), pg_backend_pid()`)
  const session = set?.[1]
  const heartbeat = Effect.flatMap(
    ask("SELECT 1, pg_backend_pid()"),
    ([row]) => row?.[1] === session ? Effect.void : Effect.fail(anotherSession)
  )

  yield* Effect.raceAllFirst([
    Effect.forever(Queue.take(failures)).pipe(
      Effect.mapError((error) => lossOf(`the connection is gone: ${errorText(error)}`, error))
    ),
    Effect.forever(Effect.delay(heartbeat, heartbeatOf(timeout))),
    Deferred.await(broken)
  ]).pipe(
    Effect.catch((error) =>
      Effect.uninterruptible(
        Effect.andThen(Deferred.succeed(lost, error), Effect.andThen(Scope.close(connected, Exit.void), onLost))
      )
    ),
    Effect.forkIn(scope)
  )
  yield* Effect.addFinalizer(() => Deferred.succeed(lost, lossOf("the store is closed")))

  return {
    lock: (text) => {
      const key = lockKey(text)
      return Effect.acquireRelease(
        ask("SELECT CASE WHEN pg_backend_pid() = $3 THEN pg_try_advisory_lock($1, $2) END", [...key, session]).pipe(
          Effect.flatMap(([row]) =>
            typeof row?.[0] === "boolean"
              ? Effect.succeed(row[0])
              : Effect.andThen(Deferred.fail(broken, anotherSession), Effect.fail(anotherSession))
          ),
          // The server may have locked it all the same.
          Effect.onError(() => unlock(key))
        ),
        (isLocked) => isLocked ? unlock(key) : Effect.void
      )
    },
    lost: Deferred.await(lost)
  }
})

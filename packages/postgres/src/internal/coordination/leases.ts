import type { PgClient, PgClientConfig } from "@effect/sql-pg/PgClient"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as RcRef from "effect/RcRef"
import * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { makeLocalLeases, type StoreBackend } from "eventfold/StoreBackend"
import { StoreError } from "eventfold/StoreError"
import { createHash } from "node:crypto"
import { connect, isAlone } from "../client/connections.ts"
import { errorText, storeError } from "../client/sqlError.ts"

/** How often a session that holds leases asks the server for a sign of life, and how long it waits for any answer. */
const [interval, patience] = ["3 seconds", "5 seconds"] as const

/**
 * After this much silence of a session the server ends it, and its leases with it: so neither a process that is stopped nor a
 * machine that has gone keeps them. A holder that is cut off finds out before, in 8 seconds at the most.
 */
const serverPatience = "15s"

/** How long a session stays when it holds nothing, so that who tries for a lease now and then needs no new one each time. */
const idleTime = "10 seconds"

/** Nobody says anything on it: who listens to a connection is told at once when it ends. */
const channel = "eventfold_lease"

/**
 * The key of a name's advisory lock: the first 64 bits of a hash, as two integers. PostgreSQL keeps the locks with two
 * integers apart from those with one bigint, which are Message DB's for categories and the installation's, so that no lease
 * can stand in the way of a write. The prefix tells them from the application's own.
 */
const keyOf = (name: string): readonly [number, number] => {
  const hash = createHash("sha256").update(`eventfold:lease:${name}`).digest()
  return [hash.readInt32BE(0), hash.readInt32BE(4)]
}

/** To ask for a lease again is always worth it. */
const loss = (reason: string, cause?: SqlError) =>
  new StoreError({ operation: "lease", reason, isRetryable: true, ...(cause === undefined ? {} : { cause }) })

const noAnswer = "the server does not answer"

/** A connection whose advisory locks are leases. */
interface Session {
  /** Tries to lock a name until the scope closes. */
  readonly lock: (name: string) => Effect.Effect<boolean, StoreError, Scope.Scope>
  readonly lost: Effect.Effect<StoreError>
}

/** Opens a session, until the scope closes or it is lost, when `onLost` is run. */
const open = Effect.fnUntraced(function*(
  config: PgClientConfig,
  onLost: Effect.Effect<unknown>
): Effect.fn.Return<Session, StoreError, Scope.Scope> {
  const scope = yield* Effect.scope
  // They are closed in the opposite order: statements end with their connection, because to interrupt one that the server
  // does not answer takes seconds.
  const statements = yield* Scope.fork(scope)
  const connected = yield* Scope.fork(scope)

  const connection = yield* Effect.mapError(Scope.provide(connect(config), connected), storeError("lease"))
  const pinned = yield* Scope.provide(connection.pin, statements)
  const failures = yield* Scope.provide(pinned.listen(channel), statements).pipe(
    Effect.mapError(storeError("lease")),
    Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(loss(noAnswer)) })
  )
  const lost = yield* Deferred.make<StoreError>()
  /** What a statement finds out. */
  const broken = yield* Deferred.make<never, StoreError>()

  const ask = Effect.fnUntraced(function*(statement: string, parameters: ReadonlyArray<unknown> = []) {
    const asked = yield* Effect.forkIn(pinned.queryValues(statement, parameters), statements)
    // Not the statement itself, whose interruption would wait for the server.
    const answer = yield* Effect.timeoutOption(Fiber.join(asked), patience)
    if (Option.isSome(answer)) return answer.value
    const error = loss(noAnswer)
    yield* Deferred.fail(broken, error)
    return yield* error
  }, Effect.mapError((error: SqlError | StoreError) => error._tag === "SqlError" ? storeError("lease")(error) : error))

  const unlock = Effect.fnUntraced(function*(key: readonly [number, number]) {
    if (Deferred.isDoneUnsafe(lost)) return
    // When it can't be unlocked, it is with the end of the connection.
    yield* Effect.catch(ask("SELECT pg_advisory_unlock($1, $2)", key), (error) => Deferred.fail(broken, error))
  })

  yield* ask(`SELECT set_config('idle_session_timeout', '${serverPatience}', false)`)

  yield* Effect.raceAllFirst([
    Effect.forever(Queue.take(failures)).pipe(
      Effect.mapError((error) => loss(`the connection is gone: ${errorText(error)}`, error))
    ),
    Effect.forever(Effect.delay(ask("SELECT 1"), interval)),
    Deferred.await(broken)
  ]).pipe(
    Effect.catch((error) =>
      Effect.uninterruptible(
        Effect.andThen(Deferred.succeed(lost, error), Effect.andThen(Scope.close(connected, Exit.void), onLost))
      )
    ),
    Effect.forkIn(scope)
  )
  yield* Effect.addFinalizer(() => Deferred.succeed(lost, loss("the store is closed")))

  return {
    lock: (name) => {
      const key = keyOf(name)
      return Effect.acquireRelease(
        ask("SELECT pg_try_advisory_lock($1, $2)", key).pipe(
          Effect.map(([row]) => row?.[0] === true),
          // It may have been locked nevertheless.
          Effect.onError(() => unlock(key))
        ),
        (isLocked) => isLocked ? unlock(key) : Effect.void
      )
    },
    lost: Deferred.await(lost)
  }
})

/** Of PGlites, by client: there can be several stores on one. */
const alone = new WeakMap<PgClient, StoreBackend["lease"]>()

/**
 * Leases as advisory locks of a session. All that are held through this store share one, which is opened with the first of
 * them, and closed a moment after the last or with the scope. On a PGlite, leases within the process.
 */
export const make = Effect.fnUntraced(function*(
  sql: PgClient
): Effect.fn.Return<StoreBackend["lease"], never, Scope.Scope> {
  if (isAlone(sql)) {
    const leases = alone.get(sql) ?? makeLocalLeases()
    alone.set(sql, leases)
    return leases
  }
  // A session locks again what it has locked.
  const local = makeLocalLeases()
  const scope = yield* Effect.scope
  const session: RcRef.RcRef<Session, StoreError> = yield* RcRef.make({
    // Beside the session, whose end it may be.
    acquire: Effect.suspend(() =>
      open(sql.config, Effect.forkIn(RcRef.invalidate(session), scope, { startImmediately: true }))
    ),
    idleTimeToLive: idleTime
  })
  return Effect.fnUntraced(function*(name) {
    if (Option.isNone(yield* local(name))) return Option.none()
    const { lock, lost } = yield* RcRef.get(session)
    return (yield* lock(name)) ? Option.some({ lost }) : Option.none()
  })
})

/**
 * Keeps a write from the database that has taken the place of the one that its caller has seen, as after a failover that lost the
 * last messages.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { ConnectionError, isSqlError, SqlError } from "effect/sql/SqlError"
import type { EncodedAppend, Lineage } from "eventfold/StoreBackend"
import { StoreError } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import type { Statements } from "../client/statements.ts"
import { isInTransaction } from "../client/transactions.ts"

/** An append, and how often the database had been replaced when its caller asked for it. */
export interface Request {
  readonly append: EncodedAppend
  readonly replacements: number
}

/** A version that no stream has. */
const impossible = Number.MAX_SAFE_INTEGER

/** Positions and snapshots are about the messages of the database that they were made from. */
const aboutMessages = /:(?:position|snapshot)(?::|$)/

/** Whether an append is right only in the history that its caller has seen. */
const isOfItsHistory = ({ expectedVersion, streamName }: EncodedAppend): boolean =>
  typeof expectedVersion === "number" ||
  (streamName.includes(":") && aboutMessages.test(StreamName.category(streamName)))

/**
 * Appends for a database that has taken the place of the one that their callers have seen. One that is recorded there already was
 * written before. Otherwise it is refused where it is about another history.
 */
const elsewhere = (append: EncodedAppend): EncodedAppend =>
  isOfItsHistory(append) ? { ...append, expectedVersion: impossible } : append

/** Keeps appends from a database that has taken the place of the one that their callers have seen. */
export interface Guard {
  readonly lineage: Lineage
  /** Whether no append has been answered for a while: the pool may have lost its connections without a word meanwhile. */
  readonly isQuiet: () => boolean
  readonly answered: () => void
}

/** After this time without an answer the connection of an append is looked at, in milliseconds. No failover is that fast. */
const quietTime = 500

export const make = Effect.fnUntraced(function*(lineage: Lineage) {
  const clock = yield* Clock.Clock
  let answeredAt = Number.NEGATIVE_INFINITY
  const guard: Guard = {
    lineage,
    isQuiet: () => clock.currentTimeMillisUnsafe() - answeredAt > quietTime,
    answered: () => {
      answeredAt = clock.currentTimeMillisUnsafe()
    }
  }
  return guard
})

const isNew = "the connection is new, and which database it leads to has to be looked at first"

/** Nothing was sent. */
const newConnection = new SqlError({
  reason: new ConnectionError({ cause: new Error(isNew), message: isNew, operation: "execute" })
})

/** Runs a call unless the connection that it gets is new: then it fails with `newConnection`. */
export const onKnownConnection = <A, E>(
  sql: PgClient,
  guard: Guard | undefined,
  call: Effect.Effect<A, E>
): Effect.Effect<A, E | SqlError> => {
  if (guard === undefined) return call
  const { answered, isQuiet, lineage } = guard
  const checked: Effect.Effect<A, E | SqlError> = Effect.suspend((): Effect.Effect<A, E | SqlError> =>
    lineage.isDue() ? Effect.fail(newConnection) : Effect.tap(call, () => Effect.sync(answered))
  )
  const reserved = Effect.scoped(Effect.flatMap(
    sql.reserve,
    (connection) => Effect.provideService(checked, sql.transactionService, [connection, 0])
  ))
  return Effect.suspend((): Effect.Effect<A, E | SqlError> =>
    isQuiet()
      ? Effect.flatMap(isInTransaction(sql), (isIn) => isIn ? checked : reserved)
      : Effect.tap(call, () => Effect.sync(answered))
  )
}

/** Runs an attempt, after a look at which database it is when there is a sign that it may be another one. */
const afterLook = <A, E>(
  { once }: Statements,
  { lineage }: Guard,
  attempt: Effect.Effect<A, E>
): Effect.Effect<A, E | SqlError | StoreError> => {
  // Without an answer nothing is sent: the attempt has failed, and the next one asks again.
  const look = Effect.mapError(once(lineage.look), (error) => isSqlError(error.cause) ? error.cause : error)
  const next: Effect.Effect<A, E | SqlError | StoreError> = Effect.suspend(() =>
    lineage.isDue() ? Effect.andThen(look, attempt) : attempt
  )
  return Effect.catchIf(next, (error) => error === newConnection, () => next)
}

/**
 * Runs an attempt to write requests: as they are, or as they are `elsewhere` when the database may be another one than their callers
 * have seen. It looks when there is a sign of that, which is what a lost connection between two attempts is.
 */
export const guarded = <A, E>(
  statements: Statements,
  guard: Guard | undefined,
  requests: ReadonlyArray<Request>,
  write: (
    appends: ReadonlyArray<EncodedAppend>,
    isElsewhere: boolean,
    guard: Guard | undefined
  ) => Effect.Effect<A, E>
): Effect.Effect<A, E | SqlError | StoreError> => {
  const appends = requests.map(({ append }) => append)
  if (guard === undefined || !appends.some(isOfItsHistory)) return write(appends, false, undefined)
  const { lineage } = guard
  const isHere = ({ replacements }: Request) => lineage.replacements() === replacements
  const plain = write(appends, false, guard)
  const attempt = Effect.suspend(() =>
    requests.every(isHere)
      ? plain
      : write(requests.map((request) => isHere(request) ? request.append : elsewhere(request.append)), true, undefined)
  )
  return afterLook(statements, guard, attempt)
}

/** Runs an attempt to write what is right only in the history that its caller has seen; refuses it in another one. */
export const unlessReplaced = <A, E>(
  statements: Statements,
  guard: Guard | undefined,
  { operation, replacements }: { readonly operation: string; readonly replacements: number },
  write: (guard: Guard | undefined) => Effect.Effect<A, E>
): Effect.Effect<A, E | SqlError | StoreError> => {
  if (guard === undefined) return write(undefined)
  const plain = write(guard)
  const attempt = Effect.suspend((): Effect.Effect<A, E | StoreError> =>
    guard.lineage.replacements() === replacements ? plain : Effect.fail(
      new StoreError({
        operation,
        reason: "the database has become another one, so nothing is written that is about messages of the former one",
        isRetryable: true
      })
    )
  )
  return afterLook(statements, guard, attempt)
}

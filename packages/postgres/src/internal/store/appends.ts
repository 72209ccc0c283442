import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { ConnectionError, isSqlError, SqlError } from "effect/sql/SqlError"
import {
  type AppendResult,
  type EncodedAppend,
  type Lineage,
  mayHaveWritten,
  writtenCategories
} from "eventfold/StoreBackend"
import { StoreError } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import type { Bounded } from "../client/bound.ts"
import { isPassing, isUniqueViolation, isWorthRepeating, storeError } from "../client/sqlError.ts"
import type { Statements } from "../client/statements.ts"
import { inSavepoint, isInTransaction, oldSnapshot } from "../client/transactions.ts"
import type { WakeUps } from "../coordination/wakeUps.ts"
import {
  atomicResults,
  callAppend,
  callAppendJoined,
  callGroup,
  type OutcomeRow,
  type Refusal,
  resultOf
} from "./appendCalls.ts"
import * as GroupCommit from "./groupCommit.ts"
import type { InlineReadModels } from "./inlineReadModels.ts"

/** A group of concurrent appends adds up to at most this size, in messages; a large message counts for several. */
const maxGroupSize = 2_000

const sizeOf = ({ messages }: EncodedAppend): number => {
  let size = messages.length
  for (const { data } of messages) size += Math.floor(data.length / 4_096)
  return size
}

const categoryOf = ({ streamName }: EncodedAppend): string => StreamName.category(streamName)

type Operation = "append" | "writeAll"

/** An append, and the generation of the store in which its caller decided on it. */
interface Request {
  readonly append: EncodedAppend
  readonly generation: number
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
interface Guard {
  readonly lineage: Lineage
  /** Whether no append has been answered for a while: the pool may have lost its connections without a word meanwhile. */
  readonly isQuiet: () => boolean
  readonly answered: () => void
}

/** After this time without an answer the connection of an append is looked at, in milliseconds. No failover is that fast. */
const quietTime = 500

const makeGuard = Effect.fnUntraced(function*(lineage: Lineage) {
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
const onKnownConnection = <A, E>(
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

/**
 * Runs an attempt to write requests: as they are, or as they are `elsewhere` when the database may be another one than their callers
 * have seen. It looks when there is a sign of that, which is what a lost connection between two attempts is.
 */
const guarded = <A, E>(
  { once }: Statements,
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
  const isHere = ({ generation }: Request) => lineage.generation() === generation
  const plain = write(appends, false, guard)
  const attempt = Effect.suspend(() =>
    requests.every(isHere)
      ? plain
      : write(requests.map((request) => isHere(request) ? request.append : elsewhere(request.append)), true, undefined)
  )
  // Without an answer nothing is sent: the attempt has failed, and the next one asks again.
  const look = Effect.mapError(once(lineage.look), (error) => isSqlError(error.cause) ? error.cause : error)
  const next: Effect.Effect<A, E | SqlError | StoreError> = Effect.suspend(() =>
    lineage.isDue() ? Effect.andThen(look, attempt) : attempt
  )
  return Effect.catchIf(next, (error) => error === newConnection, () => next)
}

/** Runs a call, with the inline read models of its categories in its transaction. */
type InOneTransaction = (
  operation: Operation,
  appends: ReadonlyArray<EncodedAppend>,
  call: Effect.Effect<ReadonlyArray<OutcomeRow>, SqlError>
) => Effect.Effect<ReadonlyArray<OutcomeRow>, SqlError | StoreError>

/** The categories of appends that inline read models read. */
const coveredCategories = (inline: InlineReadModels | undefined, appends: ReadonlyArray<EncodedAppend>) =>
  inline === undefined ? [] : [...writtenCategories(appends)].filter(inline.covers)

const withInlineReadModels =
  ({ bound }: Statements, inline: InlineReadModels | undefined): InOneTransaction => (operation, appends, call) => {
    const categories = coveredCategories(inline, appends)
    return inline === undefined || categories.length === 0
      ? bound.statement(call)
      : inline.inTransactionOf(operation, categories, call)
  }

/**
 * Writes all appends or none, after a look for messages that are recorded already. Retries lost races as well: against a
 * writer that takes no lock, or that writes the same id to another category.
 */
const appendCarefully = (
  { retrying, sql }: Statements,
  inOneTransaction: InOneTransaction,
  operation: Operation,
  appends: ReadonlyArray<EncodedAppend>
) =>
  retrying(
    inOneTransaction(
      operation,
      appends,
      callAppend(sql, appends, { atomic: true, careful: true })
    ),
    (error) => isSqlError(error) && (isWorthRepeating(error) || isUniqueViolation(error))
  ).pipe(Effect.mapError((error) => isSqlError(error) ? storeError(operation)(error) : error))

/** Only a careful call says of all appends whether they are recorded. */
const isToLookAtCarefully = ({ outcome }: OutcomeRow): boolean => outcome === "recorded" || outcome === "duplicate"

/** Writes all appends or none. First without the careful look, which costs a look-up per message and rarely finds one. */
const appendAll = (
  statements: Statements,
  inOneTransaction: InOneTransaction,
  guard: Guard | undefined,
  requests: ReadonlyArray<Request>
) => {
  const { sql } = statements
  const appends = requests.map(({ append }) => append)
  const write = guarded(statements, guard, requests, (appends, careful, guard) =>
    inOneTransaction(
      "writeAll",
      appends,
      onKnownConnection(sql, guard, callAppend(sql, appends, { atomic: true, careful }))
    ))
  return statements.retrying(write).pipe(
    Effect.filterOrElse(
      (rows) => !rows.some(isToLookAtCarefully),
      () => appendCarefully(statements, inOneTransaction, "writeAll", appends)
    ),
    Effect.catchTag(
      "SqlError",
      (error) =>
        isUniqueViolation(error)
          ? appendCarefully(statements, inOneTransaction, "writeAll", appends)
          : Effect.fail(storeError("writeAll")(error))
    ),
    Effect.flatMap((rows) => atomicResults(appends, rows))
  )
}

/** Writes one append in a transaction of its own. */
const appendSingly = Effect.fnUntraced(
  function*(statements: Statements, inOneTransaction: InOneTransaction, append: EncodedAppend) {
    const rows = yield* appendCarefully(statements, inOneTransaction, "append", [append])
    return yield* Arr.isReadonlyArrayNonEmpty(rows)
      ? resultOf(append, Arr.headNonEmpty(rows))
      : Effect.die(new Error("eventfold.append gave no outcome"))
  },
  Effect.exit
)

/** Commits a group, with a result for each append, and then wakes the readers of its category. */
const commitGroup = (
  statements: Statements,
  inOneTransaction: InOneTransaction,
  guard: Guard | undefined,
  wakeUps: WakeUps
): GroupCommit.Commit<Request, AppendResult, Refusal | StoreError> =>
(requests) => {
  const group = requests.map(({ append }) => append)
  const { sql } = statements
  const write = guarded(statements, guard, requests, (appends, isElsewhere, guard) =>
    inOneTransaction(
      "append",
      appends,
      onKnownConnection(
        sql,
        guard,
        isElsewhere ? callAppend(sql, appends, { atomic: false, careful: true }) : callGroup(sql, appends)
      )
    ))
  return statements.retrying(write).pipe(
    Effect.map((rows) => Arr.zipWith(group, rows, resultOf)),
    Effect.catch((error) =>
      isSqlError(error) && isPassing(error)
        ? Effect.succeed(group.map(() => Exit.fail(storeError("append")(error))))
        // One of them broke the transaction. Singly, each append gets its own result.
        : Effect.forEach(group, (append) => appendSingly(statements, inOneTransaction, append))
    ),
    // Here and not in the callers, which may have been interrupted. A group is of one category.
    Effect.tap((exits) => {
      const [first] = group
      return first !== undefined && exits.some(mayHaveWritten) ? wakeUps.written(categoryOf(first)) : Effect.void
    })
  )
}

/** Another transaction wrote one of the ids while the look for them found none. */
const lostRace = (operation: Operation, cause: SqlError) =>
  new StoreError({
    operation,
    reason: "another writer has just written a message with one of the ids: run the transaction again",
    isRetryable: true,
    cause
  })

/**
 * Writes in the transaction of the caller, and wakes the readers when it commits.
 *
 * It looks for the ids first: a refusal is an answer and no error, so the savepoint is released and not rolled back. A rollback
 * would also undo what other fibers of the transaction have written meanwhile. The savepoint is for the turn: another one that
 * is rolled back must not undo this append.
 */
const makeJoined = (bounded: Bounded, wakeUps: WakeUps, inline: InlineReadModels | undefined) => {
  const { sql } = bounded
  const write = (
    operation: Operation,
    appends: ReadonlyArray<EncodedAppend>
  ): Effect.Effect<ReadonlyArray<AppendResult>, Refusal | StoreError> => {
    const call = Effect.flatMap(
      callAppendJoined(sql, appends),
      (rows) => rows.length === 0 ? oldSnapshot(sql, operation) : Effect.succeed(rows)
    )
    const failed = Effect.mapError((error: SqlError | StoreError) => {
      if (!isSqlError(error)) return error
      return isUniqueViolation(error) ? lostRace(operation, error) : storeError(operation)(error)
    })
    const categories = coveredCategories(inline, appends)
    const written = inline === undefined || categories.length === 0
      ? inSavepoint(bounded, operation)(failed(call))
      : failed(inline.inSavepointOf(operation, categories, call))
    return written.pipe(
      Effect.flatMap((rows) => atomicResults(appends, rows)),
      (results) => wakeUps.wakingAfterCommit(appends, results)
    )
  }

  return {
    append: (append: EncodedAppend): Effect.Effect<AppendResult, Refusal | StoreError> =>
      Effect.flatMap(
        write("append", [append]),
        ([result]) => result === undefined ? Effect.die(new Error("an append gave no result")) : Effect.succeed(result)
      ),
    appendAll: (appends: ReadonlyArray<EncodedAppend>) => write("writeAll", appends)
  }
}

/**
 * The writes of the store. Concurrent appends are committed in groups. Each category has groups of its own, because its
 * writes are serial anyway.
 */
export const make = Effect.fnUntraced(function*(
  statements: Statements,
  wakeUps: WakeUps,
  lineage: Lineage | undefined,
  inline: InlineReadModels | undefined
) {
  const guard = lineage === undefined ? undefined : yield* makeGuard(lineage)
  const generation = () => lineage?.generation() ?? 0
  const inOneTransaction = withInlineReadModels(statements, inline)
  const append = yield* GroupCommit.make({
    laneOf: ({ append }: Request) => categoryOf(append),
    sizeOf: ({ append }: Request) => sizeOf(append),
    maxSize: maxGroupSize,
    commit: commitGroup(statements, inOneTransaction, guard, wakeUps)
  })
  return {
    append: (one: EncodedAppend) => append({ append: one, generation: generation() }),
    appendAll: (appends: ReadonlyArray<EncodedAppend>) => {
      const requests = appends.map((append): Request => ({ append, generation: generation() }))
      return wakeUps.waking(appends, appendAll(statements, inOneTransaction, guard, requests))
    },
    joined: makeJoined(statements, wakeUps, inline)
  }
})

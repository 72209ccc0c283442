import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
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
import type { LockWaits } from "../client/lockWaits.ts"
import { isPassing, isUniqueViolation, isWorthRepeating } from "../client/sqlError.ts"
import type { Statements } from "../client/statements.ts"
import { inSavepoint, oldSnapshot } from "../client/transactions.ts"
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
import * as HistoryGuard from "./historyGuard.ts"
import { type InlineReadModels, IsInCommit } from "./inlineReadModels.ts"
import * as WriteTurns from "./writeTurns.ts"

/** A group of concurrent appends adds up to at most this size, in messages; a large message counts for several. */
const maxGroupSize = 2_000

const sizeOf = ({ messages }: EncodedAppend): number => {
  let size = messages.length
  for (const { data } of messages) size += Math.floor(data.length / 4_096)
  return size
}

const categoryOf = ({ streamName }: EncodedAppend): string => StreamName.category(streamName)

type Operation = "append" | "writeAll"

/** What each write needs. */
interface Writer {
  readonly statements: Statements
  readonly lockWaits: LockWaits
  readonly guard: HistoryGuard.Guard | undefined
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

/** Each attempt has a turn of its own, so that no write has one while it pauses or its side effects run. */
const withInlineReadModels = (
  { bound }: Statements,
  inline: InlineReadModels | undefined,
  turnOf: WriteTurns.WriteTurns["apart"]
): InOneTransaction =>
(operation, appends, call) => {
  const categories = coveredCategories(inline, appends)
  const inTurn = turnOf(operation, appends)
  return inline === undefined || categories.length === 0
    ? inTurn(bound.statement(call))
    : inline.inTransactionOf(operation, categories, call, inTurn)
}

/** An attempt to write: a call on a connection that leads to the database that the callers have seen. */
const attemptOf = (
  { guard, statements }: Writer,
  inOneTransaction: InOneTransaction,
  operation: Operation,
  requests: ReadonlyArray<HistoryGuard.Request>,
  callOf: (
    appends: ReadonlyArray<EncodedAppend>,
    isElsewhere: boolean
  ) => Effect.Effect<ReadonlyArray<OutcomeRow>, SqlError>
) =>
  HistoryGuard.guarded(statements, guard, requests, (appends, isElsewhere, guard) =>
    inOneTransaction(
      operation,
      appends,
      HistoryGuard.onKnownConnection(statements.sql, guard, callOf(appends, isElsewhere))
    ))

/** How many lost races in a row are repeated. A unique index of the application's own is violated each time, and is no race. */
const maxRaces = 4

/**
 * Writes all appends or none, after a look for messages that are recorded already. Retries lost races as well: against a
 * writer that takes no lock, or that writes the same id to another category.
 */
const appendCarefully = (
  writer: Writer,
  inOneTransaction: InOneTransaction,
  operation: Operation,
  requests: ReadonlyArray<HistoryGuard.Request>
) => {
  const { lockWaits, statements } = writer
  const write = attemptOf(
    writer,
    inOneTransaction,
    operation,
    requests,
    (appends) => callAppend(statements.sql, lockWaits, appends, { atomic: true, careful: true })
  )
  return Effect.suspend(() => {
    let races = 0
    return statements.retrying(
      write,
      (error) => isSqlError(error) && (isWorthRepeating(error) || (isUniqueViolation(error) && races++ < maxRaces))
    )
  }).pipe(
    Effect.catch((error) =>
      isSqlError(error)
        ? Effect.flip(lockWaits.failure(operation, requests.map(({ append }) => append), error))
        : Effect.fail(error)
    )
  )
}

/** Only a careful call says of all appends whether they are recorded. */
const isToLookAtCarefully = ({ outcome }: OutcomeRow): boolean => outcome === "recorded" || outcome === "duplicate"

/** Writes all appends or none. First without the careful look, which costs a look-up per message and rarely finds one. */
const appendAll = (
  writer: Writer,
  inOneTransaction: InOneTransaction,
  requests: ReadonlyArray<HistoryGuard.Request>
) => {
  const { lockWaits, statements } = writer
  const appends = requests.map(({ append }) => append)
  const write = attemptOf(
    writer,
    inOneTransaction,
    "writeAll",
    requests,
    (appends, careful) => callAppend(statements.sql, lockWaits, appends, { atomic: true, careful })
  )
  return statements.retrying(write).pipe(
    Effect.filterOrElse(
      (rows) => !rows.some(isToLookAtCarefully),
      () => appendCarefully(writer, inOneTransaction, "writeAll", requests)
    ),
    Effect.catchTag(
      "SqlError",
      (error) =>
        isUniqueViolation(error)
          ? appendCarefully(writer, inOneTransaction, "writeAll", requests)
          : Effect.flip(lockWaits.failure("writeAll", appends, error))
    ),
    Effect.flatMap((rows) => atomicResults(appends, rows))
  )
}

/** Writes one append in a transaction of its own. */
const appendSingly = Effect.fnUntraced(
  function*(writer: Writer, inOneTransaction: InOneTransaction, request: HistoryGuard.Request) {
    const rows = yield* appendCarefully(writer, inOneTransaction, "append", [request])
    return yield* Arr.isReadonlyArrayNonEmpty(rows)
      ? resultOf(request.append, Arr.headNonEmpty(rows))
      : Effect.die(new Error("eventfold.append gave no outcome"))
  },
  Effect.exit
)

/** Commits a group, with a result for each append, and then wakes the readers of its category. */
const commitGroup = (
  writer: Writer,
  inOneTransaction: InOneTransaction,
  wakeUps: WakeUps
): GroupCommit.Commit<HistoryGuard.Request, AppendResult, Refusal | StoreError> =>
(requests) => {
  const { lockWaits, statements } = writer
  const group = requests.map(({ append }) => append)
  statements.metrics.group(group.length)
  const write = attemptOf(writer, inOneTransaction, "append", requests, (appends, isElsewhere) =>
    isElsewhere
      ? callAppend(statements.sql, lockWaits, appends, { atomic: false, careful: true })
      : callGroup(statements.sql, lockWaits, appends))
  return statements.retrying(write).pipe(
    Effect.map((rows) => Arr.zipWith(group, rows, resultOf)),
    Effect.catch((error) => {
      if (isSqlError(error) && isPassing(error)) {
        return Effect.map(lockWaits.failure("append", group, error), (failure) => group.map(() => Exit.fail(failure)))
      }
      if (error._tag === "StoreError" && error.isRetryable) {
        return Effect.succeed(group.map(() => Exit.fail(error)))
      }
      // One of them broke the transaction. Singly, each append gets its own result.
      return Effect.forEach(requests, (request) => appendSingly(writer, inOneTransaction, request))
    }),
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
const makeJoined = (
  { lockWaits, statements }: Writer,
  wakeUps: WakeUps,
  inline: InlineReadModels | undefined
) => {
  const bounded: Bounded = statements
  const { sql } = bounded
  const write = (
    operation: Operation,
    appends: ReadonlyArray<EncodedAppend>
  ): Effect.Effect<ReadonlyArray<AppendResult>, Refusal | StoreError> => {
    const call = Effect.flatMap(
      callAppendJoined(sql, lockWaits, appends),
      (rows) => rows.length === 0 ? oldSnapshot(sql, operation) : Effect.succeed(rows)
    )
    const failed = Effect.catch((error: SqlError | StoreError) => {
      if (!isSqlError(error)) return Effect.fail(error)
      return isUniqueViolation(error)
        ? Effect.fail(lostRace(operation, error))
        : Effect.flip(lockWaits.failureJoined(operation, appends, error))
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
  lockWaits: LockWaits,
  lineage: Lineage | undefined,
  inline: InlineReadModels | undefined
) {
  const guard = lineage === undefined ? undefined : yield* HistoryGuard.make(lineage)
  const writer: Writer = { statements, lockWaits, guard }
  const turns = WriteTurns.make(statements.sql, lockWaits)
  const inGroup = yield* GroupCommit.make({
    laneOf: ({ append }: HistoryGuard.Request) => categoryOf(append),
    sizeOf: ({ append }: HistoryGuard.Request) => sizeOf(append),
    maxSize: maxGroupSize,
    commit: commitGroup(writer, withInlineReadModels(statements, inline, turns.ofGroup), wakeUps)
  })
  const requestOf = (append: EncodedAppend): HistoryGuard.Request => ({
    append,
    replacements: lineage?.replacements() ?? 0
  })
  const append = (one: EncodedAppend) => inGroup(requestOf(one))
  const apart = withInlineReadModels(statements, inline, turns.apart)
  const appendApart = (one: EncodedAppend) =>
    wakeUps.waking([one], Effect.flatten(appendSingly(writer, apart, requestOf(one))))
  return {
    append: inline === undefined
      ? append
      : (one: EncodedAppend) => Effect.flatMap(IsInCommit, (is) => is ? appendApart(one) : append(one)),
    appendAll: (appends: ReadonlyArray<EncodedAppend>) =>
      wakeUps.waking(appends, appendAll(writer, apart, appends.map(requestOf))),
    joined: makeJoined(writer, wakeUps, inline),
    turns
  }
})

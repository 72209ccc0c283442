import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { type AppendResult, type EncodedAppend, mayHaveWritten, writtenCategories } from "eventfold/StoreBackend"
import { StoreError } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import type { Bounded } from "../client/bound.ts"
import { isPassing, isUniqueViolation, isWorthRepeating, storeError } from "../client/sqlError.ts"
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
  appends: ReadonlyArray<EncodedAppend>
) =>
  statements.retrying(
    inOneTransaction(
      "writeAll",
      appends,
      callAppend(statements.sql, appends, { atomic: true, careful: false })
    )
  ).pipe(
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
  wakeUps: WakeUps
): GroupCommit.Commit<EncodedAppend, AppendResult, Refusal | StoreError> =>
(group) =>
  statements.retrying(inOneTransaction("append", group, callGroup(statements.sql, group))).pipe(
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
  inline: InlineReadModels | undefined
) {
  const inOneTransaction = withInlineReadModels(statements, inline)
  const append = yield* GroupCommit.make({
    laneOf: categoryOf,
    sizeOf,
    maxSize: maxGroupSize,
    commit: commitGroup(statements, inOneTransaction, wakeUps)
  })
  return {
    append,
    appendAll: (appends: ReadonlyArray<EncodedAppend>) =>
      wakeUps.waking(appends, appendAll(statements, inOneTransaction, appends)),
    joined: makeJoined(statements, wakeUps, inline)
  }
})

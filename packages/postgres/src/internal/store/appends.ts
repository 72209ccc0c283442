import type { PgClient } from "@effect/sql-pg/PgClient"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { type AppendResult, type EncodedAppend, type EncodedMessage, mayHaveWritten } from "eventfold/StoreBackend"
import { DuplicateMessageId, type StoreError, WrongExpectedVersion } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import { safePosition } from "../client/messageRows.ts"
import { isPassing, isUnique, storeError } from "../client/sqlError.ts"
import type { WakeUps } from "../coordination/wakeUps.ts"
import * as GroupCommit from "./groupCommit.ts"
import type { Inline } from "./inlineReadModels.ts"
import { retrying, wireVersion } from "./reads.ts"

/** The most that a group of concurrent appends adds up to, in messages; a large one counts for several. */
const maxGroupSize = 2_000

const sizeOf = ({ messages }: EncodedAppend): number => {
  let size = messages.length
  for (const { data } of messages) size += Math.floor(data.length / 4_096)
  return size
}

const laneOf = ({ streamName }: EncodedAppend): string => StreamName.category(streamName)

/** What `eventfold.append` and `eventfold.append_message` tell of an append. */
interface OutcomeRow {
  readonly outcome: "written" | "recorded" | "wrong_version" | "duplicate" | "not_written"
  readonly stream_version: bigint | null
  readonly last_global_position: bigint | null
  readonly taken_id: string | null
}

type Operation = "append" | "writeAll"

type Refusal = WrongExpectedVersion | DuplicateMessageId

const resultOf = (append: EncodedAppend, row: OutcomeRow): Exit.Exit<AppendResult, Refusal | StoreError> => {
  const { expectedVersion: expected, streamName } = append
  const version = safePosition(row.stream_version ?? -1n)
  const globalPosition = safePosition(row.last_global_position ?? -1n)
  if (Exit.isFailure(version)) return Exit.failCause(version.cause)
  if (Exit.isFailure(globalPosition)) return Exit.failCause(globalPosition.cause)
  switch (row.outcome) {
    case "written":
    case "recorded":
      return Exit.succeed({ version: version.value, globalPosition: globalPosition.value })
    case "wrong_version": {
      const actual = version.value === -1 ? Option.none() : Option.some(version.value)
      return Exit.fail(new WrongExpectedVersion({ streamName, expected, actual }))
    }
    case "duplicate":
      return Exit.fail(new DuplicateMessageId({ id: row.taken_id ?? "", streamName }))
    case "not_written":
      return Exit.die(new Error(`an append to ${streamName} was left out although none was refused`))
  }
}

/** The results of an atomic call: all of them, or the first refusal. */
const atomicResults = (appends: ReadonlyArray<EncodedAppend>, rows: ReadonlyArray<OutcomeRow>) => {
  const outcomes = Arr.zip(appends, rows)
  const refused = outcomes.filter(([, { outcome }]) => outcome === "wrong_version" || outcome === "duplicate")
  return Effect.forEach(refused.length > 0 ? refused : outcomes, ([append, row]) => resultOf(append, row))
}

/** An array parameter. Its type is given, so that the client does not look for it in each of the elements. */
const arrayOf = (elementOid: number) => (values: ReadonlyArray<unknown>): PgTypes.Parameter =>
  Result.getOrThrow(PgTypes.array(values, elementOid))

const texts = arrayOf(PgTypes.OID.text)
const uuids = arrayOf(PgTypes.OID.uuid)
const integers = arrayOf(PgTypes.OID.int4)
const bigints = arrayOf(PgTypes.OID.int8)

/**
 * The writes of the store. Concurrent appends are committed in groups; each category has its own, because its writes are
 * serial anyway.
 */
export const make = Effect.fnUntraced(function*(sql: PgClient, wakeUps: WakeUps, inline: Inline | undefined) {
  /** With the read models that are kept in the transactions of these appends. */
  const kept = (
    operation: Operation,
    appends: ReadonlyArray<EncodedAppend>,
    call: Effect.Effect<ReadonlyArray<OutcomeRow>, SqlError>
  ): Effect.Effect<ReadonlyArray<OutcomeRow>, SqlError | StoreError> => {
    if (inline === undefined) return call
    const categories = appends.map(laneOf).filter(inline.isOf)
    return categories.length === 0 ? call : inline.inOne(operation, categories, call)
  }

  const callAppend = (
    appends: ReadonlyArray<EncodedAppend>,
    mode: { readonly atomic: boolean; readonly careful: boolean }
  ) => {
    const messages = appends.flatMap((append) => append.messages)
    return sql<OutcomeRow>`SELECT * FROM eventfold.append(
      ${texts(appends.map((append) => append.streamName))},
      ${bigints(appends.map((append) => wireVersion(append.expectedVersion)))},
      ${integers(appends.map((append) => append.messages.length))},
      ${uuids(messages.map((message) => message.id))},
      ${texts(messages.map((message) => message.type))},
      ${texts(messages.map((message) => message.data))},
      ${texts(messages.map((message) => message.metadata ?? ""))},
      ${mode.atomic},
      ${mode.careful}
    )`
  }

  const callAppendMessage = ({ expectedVersion, streamName }: EncodedAppend, message: EncodedMessage) =>
    sql<OutcomeRow>`SELECT * FROM eventfold.append_message(
      ${streamName},
      ${wireVersion(expectedVersion)},
      ${message.id},
      ${message.type},
      ${message.data},
      ${message.metadata}
    )`

  /** The leanest call that writes each append of a group or tells why not. */
  const callGroup = (group: ReadonlyArray<EncodedAppend>) => {
    const [append, ...others] = group
    const [message, ...more] = append?.messages ?? []
    return append !== undefined && message !== undefined && others.length === 0 && more.length === 0
      ? callAppendMessage(append, message)
      : callAppend(group, { atomic: false, careful: false })
  }

  /**
   * All or none, with a look for messages that are recorded already. To lose a race, against a writer that takes no lock
   * or writes the same id to another category, is worth another look.
   */
  const appendCarefully = (operation: Operation, appends: ReadonlyArray<EncodedAppend>) =>
    retrying(
      kept(operation, appends, callAppend(appends, { atomic: true, careful: true })),
      (error) => isPassing(error) || isUnique(error)
    ).pipe(Effect.mapError((error) => isSqlError(error) ? storeError(operation)(error) : error))

  /** First without that look, which costs a look-up a message and hardly ever finds one. */
  const appendAll = (appends: ReadonlyArray<EncodedAppend>) =>
    retrying(kept("writeAll", appends, callAppend(appends, { atomic: true, careful: false }))).pipe(
      Effect.filterOrElse(
        (rows) => !rows.some(({ outcome }) => outcome === "recorded" || outcome === "duplicate"),
        () => appendCarefully("writeAll", appends)
      ),
      Effect.catchTag(
        "SqlError",
        (error) => isUnique(error) ? appendCarefully("writeAll", appends) : Effect.fail(storeError("writeAll")(error))
      ),
      Effect.flatMap((rows) => atomicResults(appends, rows))
    )

  const appendAlone = Effect.fnUntraced(function*(append: EncodedAppend) {
    const rows = yield* appendCarefully("append", [append])
    return yield* Arr.isReadonlyArrayNonEmpty(rows)
      ? resultOf(append, Arr.headNonEmpty(rows))
      : Effect.die(new Error("eventfold.append gave no outcome"))
  }, Effect.exit)

  const commit: GroupCommit.Commit<EncodedAppend, AppendResult, Refusal | StoreError> = (group) =>
    retrying(kept("append", group, callGroup(group))).pipe(
      Effect.map((rows) => Arr.zipWith(group, rows, resultOf)),
      Effect.catch((error) =>
        isSqlError(error) && isPassing(error)
          ? Effect.succeed(group.map(() => Exit.fail(storeError("append")(error))))
          // One of them broke the transaction. By themselves, each gets what it deserves.
          : Effect.forEach(group, appendAlone)
      ),
      // Here and not where the callers are, who may have gone. A group is of one category.
      Effect.tap((exits) => {
        const [first] = group
        return first !== undefined && exits.some(mayHaveWritten) ? wakeUps.written(laneOf(first)) : Effect.void
      })
    )

  const append = yield* GroupCommit.make({
    laneOf,
    sizeOf,
    maxSize: maxGroupSize,
    commit
  })

  return { append, appendAll }
})

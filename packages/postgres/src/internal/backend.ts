import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { SqlError } from "effect/sql/SqlError"
import {
  type AppendResult,
  type EncodedAppend,
  mayHaveWritten,
  type StoreBackend,
  type StreamPage
} from "eventfold/StoreBackend"
import { DuplicateMessageId, type StoreError, WrongExpectedVersion } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import * as GroupCommit from "./groupCommit.ts"
import { makeIdentity } from "./identity.ts"
import type { Inline } from "./inline.ts"
import { type MessageRow, safePosition } from "./rows.ts"
import { isPassing, isUnique, storeError } from "./sqlError.ts"
import {
  allPage,
  type Call,
  makeReads,
  messageColumns,
  outsideTransaction,
  read,
  retrying,
  wireVersion
} from "./statements.ts"
import type { WakeUps } from "./wakeUps.ts"

/** The most that a group of concurrent appends adds up to, in messages; a large one counts for several. */
const maxGroupSize = 2_000

const sizeOf = ({ messages }: EncodedAppend): number =>
  messages.reduce((size, { data }) => size + 1 + Math.floor(data.length / 4_096), 0)

/** An outcome of `eventfold.append`. */
interface OutcomeRow {
  readonly outcome: "written" | "recorded" | "wrong_version" | "duplicate" | "not_written"
  readonly stream_version: bigint | null
  readonly last_global_position: bigint | null
  readonly taken_id: string | null
}

const laneOf = ({ streamName }: EncodedAppend): string => StreamName.category(streamName)

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

/** What a read model refuses, or does not get done, is one already. */
const asStoreError = (operation: string) => (error: SqlError | StoreError): StoreError =>
  error._tag === "SqlError" ? storeError(operation)(error) : error

/** The results of an atomic call: all of them, or the first refusal. */
const atomicResults = (appends: ReadonlyArray<EncodedAppend>, rows: ReadonlyArray<OutcomeRow>) => {
  const outcomes = Arr.zip(appends, rows)
  const refused = outcomes.filter(([, { outcome }]) => outcome === "wrong_version" || outcome === "duplicate")
  return Effect.forEach(refused.length > 0 ? refused : outcomes, ([append, row]) => resultOf(append, row))
}

/**
 * The store on a database that has the `message_store` and `eventfold` schemas. Appends are committed in groups, one
 * group at a time for each category, whose writes are serial anyway.
 */
export const make = Effect.fnUntraced(function*(
  sql: PgClient,
  call: Call,
  wakeUps: WakeUps,
  lease: StoreBackend["lease"],
  inline: Inline | undefined
) {
  const callAppend = (
    operation: "append" | "writeAll",
    appends: ReadonlyArray<EncodedAppend>,
    mode: { readonly atomic: boolean; readonly careful: boolean }
  ): Effect.Effect<ReadonlyArray<OutcomeRow>, SqlError | StoreError> => {
    const messages = appends.flatMap((append) => append.messages)
    const call = sql<OutcomeRow>`SELECT * FROM eventfold.append(
      ${appends.map((append) => append.streamName)}::text[],
      ${appends.map((append) => wireVersion(append.expectedVersion))}::bigint[],
      ${appends.map((append) => append.messages.length)}::integer[],
      ${messages.map((message) => message.id)}::uuid[],
      ${messages.map((message) => message.type)}::text[],
      ${messages.map((message) => message.data)}::text[],
      ${messages.map((message) => message.metadata ?? "")}::text[],
      ${mode.atomic},
      ${mode.careful}
    )`
    const categories = inline === undefined ? [] : appends.map(laneOf).filter(inline.isOf)
    return inline === undefined || categories.length === 0 ? call : inline.inOne(operation, categories, call)
  }

  /**
   * All or none, with a look for messages that are recorded already. To lose a race, against a writer that takes no lock
   * or writes the same id to another category, is worth another look.
   */
  const appendCarefully = (operation: "append" | "writeAll", appends: ReadonlyArray<EncodedAppend>) =>
    retrying(
      callAppend(operation, appends, { atomic: true, careful: true }),
      (error) => isPassing(error) || isUnique(error)
    ).pipe(Effect.mapError(asStoreError(operation)))

  /** First without that look, which costs a look-up a message and hardly ever finds one. */
  const appendAll = (appends: ReadonlyArray<EncodedAppend>) =>
    retrying(callAppend("writeAll", appends, { atomic: true, careful: false })).pipe(
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
    retrying(callAppend("append", group, { atomic: false, careful: false })).pipe(
      Effect.map((rows) => Arr.zipWith(group, rows, resultOf)),
      Effect.catch((error) =>
        error._tag === "SqlError" && isPassing(error)
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

  // Message DB has no way backwards.
  const backwards = ({ from, limit, streamName }: StreamPage) =>
    read(
      "readStream",
      sql<MessageRow>`SELECT ${messageColumns(sql)}
        FROM message_store.messages
        WHERE stream_name = ${streamName} AND position <= ${BigInt(from ?? Number.MAX_SAFE_INTEGER)}
        ORDER BY position DESC LIMIT ${BigInt(limit)}`
    )

  const outside = outsideTransaction(sql)
  const backend: StoreBackend = {
    ...makeReads(sql, call, backwards),
    readAll: (page) =>
      Effect.map(
        read("readAll", sql<MessageRow>`SELECT * FROM eventfold.read_all(${BigInt(page.from)}, ${BigInt(page.limit)})`),
        allPage(page)
      ),
    heldBack: () => Effect.succeedNone,
    identity: makeIdentity(sql),
    append: (request) => outside("append", append(request)),
    writeAll: (appends) => wakeUps.telling(appends, outside("writeAll", appendAll(appends))),
    lease,
    watch: wakeUps.watch
  }
  return backend
})

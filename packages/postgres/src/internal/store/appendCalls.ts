import type { PgClient } from "@effect/sql-pg/PgClient"
import type * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Fragment } from "effect/sql/Statement"
import type { AppendResult, EncodedAppend, EncodedMessage } from "eventfold/StoreBackend"
import { DuplicateMessageId, type StoreError, WrongExpectedVersion } from "eventfold/StoreError"
import type { LockWaits } from "../client/lockWaits.ts"
import { bigints, integers, safePosition, texts, uuids, wireVersion } from "../client/wireValues.ts"

/** How `eventfold.append` and `eventfold.append_message` answer an append. */
export interface OutcomeRow {
  readonly outcome: "written" | "recorded" | "checked" | "wrong_version" | "duplicate" | "not_written"
  readonly stream_version: bigint | null
  readonly last_global_position: bigint | null
  readonly taken_id: string | null
}

export type Refusal = WrongExpectedVersion | DuplicateMessageId

/** The result of one append. */
export const resultOf = (append: EncodedAppend, row: OutcomeRow): Exit.Exit<AppendResult, Refusal | StoreError> => {
  const { expectedVersion: expected, streamName } = append
  const version = safePosition(row.stream_version ?? -1n)
  const globalPosition = safePosition(row.last_global_position ?? -1n)
  if (Exit.isFailure(version)) return Exit.failCause(version.cause)
  if (Exit.isFailure(globalPosition)) return Exit.failCause(globalPosition.cause)
  switch (row.outcome) {
    case "written":
    case "recorded":
      return Exit.succeed({ version: version.value, globalPosition: globalPosition.value })
    case "checked":
      return Exit.succeed({ version: version.value, globalPosition: 0 })
    case "wrong_version": {
      const actual = version.value === -1 ? Option.none() : Option.some(version.value)
      return Exit.fail(new WrongExpectedVersion({ streamName, expected, actual }))
    }
    case "duplicate":
      return Exit.fail(new DuplicateMessageId({ id: row.taken_id ?? "", streamName }))
    case "not_written":
      return Exit.die(new Error(`an append to ${streamName} was left out although no append was refused`))
  }
}

/** The results of an atomic call: all of them, or the first refusal. */
export const atomicResults = (appends: ReadonlyArray<EncodedAppend>, rows: ReadonlyArray<OutcomeRow>) => {
  const outcomes = Arr.zip(appends, rows)
  const refused = outcomes.filter(([, { outcome }]) => outcome === "wrong_version" || outcome === "duplicate")
  return Effect.forEach(refused.length > 0 ? refused : outcomes, ([append, row]) => resultOf(append, row))
}

/** `atomic`: all appends or none. `careful`: looks first for messages that are recorded already. */
interface Mode {
  readonly atomic: boolean
  readonly careful: boolean
}

const appendFunction = (
  sql: PgClient,
  streamNames: PgTypes.Parameter | Fragment,
  appends: ReadonlyArray<EncodedAppend>,
  { atomic, careful }: Mode
): Fragment => {
  const messages = appends.flatMap((append) => append.messages)
  return sql`eventfold.append(
    ${streamNames},
    ${bigints(appends.map((append) => wireVersion(append.expectedVersion)))},
    ${integers(appends.map((append) => append.messages.length))},
    ${uuids(messages.map((message) => message.id))},
    ${texts(messages.map((message) => message.type))},
    ${texts(messages.map((message) => message.data))},
    ${texts(messages.map((message) => message.metadata ?? ""))},
    ${atomic},
    ${careful}
  )`
}

const streamNamesOf = (appends: ReadonlyArray<EncodedAppend>) => texts(appends.map((append) => append.streamName))

/** An argument of a function, for which the waits of the function for locks are limited. Nothing is faster than this. */
const limiting = (sql: PgClient, { limited }: LockWaits, argument: PgTypes.Parameter | string) =>
  sql`CASE WHEN ${limited} IS NOT NULL THEN ${argument} END`

/** Appends in a transaction of its own. */
export const callAppend = (sql: PgClient, lockWaits: LockWaits, appends: ReadonlyArray<EncodedAppend>, mode: Mode) =>
  sql<OutcomeRow>`SELECT * FROM ${appendFunction(sql, limiting(sql, lockWaits, streamNamesOf(appends)), appends, mode)}`

/**
 * Appends in the caller's transaction, all or none and carefully, unless its snapshot may be older than the wait for the
 * locks: then there are no outcomes, and the function does not run.
 */
export const callAppendJoined = (
  sql: PgClient,
  { limitedUnlessSet }: LockWaits,
  appends: ReadonlyArray<EncodedAppend>
) => {
  const streamNames = sql`CASE WHEN caller.isolation IS NOT NULL AND ${limitedUnlessSet} IS NOT NULL
    THEN ${streamNamesOf(appends)}::text[] END`
  return sql<OutcomeRow>`SELECT called.*, set_config('lock_timeout', caller.lock_timeout, true) AS restored
    FROM (
      SELECT current_setting('transaction_isolation') AS isolation, current_setting('lock_timeout') AS lock_timeout
      OFFSET 0
    ) AS caller,
      LATERAL ${appendFunction(sql, streamNames, appends, { atomic: true, careful: true })} AS called
    WHERE caller.isolation IN ('read committed', 'read uncommitted')`
}

const callAppendMessage = (
  sql: PgClient,
  lockWaits: LockWaits,
  { expectedVersion, streamName }: EncodedAppend,
  message: EncodedMessage
) =>
  sql<OutcomeRow>`SELECT * FROM eventfold.append_message(
    ${limiting(sql, lockWaits, streamName)},
    ${wireVersion(expectedVersion)},
    ${message.id},
    ${message.type},
    ${message.data},
    ${message.metadata}
  )`

/** The leanest call that writes each append of a group or refuses it by itself. */
export const callGroup = (sql: PgClient, lockWaits: LockWaits, group: ReadonlyArray<EncodedAppend>) => {
  const [append, ...others] = group
  const [message, ...more] = append?.messages ?? []
  return append !== undefined && message !== undefined && others.length === 0 && more.length === 0
    ? callAppendMessage(sql, lockWaits, append, message)
    : callAppend(sql, lockWaits, group, { atomic: false, careful: false })
}

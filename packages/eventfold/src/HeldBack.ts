/**
 * What keeps a reader of everything from going on: a transaction in progress that has taken global positions, or may have.
 * What it writes becomes visible in its place only when it commits, so nobody can read past it and miss nothing.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"

/**
 * A transaction that has written messages and has not ended. What the database does not tell, to a role without the right
 * to know, is `undefined`.
 *
 * @since 0.1.0
 */
export interface Writer {
  /** The process of the database server that runs it. None when the transaction is prepared: no session has it. */
  readonly pid: number | undefined
  /** The name of a prepared transaction, which `COMMIT PREPARED` or `ROLLBACK PREPARED` ends. */
  readonly preparedAs: string | undefined
  /** As the database says it: `"active"`, `"idle in transaction"`, `"prepared"`. */
  readonly state: string | undefined
  /** When the transaction began, or was prepared, by the clock of the database. */
  readonly since: DateTime.Utc | undefined
  /** How long ago that was, by the same clock. */
  readonly age: Duration.Duration | undefined
  readonly applicationName: string | undefined
  readonly user: string | undefined
  /** The address that it is connected from; none of a local connection. */
  readonly clientAddress: string | undefined
  /** The statement that it runs, or ran last. */
  readonly query: string | undefined
}

/** @since 0.1.0 */
export interface HeldBack {
  /** The first global position that is not final: a message may still come to be there. */
  readonly position: number
  /** Who may write it. None when they have ended just now. */
  readonly writers: ReadonlyArray<Writer>
}

const describeWriter = (writer: Writer): string => {
  const who = writer.preparedAs !== undefined
    ? `the prepared transaction ${JSON.stringify(writer.preparedAs)}`
    : writer.pid !== undefined
    ? `the process ${writer.pid}`
    : "a process that may not be seen"
  const details = [
    writer.applicationName === undefined || writer.applicationName === "" ? [] : [writer.applicationName],
    writer.user === undefined ? [] : [`user ${writer.user}`],
    writer.state === undefined || writer.preparedAs !== undefined ? [] : [writer.state],
    writer.age === undefined ? [] : [`for ${Duration.format(writer.age)}`]
  ].flat()
  return details.length === 0 ? who : `${who} (${details.join(", ")})`
}

/**
 * One line for a log or a person.
 *
 * @example
 * ```ts
 * import { Effect, Option } from "effect"
 * import { HeldBack, MessageStore } from "eventfold"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* MessageStore.MessageStore
 *   const heldBack = yield* store.heldBack()
 *   if (Option.isSome(heldBack)) yield* Effect.logWarning(HeldBack.format(heldBack.value))
 *   // the global position 1205 is held back by the process 4711 (billing, user app, idle in transaction, for 3m 12s)
 * })
 * ```
 *
 * @since 0.1.0
 */
export const format = ({ position, writers }: HeldBack): string => {
  const by = writers.length === 0 ? "transactions that have just ended" : writers.map(describeWriter).join(" and ")
  return `the global position ${position} is held back by ${by}`
}

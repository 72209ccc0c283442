/**
 * What holds back a reader of the whole store: a transaction in progress that has taken global positions, or may have.
 *
 * The transaction's messages become visible at those positions only when it commits. A reader that read past them before would
 * miss them, so it waits. Long transactions therefore delay all readers of the whole store; readers of one category do not wait
 * for writers of others.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { AgeInMillis } from "./internal/runtime/ageInMillis.ts"

/**
 * A transaction in progress that has written messages, or may have. What the database does not tell this role is `undefined`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Writer = Schema.Struct({
  /** The process of the database server that runs it. `undefined` for a prepared transaction, which has no session. */
  pid: Schema.UndefinedOr(Schema.Int),
  /** The name of a prepared transaction. `COMMIT PREPARED` or `ROLLBACK PREPARED` ends it. */
  preparedAs: Schema.UndefinedOr(Schema.String),
  /** The state by the database's own name, such as `"active"`, `"idle in transaction"` or `"prepared"`. */
  state: Schema.UndefinedOr(Schema.String),
  /** When the transaction began, or was prepared, by the database's clock. */
  since: Schema.UndefinedOr(Schema.DateTimeUtc),
  /** The time since then, by the same clock. In JSON it is in milliseconds. */
  age: Schema.UndefinedOr(AgeInMillis),
  applicationName: Schema.UndefinedOr(Schema.String),
  user: Schema.UndefinedOr(Schema.String),
  /** The address of the client; `undefined` for a local connection. */
  clientAddress: Schema.UndefinedOr(Schema.String),
  /** The statement that the transaction runs, or ran last. */
  query: Schema.UndefinedOr(Schema.String)
})

/**
 * A transaction in progress that has written messages, or may have.
 *
 * @category models
 * @since 0.1.0
 */
export interface Writer extends Schema.Schema.Type<typeof Writer> {}

/**
 * The place at which a reader is held back, and the transactions that hold it back.
 *
 * @category schemas
 * @since 0.1.0
 */
export const HeldBack = Schema.Struct({
  /** The first global position that is not final: a message may still become visible there. */
  position: Schema.Int,
  /** The transactions that may write it. Empty when they have just ended. */
  writers: Schema.Array(Writer)
})

/**
 * The place at which a reader is held back, and the transactions that hold it back.
 *
 * @category models
 * @since 0.1.0
 */
export interface HeldBack extends Schema.Schema.Type<typeof HeldBack> {}

/**
 * The age of the oldest of the writers, as far as it is known. Messages behind them are not older than that.
 *
 * @internal
 */
export const ageOf = ({ writers }: HeldBack): Duration.Duration =>
  writers.reduce((most, { age = Duration.zero }) => Duration.max(most, age), Duration.zero)

/**
 * Describes a {@link Writer} in a few words, such as `process 4711 (billing, user app, idle in transaction, for 3m 12s)`.
 *
 * @category formatting
 * @since 0.1.0
 */
export const formatWriter = (writer: Writer): string => {
  const name = writer.preparedAs !== undefined
    ? `prepared transaction ${JSON.stringify(writer.preparedAs)}`
    : writer.pid !== undefined
    ? `process ${writer.pid}`
    : "a process that this role may not see"
  const details = [
    writer.applicationName === undefined || writer.applicationName === "" ? [] : [writer.applicationName],
    writer.user === undefined ? [] : [`user ${writer.user}`],
    writer.state === undefined || writer.preparedAs !== undefined ? [] : [writer.state],
    writer.age === undefined ? [] : [`for ${Duration.format(writer.age)}`]
  ].flat()
  return details.length === 0 ? name : `${name} (${details.join(", ")})`
}

/**
 * Describes a {@link HeldBack} in one line, for logs and people.
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
 *   // global position 1205 is held back by process 4711 (billing, user app, idle in transaction, for 3m 12s)
 * })
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = ({ position, writers }: HeldBack): string => {
  const by = writers.length === 0 ? "transactions that have just ended" : writers.map(formatWriter).join(" and ")
  return `global position ${position} is held back by ${by}`
}

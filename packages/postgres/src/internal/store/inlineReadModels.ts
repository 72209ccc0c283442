import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { RecordedMessage } from "eventfold/Message"
import * as ReadModel from "eventfold/ReadModel"
import type { Build, Service } from "eventfold/ReadModelStore"
import { StoreError } from "eventfold/StoreError"
import { describeDatabase, NotInline, OpenError } from "../../OpenError.ts"
import { recordedMessages, safePosition } from "../client/messageRows.ts"
import { isPassing, storeError } from "../client/sqlError.ts"
import { buildOf, type BuildRow, checkpointColumns, checkpointValues } from "../readModel/buildRows.ts"
import * as Store from "../readModel/store.ts"
import { entering } from "../readModel/tables.ts"
import { inTransaction, withClient } from "../readModel/transaction.ts"
import { makeIdentity } from "./identity.ts"
import type { Call } from "./reads.ts"

/** How many messages an append makes up for at the most, which others have written to its category or the worker has left. */
const bound = 1_000

/** A read model that is kept in the transactions of the appends to its only category. */
export interface InlineModel {
  readonly category: string
  readonly model: ReadModel.ReadModel<unknown, unknown>
}

/** A handler does not accept what is to be written. */
class Refused extends Data.TaggedError("Refused")<{ readonly model: string; readonly cause: Cause.Cause<unknown> }> {}

const refusal = (operation: string, { cause, model }: Refused): StoreError => {
  const error = Cause.squash(cause)
  return new StoreError({
    operation,
    reason: `the read model ${model} does not accept it: ${error instanceof Error ? error.message : String(error)}`,
    isRetryable: false,
    cause: error
  })
}

/** The read models that are kept in the transactions of appends, of which a store without any has none. */
export interface Inline {
  readonly isOf: (category: string) => boolean
  /**
   * Runs an append to some categories, and in its transaction the handlers of their read models. When one of them fails
   * nothing is written, and it is a `StoreError`.
   */
  readonly inOne: <A>(
    operation: string,
    categories: ReadonlyArray<string>,
    append: Effect.Effect<A, SqlError>
  ) => Effect.Effect<A, SqlError | StoreError>
}

/** Handlers get what they need from the context. */
export const make = (
  sql: PgClient,
  call: Call,
  models: ReadonlyArray<InlineModel>,
  context: Context.Context<never>
): Inline => {
  const byCategory = Map.groupBy(models, ({ category }) => category)
  const provideClient = withClient(sql)

  /** The live build, if it is this definition's, which nobody else moves from now on. */
  const lock = Effect.fnUntraced(function*({ fingerprint, name, version }: ReadModel.ReadModel<unknown, unknown>) {
    const { columns, from } = entering(sql, name)
    const [row] = yield* sql<BuildRow>`WITH locked AS (
        SELECT * FROM eventfold.read_models
        WHERE read_model = ${name} AND state = 'live' AND version = ${version} AND fingerprint = ${fingerprint}
        FOR UPDATE
      )
      SELECT locked.*, ${columns} FROM locked, ${from}`
    return row === undefined ? undefined : yield* buildOf(row)
  })

  /** What is in the category after a build's position, which the lock of the category keeps as it is. */
  const rest = (category: string, { checkpoint }: Build) =>
    Effect.flatMap(
      sql`${
        call(category, (name) =>
          sql`message_store.get_category_messages(${name}, ${BigInt(checkpoint.position + 1)}, ${
            BigInt(bound + 1)
          }) AS called`)
      }`.values,
      recordedMessages
    )

  const handle = (model: ReadModel.ReadModel<unknown, unknown>, messages: ReadonlyArray<RecordedMessage>) =>
    // What the handlers need is in the context: the layer asks for it.
    provideClient(Effect.provideContext(ReadModel.apply(model, messages), context) as Effect.Effect<void, unknown>)
      .pipe(
        Effect.catchCause((cause): Effect.Effect<never, SqlError | Refused> => {
          const error = Cause.squash(cause)
          if (Cause.hasInterrupts(cause)) return Effect.interrupt
          // It is nobody's fault, and may go well next time.
          return Effect.fail(isSqlError(error) && isPassing(error) ? error : new Refused({ model: model.name, cause }))
        })
      )

  const keep = Effect.fnUntraced(function*({ category, model }: InlineModel) {
    const build = yield* lock(model)
    // Another version is in use: the worker puts this one in its place.
    if (build === undefined) return
    const messages = yield* rest(category, build)
    const [last] = messages.slice(-1)
    // So much is for the worker.
    if (last === undefined || messages.length > bound) return
    const { checkpoint, number } = build
    const firstNew = messages.findIndex(({ globalPosition }) => globalPosition > checkpoint.history)
    const history = firstNew === -1 ? messages : messages.slice(0, firstNew)
    yield* ReadModel.withoutSideEffects(handle(model, history))
    yield* handle(model, messages.slice(history.length))
    const to = { ...checkpoint, position: last.globalPosition, last: Option.some(last) }
    yield* sql`UPDATE eventfold.read_models SET (${checkpointColumns(sql)}) = ROW (${checkpointValues(sql, to)})
      WHERE read_model = ${model.name} AND number = ${number}`
  })

  return {
    isOf: (category) => byCategory.has(category),
    inOne: (operation, categories, append) => {
      const kept = Arr.sortWith(
        [...new Set(categories)].flatMap((category) => byCategory.get(category) ?? []),
        ({ model }) => model.name,
        Order.String
      )
      return Effect.tap(append, () => Effect.forEach(kept, keep, { discard: true })).pipe(
        inTransaction(sql, operation),
        ReadModel.afterCommit,
        Effect.mapError((error) => {
          if (error._tag === "Refused") return refusal(operation, error)
          return error._tag === "StoreError" && isSqlError(error.cause) ? error.cause : error
        })
      )
    }
  }
}

/** Checks that read models can be inline, and makes what is missing of their tables. */
export const open = Effect.fnUntraced(function*(
  sql: PgClient,
  call: Call,
  models: ReadonlyArray<ReadModel.ReadModel<unknown, unknown>>,
  context: Context.Context<never>
): Effect.fn.Return<Inline, OpenError> {
  const store = Store.make(sql)
  const inline: Array<InlineModel> = []
  for (const model of models) {
    const { categories, name } = model
    const refuse = (detail: string) =>
      new OpenError({ database: describeDatabase(sql.config), reason: new NotInline({ readModel: name, detail }) })
    const [category, ...others] = categories ?? []
    if (category === undefined || others.length > 0) {
      return yield* refuse(
        `it reads ${
          categories === undefined ? "everything" : categories.join(", ") || "nothing"
        }, and has to read one ` +
          "category, in which messages are committed in their order"
      )
    }
    if (inline.some((other) => other.model.name === name)) return yield* refuse("it is given twice")
    inline.push({ category, model })
    yield* createFirst(sql, store, model).pipe(
      // Somebody else has.
      Effect.catchTag("BuildMoved", () => Effect.void),
      Effect.mapError((error) => refuse(error.message))
    )
  }
  return make(sql, call, inline, context)
})

const createFirst = Effect.fnUntraced(function*(
  sql: PgClient,
  store: Service,
  model: ReadModel.ReadModel<unknown, unknown>
) {
  if ((yield* store.builds(model.name)).length > 0) return
  const [row] = yield* sql<{ readonly last: bigint }>`SELECT coalesce(max(global_position), 0) AS last
    FROM message_store.messages`.pipe(Effect.mapError(storeError("lastPosition")))
  const checkpoint = {
    position: 0,
    last: Option.none(),
    store: yield* makeIdentity(sql),
    history: yield* safePosition(row?.last ?? 0n)
  }
  yield* store.create(model, { after: 0, checkpoint })
})

import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { RecordedMessage } from "eventfold/Message"
import * as Metadata from "eventfold/Metadata"
import * as ReadModel from "eventfold/ReadModel"
import type { Build, Service } from "eventfold/ReadModelStore"
import { Independence } from "eventfold/StoreBackend"
import { StoreError } from "eventfold/StoreError"
import { NotInline, OpenError } from "../../OpenError.ts"
import { provideClient } from "../client/connections.ts"
import type { FunctionCall } from "../client/functionCalls.ts"
import { logOf } from "../client/log.ts"
import { recordedMessages } from "../client/messageRows.ts"
import { describeDatabase } from "../client/openErrors.ts"
import { isPassing } from "../client/sqlError.ts"
import type { Statements } from "../client/statements.ts"
import { inSavepoint, inTransaction, levelOf, outsideTransaction } from "../client/transactions.ts"
import { safePosition } from "../client/wireValues.ts"
import { buildOf, type BuildRow, checkpointColumns, checkpointValues } from "../readModel/buildRows.ts"
import * as ReadModelStore from "../readModel/store.ts"
import { enterSchema } from "../readModel/tables.ts"
import { makeIdentity } from "./identity.ts"
import type { InTurn } from "./writeTurns.ts"

/**
 * An append catches up at most this many messages, which other writers have appended to its category or the worker has not
 * handled. More are left to the worker.
 */
const maxCatchUp = 1_000

type AnyReadModel = ReadModel.ReadModel<unknown, unknown>

/** A read model that is kept in the transactions of the appends to its only category. */
export interface InlineModel {
  readonly category: string
  readonly model: AnyReadModel
}

/** The read models that are kept in the transactions of appends. A store without any has none of this. */
export interface InlineReadModels {
  /** Whether a read model reads the category. */
  readonly covers: (category: string) => boolean
  /**
   * Runs an append to some categories, and in its transaction the handlers of their read models. When a handler fails,
   * nothing is written, and the append fails with a `StoreError`.
   */
  readonly inTransactionOf: <A>(
    operation: string,
    categories: ReadonlyArray<string>,
    append: Effect.Effect<A, SqlError>,
    inTurn: InTurn
  ) => Effect.Effect<A, SqlError | StoreError>
  /** The same in a savepoint of the caller's transaction. Side effects of the handlers run when that commits. */
  readonly inSavepointOf: <A>(
    operation: string,
    categories: ReadonlyArray<string>,
    append: Effect.Effect<A, SqlError | StoreError>
  ) => Effect.Effect<A, SqlError | StoreError>
}

/**
 * Whether a fiber runs handlers of a commit or their side effects. What it appends must not wait for the group of its category: that
 * group is in the commit, which waits for the fiber.
 */
export const IsInCommit = Context.Reference<boolean>("@eventfold/postgres/IsInCommit", { defaultValue: () => false })

/** How long the handlers of an append may take, while the append holds the lock of its category. */
const handlerTimeout = "30 seconds"

/** A handler failed on the messages that are to be written. */
class HandlerFailed
  extends Data.TaggedError("HandlerFailed")<{ readonly model: string; readonly cause: Cause.Cause<unknown> }>
{}

const refusalOf = (operation: string, { cause, model }: HandlerFailed): StoreError => {
  const error = Cause.squash(cause)
  return new StoreError({
    operation,
    reason: `the read model ${model} does not accept it: ${error instanceof Error ? error.message : String(error)}`,
    isRetryable: false,
    cause: error
  })
}

const tookTooLong = (models: ReadonlyArray<InlineModel>): HandlerFailed =>
  new HandlerFailed({
    model: models.map(({ model }) => model.name).join(", "),
    cause: Cause.fail(
      new Error(
        `the handlers have not ended after ${handlerTimeout}; one that waits for an append to this category waits for itself`
      )
    )
  })

/** Locks the live build if this definition fills it, and enters its schema. */
const lockLiveBuild = Effect.fnUntraced(function*(sql: PgClient, { fingerprint, name, version }: AnyReadModel) {
  const { columns, from } = enterSchema(sql, logOf(sql).schemaIn(name))
  const [row] = yield* sql<BuildRow>`WITH locked AS (
      SELECT * FROM eventfold.read_models
      WHERE read_model = ${name} AND state = 'live' AND version = ${version} AND fingerprint = ${fingerprint}
      FOR UPDATE
    )
    SELECT locked.*, ${columns} FROM locked, ${from}`
  return row === undefined ? undefined : yield* buildOf(row)
})

/**
 * The messages of the category after a build's checkpoint. The append holds the lock of the category, so it has the
 * last.
 */
const unhandledMessages = (
  { parseJson, sql }: Statements,
  call: FunctionCall,
  category: string,
  { checkpoint }: Build
) =>
  Effect.flatMap(
    sql`${
      call(category, (name) =>
        sql`message_store.get_category_messages(${name}, ${BigInt(checkpoint.position + 1)}, ${
          BigInt(maxCatchUp + 1)
        }) AS called`)
    }`.values,
    (rows) => recordedMessages({ parseJson }, rows)
  )

/** Runs the handlers of a read model, and tells a failure that passes from a refusal. */
const runHandlers = (
  { application }: Statements,
  model: AnyReadModel,
  messages: ReadonlyArray<RecordedMessage>,
  context: Context.Context<never>
) =>
  // The layer requires what the handlers need, so the context has it.
  provideClient(application)(
    Effect.provideContext(ReadModel.apply(model, messages), context) as Effect.Effect<void, unknown>
  ).pipe(
    // The append may be outside of its caller's transaction. The handlers are in the append's.
    Effect.provideService(Independence, false),
    Effect.catchCause((cause): Effect.Effect<never, SqlError | HandlerFailed> => {
      const error = Cause.squash(cause)
      if (Cause.hasInterrupts(cause)) return Effect.interrupt
      // The message is not to blame, and the next attempt may succeed.
      return Effect.fail(
        isSqlError(error) && isPassing(error) ? error : new HandlerFailed({ model: model.name, cause })
      )
    })
  )

/** Brings a read model up to date in the transaction of an append. */
const catchUp = Effect.fnUntraced(function*(
  statements: Statements,
  call: FunctionCall,
  { category, model }: InlineModel,
  context: Context.Context<never>
) {
  const { sql } = statements
  const build = yield* lockLiveBuild(sql, model)
  // Another version is live. The worker puts this one in its place.
  if (build === undefined) return
  const messages = yield* unhandledMessages(statements, call, category, build)
  const [last] = messages.slice(-1)
  if (last === undefined || messages.length > maxCatchUp) return
  const { checkpoint, number } = build
  const firstNew = messages.findIndex(({ globalPosition }) => globalPosition > checkpoint.history)
  const history = firstNew === -1 ? messages : messages.slice(0, firstNew)
  yield* ReadModel.withoutSideEffects(runHandlers(statements, model, history, context))
  yield* runHandlers(statements, model, messages.slice(history.length), context)
  const to = { ...checkpoint, position: last.globalPosition, last: Option.some(last) }
  yield* sql`UPDATE eventfold.read_models SET (${checkpointColumns(sql)}) = ROW (${checkpointValues(sql, to)})
    WHERE read_model = ${model.name} AND number = ${number}`
})

/** The handlers get their services from the context. */
const make = (
  statements: Statements,
  call: FunctionCall,
  models: ReadonlyArray<InlineModel>,
  context: Context.Context<never>
): InlineReadModels => {
  const { sql } = statements
  const byCategory = Map.groupBy(models, ({ category }) => category)

  /** Runs an append, and then the handlers of the read models of its categories. */
  const handling = <A, E>(categories: ReadonlyArray<string>, append: Effect.Effect<A, E>) => {
    // By name: every transaction locks them in this order.
    const affected = Arr.sortWith(
      [...new Set(categories)].flatMap((category) => byCategory.get(category) ?? []),
      ({ model }) => model.name,
      Order.String
    )
    const catchUpAll = Effect.timeoutOrElse(
      Effect.forEach(affected, (one) => catchUp(statements, call, one, context), { discard: true }),
      { duration: handlerTimeout, orElse: () => Effect.fail(tookTooLong(affected)) }
    )
    return Effect.tap(append, () => catchUpAll)
  }

  return {
    covers: (category) => byCategory.has(category),
    inTransactionOf: (operation, categories, append, inTurn) =>
      handling(categories, append).pipe(
        inTransaction(statements, operation),
        inTurn,
        ReadModel.afterCommit,
        ofNoAppend,
        Effect.provideService(IsInCommit, true),
        Effect.mapError((error) => {
          if (error._tag === "HandlerFailed") return refusalOf(operation, error)
          return error._tag === "StoreError" && isSqlError(error.cause) ? error.cause : error
        })
      ),
    inSavepointOf: (operation, categories, append) =>
      handling(categories, append).pipe(
        keepingSearchPath(sql),
        inSavepoint(statements, operation),
        sideEffectsAfterCommit(sql),
        ofNoAppend,
        Effect.mapError((error) => error._tag === "HandlerFailed" ? refusalOf(operation, error) : error)
      )
  }
}

/**
 * Runs handlers and their side effects without the metadata of the context. That is the context of some append, and the handlers
 * may get messages of others.
 */
const ofNoAppend = Metadata.without

/** The handlers enter the schemas of their read models, and the caller's statements after them must not find those. */
const keepingSearchPath = (sql: PgClient) => <A, E>(statements: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const [before] = yield* sql<{ readonly own: string; readonly path: string }>`SELECT
      coalesce(current_setting('eventfold.search_path', true), '') AS own,
      current_setting('search_path') AS path`
    const result = yield* statements
    yield* sql`SELECT
      set_config('eventfold.search_path', ${before?.own ?? ""}, true),
      set_config('search_path', ${before?.path ?? ""}, true)`
    return result
  })

/** Has the side effects of handlers in a savepoint run when the caller's transaction commits, and outside of it. */
const sideEffectsAfterCommit = (sql: PgClient) => <A, E>(savepoint: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.contextWith((context: Context.Context<never>) => {
    const level = levelOf(sql, context)
    const inside = <B, E2>(effect: Effect.Effect<B, E2>): Effect.Effect<B, E2> =>
      level === undefined ? effect : Effect.provideService(effect, sql.transactionService, level)
    return outsideTransaction(sql)(
      ReadModel.afterCommit(inside(savepoint), {
        whenCommitted: (sideEffects) => inside(sql.afterCommit(sideEffects))
      })
    )
  })

/** The only category that a read model reads, or why it can't be inline. */
const categoryOf = ({ categories }: AnyReadModel): { readonly category: string } | { readonly refusal: string } => {
  const [category, ...others] = categories ?? []
  if (category !== undefined && others.length === 0) return { category }
  const sources = categories === undefined ? "everything" : categories.join(", ") || "nothing"
  return {
    refusal:
      `it reads ${sources}, and must read exactly one category: only messages of one category are committed in ` +
      "their order"
  }
}

/** Checks that the read models can be inline, and makes the tables that are missing. */
export const open = Effect.fnUntraced(function*(
  statements: Statements,
  call: FunctionCall,
  models: ReadonlyArray<AnyReadModel>,
  context: Context.Context<never>
): Effect.fn.Return<InlineReadModels, OpenError> {
  const { sql } = statements
  const store = ReadModelStore.make(statements)
  const inline: Array<InlineModel> = []
  for (const model of models) {
    const { name } = model
    const refuse = (detail: string) =>
      new OpenError({ database: describeDatabase(sql.config), reason: new NotInline({ readModel: name, detail }) })
    const found = categoryOf(model)
    if ("refusal" in found) return yield* refuse(found.refusal)
    if (inline.some((other) => other.model.name === name)) return yield* refuse("it is given twice: give it once")
    inline.push({ category: found.category, model })
    yield* createFirstBuild(statements, store, model).pipe(
      // Another process has created it.
      Effect.catchTag("BuildMoved", () => Effect.void),
      Effect.mapError((error) => refuse(error.message))
    )
  }
  return make(statements, call, inline, context)
})

const createFirstBuild = Effect.fnUntraced(function*(statements: Statements, store: Service, model: AnyReadModel) {
  if ((yield* store.builds(model.name)).length > 0) return
  const [row] = yield* statements.query(
    "lastPosition",
    statements.sql<
      { readonly last: bigint }
    >`SELECT coalesce(max(global_position), 0) AS last FROM message_store.messages`
  )
  const checkpoint = {
    position: 0,
    last: Option.none(),
    store: yield* makeIdentity(statements),
    history: yield* safePosition(row?.last ?? 0n)
  }
  yield* store.create(model, { after: 0, checkpoint })
})

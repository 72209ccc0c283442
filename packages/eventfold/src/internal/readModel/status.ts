import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Behind, Lag } from "../../ConsumerStatus.ts"
import { HeldBack } from "../../HeldBack.ts"
import { MessageStore } from "../../MessageStore.ts"
import { Build, ReadModelStore } from "../../ReadModelStore.ts"
import type { ReadModel } from "./definition.ts"
import { lagAfter } from "./lag.ts"

/**
 * A build of a read model with its lag.
 *
 * @since 0.1.0
 * @category schemas
 */
export const BuildStatus = Schema.Struct({
  ...Build.fields,
  /** How far it is behind the log, counting the messages that the definition handles. */
  lag: Lag
})

/**
 * A build of a read model with its lag.
 *
 * @since 0.1.0
 * @category models
 */
export interface BuildStatus extends Schema.Schema.Type<typeof BuildStatus> {}

/**
 * How far a read model is, whichever process runs it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Status = Schema.Struct({
  readModel: Schema.String,
  /** The live build; none when the read model has never run. */
  live: Schema.OptionFromNullOr(BuildStatus),
  /** All builds, by rising number. */
  builds: Schema.Array(BuildStatus),
  /**
   * The transaction that holds back the read model right now: it has written messages and has not ended. Only a read model of
   * several categories, or of everything, can be held back.
   */
  heldBack: Schema.OptionFromNullOr(HeldBack)
})

/**
 * How far a read model is, whichever process runs it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status extends Schema.Schema.Type<typeof Status> {}

/**
 * A read model as the store knows it, without its definition: its builds, by rising number, and how many global positions each is
 * behind the end of the log. It has a JSON form.
 *
 * @since 0.1.0
 * @category schemas
 */
export const StoredReadModel = Schema.Struct({
  readModel: Schema.String,
  builds: Schema.Array(Schema.Struct({ build: Build, behind: Behind }))
})

/**
 * A read model as the store knows it, without its definition.
 *
 * @since 0.1.0
 * @category models
 */
export type StoredReadModel = typeof StoredReadModel.Type

/** All read models that have a build. */
export const list = Effect.gen(function*() {
  const builds = yield* (yield* ReadModelStore).list
  const last = yield* (yield* MessageStore).lastPosition
  const found = Arr.groupBy(builds, ({ readModel }) => readModel)
  return [...new Set(builds.map(({ readModel }) => readModel))].map((readModel): StoredReadModel => ({
    readModel,
    builds: (found[readModel] ?? []).map((build) => ({
      build,
      behind: { positions: Math.max(0, last - build.checkpoint.position), age: Option.none() }
    }))
  }))
})

export const readStatus = Effect.fnUntraced(function*(model: ReadModel<unknown, unknown>) {
  const store = yield* ReadModelStore
  const messages = yield* MessageStore
  const builds = yield* Effect.forEach(
    yield* store.builds(model.name),
    (build) => Effect.map(lagAfter(model, build.checkpoint.position), (lag): BuildStatus => ({ ...build, lag }))
  )
  const live = builds.find(({ state }) => state === "live")
  const found: Status = {
    readModel: model.name,
    live: Option.fromUndefinedOr(live),
    builds,
    heldBack: model.categories?.length === 1
      ? Option.none()
      : yield* messages.heldBack({ from: (live?.checkpoint.position ?? 0) + 1 })
  }
  return found
})

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Lag } from "../../ConsumerStatus.ts"
import type { HeldBack } from "../../HeldBack.ts"
import { MessageStore } from "../../MessageStore.ts"
import { type Build, ReadModelStore } from "../../ReadModelStore.ts"
import type { ReadModel } from "./definition.ts"
import { lagAfter } from "./lag.ts"

/**
 * A build of a read model with its lag.
 *
 * @since 0.1.0
 * @category models
 */
export interface BuildStatus extends Build {
  /** How far it is behind the log, counting the messages that the definition handles. */
  readonly lag: Lag
}

/**
 * How far a read model is, whichever process runs it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  readonly readModel: string
  /** The live build; none when the read model has never run. */
  readonly live: Option.Option<BuildStatus>
  /** All builds, by rising number. */
  readonly builds: ReadonlyArray<BuildStatus>
  /**
   * The transaction that holds back the read model right now: it has written messages and has not ended. Only a read model of
   * several categories, or of everything, can be held back.
   */
  readonly heldBack: Option.Option<HeldBack>
}

export const status = Effect.fnUntraced(function*(model: ReadModel<unknown, unknown>) {
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

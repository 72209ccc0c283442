import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Lag } from "../../ConsumerStatus.ts"
import type { HeldBack } from "../../HeldBack.ts"
import { MessageStore } from "../../MessageStore.ts"
import { type Build, ReadModelStore } from "../../ReadModelStore.ts"
import { InvalidArgument } from "../../StoreError.ts"
import { liveOf } from "./builds.ts"
import { checkFingerprint } from "./check.ts"
import type { ReadModel } from "./definition.ts"
import { BuildNotFound } from "./errors.ts"
import { isHandled, lagAfter } from "./lag.ts"
import * as LiveProgress from "./liveProgress.ts"

type AnyModel = ReadModel<unknown, unknown>

/**
 * How far a build has come.
 *
 * @since 0.1.0
 */
export interface BuildStatus extends Build {
  /** How far it is behind, counting the messages that the definition handles. */
  readonly lag: Lag
}

/**
 * How far a read model has come, whoever runs it.
 *
 * @since 0.1.0
 */
export interface Status {
  readonly readModel: string
  /** The build in use; none when it has never been run. */
  readonly live: Option.Option<BuildStatus>
  /** All builds, by rising number. */
  readonly builds: ReadonlyArray<BuildStatus>
  /**
   * What keeps a read model of several categories, or of everything, from reading to the end right now: a transaction that
   * has written messages and has not ended.
   */
  readonly heldBack: Option.Option<HeldBack>
}

export const status = Effect.fnUntraced(function*(model: AnyModel) {
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

export const waitFor = Effect.fnUntraced(function*(
  model: AnyModel,
  globalPosition: number,
  interval: Duration.Input
) {
  const store = yield* ReadModelStore
  const progress = LiveProgress.of(store, model.name)
  const isHandledHere = Effect.whileLoop({
    while: () => progress.position() < globalPosition,
    body: () => progress.changed,
    step: () => {}
  })
  do {
    const live = liveOf(yield* store.builds(model.name))
    if (live !== undefined) {
      yield* checkFingerprint(model, live)
      if (yield* isHandled(model, live.checkpoint.position, globalPosition)) return
    }
    yield* progress.poke
    yield* Effect.timeoutOption(isHandledHere, interval)
  } while (progress.position() < globalPosition)
})

const findLive = Effect.fnUntraced(function*(readModel: string) {
  const live = liveOf(yield* (yield* ReadModelStore).builds(readModel))
  return live === undefined ? yield* new BuildNotFound({ readModel, build: "build in use" }) : live
})

export const rewind = Effect.fnUntraced(function*(readModel: string, position: number) {
  const store = yield* ReadModelStore
  const messages = yield* MessageStore
  const live = yield* findLive(readModel)
  const last = yield* messages.messageAt(position)
  if (position > 0 && Option.isNone(last)) {
    return yield* new InvalidArgument({
      argument: "position",
      value: String(position),
      expected: "0, or the global position of a message"
    })
  }
  return yield* store.rewind(live, {
    ...live.checkpoint,
    position,
    last: Option.map(last, ({ globalPosition, id }) => ({ globalPosition, id })),
    store: yield* messages.identity
  })
})

export const accept = Effect.fnUntraced(function*({ fingerprint, name, version }: AnyModel) {
  const live = yield* findLive(name)
  return live.version === version
    ? yield* (yield* ReadModelStore).accept(live, fingerprint)
    : yield* new BuildNotFound({ readModel: name, build: `build in use of version ${version}` })
})

export const drop = Effect.fnUntraced(function*(readModel: string, number: number) {
  const store = yield* ReadModelStore
  const build = (yield* store.builds(readModel)).find((one) => one.number === number)
  if (build === undefined) return yield* new BuildNotFound({ readModel, build: `build ${number}` })
  if (build.state === "live") {
    return yield* new InvalidArgument({
      argument: "number",
      value: String(number),
      expected: `the number of a build of ${readModel} that is not in use`
    })
  }
  return yield* store.drop(build)
})

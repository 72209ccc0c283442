import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { MessageStore } from "../../MessageStore.ts"
import { type Build, type Checkpoint, ReadModelStore } from "../../ReadModelStore.ts"
import { InvalidArgument } from "../../StoreError.ts"
import { log } from "../runtime/log.ts"
import type { ReadModel } from "./definition.ts"
import { BuildNotFound, type StoreChanged } from "./errors.ts"
import { initialCheckpoint, verifyCheckpoint } from "./verifyCheckpoint.ts"

type AnyModel = ReadModel<unknown, unknown>

/** The name of the lease to hold while filling the live build. */
export const liveLease = (readModel: string): string => `read model ${readModel}`

/** The name of the lease to hold while filling a build beside the live one. */
export const buildLease = (readModel: string): string => `read model ${readModel}, new build`

export const liveOf = (builds: ReadonlyArray<Build>): Build | undefined => builds.find(({ state }) => state === "live")

const newest = (builds: ReadonlyArray<Build>): number => builds.reduce((most, { number }) => Math.max(most, number), 0)

/** Creates the first build of a read model, which is live at once. */
export const createFirst = Effect.fnUntraced(function*(model: AnyModel, builds: ReadonlyArray<Build>) {
  const messages = yield* MessageStore
  const checkpoint = initialCheckpoint(yield* messages.identity, yield* messages.lastPosition)
  return yield* (yield* ReadModelStore).create(model, { after: newest(builds), checkpoint })
})

/** The newest unfinished build of this very definition whose checkpoint belongs to the log; drops the others. */
const resumable = Effect.fnUntraced(function*(model: AnyModel, builds: ReadonlyArray<Build>) {
  const store = yield* ReadModelStore
  const dropped = new Set<Build>()
  let found: Build | undefined
  for (const build of builds.filter(({ state }) => state === "building").toReversed()) {
    const isOurs = found === undefined && build.version === model.version && build.fingerprint === model.fingerprint
    const good = isOurs
      ? yield* Effect.catchTag(verifyCheckpoint(build), "StoreChanged", () => Effect.undefined)
      : undefined
    if (good !== undefined) {
      found = good
      continue
    }
    yield* store.drop(build)
    dropped.add(build)
    yield* log("Info", "read model dropped an unfinished build", { readModel: model.name, build: build.number })
  }
  return { found, remaining: builds.filter((build) => !dropped.has(build)) }
})

/** Moves a live build that is ahead of the log, as after a restore, to its end: no other build could ever catch up. */
const backToTheLog = (live: Build) =>
  Effect.catchTag(
    verifyCheckpoint(live),
    "StoreChanged",
    Effect.fnUntraced(function*({ lastPosition }: StoreChanged) {
      if (live.checkpoint.position <= lastPosition) return
      yield* (yield* ReadModelStore).rewind(live, { ...live.checkpoint, position: lastPosition })
    })
  )

/**
 * Resumes the unfinished build of this definition, or creates one beside the live build. Unfinished builds of other
 * definitions are dropped. The caller holds the `buildLease`.
 */
export const createBeside = Effect.fnUntraced(function*(
  model: AnyModel,
  builds: ReadonlyArray<Build>,
  live: Build
) {
  const { found, remaining } = yield* resumable(model, builds)
  yield* backToTheLog(live)
  if (found !== undefined) return found
  const { identity } = yield* MessageStore
  const checkpoint = initialCheckpoint(yield* identity, live.checkpoint.history)
  return yield* (yield* ReadModelStore).create(model, { after: newest(remaining), checkpoint })
})

const findLive = Effect.fnUntraced(function*(readModel: string) {
  const live = liveOf(yield* (yield* ReadModelStore).builds(readModel))
  return live === undefined ? yield* new BuildNotFound({ readModel, build: "live build" }) : live
})

/** The checkpoint of a build that resumes after a global position: 0, or that of a message. */
export const checkpointAt = Effect.fnUntraced(function*({ checkpoint }: Build, position: number) {
  const messages = yield* MessageStore
  const last = yield* messages.messageAt(position)
  if (position > 0 && Option.isNone(last)) {
    return yield* new InvalidArgument({
      argument: "position",
      value: String(position),
      expected: "0, or the global position of a message"
    })
  }
  const at: Checkpoint = {
    ...checkpoint,
    position,
    last: Option.map(last, ({ globalPosition, id }) => ({ globalPosition, id })),
    store: yield* messages.identity
  }
  return at
})

export const rewind = Effect.fnUntraced(function*(readModel: string, position: number) {
  const live = yield* findLive(readModel)
  return yield* (yield* ReadModelStore).rewind(live, yield* checkpointAt(live, position))
})

/** Has a live build count as filled by a definition of its version. */
export const acceptFor = Effect.fnUntraced(
  function*(live: Build, { fingerprint, name, version }: Pick<AnyModel, "fingerprint" | "name" | "version">) {
    return live.version === version
      ? yield* (yield* ReadModelStore).accept(live, fingerprint)
      : yield* new BuildNotFound({ readModel: name, build: `live build of version ${version}` })
  }
)

export const accept = Effect.fnUntraced(function*(model: AnyModel) {
  return yield* acceptFor(yield* findLive(model.name), model)
})

export const drop = Effect.fnUntraced(function*(readModel: string, number: number) {
  const store = yield* ReadModelStore
  const build = (yield* store.builds(readModel)).find((one) => one.number === number)
  if (build === undefined) return yield* new BuildNotFound({ readModel, build: `build ${number}` })
  if (build.state === "live") {
    return yield* new InvalidArgument({
      argument: "number",
      value: String(number),
      expected: `the number of a build of ${readModel} that is not live`
    })
  }
  return yield* store.drop(build)
})

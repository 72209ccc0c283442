import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { MessageStore } from "../../MessageStore.ts"
import { ReadModelStore } from "../../ReadModelStore.ts"
import type { BuildStatus, Status, StoredReadModel } from "./buildStatus.ts"
import type { ReadModel } from "./definition.ts"
import { lagAfter } from "./lag.ts"

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

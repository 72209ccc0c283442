import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RecordedMessage } from "../../Message.ts"
import { type Build, BuildMoved, ReadModelStore, type TableDifference } from "../../ReadModelStore.ts"
import { StoreError } from "../../StoreError.ts"
import * as Eager from "../runtime/eagerLoop.ts"
import { log } from "../runtime/log.ts"
import type { BuildOptions, ReadModel } from "./definition.ts"
import { BuildsDiffer } from "./errors.ts"
import { pageSize, readAlone } from "./pages.ts"
import * as SideEffects from "./sideEffects.ts"

/** Whether the build is live now, or still too far behind to catch up within the transaction of the switch. */
export type Switched = { readonly _tag: "Switched"; readonly build: Build } | { readonly _tag: "Behind" }

const behind: Switched = { _tag: "Behind" }

/** Handles what a build misses up to a global position (inclusive), in the current transaction. */
const catchUp = Effect.fnUntraced(function*<E, R>(model: ReadModel<E, R>, first: Build, upTo: number) {
  const store = yield* ReadModelStore
  const isUpTo = ({ globalPosition }: RecordedMessage) => globalPosition <= upTo
  let build = first
  while (build.checkpoint.position < upTo) {
    const { hasMore, messages, through } = yield* readAlone(
      model,
      build.checkpoint.position + 1,
      pageSize(model)
    )
    const decoded = yield* Eager.filterMap(messages.filter(isUpTo), model.decode)
    const last = decoded.at(-1)?.message
    const position = Math.min(through, upTo)
    // The live build was read further than the log can be read now.
    if (position === build.checkpoint.position && !hasMore) return build
    build = yield* store.advance(
      build,
      {
        ...build.checkpoint,
        position,
        last: last === undefined
          ? build.checkpoint.last
          : Option.some({ globalPosition: last.globalPosition, id: last.id })
      },
      Arr.isArrayNonEmpty(decoded) ? SideEffects.inTransaction(model.name, model.handle(decoded)) : Effect.void
    )
  }
  return build
})

const isSame = ({ columns, onlyLive, onlyNew }: TableDifference): boolean =>
  onlyLive === 0 && onlyNew === 0 && columns.length === 0

/** What happens inside the transaction of a switch: the new build catches up with the live one, and is compared with it. */
const prepare = <E, R>(model: ReadModel<E, R>, build: Build, compare: BuildOptions["compare"]) =>
  Effect.fnUntraced(function*(
    live: Option.Option<Build>,
    differences: Effect.Effect<ReadonlyArray<TableDifference>, StoreError>
  ) {
    if (Option.isNone(live)) return build
    const { name: readModel } = model
    const { number } = build
    const caughtUp = yield* Effect.mapError(catchUp(model, build, live.value.checkpoint.position), (error) =>
      // A message that can't be handled needs transactions of its own, for retries and `onFailure`: fill the build further.
      error instanceof StoreError ? error : new BuildMoved({ readModel, number }))
    if (compare === undefined) return caughtUp
    const found = yield* differences
    const isGood = compare === "same" ? found.every(isSame) : compare(found)
    return isGood ? caughtUp : yield* new BuildsDiffer({ readModel, number, differences: found })
  })

/** Why a switch was refused: another process moved the build, or the build has to be filled further. */
const explain = Effect.fnUntraced(function*(build: Build, moved: BuildMoved) {
  const builds = yield* (yield* ReadModelStore).builds(build.readModel)
  const now = builds.find(({ number }) => number === build.number)
  const isUnchanged = now?.state === "building" && now.checkpoint.position === build.checkpoint.position
  return isUnchanged ? behind : yield* moved
})

/**
 * Puts a build in the place of the live one, in a transaction that first handles what the build still misses. The live build
 * can't be filled meanwhile, so the build should be nearly caught up.
 */
export const switchOver = Effect.fnUntraced(function*<E, R>(
  model: ReadModel<E, R>,
  build: Build,
  { compare, sideEffects = false }: BuildOptions
) {
  const store = yield* ReadModelStore
  const switching = store.switchTo(build, prepare(model, build, compare))
  const switched = yield* SideEffects.runningSideEffects(switching, !sideEffects).pipe(
    Effect.map((build): Switched => ({ _tag: "Switched", build })),
    Effect.catchTag("BuildMoved", (moved) => explain(build, moved))
  )
  if (switched._tag === "Switched") {
    yield* log("Info", "read model switched to a new build", {
      readModel: model.name,
      build: build.number,
      version: model.version,
      position: switched.build.checkpoint.position
    })
  }
  return switched
})

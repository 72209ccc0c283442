import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RecordedMessage } from "../../Message.ts"
import { defaultBatchSize, MessageStore } from "../../MessageStore.ts"
import { type Build, BuildMoved, ReadModelStore, type TableDifference } from "../../ReadModelStore.ts"
import { StoreError } from "../../StoreError.ts"
import * as Eager from "../runtime/eagerLoop.ts"
import { log } from "../runtime/log.ts"
import { beginning, verified } from "./checkpoint.ts"
import type { BuildOptions, ReadModel } from "./definition.ts"
import { BuildsDiffer, type StoreChanged } from "./errors.ts"
import { readAlone } from "./lag.ts"
import * as SideEffects from "./sideEffects.ts"

type AnyModel = ReadModel<unknown, unknown>

/** The name of the lease that whoever moves the live build has to hold. */
export const liveLease = (readModel: string): string => `read model ${readModel}`

/** The name of the lease that whoever fills a build beside it has to hold. */
export const buildLease = (readModel: string): string => `read model ${readModel}, new build`

export const liveOf = (builds: ReadonlyArray<Build>): Build | undefined => builds.find(({ state }) => state === "live")

const newest = (builds: ReadonlyArray<Build>): number => builds.reduce((most, { number }) => Math.max(most, number), 0)

/** Makes a read model's first build, which is in use at once. */
export const createFirst = Effect.fnUntraced(function*(model: AnyModel, builds: ReadonlyArray<Build>) {
  const messages = yield* MessageStore
  const checkpoint = beginning(yield* messages.identity, yield* messages.lastPosition)
  return yield* (yield* ReadModelStore).create(model, { after: newest(builds), checkpoint })
})

/**
 * The build that is to take the place of the live one: one that was begun by the same definition and not ended, or a new one.
 * Unfinished ones of other definitions are dropped. It needs the lease.
 */
export const createBeside = Effect.fnUntraced(function*(
  model: AnyModel,
  builds: ReadonlyArray<Build>,
  live: Build
) {
  const store = yield* ReadModelStore
  const messages = yield* MessageStore
  const unfinished = builds.filter(({ state }) => state === "building")
  const dropped = new Set<Build>()
  let found: Build | undefined
  for (const build of unfinished.toReversed()) {
    const isOurs = found === undefined && build.version === model.version && build.fingerprint === model.fingerprint
    const good = isOurs ? yield* Effect.catchTag(verified(build), "StoreChanged", () => Effect.undefined) : undefined
    if (good !== undefined) {
      found = good
      continue
    }
    yield* log("Info", "an unfinished build of a read model is dropped", { readModel: model.name, build: build.number })
    yield* store.drop(build)
    dropped.add(build)
  }
  // One that is of another log can be as far as no other will ever be.
  yield* Effect.catchTag(
    verified(live),
    "StoreChanged",
    ({ lastPosition }: StoreChanged) =>
      live.checkpoint.position > lastPosition
        ? store.rewind(live, { ...live.checkpoint, position: lastPosition })
        : Effect.void
  )
  if (found !== undefined) return found
  const checkpoint = beginning(yield* messages.identity, live.checkpoint.history)
  return yield* store.create(model, {
    after: newest(builds.filter((build) => !dropped.has(build))),
    checkpoint
  })
})

/** The new build has to be filled further, outside of the transaction that was to put it in place. */
export type Switched = { readonly _tag: "Switched"; readonly build: Build } | { readonly _tag: "Behind" }

const behind: Switched = { _tag: "Behind" }

/** Handles what is missing up to a global position, in the transaction that this is in. */
const catchUp = Effect.fnUntraced(function*<E, R>(model: ReadModel<E, R>, first: Build, upTo: number) {
  const store = yield* ReadModelStore
  const isUpTo = ({ globalPosition }: RecordedMessage) => globalPosition <= upTo
  let build = first
  while (build.checkpoint.position < upTo) {
    const { hasMore, messages, through } = yield* readAlone(
      model,
      build.checkpoint.position + 1,
      model.options.batchSize ?? defaultBatchSize
    )
    const decoded = yield* Eager.filterMap(messages.filter(isUpTo), model.decode)
    const last = decoded.at(-1)?.message
    const position = Math.min(through, upTo)
    // Somebody has read further than can be read now.
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
      Arr.isArrayNonEmpty(decoded) ? SideEffects.inTransaction(model.handle(decoded)) : Effect.void
    )
  }
  return build
})

const isSame = ({ columns, onlyLive, onlyNew }: TableDifference): boolean =>
  onlyLive === 0 && onlyNew === 0 && columns.length === 0

/**
 * Puts a build in the place of the live one, as far as that. It has to be nearly there: what is missing is handled while
 * everybody waits.
 */
export const switchOver = Effect.fnUntraced(function*<E, R>(
  model: ReadModel<E, R>,
  build: Build,
  { compare, sideEffects = false }: BuildOptions
) {
  const store = yield* ReadModelStore
  const { name: readModel } = model
  const { number } = build
  const switching = store.switchTo(build, (live, differences) =>
    Effect.gen(function*() {
      if (Option.isNone(live)) return build
      const { position } = live.value.checkpoint
      const own = yield* Effect.mapError(catchUp(model, build, position), (error) =>
        // A message that can't be handled is not for here: its policy needs transactions of its own.
        error instanceof StoreError ? error : new BuildMoved({ readModel, number }))
      if (compare === undefined) return own
      const found = yield* differences
      const isGood = compare === "same" ? found.every(isSame) : compare(found)
      return isGood ? own : yield* new BuildsDiffer({ readModel, number, differences: found })
    }))
  const switched = yield* SideEffects.runningSideEffects(switching, !sideEffects).pipe(
    Effect.map((build): Switched => ({ _tag: "Switched", build })),
    Effect.catchTag("BuildMoved", (moved) =>
      Effect.flatMap(store.builds(readModel), (builds) => {
        const now = builds.find((one) => one.number === number)
        const isOurs = now?.state === "building" && now.checkpoint.position === build.checkpoint.position
        return isOurs ? Effect.succeed(behind) : Effect.fail(moved)
      }))
  )
  if (switched._tag === "Switched") {
    yield* log("Info", "a new build of a read model is in use", {
      readModel,
      build: number,
      version: model.version,
      position: switched.build.checkpoint.position
    })
  }
  return switched
})

import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { MessageStore } from "../../MessageStore.ts"
import { type Build, BuildMoved, ReadModelStore } from "../../ReadModelStore.ts"
import * as Activity from "../processor/activity.ts"
import { showing } from "../processor/lifecycle.ts"
import { backoff, isOutage, logOutage } from "../processor/outage.ts"
import { ofReadModel } from "../processor/subject.ts"
import { buildLease, createBeside, createFirst, liveOf } from "./builds.ts"
import type { BuildOptions, ReadModel } from "./definition.ts"
import { BuildNotFound, ReadModelIsBuilding } from "./errors.ts"
import { countBetween } from "./lag.ts"
import { switchOver } from "./switchOver.ts"
import { makeWork } from "./work.ts"

/**
 * How far a build has come.
 *
 * - `"building"`: it is being filled.
 * - `"built"`: it has handled everything that the one in use has, and is to be switched later.
 * - `"switched"`: it is in use.
 *
 * @since 0.1.0
 */
export interface Progress {
  readonly phase: "building" | "built" | "switched"
  /** The number of the build. */
  readonly build: number
  /** The global position up to which it has handled everything, inclusive. */
  readonly position: number
  /** The global position that it has to reach: that of the build in use, which may go on meanwhile. */
  readonly target: number
  /** How many messages it has handled. */
  readonly handled: number
  /** How many there are to be handled up to the target. */
  readonly of: number
  /** Messages per second: the mean over about ten seconds. */
  readonly rate: number
  /** How long the rest will take at this rate; none when nothing has been handled yet. */
  readonly remaining: Option.Option<Duration.Duration>
}

/** How long to wait for what can't be read yet. */
const pause = "100 millis"

/** Fills a build until it is in use, step by step. */
const filling = Effect.fnUntraced(function*<E, R>(model: ReadModel<E, R>, options: BuildOptions) {
  const store = yield* ReadModelStore
  const messages = yield* MessageStore
  const { name: readModel } = model
  const scope = yield* Effect.scope
  const subject = ofReadModel(model)
  const lease = yield* messages.lease(buildLease(readModel))
  if (Option.isNone(lease)) return yield* new ReadModelIsBuilding({ readModel })
  const activity = yield* Activity.make(subject)

  const builds = yield* store.builds(readModel)
  const first = liveOf(builds)
  const { number } = first === undefined
    ? yield* createFirst(model, builds)
    : yield* createBeside(model, builds, first)

  const find = Effect.flatMap(store.builds(readModel), (builds) => {
    const build = builds.find((one) => one.number === number)
    return build === undefined || build.state === "retired"
      ? Effect.fail(new BuildNotFound({ readModel, build: `build ${number} any more` }))
      : Effect.succeed({ build, live: liveOf(builds) ?? build })
  })
  const begin = Effect.flatMap(find, ({ build }) =>
    Effect.map(
      Scope.provide(showing(activity, makeWork(model, build, { ...options, activity })), scope),
      ({ filling }) => filling
    ))

  let current = yield* begin
  let target = first === undefined ? yield* messages.lastPosition : first.checkpoint.position
  let of = yield* countBetween(model, 1, target)
  let before = of - (yield* countBetween(model, current.position() + 1, target))
  let phase: Progress["phase"] = "building"

  const progress = (): Progress => {
    activity.sample()
    const rate = activity.rate()
    const handled = before + current.handled()
    return {
      phase,
      build: number,
      position: current.position(),
      target,
      handled,
      of: Math.max(of, handled),
      rate,
      remaining: rate === 0 ? Option.none() : Option.some(Duration.seconds(Math.max(0, of - handled) / rate))
    }
  }

  const setTarget = Effect.fnUntraced(function*(next: number) {
    of += yield* countBetween(model, target + 1, next)
    target = next
  })

  /** One step, after which there is something to tell. */
  const next = Effect.gen(function*() {
    while (true) {
      if (current.position() < target) {
        const hasMore = yield* current.step(target)
        if (!hasMore && current.position() < target) {
          // A first build has come to the end, which may be before the last position that was taken.
          if (first === undefined) yield* setTarget(current.position())
          else yield* Effect.sleep(pause)
        }
        return
      }
      const { build, live }: { build: Build; live: Build } = yield* find
      if (build.state === "live") {
        phase = "switched"
        return
      }
      if (live.checkpoint.position > target) {
        yield* setTarget(live.checkpoint.position)
        continue
      }
      if (options.switch === "manual") {
        phase = "built"
        return
      }
      const switched = yield* switchOver(model, current.build(), options)
      if (switched._tag === "Switched") {
        phase = "switched"
        return
      }
      yield* Effect.sleep(pause)
    }
  })

  /** Goes on where the build is, when the store has been away. */
  const again = Effect.suspend(() => {
    before += current.handled()
    return Effect.map(begin, (begun) => {
      current = begun
    })
  })
  const persistent = Effect.catch(next, (error): Effect.Effect<
    void,
    Effect.Error<typeof next | typeof again>,
    Effect.Services<typeof again>
  > => {
    if (error instanceof BuildMoved) return again
    if (!isOutage(error)) return Effect.fail(error)
    return Effect.andThen(logOutage(subject, error), Effect.retry(again, { schedule: backoff, while: isOutage }))
  })

  const whileLeased = Effect.raceFirst(persistent, Effect.flatMap(lease.value.lost, Effect.fail))
  return Stream.unfold("begun", (state: "begun" | "ended") =>
    Effect.suspend(() =>
      state === "ended"
        ? Effect.undefined
        : Effect.map(whileLeased, () => [progress(), phase === "building" ? "begun" : "ended"] as const)
    ))
})

export const rebuild = <E, R>(model: ReadModel<E, R>, options: BuildOptions) => Stream.unwrap(filling(model, options))

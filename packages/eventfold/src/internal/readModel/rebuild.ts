import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { MessageStore } from "../../MessageStore.ts"
import { BuildMoved, ReadModelStore } from "../../ReadModelStore.ts"
import * as Activity from "../processor/activity.ts"
import { showing } from "../processor/lifecycle.ts"
import type { LogReader } from "../processor/logReader.ts"
import { backoff, isOutage, logOutage } from "../processor/outage.ts"
import { ofReadModel } from "../processor/subject.ts"
import { buildLease, createBeside, createFirst, liveOf } from "./builds.ts"
import type { BuildOptions, ReadModel } from "./definition.ts"
import { BuildNotFound, ReadModelIsBuilding } from "./errors.ts"
import type { Filling } from "./filling.ts"
import { countBetween } from "./lag.ts"
import { makeReader } from "./pages.ts"
import { switchOver } from "./switchOver.ts"
import { makeWork } from "./work.ts"

/**
 * The progress of a rebuild. Its `phase` is:
 *
 * - `"building"`: the build is being filled.
 * - `"built"`: the build has handled everything that the live one has, and waits for its switch (`switch: "manual"`).
 * - `"switched"`: the build is the live one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  readonly phase: "building" | "built" | "switched"
  /** The number of the build. */
  readonly build: number
  /** The global position up to which the build has handled everything, inclusive. */
  readonly position: number
  /** The global position that the build has to reach: that of the live build, which can move on meanwhile. */
  readonly target: number
  /** How many messages the build has handled. */
  readonly handled: number
  /** How many messages the build has to handle to reach the target. */
  readonly of: number
  /** Messages handled per second, averaged over about ten seconds. */
  readonly rate: number
  /** How long the rest takes at this rate; none before the first message is handled. */
  readonly remaining: Option.Option<Duration.Duration>
}

/** How long to wait before trying again what another process blocks. */
const pause = "100 millis"

/** The build that a rebuild fills, and by what. */
interface Job<E, R> {
  readonly model: ReadModel<E, R>
  readonly options: BuildOptions
  readonly activity: Activity.Activity
  readonly reader: LogReader
  /** Closes with the stream. */
  readonly scope: Scope.Scope
  /** The number of the build. */
  readonly number: number
  /** Whether it is the read model's first build, which is live already and has no other one to catch up with. */
  readonly isFirst: boolean
}

/** How far a rebuild is. */
interface State<E, R> {
  phase: Progress["phase"]
  filling: Filling<E, R>
  /** Closes with the filling. */
  scope: Scope.Closeable
  target: number
  /** How many messages there are up to the target. */
  of: number
  /** How many of them were handled before this filling began. */
  handledBefore: number
}

/** The build of a rebuild as it is stored now, and the live one, which may be the same. */
const find = Effect.fnUntraced(function*({ model, number }: Pick<Job<unknown, unknown>, "model" | "number">) {
  const { name: readModel } = model
  const builds = yield* (yield* ReadModelStore).builds(readModel)
  const build = builds.find((one) => one.number === number)
  if (build === undefined || build.state === "retired") {
    return yield* new BuildNotFound({ readModel, build: `build ${number}` })
  }
  return { build, live: liveOf(builds) ?? build }
})

/** Begins to fill the build where its checkpoint is. */
const fill = Effect.fnUntraced(function*<E, R>(job: Job<E, R>) {
  const { activity, model, options, reader } = job
  const { build } = yield* find(job)
  const scope = yield* Scope.fork(job.scope)
  const work = showing(activity, makeWork(model, build, { ...options, activity, reader }))
  const { filling } = yield* Scope.provide(work, scope)
  return { filling, scope }
})

/** Takes the lease, and finds or creates the build to fill. */
const begin = Effect.fnUntraced(function*<E, R>(model: ReadModel<E, R>, options: BuildOptions) {
  const messages = yield* MessageStore
  const { name: readModel } = model
  const lease = yield* messages.lease(buildLease(readModel))
  if (Option.isNone(lease)) return yield* new ReadModelIsBuilding({ readModel })
  const activity = yield* Activity.make(ofReadModel(model))
  const builds = yield* (yield* ReadModelStore).builds(readModel)
  const live = liveOf(builds)
  const { number } = live === undefined
    ? yield* createFirst(model, builds)
    : yield* createBeside(model, builds, live)
  const scope = yield* Effect.scope
  const reader = yield* makeReader(model)
  const job: Job<E, R> = { model, options, activity, reader, scope, number, isFirst: live === undefined }

  const begun = yield* fill(job)
  const { filling } = begun
  const target = live === undefined ? yield* messages.lastPosition : live.checkpoint.position
  const of = yield* countBetween(model, 1, target)
  const handledBefore = of - (yield* countBetween(model, filling.position() + 1, target))
  const state: State<E, R> = { phase: "building", ...begun, target, of, handledBefore }
  return { job, state, lost: lease.value.lost }
})

const progressOf = <E, R>({ activity, number }: Job<E, R>, state: State<E, R>): Progress => {
  activity.sample()
  const rate = activity.rate()
  const handled = state.handledBefore + state.filling.handled()
  return {
    phase: state.phase,
    build: number,
    position: state.filling.position(),
    target: state.target,
    handled,
    of: Math.max(state.of, handled),
    rate,
    remaining: rate === 0 ? Option.none() : Option.some(Duration.seconds(Math.max(0, state.of - handled) / rate))
  }
}

const setTarget = Effect.fnUntraced(function*<E, R>({ model }: Job<E, R>, state: State<E, R>, target: number) {
  state.of += yield* countBetween(model, state.target + 1, target)
  state.target = target
})

const fillTowardsTarget = Effect.fnUntraced(function*<E, R>(job: Job<E, R>, state: State<E, R>) {
  const { filling, target } = state
  const hasMore = yield* filling.step(target)
  if (hasMore || filling.position() >= target) return
  // A first build ends with the log, which can be before the last position when a transaction holds back the reader.
  if (job.isFirst) yield* setTarget(job, state, filling.position())
  else yield* Effect.sleep(pause)
})

/** Fills the build by a batch, or puts it in place; ends when there is progress to report. */
const step = Effect.fnUntraced(function*<E, R>(job: Job<E, R>, state: State<E, R>) {
  while (true) {
    if (state.filling.position() < state.target) return yield* fillTowardsTarget(job, state)
    const { build, live } = yield* find(job)
    if (build.state === "live") {
      state.phase = "switched"
      return
    }
    if (live.checkpoint.position > state.target) {
      yield* setTarget(job, state, live.checkpoint.position)
      continue
    }
    if (job.options.switch === "manual") {
      state.phase = "built"
      return
    }
    const switched = yield* switchOver(job.model, state.filling.build(), job.options)
    if (switched._tag === "Switched") {
      state.phase = "switched"
      return
    }
    yield* Effect.sleep(pause)
  }
})

/** Continues where the stored build is, with another filling. */
const resume = Effect.fnUntraced(function*<E, R>(job: Job<E, R>, state: State<E, R>) {
  const { filling, scope } = yield* fill(job)
  yield* Scope.close(state.scope, Exit.void)
  state.handledBefore += state.filling.handled()
  state.filling = filling
  state.scope = scope
})

/** Resumes when another process has moved the build, and when a store that was away is back. */
const recover = Effect.fnUntraced(function*<E, R, E2>(job: Job<E, R>, state: State<E, R>, error: E2) {
  if (error instanceof BuildMoved) return yield* resume(job, state)
  if (!isOutage(error)) return yield* Effect.fail(error)
  yield* logOutage(ofReadModel(job.model), error)
  yield* Effect.retry(resume(job, state), { schedule: backoff, while: isOutage })
})

const stepping = Effect.fnUntraced(function*<E, R>(model: ReadModel<E, R>, options: BuildOptions) {
  const { job, lost, state } = yield* begin(model, options)
  const resilient = Effect.catch(step(job, state), (error) => recover(job, state, error))
  const whileLeased = Effect.raceFirst(resilient, Effect.flatMap(lost, Effect.fail))
  return Stream.unfold("begun", (now: "begun" | "ended") =>
    Effect.suspend(() =>
      now === "ended"
        ? Effect.undefined
        : Effect.map(
          whileLeased,
          () => [progressOf(job, state), state.phase === "building" ? "begun" : "ended"] as const
        )
    ))
})

export const rebuild = <E, R>(model: ReadModel<E, R>, options: BuildOptions) => Stream.unwrap(stepping(model, options))

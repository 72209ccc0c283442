import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { RunningStatus } from "../../ConsumerStatus.ts"
import type { MessageStore } from "../../MessageStore.ts"
import { type Build, BuildMoved, ReadModelStore } from "../../ReadModelStore.ts"
import * as Lifecycle from "../processor/lifecycle.ts"
import type { FollowingReader } from "../processor/logReader.ts"
import { isOutage, logOutage } from "../processor/outage.ts"
import * as PollPause from "../processor/pollPause.ts"
import { ofReadModel } from "../processor/subject.ts"
import { whilePlaced } from "../processor/whilePlaced.ts"
import { log, logFailure } from "../runtime/log.ts"
import { buildLease, createBeside, createFirst, liveLease, liveOf } from "./builds.ts"
import { checkFingerprint } from "./checkDefinition.ts"
import type { ReadModel } from "./definition.ts"
import type { RunError } from "./errors.ts"
import type * as Filling from "./filling.ts"
import * as LiveProgress from "./liveProgress.ts"
import { makeFollowingReader } from "./pages.ts"
import { switchOver } from "./switchOver.ts"
import { makeWork, type Work } from "./work.ts"

/** The pause between two looks at whether a superseded version is in use again. */
const supersededInterval = "5 seconds"

/** Runs a read model in this process. */
export interface Runner<E, R> {
  /** Runs the read model until it fails or is interrupted: whenever this process holds its lease. */
  readonly run: Effect.Effect<never, E | RunError, R | MessageStore | ReadModelStore>
  readonly status: Effect.Effect<RunningStatus>
}

/** What a process does for a read model, by the builds that exist. */
type Task =
  | { readonly _tag: "First" }
  | { readonly _tag: "Live"; readonly live: Build }
  | { readonly _tag: "Beside"; readonly live: Build }
  | { readonly _tag: "Superseded"; readonly live: Build }

const taskFor = ({ version }: ReadModel<unknown, unknown>, live: Build | undefined): Task => {
  if (live === undefined) return { _tag: "First" }
  if (live.version === version) return { _tag: "Live", live }
  return { _tag: live.version < version ? "Beside" : "Superseded", live }
}

/** Fills the live build, without an end. */
const keepUp = Effect.fnUntraced(function*<E, R>(
  { name, options: { poll } }: ReadModel<E, R>,
  { filling }: Work<E, R>,
  reader: FollowingReader,
  onCaughtUp: () => void
) {
  const progress = LiveProgress.of(yield* ReadModelStore, name)
  const pause = PollPause.make(poll)
  yield* progress.handled(filling.position())
  while (true) {
    const before = filling.position()
    const hasMore = yield* filling.step()
    const hasMoved = filling.position() > before
    if (hasMoved) yield* progress.handled(filling.position())
    const millis = pause.next(hasMoved)
    if (hasMore) continue
    onCaughtUp()
    yield* Effect.raceFirst(reader.wait(millis), progress.poked)
  }
})

/** Fills a build beside the live one until it has handled as much, and puts it in the place of the live one. */
const replace = Effect.fnUntraced(function*<E, R>(
  model: ReadModel<E, R>,
  { filling }: Work<E, R>,
  reader: FollowingReader
) {
  const store = yield* ReadModelStore
  const { name, options: { build: options = {}, poll }, version } = model
  const isManual = options.switch === "manual"
  const pause = PollPause.make(poll)
  while (true) {
    const live = liveOf(yield* store.builds(name))
    if (live === undefined || live.version >= version) return
    const target = live.checkpoint.position
    while (filling.position() < target) {
      if (!(yield* filling.step(target))) break
    }
    if (!isManual) {
      const switched = yield* switchOver(model, filling.build(), options)
      if (switched._tag === "Switched") return
    }
    if (isManual || filling.position() < target) yield* reader.wait(pause.next(!isManual))
  }
})

export const make = Effect.fnUntraced(function*<E, R>(model: ReadModel<E, R>): Effect.fn.Return<Runner<E, R>> {
  const { name, options: { build: buildOptions = {} }, version } = model
  const subject = ofReadModel(model)
  const lifecycle = yield* Lifecycle.make<Work<E, R>>(subject)
  const { activity } = lifecycle

  const look = Effect.gen(function*() {
    const builds = yield* (yield* ReadModelStore).builds(name)
    const live = liveOf(builds)
    if (live !== undefined) yield* checkFingerprint(model, live)
    return { task: taskFor(model, live), builds }
  })

  const start = (build: Build, options: Omit<Filling.Options, "activity">) =>
    lifecycle.start(makeWork(model, build, { ...options, activity }), ({ filling }) => {
      const { number, state } = filling.build()
      return { version, build: number, state, position: filling.position() }
    })

  const perform = Effect.fnUntraced(function*(task: Task, builds: ReadonlyArray<Build>) {
    const reader = yield* makeFollowingReader(model)
    if (task._tag === "Beside") {
      const build = yield* createBeside(model, builds, task.live)
      return yield* replace(model, yield* start(build, { ...buildOptions, reader }), reader)
    }
    const live = task._tag === "Live" ? task.live : yield* createFirst(model, builds)
    return yield* keepUp(model, yield* start(live, { reader }), reader, activity.sample)
  })

  let isStandingBy = false
  const standBy = Effect.suspend(() => {
    const warning = isStandingBy
      ? Effect.void
      : log("Warn", "read model stands by: a newer version is in use", { ...subject.logged, version })
    isStandingBy = true
    return Effect.andThen(warning, Effect.sleep(supersededInterval))
  })

  const turn = Effect.gen(function*() {
    const { task: { _tag } } = yield* look
    if (_tag === "Superseded") return yield* standBy
    isStandingBy = false
    const performed = Effect.gen(function*() {
      // Another process may have changed the builds while this one waited for the lease.
      const { builds, task } = yield* look
      if (task._tag === _tag) yield* perform(task, builds)
    })
    yield* lifecycle.whileLeased([_tag === "Beside" ? buildLease(name) : liveLease(name)], performed)
  }).pipe(Effect.scoped, whilePlaced(`read model ${name}`))

  const logRetry = (error: unknown) =>
    error instanceof BuildMoved
      ? logFailure("Debug", "read model saw another process move its build", subject.logged, Cause.fail(error))
      : logOutage(subject, error)

  const run = Effect.gen(function*() {
    const backoff = PollPause.make()
    let isRepeated = false
    while (true) {
      const { handled } = activity.counts()
      yield* Effect.catch(
        turn,
        Effect.fnUntraced(function*(error) {
          if (!(error instanceof BuildMoved) && !isOutage(error)) return yield* Effect.fail(error)
          yield* logRetry(error)
          if (activity.counts().handled > handled) {
            isRepeated = false
            backoff.next(true)
          }
          // The first retry is immediate, because a build that another process has put in place is such a failure.
          if (isRepeated) yield* Effect.sleep(backoff.next(false))
          isRepeated = true
        })
      )
    }
  }) as Runner<E, R>["run"]

  return { run: lifecycle.told(run), status: lifecycle.status }
})

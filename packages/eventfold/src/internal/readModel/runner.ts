import * as Arr from "effect/Array"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { RunningStatus, Stuck } from "../../ConsumerStatus.ts"
import type { MessageStore } from "../../MessageStore.ts"
import { type Build, BuildMoved, ReadModelStore } from "../../ReadModelStore.ts"
import * as Activity from "../processor/activity.ts"
import { leased } from "../processor/lease.ts"
import { isPassing, tellAway } from "../processor/outage.ts"
import { ofReadModel } from "../processor/subject.ts"
import { log } from "../runtime/log.ts"
import { buildLease, createBeside, createFirst, liveLease, liveOf } from "./builds.ts"
import { checkFingerprint } from "./checkDefinition.ts"
import type { ReadModel } from "./definition.ts"
import type { RunError } from "./errors.ts"
import * as Filling from "./filler.ts"
import * as LiveProgress from "./liveProgress.ts"
import { waiting } from "./pages.ts"
import { switchOver } from "./switchOver.ts"
import { verifyCheckpoint } from "./verifyCheckpoint.ts"

/** How long to wait between two looks at whether a version that was superseded is in use again. */
const supersededInterval = "5 seconds"

/** A read model in this process. */
export interface Here<E, R> {
  /** Runs it until it fails or is interrupted. */
  readonly run: Effect.Effect<never, E | RunError, R | MessageStore | ReadModelStore>
  readonly status: Effect.Effect<RunningStatus>
}

/** What there is to do, by the builds that there are. */
type Work =
  | { readonly _tag: "First" }
  | { readonly _tag: "Live"; readonly live: Build }
  | { readonly _tag: "Beside"; readonly live: Build }
  | { readonly _tag: "Superseded"; readonly live: Build }

const stuck = ([messages, { attempts, error, since }]: readonly [Activity.Messages, Activity.Retrying]): Stuck => {
  const { data: _data, metadata: _metadata, ...message } = Arr.headNonEmpty(messages)
  return { message, messages: messages.length, attempts, since: DateTime.makeUnsafe(since), error }
}

export const make = Effect.fnUntraced(function*<E, R>(model: ReadModel<E, R>): Effect.fn.Return<Here<E, R>> {
  const subject = ofReadModel(model)
  const activity = yield* Activity.make(subject)
  const { name, options: { build: buildOptions = {}, poll }, version } = model
  const shortest = Duration.toMillis(poll?.min ?? "100 millis")
  const longest = Duration.toMillis(poll?.max ?? "5 seconds")
  let filling: Filling.Filling<E, R> | undefined

  const look = Effect.gen(function*() {
    const store = yield* ReadModelStore
    const builds = yield* store.builds(name)
    const live = liveOf(builds)
    const work: Work = live === undefined
      ? { _tag: "First" }
      : { _tag: live.version < version ? "Beside" : live.version > version ? "Superseded" : "Live", live }
    if (live !== undefined) yield* checkFingerprint(model, live)
    return { work, builds }
  })

  /** Begins to fill a build; the handle ends with the scope. */
  const begin = Effect.fnUntraced(function*(build: Build, options: Omit<Filling.Options, "activity">) {
    yield* Effect.addFinalizer((exit) =>
      Effect.suspend(() => {
        if (filling === undefined) return Effect.void
        const why = Exit.isSuccess(exit) ? "ended" : Exit.hasInterrupts(exit) ? "interrupted" : "failed"
        const { number } = filling.build()
        const position = filling.position()
        filling = undefined
        return log("Info", "a read model has stopped", { ...subject.logged, why, build: number, position })
      })
    )
    const begun = yield* Filling.make(model, yield* verifyCheckpoint(build), { ...options, activity })
    filling = begun
    const { number, state } = begun.build()
    yield* log("Info", "a read model has started", {
      ...subject.logged,
      version,
      build: number,
      state,
      position: begun.position()
    })
    return begun
  })

  /** Fills the live build, without an end. */
  const goOn = Effect.fnUntraced(function*(live: Build) {
    const hub = LiveProgress.of(yield* ReadModelStore, name)
    const wait = yield* waiting(model)
    const filling = yield* begin(live, {})
    yield* hub.handled(filling.position())
    let pause = shortest
    while (true) {
      const before = filling.position()
      const hasMore = yield* filling.step()
      if (filling.position() > before) {
        pause = shortest
        yield* hub.handled(filling.position())
      } else {
        pause = Math.min(pause * 2, longest)
      }
      if (hasMore) continue
      activity.sample()
      yield* Effect.raceFirst(wait(pause), hub.poked)
    }
  })

  /** Fills a build beside the live one until it is as far, and puts it in place. */
  const replace = Effect.fnUntraced(function*(beside: Build) {
    const store = yield* ReadModelStore
    const wait = yield* waiting(model)
    const filling = yield* begin(beside, buildOptions)
    while (true) {
      const live = liveOf(yield* store.builds(name))
      if (live === undefined || live.version >= version) return
      while (filling.position() < live.checkpoint.position) {
        if (!(yield* filling.step(live.checkpoint.position))) break
      }
      if (buildOptions.switch !== "manual") {
        const switched = yield* switchOver(model, filling.build(), buildOptions)
        if (switched._tag === "Switched") return
        if (filling.position() < live.checkpoint.position) yield* wait(shortest)
      } else {
        yield* wait(longest)
      }
    }
  })

  const whileLeased = Effect.fnUntraced(function*<A, E2, R2>(lease: string, work: Effect.Effect<A, E2, R2>) {
    const { lost } = yield* leased(subject, lease)
    const why = yield* Effect.raceFirst(Effect.as(work, undefined), lost)
    if (why !== undefined) {
      yield* log("Warn", "a read model has lost its lease, and tries to get it again", { ...subject.logged, lost: why })
    }
  })

  let isTold = false
  const turn = Effect.gen(function*() {
    const { work: { _tag } } = yield* look
    if (_tag === "Superseded") {
      if (!isTold) {
        yield* log("Warn", "a newer version of a read model is in use: this one stands by", {
          ...subject.logged,
          version
        })
      }
      isTold = true
      return yield* Effect.sleep(supersededInterval)
    }
    isTold = false
    // Much may have changed until the lease is there.
    yield* whileLeased(
      _tag === "Beside" ? buildLease(name) : liveLease(name),
      Effect.gen(function*() {
        const { builds, work } = yield* look
        if (work._tag !== _tag) return
        if (work._tag === "Beside") return yield* replace(yield* createBeside(model, builds, work.live))
        return yield* goOn(work._tag === "Live" ? work.live : yield* createFirst(model, builds))
      })
    )
  }).pipe(Effect.scoped)

  const run = Effect.gen(function*() {
    let failures = 0
    while (true) {
      const { handled } = activity.counts()
      const retry = (tell: Effect.Effect<void>) =>
        Effect.suspend(() => {
          failures = activity.counts().handled > handled ? 0 : failures + 1
          // Once is what happens when a build is put in place: the next turn finds out.
          return Effect.andThen(tell, Effect.sleep(failures < 2 ? 0 : Math.min(50 * 2 ** failures, 5_000)))
        })
      yield* Effect.catch(turn, (error) =>
        error instanceof BuildMoved
          ? retry(log("Debug", "the build of a read model has been moved on", { ...subject.logged, error }))
          : isPassing(error)
          ? retry(tellAway(subject, error))
          : Effect.fail(error))
    }
  }) as Here<E, R>["run"]

  return {
    run,
    status: Effect.sync((): RunningStatus => {
      const pending = filling?.pending().length ?? 0
      return {
        isActive: filling !== undefined,
        positions: filling === undefined ? [] : [{ member: undefined, position: filling.position() }],
        lastRead: filling?.lastRead(),
        heldBack: filling?.heldBack() ?? Option.none(),
        inFlight: pending === 0 ? 0 : 1,
        pending,
        ...activity.counts(),
        rate: activity.rate(),
        stuck: Array.from(activity.retrying, stuck)
      }
    })
  }
})

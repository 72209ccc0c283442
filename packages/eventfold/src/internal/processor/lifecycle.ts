import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { RunningStatus } from "../../ConsumerStatus.ts"
import { MessageStore } from "../../MessageStore.ts"
import type { Lease } from "../../StoreBackend.ts"
import type { StoreError, Unsupported } from "../../StoreError.ts"
import { log } from "../runtime/log.ts"
import * as InProcess from "../store/inProcess.ts"
import * as Activity from "./activity.ts"
import { acquireLease } from "./leaseWait.ts"
import type { Subject } from "./subject.ts"

/** A consumer or read model at work on its messages. */
export interface Work {
  /** The low-water marks: everything up to these global positions, inclusive, is handled. */
  readonly positions: () => RunningStatus["positions"]
  /** The global position up to which messages have been read, inclusive. */
  readonly lastRead: () => number
  /** What holds back its reader. */
  readonly heldBack: () => RunningStatus["heldBack"]
  /** How many handlers run, and how many messages are read and not handled, those in flight included. */
  readonly counts: () => { readonly running: number; readonly pending: number }
  /** The first message that is read and not handled: its global position, and its time in milliseconds. */
  readonly oldest: () => { readonly position: number; readonly time: number } | undefined
}

/** What both kinds of processors do alike: they wait for their leases, work, stop, and wait again. */
export interface Lifecycle<W extends Work> {
  readonly activity: Activity.Activity
  /** The work in progress; none while the processor waits or has stopped. */
  readonly current: () => W | undefined
  /** Completes as soon as the work in progress is another than this. */
  readonly changedFrom: (work: W | undefined) => Effect.Effect<void>
  readonly status: Effect.Effect<RunningStatus>
  /** Runs what waits and works, and tells other programs of it as long as that takes. */
  readonly told: <A, E, R>(run: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | MessageStore>
  /**
   * Waits for the leases, then runs an effect while this process holds all of them: until the effect ends, or a lease is lost.
   * The leases are released when the scope closes.
   */
  readonly whileLeased: <A, E, R>(
    leases: ReadonlyArray<string>,
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<void, E | Unsupported | StoreError, R | MessageStore | Scope.Scope>
  /** Runs an effect until it ends, or until one of the leases, which this process has, is lost. */
  readonly whileHeld: <A, E, R>(held: ReadonlyArray<Lease>, effect: Effect.Effect<A, E, R>) => Effect.Effect<void, E, R>
  /** Starts work that stops when the scope closes, and logs both. The log describes the work by `details`. */
  readonly start: <E, R>(
    make: Effect.Effect<W, E, R>,
    details: (work: W) => Readonly<Record<string, unknown>>
  ) => Effect.Effect<W, E, R | Scope.Scope>
}

/** Makes work, and shows its gauges until the scope closes. */
export const showing = Effect.fnUntraced(function*<W extends Work, E, R>(
  activity: Activity.Activity,
  make: Effect.Effect<W, E, R>
) {
  const clock = yield* Clock.Clock
  let hide: Effect.Effect<void> = Effect.void
  // Added before the finalizers of the work, so that it runs after them, when no handler runs any longer.
  yield* Effect.addFinalizer(() => Effect.andThen(Effect.sync(activity.stopped), hide))
  const work = yield* make
  const { counts, lastRead, oldest } = work
  hide = yield* activity.show({
    inFlight: () => counts().running,
    pending: () => counts().pending,
    pendingPositions: () => lastRead() + 1 - (oldest()?.position ?? lastRead() + 1),
    pendingAge: () =>
      Math.max(0, clock.currentTimeMillisUnsafe() - (oldest()?.time ?? Number.POSITIVE_INFINITY)) / 1_000
  })
  return work
})

const nothing: ReturnType<Work["counts"]> = { running: 0, pending: 0 }

export const make = Effect.fnUntraced(function*<W extends Work>(subject: Subject): Effect.fn.Return<Lifecycle<W>> {
  const activity = yield* Activity.make(subject)
  const { kind, logged } = subject
  const changed = yield* Latch.make()
  let current: W | undefined
  let isLost = false

  const set = (work: W | undefined) =>
    Effect.suspend(() => {
      current = work
      return changed.release
    })

  const changedFrom = (work: W | undefined): Effect.Effect<void> =>
    Effect.whileLoop({ while: () => current === work, body: () => changed.await, step: () => {} })

  const reasonOf = (exit: Exit.Exit<unknown, unknown>) =>
    Exit.isFailure(exit)
      ? Exit.hasInterrupts(exit) ? "interrupted" : "failed"
      : isLost
      ? "lease lost"
      : "ended"

  const whileHeld = Effect.fnUntraced(function*<A, E, R>(
    held: ReadonlyArray<Lease>,
    effect: Effect.Effect<A, E, R>
  ) {
    isLost = false
    const lost = yield* Effect.raceFirst(
      Effect.as(effect, undefined),
      Effect.raceAll(held.map(({ lost }) => lost))
    )
    if (lost === undefined) return
    isLost = true
    yield* log("Warn", `${kind} lost its lease and tries to acquire it again`, { ...logged, lost })
  })

  const whileLeased = Effect.fnUntraced(function*<A, E, R>(
    leases: ReadonlyArray<string>,
    effect: Effect.Effect<A, E, R>
  ) {
    yield* whileHeld(yield* Effect.forEach(leases, (name) => acquireLease(subject, name)), effect)
  })

  const start = Effect.fnUntraced(function*<E, R>(
    make: Effect.Effect<W, E, R>,
    details: (work: W) => Readonly<Record<string, unknown>>
  ) {
    // The first finalizer runs last: then no handler runs any longer, and the positions are written.
    yield* Effect.addFinalizer((exit) =>
      Effect.suspend(() => {
        if (current === undefined) return Effect.void
        const { handled } = activity.counts()
        const about = { ...logged, why: reasonOf(exit), handled, ...details(current) }
        return Effect.andThen(log("Info", `${kind} stopped`, about), set(undefined))
      })
    )
    const work = yield* showing(activity, make)
    yield* set(work)
    yield* log("Info", `${kind} started`, { ...logged, ...details(work) })
    return work
  })

  const status = Effect.sync((): RunningStatus => {
    const { pending, running } = current?.counts() ?? nothing
    return {
      isActive: current !== undefined,
      positions: current?.positions() ?? [],
      lastRead: current?.lastRead(),
      heldBack: current?.heldBack() ?? Option.none(),
      inFlight: running,
      pending,
      ...activity.counts(),
      rate: activity.rate(),
      stuck: activity.stuck(),
      lastFailure: activity.lastFailure()
    }
  })

  return {
    activity,
    current: () => current,
    changedFrom,
    status,
    told: (run) =>
      MessageStore.use((store) => store[InProcess.TypeId].runners.during({ ...subject.reader, status }, run)),
    whileLeased,
    whileHeld,
    start
  }
})

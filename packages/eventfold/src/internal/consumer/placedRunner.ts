/**
 * Runs the members of a consumer that are placed in this process. Members that arrive together share a session, and with it one read.
 * When one of them moves away its session ends, and those that stay begin another one together.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { RunningStatus } from "../../ConsumerStatus.ts"
import { MessageStore } from "../../MessageStore.ts"
import type * as Placement from "../../Placement.ts"
import { type Key, leaseName } from "../../PositionStore.ts"
import * as Lifecycle from "../processor/lifecycle.ts"
import { retryOutages } from "../processor/outage.ts"
import * as PollPause from "../processor/pollPause.ts"
import { ofConsumer, type Subject } from "../processor/subject.ts"
import { log } from "../runtime/log.ts"
import * as InProcess from "../store/inProcess.ts"
import type { Consumer } from "./definition.ts"
import type { RunError } from "./errors.ts"
import * as Members from "./members.ts"
import { isHandled } from "./progress.ts"
import * as Session from "./session.ts"
import type { StartAfter } from "./startPosition.ts"
import { merge } from "./statuses.ts"

/** The pause between two looks at what another process has handled. */
const pollInterval = "100 millis"

/** The pauses between two attempts at leases that the program before has not let go yet. */
const leasePauses: PollPause.PollOptions = { min: "50 millis", max: "1 second" }

type Member = number | undefined

/** A place for a session, with the counts of all that it ever had. */
interface Slot<E, R> {
  readonly lifecycle: Lifecycle.Lifecycle<Session.Session<E, R>>
  /** Those that it runs; none while it is free. */
  members: ReadonlySet<Member>
  fiber: Fiber.Fiber<void, unknown> | undefined
}

/** The sessions of one consumer are different series, few of which there ever are. */
const subjectOf = (consumer: Consumer<unknown, unknown>, slot: number): Subject => {
  const subject = ofConsumer(consumer)
  const { attributes, prefix } = subject.metrics
  return consumer.options.group === undefined
    ? subject
    : { ...subject, metrics: { prefix, attributes: { ...attributes, "eventfold.members": `placed ${slot}` } } }
}

/** The consumer with those of its members that run together. */
const withMembers = <E, R>(consumer: Consumer<E, R>, members: ReadonlyArray<Member>): Consumer<E, R> => {
  const { options: { group } } = consumer
  if (group === undefined) return consumer
  const numbers = members.filter((member) => member !== undefined)
  return { ...consumer, options: { ...consumer.options, group: { ...group, members: numbers } } }
}

/** The name of a consumer as a placement knows it: that of its positions, without a member. */
const readerOf = ({ category, id: consumerId }: Consumer<unknown, unknown>): string =>
  leaseName({ category, consumerId })

export const make = Effect.fnUntraced(function*<E, R>(
  consumer: Consumer<E, R>,
  placement: Placement.Service,
  startAfter: StartAfter
) {
  const { category, options: { group } } = consumer
  const subject = ofConsumer(consumer)
  const reader = readerOf(consumer)
  const keys = new Map<Member, Key>(Members.keysOf(consumer).map((key) => [key.member, key]))
  const slots: Array<Slot<E, R>> = []
  /** Wakes those who wait for a message, when a session has begun. */
  const begins = yield* Latch.make()
  let begun = 0
  const hasBegun = Effect.suspend(() => {
    begun += 1
    return begins.release
  })
  const begunSince = (seen: number): Effect.Effect<void> =>
    Effect.whileLoop({ while: () => begun === seen, body: () => begins.await, step: () => {} })

  const wantedOf = (view: Placement.View): ReadonlyArray<Member> =>
    group === undefined
      ? view.here(reader, 1).map(() => undefined)
      : view.here(reader, group.size).filter((member) => keys.has(member))

  const running = () => new Set(slots.flatMap(({ members }) => [...members]))

  const freeSlot = Effect.suspend(() => {
    const free = slots.find(({ fiber }) => fiber === undefined)
    if (free !== undefined) return Effect.succeed(free)
    return Effect.map(Lifecycle.make<Session.Session<E, R>>(subjectOf(consumer, slots.length)), (lifecycle) => {
      const slot: Slot<E, R> = { lifecycle, members: new Set(), fiber: undefined }
      slots.push(slot)
      return slot
    })
  })

  /** Those members whose leases are free: this process has them until the scope closes. */
  const lease = Effect.fnUntraced(function*(members: ReadonlyArray<Member>) {
    const store = yield* MessageStore
    const tried = yield* Effect.forEach(members, (member) => {
      const key = keys.get(member)
      return key === undefined ? Effect.succeedNone : Effect.map(
        retryOutages(subject)(store.lease(leaseName(key))),
        Option.map((held) => ({ member, held }))
      )
    })
    return tried.filter(Option.isSome).map(({ value }) => value)
  })

  /** Runs those of the members whose leases are free in a slot, until they are to stop. */
  const runIn = (
    slot: Slot<E, R>,
    members: ReadonlyArray<Member>,
    leasesTried: Deferred.Deferred<void>
  ): Effect.Effect<void, E | RunError, R | MessageStore> =>
    Effect.gen(function*() {
      const leased = yield* lease(members)
      slot.members = new Set(leased.map(({ member }) => member))
      if (leased.length === 0) return
      yield* Deferred.succeed(leasesTried, undefined)
      const { lifecycle } = slot
      const session = lifecycle.start(
        Session.make(withMembers(consumer, [...slot.members]), startAfter, lifecycle.activity),
        ({ positions }) => ({ category, positions: positions() })
      ).pipe(Effect.tap(() => hasBegun))
      yield* lifecycle.whileHeld(leased.map(({ held }) => held), Effect.flatMap(session, ({ run }) => run))
      yield* lifecycle.current()?.abandon ?? Effect.void
    }).pipe(Effect.scoped)

  /** Follows the placement: begins what has come, and ends what has gone. */
  const follow = Effect.fnUntraced(function*(failed: Deferred.Deferred<never, E | RunError>) {
    const ended = yield* Latch.make()

    const begin = Effect.fnUntraced(function*(members: ReadonlyArray<Member>) {
      if (members.length === 0) return
      const slot = yield* freeSlot
      const leasesTried = yield* Deferred.make<void>()
      const watched = runIn(slot, members, leasesTried).pipe(
        Effect.tapCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : Deferred.failCause(failed, cause)),
        Effect.ensuring(Effect.suspend(() => {
          const hasRun = slot.members.size > 0
          slot.members = new Set()
          slot.fiber = undefined
          return hasRun ? ended.release : Deferred.succeed(leasesTried, undefined)
        }))
      )
      slot.fiber = yield* Effect.forkScoped(watched)
      yield* Deferred.await(leasesTried)
    })

    const pause = PollPause.make(leasePauses)
    let isLogged = false
    while (true) {
      const view = placement.view()
      const wanted = wantedOf(view)
      const before = running()
      yield* begin(wanted.filter((member) => !before.has(member)))
      const losing = slots.filter(({ members }) => [...members].some((member) => !wanted.includes(member)))
      const stopped = new Set(losing.flatMap(({ members }) => [...members]))
      yield* Fiber.interruptAll(losing.flatMap(({ fiber }) => fiber === undefined ? [] : [fiber]))
      yield* begin(wanted.filter((member) => stopped.has(member)))

      const now = running()
      const waiting = wanted.filter((member) => !now.has(member))
      if (waiting.length > 0 && !isLogged) {
        yield* log("Info", `${subject.kind} waits: another process runs it`, subject.logged)
      }
      isLogged = waiting.length > 0
      const millis = pause.next(waiting.length === 0)
      yield* Effect.raceAllFirst([
        placement.changedFrom(view),
        ended.await,
        waiting.length === 0 ? Effect.never : Effect.sleep(millis)
      ])
    }
  })

  const runAll: Effect.Effect<never, E | RunError, R | MessageStore | Scope.Scope> = Effect.gen(function*() {
    const failed = yield* Deferred.make<never, E | RunError>()
    return yield* Effect.raceFirst(follow(failed), Deferred.await(failed))
  }).pipe(
    // All at the same time: each takes up to its grace.
    Effect.ensuring(
      Effect.suspend(() => Fiber.interruptAll(slots.flatMap(({ fiber }) => fiber === undefined ? [] : [fiber])))
    )
  )

  const status: Effect.Effect<RunningStatus> = Effect.map(
    Effect.forEach(slots, ({ lifecycle }) => lifecycle.status),
    merge
  )

  /** By the sessions here, and by the positions of members elsewhere. */
  const waitFor = Effect.fnUntraced(function*(globalPosition: number) {
    while (true) {
      const seen = begun
      const active = slots.flatMap(({ lifecycle, members }) => {
        const session = lifecycle.current()
        return session === undefined ? [] : [{ lifecycle, members, session }]
      })
      const here = new Set(active.flatMap(({ members }) => [...members]))
      const handledHere = Effect.forEach(active, ({ session }) => session.waitFor(globalPosition), {
        concurrency: "unbounded",
        discard: true
      })
      const changed = active.map(({ lifecycle, session }) => lifecycle.changedFrom(session))
      const isDone = yield* Effect.raceFirst(
        Effect.as(handledHere, true),
        Effect.as(changed.length === 0 ? Effect.never : Effect.raceAllFirst(changed), false)
      )
      if (isDone && (yield* isHandled(consumer, globalPosition, startAfter, (member) => !here.has(member)))) return
      yield* Effect.timeoutOption(begunSince(seen), pollInterval)
    }
  })

  const run = MessageStore.use((store) =>
    store[InProcess.TypeId].runners.during({ ...subject.reader, status }, Effect.scoped(runAll))
  )
  return { run, status, waitFor }
})

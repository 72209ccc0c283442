import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as TestClock from "effect/testing/TestClock"
import * as Consumer from "eventfold/Consumer"
import type { RecordedMessage } from "eventfold/Message"
import * as MessageStore from "eventfold/MessageStore"
import * as Parking from "eventfold/Parking"
import * as PositionStore from "eventfold/PositionStore"
import { moment, on, track, turns } from "../clock/trackedClock.ts"
import { showRefusal } from "../report/format.ts"

/** A message that a handler has failed on, at its last attempt so far. */
export interface Trouble {
  readonly consumer: string
  readonly message: RecordedMessage
  readonly error: unknown
}

/** A consumer has stopped on an error. */
export class Stopped extends Data.TaggedError("Stopped")<{
  readonly consumer: string
  readonly error: unknown
}> {}

/** Consumers are still at work when they should long have come to rest. */
export class Restless extends Data.TaggedError("Restless")<{ readonly message: string }> {}

/** Consumers at work. */
interface Playing {
  /** Waits until all is handled that is there, what they write themselves included. */
  readonly rest: Effect.Effect<void, Stopped | Restless>
  /** Lets time pass, and waits in the same way for what comes of it. */
  readonly pass: (duration: Duration.Input) => Effect.Effect<void, Stopped | Restless>
  readonly troubles: () => ReadonlyArray<Trouble>
}

/** Something that happens: messages are written, before what it is about or then; or time passes. */
export type Step =
  | { readonly _tag: "given" | "when"; readonly appends: ReadonlyArray<MessageStore.Append> }
  | { readonly _tag: "after"; readonly duration: Duration.Input }

/** What comes of it. */
export interface Happened {
  /** What consumers have written. */
  readonly written: ReadonlyArray<RecordedMessage>
  /** What has been put aside, and what waits behind it. */
  readonly parked: ReadonlyArray<RecordedMessage>
  readonly stopped: Stopped | undefined
  readonly troubles: ReadonlyArray<Trouble>
}

/** How often handlers may be run until it is taken that they go on for ever. */
const mostAttempts = 5_000

/** How many pauses to wait for while nothing gets done. */
const mostPauses = 500

/** How many moments to wait for what comes from outside. */
const patience = 1_000

const show = ({ consumer, message: { position, streamName, type } }: Omit<Trouble, "error">): string =>
  `${consumer} on ${type} at ${streamName}/${position}`

/** Positions that can be looked at without a store. */
const makePositions = () => {
  const positions = new Map<string, PositionStore.Position>()
  const service: PositionStore.Service = {
    get: (key) => Effect.sync(() => Option.fromUndefinedOr(positions.get(PositionStore.streamName(key)))),
    put: (key, position) => Effect.sync(() => void positions.set(PositionStore.streamName(key), position))
  }
  return { service, of: (key: PositionStore.Key) => positions.get(PositionStore.streamName(key))?.position ?? 0 }
}

/**
 * Runs consumers until the scope closes: from the first message, with a position that is known at once, and without
 * looking for messages by the clock, since the memory store wakes them. So whoever sleeps does so on behalf of a handler.
 */
const play = Effect.fnUntraced(function*<E, R>(
  consumers: ReadonlyArray<Consumer.Consumer<E, R>>,
  clock: TestClock.TestClock
) {
  const store = yield* MessageStore.MessageStore
  const tracked = track(clock)
  const positions = makePositions()
  const stopped = yield* Deferred.make<never, Stopped>()
  const inHand = new Set<Omit<Trouble, "error">>()
  const troubles = new Map<string, Trouble>()
  let attempts = 0
  let ended = 0

  const watched = (consumer: Consumer.Consumer<E, R>): Consumer.Consumer<E, R> => ({
    ...consumer,
    options: {
      ...consumer.options,
      start: "beginning",
      checkpoint: { every: 1, interval: "Infinity" },
      poll: { min: "Infinity", max: "Infinity" },
      grace: 0
    },
    // It waits for times to come, which the clock is not to be moved to.
    background: (options) => Effect.provideService(consumer.background?.(options) ?? Effect.never, Clock.Clock, clock),
    handle: (messages) =>
      Effect.suspend(() => {
        const mine = messages.map((message) => ({ consumer: consumer.id, message }))
        attempts += 1
        mine.forEach((one) => inHand.add(one))
        return Effect.onExit(consumer.handle(messages), (exit) =>
          Effect.sync(() => {
            ended += 1
            for (const one of mine) {
              inHand.delete(one)
              if (Exit.isSuccess(exit)) troubles.delete(show(one))
              else if (!Cause.hasInterruptsOnly(exit.cause)) {
                troubles.set(show(one), { ...one, error: Cause.squash(exit.cause) })
              }
            }
          }))
      })
  })

  yield* Effect.forEach(
    consumers,
    (consumer) =>
      Effect.mapError(Consumer.run(watched(consumer)), (error) => new Stopped({ consumer: consumer.id, error })),
    { concurrency: "unbounded", discard: true }
  ).pipe(
    Effect.andThen(Effect.never),
    Effect.onExit((exit) => Deferred.done(stopped, exit)),
    Effect.provideService(PositionStore.PositionStore, positions.service),
    on(tracked),
    Effect.forkScoped
  )

  const shares = consumers.flatMap(({ category, id: consumerId, options: { correlation, group } }) =>
    (group?.members ?? [undefined]).map((member) => ({
      key: { category, consumerId, member },
      correlation,
      consumerGroup: group === undefined || member === undefined ? undefined : { size: group.size, member }
    }))
  )

  /** What is left to be done; and what is another text whenever anything has been done. */
  const look = Effect.gen(function*() {
    const found = yield* Effect.forEach(shares, ({ key, ...filter }) =>
      Effect.all([
        store.lastCategoryMessage(key.category),
        store.countCategory(key.category, { ...filter, from: positions.of(key) + 1 })
      ]))
    const last = found.map(([message]) => Option.match(message, { onNone: () => 0, onSome: (m) => m.globalPosition }))
    const counts = found.map(([, count]) => count)
    const left = counts.some((count) => count > 0) ? [...counts, ...last].join(" ") : ""
    return { left, done: [attempts, ended, ...counts, ...last].join(" ") }
  }).pipe(
    // What is wrong with its category or its group the consumer itself says.
    Effect.catchTag(["InvalidCategory", "InvalidArgument"], () => Effect.succeed({ left: "?", done: "?" })),
    Effect.catchTag("StoreError", Effect.die)
  )

  const restless = (why: string) => {
    const busy = Array.from(inHand, show)
    return new Restless({ message: busy.length === 0 ? why : `${why}; at work are ${busy.join(", ")}` })
  }

  const working = Effect.gen(function*() {
    const attemptsBefore = attempts
    let [calm, idle, pauses, moments] = [0, 0, 0, 0]
    let before = yield* look
    while (calm < turns) {
      yield* Effect.yieldNow
      const now = yield* look
      const isSame = now.done === before.done
      if (now.left !== before.left) pauses = 0
      if (!isSame) moments = 0
      calm = isSame && now.left === "" ? calm + 1 : 0
      idle = isSame ? idle + 1 : 0
      before = now
      if (attempts - attemptsBefore > mostAttempts) {
        return yield* restless(`handlers have been run more than ${mostAttempts} times`)
      }
      if (now.left === "" || idle < turns) continue
      const next = tracked.nextEnd()
      if (next !== undefined) {
        if (++pauses > mostPauses) return yield* restless(`nothing has been done in ${mostPauses} pauses`)
        yield* clock.setTime(next)
        idle = 0
      } else {
        if (++moments > patience) return yield* restless("handlers wait for something that does not come")
        yield* moment(clock)
      }
    }
  })
  const rest = Effect.raceFirst(working, Deferred.await(stopped))

  const playing: Playing = {
    rest,
    pass: (duration) => Effect.andThen(Effect.raceFirst(clock.adjust(duration), Deferred.await(stopped)), rest),
    troubles: () => Array.from(troubles.values())
  }
  return playing
})

/** All messages in the order in which they were written. */
const log = Effect.flatMap(MessageStore.MessageStore, (store) => Stream.runCollect(store.readAll())).pipe(
  // The memory store can read all.
  Effect.orDie
)

/** The messages that wait for one of the consumers, each once. */
const parkedFor = Effect.fnUntraced(function*(consumers: ReadonlyArray<Consumer.Consumer<unknown, unknown>>) {
  const waiting = yield* Effect.forEach(
    consumers.filter(({ options }) => options.onFailure === "park"),
    (consumer) => Stream.runCollect(Parking.list(consumer))
  )
  const ids = new Set<string>(waiting.flat().flatMap(({ messages }) => messages.map(({ messageId }) => messageId)))
  return (yield* log).filter(({ id }) => ids.has(id))
}, Effect.orDie)

/** Why a consumer has stopped, if it has. */
const stoppedBy = <E>(effect: Effect.Effect<unknown, E | Stopped, MessageStore.MessageStore>) =>
  effect.pipe(
    Effect.as(undefined),
    Effect.catchIf((error): error is Extract<E | Stopped, Stopped> => error instanceof Stopped, Effect.succeed)
  )

/** Takes steps, one after the other, with consumers that run. What is written for the last given does not count. */
export const perform = Effect.fnUntraced(function*<E, R>(
  consumers: ReadonlyArray<Consumer.Consumer<E, R>>,
  steps: ReadonlyArray<Step>,
  clock: TestClock.TestClock
) {
  const store = yield* MessageStore.MessageStore
  const playing = yield* play(consumers, clock)
  const own = new Set<string>()
  let before = 0

  const take = Effect.fnUntraced(function*(step: Step) {
    if (step._tag === "after") return yield* playing.pass(step.duration)
    const messages = step.appends.flatMap(({ messages }) => messages)
    for (const { id = "" } of messages) own.add(id.toLowerCase())
    yield* store.writeAll(step.appends)
    yield* playing.rest
    if (step._tag === "given") before = (yield* log).length
  })

  const stopped = yield* stoppedBy(Effect.forEach(steps, take, { discard: true }))
  const written = (yield* log).slice(before).filter(({ id }) => !own.has(id))
  return { written, parked: yield* parkedFor(consumers), stopped, troubles: playing.troubles() } satisfies Happened
}, Effect.scoped)

/** Has everything handled once more, by consumers that begin with the first message. */
export const performAgain = Effect.fnUntraced(function*<E, R>(
  consumers: ReadonlyArray<Consumer.Consumer<E, R>>,
  clock: TestClock.TestClock
) {
  const before = (yield* log).length
  const playing = yield* play(consumers, clock)
  const stopped = yield* stoppedBy(playing.rest)
  const written = (yield* log).slice(before)
  return { written, parked: yield* parkedFor(consumers), stopped, troubles: playing.troubles() } satisfies Happened
}, Effect.scoped)

export const showTrouble = (trouble: Trouble): string => `${show(trouble)} failed: ${showRefusal(trouble.error)}`

/** The error of a consumer that has stopped, and the message it stopped on if it was one. */
export const showStopped = ({ consumer, error }: Stopped, troubles: ReadonlyArray<Trouble>): string => {
  const trouble = troubles.find((trouble) => trouble.consumer === consumer && trouble.error === error)
  return trouble === undefined ? `${consumer} failed: ${showRefusal(error)}` : showTrouble(trouble)
}

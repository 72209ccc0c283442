import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as TestClock from "effect/testing/TestClock"
import * as Consumer from "eventfold/Consumer"
import { isDeleted, type RecordedMessage } from "eventfold/Message"
import * as MessageStore from "eventfold/MessageStore"
import * as Parking from "eventfold/Parking"
import * as PositionStore from "eventfold/PositionStore"
import * as ReadModel from "eventfold/ReadModel"
import type { ReadModelStore } from "eventfold/ReadModelStore"
import { on, track } from "../clock/trackedClock.ts"
import * as Attempts from "./attempts.ts"
import { Stopped } from "./attempts.ts"
import { makePositions, progressOf } from "./progress.ts"
import { type Restless, untilIdle } from "./untilIdle.ts"

/** What a scenario runs. */
export interface Cast {
  readonly consumers: ReadonlyArray<Consumer.Consumer<unknown, unknown>>
  readonly models: ReadonlyArray<ReadModel.ReadModel<unknown, unknown>>
}

/** What runs, in words. */
export const kindOf = ({ models }: Cast): string => models.length === 0 ? "consumer" : "consumer or read model"

type Stores = MessageStore.MessageStore | ReadModelStore

/** Consumers and read models that run. */
interface Running {
  /** Waits until all messages are handled, those included that the consumers write themselves. */
  readonly idle: Effect.Effect<void, Stopped | Restless, Stores>
  /** Lets time pass, and waits for what comes of it. */
  readonly pass: (duration: Duration.Input) => Effect.Effect<void, Stopped | Restless, Stores>
  readonly failed: () => ReadonlyArray<Attempts.FailedAttempt>
}

/** A step of a scenario: messages are written, as history or as what the scenario is about, or time passes. */
export type Step =
  | { readonly _tag: "given" | "when"; readonly appends: ReadonlyArray<MessageStore.Append> }
  | { readonly _tag: "after"; readonly duration: Duration.Input }

/** What came of the steps. */
export interface Happened {
  /** The messages that consumers wrote. */
  readonly written: ReadonlyArray<RecordedMessage>
  /** The messages that consumers parked, and those that wait behind them. */
  readonly parked: ReadonlyArray<RecordedMessage>
  readonly stopped: Stopped | undefined
  /** What runs, in words: `consumer`, or `consumer or read model`. */
  readonly kind: string
  readonly failed: ReadonlyArray<Attempts.FailedAttempt>
}

/**
 * A consumer for a scenario: it begins with the first message, its position is known at once, and it does not poll, since
 * the memory store wakes it. So whatever sleeps on its clock sleeps for a handler.
 */
const prepare = <E, R>(
  consumer: Consumer.Consumer<E, R>,
  attempts: Attempts.Attempts,
  clock: TestClock.TestClock
): Consumer.Consumer<E, R> => ({
  ...consumer,
  options: {
    ...consumer.options,
    start: "beginning",
    checkpoint: { every: 1, interval: "Infinity" },
    poll: { min: "Infinity", max: "Infinity" },
    grace: 0
  },
  // It waits for deadlines on the untracked clock: only `after` moves the clock to them.
  background: (options) => Effect.provideService(consumer.background?.(options) ?? Effect.never, Clock.Clock, clock),
  handle: attempts.observe(consumer)
})

/** A read model for a scenario: as a consumer, it does not poll. */
const prepareModel = <E, R>(
  model: ReadModel.ReadModel<E, R>,
  attempts: Attempts.Attempts
): ReadModel.ReadModel<E, R> => ({
  ...model,
  options: { ...model.options, poll: { min: "Infinity", max: "Infinity" }, grace: 0 },
  ...attempts.observeReadModel(model)
})

const stop = (by: string) => Effect.mapError((error: unknown) => new Stopped({ by, error }))

/** Runs consumers and read models until the scope closes. */
const start = Effect.fnUntraced(function*({ consumers, models }: Cast, clock: TestClock.TestClock) {
  const tracked = track(clock)
  const positions = makePositions()
  const attempts = Attempts.make()
  const stopped = yield* Deferred.make<never, Stopped>()

  const runs = [
    ...consumers.map((consumer) => stop(consumer.id)(Consumer.run(prepare(consumer, attempts, clock)))),
    ...models.map((model) => stop(model.name)(ReadModel.run(prepareModel(model, attempts))))
  ]
  yield* Effect.all(runs, { concurrency: "unbounded", discard: true }).pipe(
    Effect.andThen(Effect.never),
    Effect.onExit((exit) => Deferred.done(stopped, exit)),
    Effect.provideService(PositionStore.PositionStore, positions.service),
    on(tracked),
    Effect.forkScoped
  )

  const orStopped = Effect.raceFirst(Deferred.await(stopped))
  const idle = orStopped(untilIdle(progressOf(consumers, models, positions), attempts, tracked))
  const running: Running = {
    idle,
    pass: (duration) => Effect.andThen(orStopped(clock.adjust(duration)), idle),
    failed: attempts.failed
  }
  return running
})

/**
 * The messages after a global position, in order, without what stands for deletions. A place in the log would not do: a stream that
 * is deleted takes its messages with it.
 */
const logAfter = (position: number) =>
  Effect.flatMap(MessageStore.MessageStore, (store) => Stream.runCollect(store.readAll({ from: position + 1 }))).pipe(
    Effect.map((messages) => messages.filter((message) => !isDeleted(message))),
    // The memory store can read all messages.
    Effect.orDie
  )

const endOfLog = Effect.flatMap(MessageStore.MessageStore, (store) => Effect.orDie(store.lastPosition))

/** The messages that are parked for any of the consumers, each once. */
const parkedFor = Effect.fnUntraced(function*({ consumers }: Cast) {
  const waiting = yield* Effect.forEach(
    consumers.filter(({ options }) => options.onFailure === "park"),
    (consumer) => Stream.runCollect(Parking.list(consumer))
  )
  const ids = new Set<string>(waiting.flat().flatMap(({ messages }) => messages.map(({ messageId }) => messageId)))
  return (yield* logAfter(0)).filter(({ id }) => ids.has(id))
}, Effect.orDie)

/** Returns the error of a consumer or read model that has stopped, if one has. */
const stoppedBy = <E>(effect: Effect.Effect<unknown, E | Stopped, Stores>) =>
  effect.pipe(
    Effect.as(undefined),
    Effect.catchIf((error): error is Extract<E | Stopped, Stopped> => error instanceof Stopped, Effect.succeed)
  )

/** What has happened to everybody on stage, at the end of a performance. */
const happened = (cast: Cast, running: Running, ended: Pick<Happened, "written" | "stopped">) =>
  Effect.map(parkedFor(cast), (parked): Happened => ({
    ...ended,
    parked,
    failed: running.failed(),
    kind: kindOf(cast)
  }))

/** Takes the steps in their order while consumers and read models run. What was written before the end of the last `given` does not count. */
export const perform = Effect.fnUntraced(function*(
  cast: Cast,
  steps: ReadonlyArray<Step>,
  clock: TestClock.TestClock
) {
  const store = yield* MessageStore.MessageStore
  const running = yield* start(cast, clock)
  const own = new Set<string>()
  let before = 0

  const take = Effect.fnUntraced(function*(step: Step) {
    if (step._tag === "after") return yield* running.pass(step.duration)
    const messages = step.appends.flatMap(({ messages }) => messages)
    for (const { id = "" } of messages) own.add(id.toLowerCase())
    yield* store.writeAll(step.appends)
    yield* running.idle
    if (step._tag === "given") before = yield* endOfLog
  })

  const stopped = yield* stoppedBy(Effect.forEach(steps, take, { discard: true }))
  const written = (yield* logAfter(before)).filter(({ id }) => !own.has(id))
  return yield* happened(cast, running, { written, stopped })
}, Effect.scoped)

/** Lets fresh consumers handle everything again, from the first message on. Read models continue where they are. */
export const performAgain = Effect.fnUntraced(function*(cast: Cast, clock: TestClock.TestClock) {
  const before = yield* endOfLog
  const running = yield* start(cast, clock)
  const stopped = yield* stoppedBy(running.idle)
  const written = yield* logAfter(before)
  return yield* happened(cast, running, { written, stopped })
}, Effect.scoped)

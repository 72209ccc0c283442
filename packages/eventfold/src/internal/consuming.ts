import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { RecordedMessage } from "../Message.ts"
import { defaultBatchSize, MessageStore, type ReadCategoryError } from "../MessageStore.ts"
import type { StoreError } from "../StoreError.ts"
import * as StreamName from "../StreamName.ts"
import type { Activity } from "./activity.ts"
import * as Checkpoints from "./checkpoints.ts"
import type { Consumer } from "./consumer.ts"
import { attempting, handling } from "./handling.ts"
import * as Lanes from "./lanes.ts"
import * as Parking from "./parking.ts"
import { sharedPage, sharedPause } from "./shared.ts"
import * as Shares from "./shares.ts"
import { ofConsumer } from "./subject.ts"
import * as Tracing from "./tracing.ts"
import { untilBack } from "./untilBack.ts"

/** What a lane is given to do: a message, or something that has to wait for the messages before it. */
type Job<E, R> =
  | { readonly _tag: "Message"; readonly message: RecordedMessage; readonly done: () => void }
  | { readonly _tag: "Task"; readonly task: Effect.Effect<void, E, R> }

/** Messages of one cardinal id belong together, and are handled in their order. */
export const laneOf = (streamName: string): string =>
  Option.getOrElse(StreamName.cardinalId(streamName), () => streamName)

/** A consumer at work. */
export interface Session<E, R> {
  readonly run: Effect.Effect<never, E | ReadCategoryError, R | MessageStore>
  /** Interrupts the handlers. */
  readonly abandon: Effect.Effect<void>
  readonly counts: Lanes.Lanes<unknown, E>["counts"]
  /** The low-water marks. */
  readonly positions: () => ReadonlyArray<{ readonly member: number | undefined; readonly position: number }>
  /** The global position up to which messages have been read. */
  readonly lastRead: () => number
  /** Waits until all is handled that has been written by now, up to a global position, as far as it is this session's. */
  readonly waitFor: (globalPosition: number) => Effect.Effect<void>
}

/** Runs a consumer that has its leases, until it fails or the scope closes. */
export const start = Effect.fnUntraced(function*<E, R>(consumer: Consumer<E, R>, activity: Activity) {
  const store = yield* MessageStore
  const { category, options } = consumer
  const { batchSize = defaultBatchSize, concurrency = 1, grace = "10 seconds", poll } = options
  const wakeUps = yield* store.wakeUps(category)
  const subject = ofConsumer(consumer)
  const persist = untilBack(subject)

  const shares = yield* persist(Shares.load(consumer))
  const checkpoints = yield* Checkpoints.make(consumer, { activity, persist, shares })

  const waiting = new Set<{ readonly isOver: () => boolean; readonly latch: Latch.Latch }>()
  const tellWaiting = () => {
    for (const one of waiting) if (one.isOver()) one.latch.openUnsafe()
  }
  const done = () => {
    checkpoints.done()
    if (waiting.size > 0) tellWaiting()
  }
  const handler = {
    subject,
    handle: consumer.handle,
    retry: options.retry,
    onFailure: options.onFailure === "skip" ? "skip" : "stop"
  } as const
  const attempt = attempting(handler, activity, yield* Tracing.make(subject))
  const parking = options.onFailure === "park"
    ? yield* Parking.start(consumer, { activity, attempt, persist, shares })
    : undefined
  const handle = handling(handler, attempt, activity, parking)
  const runMessages = (jobs: Arr.NonEmptyReadonlyArray<Extract<Job<E, R>, { readonly _tag: "Message" }>>) =>
    Effect.map(handle(Arr.map(jobs, ({ message }) => message)), () => jobs.forEach(({ done }) => done()))
  const runMixed = Effect.fnUntraced(function*(jobs: Arr.NonEmptyReadonlyArray<Job<E | StoreError, R | MessageStore>>) {
    for (const group of Arr.groupWith(jobs, (a, b) => a._tag === "Message" && b._tag === "Message")) {
      const messages = group.flatMap((job) => job._tag === "Message" ? [job] : [])
      if (Arr.isArrayNonEmpty(messages)) yield* runMessages(messages)
      for (const job of group) if (job._tag === "Task") yield* job.task
    }
  })
  /** Most consumers take one message at a time. */
  const runJobs = (jobs: Arr.NonEmptyReadonlyArray<Job<E | StoreError, R | MessageStore>>) => {
    const [job] = jobs
    if (jobs.length > 1) return runMixed(jobs)
    return job._tag === "Task" ? job.task : runMessages([job])
  }
  const lanes = yield* Lanes.make({ run: runJobs, batchSize: consumer.handlesAtOnce, concurrency, grace })
  const laneFor = (streamName: string) => concurrency === 1 ? "" : laneOf(streamName)
  const replays = parking === undefined
    ? Effect.never
    : parking.run((streamName, task) => lanes.offer(laneFor(streamName), { _tag: "Task", task }))

  const dispatch = (message: RecordedMessage) => {
    const share = shares.of(message)
    if (share === undefined || message.globalPosition <= share.mark.position()) return
    const ticket = share.mark.begin(message.globalPosition, message.time.epochMilliseconds)
    const end = () => {
      share.mark.done(ticket)
      done()
    }
    if (!consumer.handles(message.type)) return end()
    lanes.offer(laneFor(message.streamName), { _tag: "Message", message, done: end })
  }

  let next = Math.min(...shares.all.map(({ mark }) => mark.position())) + 1
  const [member, ...others] = options.group?.members ?? []
  const consumerGroup = options.group !== undefined && member !== undefined && others.length === 0
    ? { size: options.group.size, member }
    : undefined
  const take = (rows: ReadonlyArray<RecordedMessage>) =>
    Effect.suspend(() => {
      rows.forEach(dispatch)
      next = (rows.at(-1)?.globalPosition ?? next - 1) + 1
      return lanes.awaitRoom(batchSize)
    })
  const filters = { batchSize, correlation: options.correlation, consumerGroup }
  /** A page that others of this process may want as well; when it is a full one there is more, to be read ahead. */
  const readNew = Effect.gen(function*() {
    const rows = yield* sharedPage(store, category, { ...filters, from: next, limit: batchSize })
    yield* take(rows)
    if (rows.length < batchSize) return
    yield* Stream.runForEachArray(store.readCategory(category, { ...filters, from: next }), take)
  })

  const shortest = Duration.toMillis(poll?.min ?? "100 millis")
  const longest = Duration.toMillis(poll?.max ?? "5 seconds")
  const poke = yield* Latch.make()
  let passesBegun = 0
  let passesEnded = 0
  const reading = Effect.gen(function*() {
    let pause = shortest
    while (true) {
      const from = next
      passesBegun += 1
      yield* persist(readNew)
      passesEnded = passesBegun
      tellWaiting()
      pause = next > from ? shortest : Math.min(pause * 2, longest)
      yield* Effect.raceAllFirst([wakeUps.await, poke.await, sharedPause(store, category, pause)])
      poke.closeUnsafe()
    }
  })

  /** Ends it at once, and leaves the position to somebody else, who may be further already. */
  const abandon = Effect.suspend(() => {
    checkpoints.abandon()
    return lanes.abandon
  })

  const waitFor = Effect.fnUntraced(function*(globalPosition: number) {
    // A whole pass that begins now finds all that is written by now, and what it does not find is somebody else's.
    const pass = passesBegun + 1
    const isOver = () =>
      (next > globalPosition || passesEnded >= pass) &&
      shares.all.every(({ mark }) => (mark.oldest()?.position ?? Number.POSITIVE_INFINITY) > globalPosition)
    if (isOver()) return
    if (next <= globalPosition) poke.openUnsafe()
    const one = { isOver, latch: Latch.makeUnsafe() }
    waiting.add(one)
    yield* Effect.ensuring(one.latch.await, Effect.sync(() => waiting.delete(one)))
  })

  const oldest = () => {
    const [first] = shares.all.flatMap(({ mark }) => mark.oldest() ?? []).toSorted((a, b) => a.position - b.position)
    return first
  }
  const clock = yield* Clock.Clock
  const hideGauges = activity.metrics.show({
    inFlight: () => lanes.counts().running,
    pending: () => lanes.counts().pending,
    lagPositions: () => next - (oldest()?.position ?? next),
    lagSeconds: () =>
      Math.max(0, clock.currentTimeMillisUnsafe() - (oldest()?.time ?? Number.POSITIVE_INFINITY)) / 1_000
  })
  yield* Effect.addFinalizer(() => Effect.sync(hideGauges))

  const background = persist(consumer.background?.(options) ?? Effect.never)

  const session: Session<E, R> = {
    run: Effect.raceAllFirst([reading, checkpoints.run, replays, background, lanes.failure]),
    abandon,
    counts: lanes.counts,
    positions: () => shares.all.map(({ mark, member }) => ({ member, position: mark.position() })),
    lastRead: () => next - 1,
    waitFor
  }
  return session
})

import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type { HeldBack } from "../../HeldBack.ts"
import type { RecordedMessage } from "../../Message.ts"
import { defaultBatchSize, type MessageStore, type ReadCategoryError } from "../../MessageStore.ts"
import type { StoreError } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import type { Activity } from "../processor/activity.ts"
import { attempting, handling } from "../processor/handleMessages.ts"
import * as Holding from "../processor/heldBackWarning.ts"
import * as Feed from "../processor/logReader.ts"
import { untilBack } from "../processor/outage.ts"
import { correlates } from "../processor/sources.ts"
import * as Tracing from "../processor/spans.ts"
import { ofConsumer } from "../processor/subject.ts"
import * as JobLanes from "../runtime/jobLanes.ts"
import { isBookkeeping, isOwn } from "../store/bookkeeping.ts"
import * as Checkpoints from "./checkpointWriter.ts"
import { type Consumer, type Options, readsAll } from "./definition.ts"
import * as Shares from "./members.ts"
import * as Parking from "./parking.ts"

/** What a lane is given to do: a message, or something that has to wait for the messages before it. */
type Job<E, R> =
  | { readonly _tag: "Message"; readonly message: RecordedMessage; readonly done: () => void }
  | { readonly _tag: "Task"; readonly task: Effect.Effect<void, E, R> }

/** Messages of one cardinal id belong together, and are handled in their order. */
export const laneOf = (streamName: string): string =>
  Option.getOrElse(StreamName.cardinalId(streamName), () => streamName)

/** How long a reader that is held back rests at the least between two looks. */
const heldBackRest = "20 millis"

/** The member of a group whose messages the store can select. */
const onlyMember = ({ group }: Options) => {
  const [member, ...others] = group?.members ?? []
  return group === undefined || member === undefined || others.length > 0 ? undefined : { size: group.size, member }
}

/** A consumer at work. */
export interface Session<E, R> {
  readonly run: Effect.Effect<never, E | ReadCategoryError, R | MessageStore>
  /** Interrupts the handlers. */
  readonly abandon: Effect.Effect<void>
  readonly counts: JobLanes.Lanes<unknown, E>["counts"]
  /** The low-water marks. */
  readonly positions: () => ReadonlyArray<{ readonly member: number | undefined; readonly position: number }>
  /** The global position up to which messages have been read. */
  readonly lastRead: () => number
  /** Who keeps it from reading on. */
  readonly heldBack: () => Option.Option<HeldBack>
  /** Waits until all is handled that has been written by now, up to a global position, as far as it is this session's. */
  readonly waitFor: (globalPosition: number) => Effect.Effect<void>
}

/** Runs a consumer that has its leases, until it fails or the scope closes. */
export const start = Effect.fnUntraced(function*<E, R>(consumer: Consumer<E, R>, activity: Activity) {
  const { category, id, options, selection } = consumer
  const { batchSize = defaultBatchSize, concurrency = 1, grace = "10 seconds", poll } = options
  const isOfAll = readsAll(consumer)
  const feed = yield* Feed.make(isOfAll ? undefined : category, selection, {
    batchSize,
    correlation: options.correlation,
    consumerGroup: onlyMember(options)
  })
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
    return job._tag === "Task" ? job.task : Effect.map(handle([job.message]), job.done)
  }
  const lanes = yield* JobLanes.make({ run: runJobs, batchSize: consumer.handlesAtOnce, concurrency, grace })
  const laneFor = (streamName: string) => concurrency === 1 ? "" : laneOf(streamName)
  const replays = parking === undefined
    ? Effect.never
    : parking.run((streamName, task) => lanes.offer(laneFor(streamName), { _tag: "Task", task }))

  // Of one category the store selects what correlates.
  const isOurs = (message: RecordedMessage) => !isOfAll || (correlates(options, message) && !isOwn(id, message))
  const isNews = ({ streamName }: RecordedMessage) => !isOfAll || !isBookkeeping(streamName)
  const dispatch = (message: RecordedMessage) => {
    const share = shares.of(message)
    if (share === undefined || message.globalPosition <= share.mark.position() || !isOurs(message)) return
    const touch = isNews(message) ? "soon" : "at the end"
    if (!consumer.handles(message)) {
      share.mark.pass(message.globalPosition)
      if (touch === "soon") {
        share.touch(touch)
        done()
      }
      return
    }
    const ticket = share.mark.begin(message.globalPosition, message.time.epochMilliseconds)
    const end = () => {
      share.mark.done(ticket)
      share.touch(touch)
      done()
    }
    lanes.offer(laneFor(message.streamName), { _tag: "Message", message, done: end })
  }

  let next = Math.min(...shares.all.map(({ mark }) => mark.position())) + 1
  const take = ({ messages, through }: Feed.Page) =>
    Effect.suspend(() => {
      messages.forEach(dispatch)
      // Of one category a position is a message's own, as it is for other clients of the store.
      if (isOfAll) shares.all.forEach(({ mark }) => mark.pass(through))
      next = through + 1
      return lanes.awaitRoom(batchSize)
    })
  /** Reads to the end, each page while the one before it is handled; gives the last one, and whether a message has come. */
  const readNew = Effect.gen(function*() {
    let page = yield* feed.read(next)
    let hasCome = page.messages.some(isNews)
    while (page.hasMore) {
      ;[, page] = yield* Effect.all([take(page), feed.read(page.through + 1)], { concurrency: 2 })
      hasCome ||= page.messages.some(isNews)
    }
    yield* take(page)
    return { ...page, hasCome }
  })

  const shortest = Duration.toMillis(poll?.min ?? "100 millis")
  const longest = Duration.toMillis(poll?.max ?? "5 seconds")
  const poke = yield* Latch.make()
  const holding = Holding.make(subject)
  let passesBegun = 0
  let passesEnded = 0
  const reading = Effect.gen(function*() {
    let pause = shortest
    let heldAt: number | undefined
    while (true) {
      passesBegun += 1
      const pass = passesBegun
      const { hasCome, heldBack, through } = yield* persist(readNew)
      // One that is held back has not seen all that is written.
      if (Option.isNone(heldBack)) passesEnded = pass
      tellWaiting()
      yield* holding.look(heldBack)
      const isHeldAnew = Option.isSome(heldBack) && heldAt !== through
      heldAt = Option.isSome(heldBack) ? through : undefined
      pause = hasCome || isHeldAnew ? shortest : Math.min(pause * 2, longest)
      // What others write behind it wakes, and is no reason to look without a rest.
      if (heldAt !== undefined && !isHeldAnew) yield* Effect.sleep(heldBackRest)
      yield* Effect.raceFirst(feed.wait(pause), poke.await)
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
    heldBack: holding.current,
    waitFor
  }
  return session
})

import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { MessageStore } from "../../MessageStore.ts"
import type { StoreError } from "../../StoreError.ts"
import type { Activity } from "../processor/activity.ts"
import type { Attempt } from "../processor/handleMessages.ts"
import type { RetryOutages } from "../processor/outage.ts"
import type { Subject } from "../processor/subject.ts"
import type { Stopping } from "../runtime/stopping.ts"
import * as Admission from "./admission.ts"
import * as ParkingCategory from "./category.ts"
import * as KnownStreams from "./knownStreams.ts"
import * as Follower from "./parkedFollower.ts"
import * as Replay from "./replay.ts"

/** What the parking needs to know of a consumer. */
export interface ParkingConsumer extends ParkingCategory.Owner {
  readonly options: {
    readonly concurrency?: number | undefined
    readonly poll?: Follower.Options["poll"]
  }
}

export interface Options<R> {
  readonly activity: Activity
  readonly attempt: Attempt<R>
  readonly persist: RetryOutages
  /** For what is done in the lanes, where a stop waits for it. */
  readonly persistInLane: RetryOutages
  /** The position of the consumer in a stream. None when another member of its group handles the stream. */
  readonly positionOf: (streamName: string) => number | undefined
  readonly stopping: Stopping
  readonly subject: Subject
}

/** Adds a task at the end of the lane of a stream, after the messages that are there. */
export type OfferTask<R> = (streamName: string, task: Effect.Effect<void, StoreError, R | MessageStore>) => void

/** Runs a task in the lane of a stream, and waits for its result. */
const runInLane = Effect.fnUntraced(function*<A, R>(
  offerTask: OfferTask<R>,
  streamName: string,
  task: Effect.Effect<A, StoreError, R | MessageStore>
) {
  const done = yield* Deferred.make<A>()
  offerTask(streamName, Effect.flatMap(task, (value) => Deferred.succeed(done, value)))
  return yield* Deferred.await(done)
})

/** The parked streams to replay, in the order of their requests. Each is there once, until its replay starts. */
const makeRequests = Effect.gen(function*() {
  const queue = yield* Queue.unbounded<KnownStreams.Named>()
  const ids = new Set<string>()
  return {
    add: (stream: KnownStreams.Named) => {
      if (ids.has(stream.id)) return
      ids.add(stream.id)
      Queue.offerUnsafe(queue, stream)
    },
    /** A request that comes after this is for another replay: this one may miss it. */
    started: ({ id }: KnownStreams.Named) => void ids.delete(id),
    stream: Stream.fromQueue(queue)
  }
})

/**
 * The parking of a running consumer: what it admits, parks, and replays.
 *
 * What it knows of a parked stream changes only in the lane of that stream. In memory are one entry for each stream that is
 * parked or whose settled messages may be read again, and the messages of the streams that are being replayed: at most as
 * many streams as the consumer's concurrency.
 */
export const start = Effect.fnUntraced(function*<R>(
  consumer: ParkingConsumer,
  { activity, attempt, persist, persistInLane, positionOf, stopping, subject }: Options<R>
) {
  const { concurrency = 1, poll } = consumer.options
  const parking = yield* ParkingCategory.make(consumer)
  const known = KnownStreams.make(positionOf)
  const follow = yield* Follower.make({ known, parking, persist, poll, positionOf })
  const { admit, park, refresh } = Admission.make({ activity, known, parking, persist: persistInLane })

  const requests = yield* makeRequests
  known.requested().forEach(requests.add)

  const replaying: Replay.Options<R> = {
    activity,
    attempt,
    isStopping: stopping.isStopping,
    known,
    parking,
    persist: persistInLane,
    subject
  }

  return {
    admit,
    park,
    /** Carries out what is requested of the parking, until it is interrupted. */
    run: Effect.fnUntraced(function*(offerTask: OfferTask<R>) {
      const replayStream = Effect.fnUntraced(function*(stream: KnownStreams.Named) {
        requests.started(stream)
        const replay = Replay.start(stream)
        while (yield* runInLane(offerTask, stream.streamName, Replay.replayPage(replaying, replay)));
      })
      const replays = requests.stream.pipe(
        Stream.mapEffect(replayStream, { concurrency, unordered: true }),
        Stream.runDrain,
        // The queue has no end.
        Effect.andThen(Effect.never)
      )
      const following = follow((id, { data: { streamName }, type }) => {
        if (type === "ReplayRequested") requests.add({ id, streamName })
        if (type === "Dropped" && known.get(id) !== undefined) offerTask(streamName, refresh(id))
      })
      return yield* Effect.raceAllFirst([following, replays])
    })
  }
})

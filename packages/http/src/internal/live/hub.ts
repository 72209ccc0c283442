/** All live clients of a server: who follows what, their heartbeats, and their end. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { MessageStore } from "eventfold/MessageStore"
import * as CatchUp from "./catchUp.ts"
import * as Frames from "./frames.ts"
import * as Outage from "./outage.ts"
import { ahead, beforeFirst, check, type Scan, scanOf, type Selection } from "./selection.ts"
import * as Subscriber from "./subscriber.ts"
import * as Tail from "./tail.ts"

export interface Options {
  /** Defaults to 15 seconds, because many proxies close what is silent for 30 or 60. */
  readonly heartbeat?: Duration.Input | undefined
  /** The least time between two chunks. Defaults to 25 milliseconds: at most 40 writes a second for each client. */
  readonly gap?: Duration.Input | undefined
  /** The longest pause between two polls. Defaults to a second, because people watch, and all clients of a source share its polls. */
  readonly maxPause?: Duration.Input | undefined
  /** How many bytes may wait for one client. Defaults to 1 MiB. */
  readonly queueBytes?: number | undefined
  /** See `Subscriber.Limits`. Defaults to a second. */
  readonly patience?: Duration.Input | undefined
  /** See `Subscriber.Limits`. Defaults to 30 seconds: two heartbeats. */
  readonly stalled?: Duration.Input | undefined
  /** How long a follower stays after its last client, for one that comes back. Defaults to 10 seconds. */
  readonly idle?: Duration.Input | undefined
  /** How many clients read pages of their own at once. Defaults to 8, so that the store has connections left for others. */
  readonly reads?: number | undefined
}

/** Where a client begins: after a position, or with what comes next. */
export type Start = number | "end"

export interface Request {
  readonly selection: Selection
  readonly format: Frames.Format
  /** Begin after this position; at the beginning when it is absent. */
  readonly after?: Start | undefined
  /** Whether the client has had that position from the store, which is wrong when it lies beyond the end. Defaults to false. */
  readonly resumes?: boolean | undefined
}

/** How long the end waits for clients to take what ends them. */
const grace = "200 millis"

const defaults = ({ gap, heartbeat, idle, maxPause, patience, queueBytes, reads, stalled }: Options) => ({
  heartbeat: Duration.toMillis(heartbeat ?? "15 seconds"),
  idle: idle ?? "10 seconds",
  reads: reads ?? 8,
  limits: {
    queueBytes: queueBytes ?? 1_048_576,
    patience: Duration.toMillis(patience ?? "1 second"),
    stalled: Duration.toMillis(stalled ?? "30 seconds")
  },
  tail: {
    batchSize: 1_024,
    gap: Duration.toMillis(gap ?? "25 millis"),
    minPause: 100,
    maxPause: Duration.toMillis(maxPause ?? "1 second"),
    recent: { messages: 1_000, characters: 1_048_576 }
  }
})

/** The position after which a client begins that wants only what comes next. */
const endOf = Effect.fnUntraced(function*({ source }: Selection) {
  const store = yield* MessageStore
  switch (source._tag) {
    case "Stream":
      return Option.getOrElse(yield* store.streamVersion(source.streamName), () => -1)
    case "Category":
      return Option.match(yield* store.lastCategoryMessage(source.category), {
        onNone: () => 0,
        onSome: ({ globalPosition }) => globalPosition
      })
    case "All":
      return yield* store.lastPosition
  }
})

/** Fails when the source has no such position any more. */
const refuseAhead = Effect.fnUntraced(function*({ source }: Selection, position: number) {
  const store = yield* MessageStore
  const end = source._tag === "Stream"
    ? Option.getOrElse(yield* store.streamVersion(source.streamName), () => -1)
    : yield* store.lastPosition
  if (end < position) return yield* ahead(position, end)
})

/** The bytes of a heartbeat, made once for the clients at the same place. */
const sharedHeartbeat = () => {
  const made = new Map<string, Uint8Array>()
  return (place: Frames.Place, format: Frames.Format): Uint8Array => {
    const key = `${format} ${place.position} ${place.caughtUp}`
    const bytes = made.get(key) ?? Frames.heartbeat(place, format)
    made.set(key, bytes)
    return bytes
  }
}

export class Hub extends Context.Service<Hub, {
  /**
   * Opens a live response: its bytes, from the request's position on, without an end. Fails when the first page cannot be read,
   * so that the request can be answered with a problem. A failure that may pass later is waited out.
   */
  readonly open: (
    request: Request
  ) => Effect.Effect<Stream.Stream<Uint8Array, Subscriber.LiveError>, Subscriber.LiveError, Scope.Scope>
  /** Ends all clients, those to come as well. Completes when they are gone, or have been cut off. */
  readonly end: Effect.Effect<void>
  /** How many clients there are. */
  readonly size: () => number
}>()("@eventfold/http/internal/live/Hub") {}

/** Makes the hub, which ends with the scope. */
export const make = Effect.fnUntraced(function*(options: Options = {}) {
  const { heartbeat, idle, limits, reads, tail: tailOptions } = defaults(options)
  const store = yield* MessageStore
  const clock = yield* Clock.Clock
  const permits = yield* Semaphore.make(reads)
  const untilBack = Outage.make()
  const subscribers = new Set<Subscriber.Subscriber>()
  let ending = false

  const tails = yield* RcMap.make({
    lookup: (scan: Scan) => Effect.provideService(Tail.make(scan, tailOptions, untilBack), MessageStore, store),
    idleTimeToLive: idle
  })

  /** Keeps the client until its request ends. */
  const register = (subscriber: Subscriber.Subscriber, tail: Tail.Tail) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        subscribers.add(subscriber)
        if (ending) subscriber.end()
      }),
      () =>
        Effect.suspend(() => {
          subscriber.end()
          subscribers.delete(subscriber)
          tail.leave(subscriber)
          const reason = subscriber.cutOff()
          return reason === undefined ? Effect.void : Effect.annotateLogs(
            Effect.logInfo("live client cut off; it can resume where it was"),
            { reason, source: subscriber.selection.source, position: subscriber.position() }
          )
        })
    )

  const open = Effect.fnUntraced(function*({ after, format, resumes = false, selection }: Request) {
    yield* check(selection)
    const tail = yield* RcMap.get(tails, scanOf(selection))
    const isKnown = selection.source._tag !== "Stream" && typeof after === "number" && after <= (tail.through() ?? -1)
    if (resumes && typeof after === "number" && !isKnown) yield* refuseAhead(selection, after)
    const start = after === "end" ? yield* endOf(selection) : after ?? beforeFirst(selection)
    const subscriber = Subscriber.make(selection, format, start, limits, clock)
    yield* register(subscriber, tail)
    yield* CatchUp.run(subscriber, tail, { permits, untilBack })
    return Stream.fromPull(Effect.succeed(subscriber.pull))
  }, Effect.provideService(MessageStore, store))

  const end = Effect.gen(function*() {
    ending = true
    for (const subscriber of subscribers) subscriber.end()
    if (subscribers.size === 0) return
    yield* Effect.sleep(grace)
    // The clients that are left do not even take the end.
    for (const subscriber of subscribers) subscriber.cut("the server stops")
  })

  const tick = Effect.sync(() => {
    const bytes = sharedHeartbeat()
    for (const subscriber of subscribers) {
      // A client that has not taken what waits needs no sign of life.
      if (subscriber.isIdle()) subscriber.heartbeat(bytes)
      subscriber.cutWhenStalled()
    }
  })

  yield* Effect.sleep(heartbeat).pipe(Effect.andThen(tick), Effect.forever, Effect.forkScoped)
  yield* Effect.addFinalizer(() => end)

  return Hub.of({ open, end, size: () => subscribers.size })
})

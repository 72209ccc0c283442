/** How a client that is behind reads: pages of its own, until it meets the follower of its source. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { RecordedMessage } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import * as Frames from "./frames.ts"
import type { UntilBack } from "./outage.ts"
import { filterOf, idOf, type Selection } from "./selection.ts"
import type { LiveError, Subscriber } from "./subscriber.ts"
import type { Tail } from "./tail.ts"

/** How large a page should be, in bytes: large enough to be fast, small enough for many clients that read slowly. */
const pageBytes = 128 * 1024

const [fewest, most] = [16, 1_024]

/** One page of what a client selects. */
interface Page {
  readonly messages: ReadonlyArray<RecordedMessage>
  /** The position that the page has looked through, as the client counts. */
  readonly through: number
  readonly hasMore: boolean
}

/** Reads the page after a position. */
const read = Effect.fnUntraced(
  function*(
    { source, types }: Selection,
    after: number,
    limit: number
  ): Effect.fn.Return<Page, LiveError, MessageStore> {
    const store = yield* MessageStore
    const from = after + 1
    switch (source._tag) {
      case "Stream": {
        const messages = yield* Stream.runCollect(
          store.readStream(source.streamName, { from, limit, batchSize: limit })
          // Only a read backwards can be unsupported.
        ).pipe(Effect.catchTag("Unsupported", Effect.die))
        return { messages, through: messages.at(-1)?.position ?? after, hasMore: messages.length === limit }
      }
      case "Category": {
        const { category, consumerGroup, correlation } = source
        return yield* store.readCategoryPage(category, { from, limit, types, consumerGroup, correlation })
      }
      case "All":
        return yield* store.readAllPage({ from, limit, types, categories: source.categories })
    }
  }
)

/** What the reads of all clients share. */
export interface Reads {
  readonly permits: Semaphore.Semaphore
  readonly untilBack: UntilBack
}

/** Joins the follower. A heartbeat, at once, tells the client that it has caught up. */
const join = (subscriber: Subscriber, tail: Tail, reached: number, beginning = reached): boolean => {
  if (!tail.join(subscriber, reached, beginning)) return false
  subscriber.heartbeat(Frames.heartbeat)
  return true
}

/** Reads one page and offers it. At the end of the log the client joins. */
const makeStep = (subscriber: Subscriber, tail: Tail): Effect.Effect<void, LiveError, MessageStore> => {
  const { format, selection } = subscriber
  const passes = filterOf(selection)
  const id = idOf(selection)
  const ofStream = selection.source._tag === "Stream"
  let limit = 64

  return Effect.gen(function*() {
    // Before the read, so that the read sees everything up to here.
    const visible = tail.through() ?? (yield* tail.end) ?? 0
    const page = yield* read(selection, subscriber.position(), limit)
    const frames = page.messages.filter(passes).map(Frames.make)
    if (frames.length > 0) {
      const bytes = Frames.encode(frames, format, id)
      limit = Math.max(fewest, Math.min(most, Math.round(pageBytes / (bytes.length / frames.length))))
      subscriber.offer(bytes, page.through)
    }
    subscriber.advance(page.through)
    // A client joins with an empty queue, so that what it gets then has a place, however much it is.
    if (page.hasMore || subscriber.hasQueue()) return
    const reached = ofStream ? visible : Math.max(visible, page.through)
    if (!ofStream) subscriber.advance(reached)
    // A client may ask for what is beyond the end, where no follower may begin: others would miss what comes before.
    const store = yield* MessageStore
    const beginning = tail.through() === undefined ? Math.min(reached, yield* store.lastPosition) : reached
    join(subscriber, tail, reached, beginning)
  })
}

/** The first page, whose failure is the answer to the request; then the others whenever the client wants one. */
export const run = Effect.fnUntraced(function*(subscriber: Subscriber, tail: Tail, { permits, untilBack }: Reads) {
  // A client that was here a moment ago needs no read.
  const joined = subscriber.selection.source._tag !== "Stream" && tail.through() !== undefined &&
    join(subscriber, tail, subscriber.position())
  const step = permits.withPermit(makeStep(subscriber, tail))
  if (!joined) yield* step
  yield* Effect.andThen(subscriber.wantsPage, untilBack(step)).pipe(
    Effect.forever,
    Effect.catchCause((cause) =>
      Effect.suspend(() => {
        if (!Cause.hasInterruptsOnly(cause)) subscriber.fail(cause)
        return Effect.void
      })
    ),
    Effect.forkScoped
  )
})

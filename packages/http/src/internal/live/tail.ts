/**
 * The shared end of a source: one follower reads what is new, once for all clients of the source. Clients read older messages by
 * themselves, and join where the follower is.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import { MessageStore, type ReadAllError, type WakeUps } from "eventfold/MessageStore"
import type { ReadPageResult } from "eventfold/StoreBackend"
import type { PositionAhead } from "../../Problem.ts"
import * as Frames from "./frames.ts"
import type { UntilBack } from "./outage.ts"
import * as Outage from "./outage.ts"
import * as Recent from "./recent.ts"
import { ahead, filterOf, idOf, type Scan, type Selection } from "./selection.ts"
import type { LiveError, Subscriber } from "./subscriber.ts"

export interface Options {
  /** How many messages a read takes at most. */
  readonly batchSize: number
  /** The least time between two chunks, in milliseconds: what is written meanwhile is sent together. */
  readonly gap: number
  /** The shortest pause between two polls, in milliseconds. Each poll that finds nothing doubles it. */
  readonly minPause: number
  /** The longest one. */
  readonly maxPause: number
  readonly recent: Recent.Limits
}

export interface Tail {
  /** The global position up to which the follower has read; `undefined` while nobody has joined. */
  readonly through: () => number | undefined
  /**
   * A global position up to which everything is visible now, when the source knows one without reading. Asked before a read that
   * reaches the end, it tells how far that read has looked, although the filters let nothing pass.
   */
  readonly end: Effect.Effect<number | undefined, LiveError>
  /**
   * Adds a client that has everything up to a global position. Gives false when the follower no longer has what comes after it:
   * then the client reads another page. A follower that nobody has joined begins at `beginning`.
   */
  readonly join: (subscriber: Subscriber, reached: number, beginning: number) => boolean
  readonly leave: (subscriber: Subscriber) => void
}

/** Clients with the same selection, which get the same chunks. */
interface View {
  readonly selection: Selection
  readonly passes: ReturnType<typeof filterOf>
  readonly idOf: Frames.IdOf
  readonly subscribers: Set<Subscriber>
}

type Encode = (format: Frames.Format) => Uint8Array

/** The bytes in each format, made when the first client needs them. */
const shared = (frames: ReadonlyArray<Frames.Frame>, idOf: Frames.IdOf): Encode => {
  const made: { [format in Frames.Format]?: Uint8Array } = {}
  return (format) => made[format] ??= Frames.encode(frames, format, idOf)
}

/** The views of a tail: those of streams by stream, because a page has messages of few of them. */
const makeViews = () => {
  const views = new Map<string, View>()
  const streams = new Map<string, Set<View>>()

  const add = (subscriber: Subscriber): View => {
    const { key, selection } = subscriber
    let view = views.get(key)
    if (view === undefined) {
      view = { selection, passes: filterOf(selection), idOf: idOf(selection), subscribers: new Set() }
      views.set(key, view)
      if (selection.source._tag === "Stream") {
        const { streamName } = selection.source
        streams.set(streamName, (streams.get(streamName) ?? new Set()).add(view))
      }
    }
    view.subscribers.add(subscriber)
    return view
  }

  const remove = (subscriber: Subscriber) => {
    const { key, selection: { source } } = subscriber
    const view = views.get(key)
    if (view === undefined || !view.subscribers.delete(subscriber) || view.subscribers.size > 0) return
    views.delete(key)
    if (source._tag !== "Stream") return
    const ofStream = streams.get(source.streamName)
    ofStream?.delete(view)
    if (ofStream?.size === 0) streams.delete(source.streamName)
  }

  return { views, streams, add, remove }
}

/** Gives a view what is new, unless its clients have it. `frames` are all of the stream, when the view is of a stream. */
const deliver = (
  { idOf, passes, selection, subscribers }: View,
  frames: ReadonlyArray<Frames.Frame>,
  remove: (subscriber: Subscriber) => void
) => {
  const [first] = frames
  const last = frames.at(-1)
  if (first === undefined || last === undefined) return
  const [from, to] = [idOf(first.message), idOf(last.message)]
  const passing = frames.filter(({ message }) => passes(message))
  const encode = shared(passing, idOf)
  for (const subscriber of subscribers) {
    const position = subscriber.position()
    if (position >= to) continue
    // Positions of a stream have no gaps. A writer that took no lock can make the follower miss a message: the client rereads.
    if (selection.source._tag === "Stream" && from > position + 1) {
      remove(subscriber)
      subscriber.fallBehind()
      continue
    }
    const own = position < from ? passing : passing.filter(({ message }) => idOf(message) > position)
    if (own.length === 0) {
      subscriber.advance(to)
      continue
    }
    const bytes = own === passing ? encode(subscriber.format) : Frames.encode(own, subscriber.format, idOf)
    if (!subscriber.offer(bytes, to)) remove(subscriber)
  }
}

/** How a scan is read and followed. */
const makeReader = Effect.fnUntraced(function*(scan: Scan, batchSize: number) {
  const store = yield* MessageStore
  const names = scan._tag === "Category" ? [scan.category] : scan.categories ?? [undefined]
  const [first, ...others] = yield* Effect.forEach(names, (name) => store.wakeUps(name))

  const read = (from: number): Effect.Effect<ReadPageResult, ReadAllError> =>
    scan._tag === "Category"
      ? store.readCategoryPage(scan.category, { from, limit: batchSize })
      : store.readAllPage({ from, categories: scan.categories, limit: batchSize })

  const wait = (millis: number): Effect.Effect<void> => awaitAny(first, others, millis)

  const end: Effect.Effect<number | undefined, ReadAllError> = scan._tag === "Category"
    ? Effect.map(
      store.lastCategoryMessage(scan.category),
      Option.match({ onNone: () => 0, onSome: ({ globalPosition }) => globalPosition })
    )
    : Effect.undefined

  /** Fails when the store is older than what was read: after a failover that has lost the last messages. */
  const refuseAhead = (position: number): Effect.Effect<void, ReadAllError | PositionAhead> =>
    Effect.flatMap(store.lastPosition, (end) => end < position ? Effect.fail(ahead(position, end)) : Effect.void)

  return { read, refuseAhead, wait, end }
})

const awaitAny = (first: WakeUps | undefined, others: ReadonlyArray<WakeUps>, millis: number): Effect.Effect<void> => {
  const polling = first === undefined ? Effect.sleep(millis) : Effect.asVoid(first.awaitAtMost(millis))
  return others.length === 0 ? polling : Effect.raceAllFirst([polling, ...others.map((wakeUps) => wakeUps.await)])
}

/** Makes the tail of a scan, which follows until the scope closes. */
export const make = Effect.fnUntraced(function*(scan: Scan, options: Options, untilBack: UntilBack) {
  const reader = yield* makeReader(scan, options.batchSize)
  const { add, remove, streams, views } = makeViews()
  const begun = Latch.makeUnsafe()
  let through: number | undefined
  let recent = Recent.make(0, options.recent)

  const begin = (position: number): number => {
    through = position
    recent = Recent.make(position, options.recent)
    begun.openUnsafe()
    return position
  }

  const join = (subscriber: Subscriber, reached: number, beginning: number): boolean => {
    const here = through ?? begin(beginning)
    if (reached < recent.start()) return false
    const view = add(subscriber)
    subscriber.join()
    deliverTo(view, subscriber, recent.after(reached))
    if (view.selection.source._tag !== "Stream") subscriber.advance(here)
    return true
  }

  /** What the follower has read since the client's last page. */
  const deliverTo = (
    view: View,
    subscriber: Subscriber,
    frames: ReadonlyArray<Frames.Frame>
  ) => {
    const { source } = view.selection
    const own = source._tag === "Stream"
      ? frames.filter(({ message }) => message.streamName === source.streamName)
      : frames
    deliver({ ...view, subscribers: new Set([subscriber]) }, own, remove)
  }

  const publish = (messages: ReadPageResult["messages"]) => {
    const frames = messages.map(Frames.make)
    recent.add(frames)
    for (const view of views.values()) if (view.selection.source._tag !== "Stream") deliver(view, frames, remove)
    if (streams.size === 0) return
    for (const [streamName, own] of Map.groupBy(frames, ({ message }) => message.streamName)) {
      for (const view of streams.get(streamName) ?? []) deliver(view, own, remove)
    }
  }

  const step = Effect.fnUntraced(function*(from: number) {
    const page = yield* untilBack(reader.read(from + 1))
    if (page.messages.length === 0 && Option.isNone(page.heldBack)) yield* untilBack(reader.refuseAhead(from))
    publish(page.messages)
    through = Math.max(from, page.through)
    // Clients of the whole source have looked through to here, whatever their filters let pass.
    for (const { selection, subscribers } of views.values()) {
      if (selection.source._tag !== "Stream") { for (const subscriber of subscribers) subscriber.advance(through) }
    }
    return page
  })

  const follow = Effect.gen(function*() {
    yield* begun.await
    let pause = options.minPause
    while (true) {
      const page = yield* step(through ?? 0)
      const hasNews = page.messages.length > 0
      pause = hasNews || Option.isSome(page.heldBack) ? options.minPause : Math.min(pause * 2, options.maxPause)
      // What is written within the gap is sent in one chunk. It also paces a follower that reads a long way.
      if (hasNews) yield* Effect.sleep(options.gap)
      if (!page.hasMore) yield* reader.wait(pause)
    }
  })

  /** A failure that does not pass fails the clients. The next one to join begins again. */
  const reset = (cause: Cause.Cause<ReadAllError | PositionAhead>) =>
    Effect.suspend(() => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
      for (const { subscribers } of views.values()) {
        for (const subscriber of subscribers) {
          remove(subscriber)
          subscriber.fail(cause)
        }
      }
      through = undefined
      begun.closeUnsafe()
      return Outage.warn("live clients are cut off: the log cannot be read", cause)
    })

  yield* follow.pipe(Effect.catchCause(reset), Effect.forever, Effect.forkScoped)

  const tail: Tail = { through: () => through, end: reader.end, join, leave: remove }
  return tail
})

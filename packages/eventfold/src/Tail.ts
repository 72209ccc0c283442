/**
 * The end of the log: the last messages, and those that come.
 *
 * **When to use**
 *
 * To look: a terminal, a page, a log of what happens. What handles messages is a `Consumer`, which keeps its position.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { checkInt } from "./internal/store/argumentChecks.ts"
import type { RecordedMessage } from "./Message.ts"
import { defaultBatchSize, MessageStore, type ReadAllError, type ReadStreamError } from "./MessageStore.ts"
import * as StreamName from "./StreamName.ts"

/**
 * What to look at: a stream, a category, or everything.
 *
 * @category models
 * @since 0.1.0
 */
export type Place =
  | { readonly stream: string }
  | { readonly category: string }
  | "everything"

/**
 * The errors of looking at the end of the log. A name or an option that is invalid is found before anything is read.
 *
 * @category errors
 * @since 0.1.0
 */
export type TailError = ReadAllError | ReadStreamError

/**
 * The options of both.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Only messages of these types. Defaults to all. */
  readonly types?: ReadonlyArray<string> | undefined
}

/**
 * Messages at which {@link follow} begins.
 *
 * @category options
 * @since 0.1.0
 */
export interface FollowOptions extends Options {
  /**
   * The first position, inclusive: of a stream its own, otherwise the global one. Defaults to the end: only messages that are written
   * from now on.
   */
  readonly from?: number | undefined
}

/** How often it looks although nothing has woken it: a client that announces nothing may have written. */
const pollInterval = "2 seconds"

const isOfTypes = (types: ReadonlyArray<string> | undefined) => ({ type }: RecordedMessage): boolean =>
  types?.includes(type) ?? true

/** The messages of a place from a position on, to its end. Of a stream it is that of the stream. */
const readFrom = (
  store: MessageStore["Service"],
  place: Place,
  from: number,
  { types }: Options
): Stream.Stream<RecordedMessage, TailError> => {
  if (place === "everything") return store.readAll({ from, types })
  if ("category" in place) return store.readCategory(place.category, { from, types })
  return Stream.filter(store.readStream(place.stream, { from }), isOfTypes(types))
}

/** The last position of a place; none when it has no message. */
const end = Effect.fnUntraced(function*(store: MessageStore["Service"], place: Place) {
  if (place === "everything") return yield* store.lastPosition
  if ("stream" in place) return Option.getOrElse(yield* store.streamVersion(place.stream), () => -1)
  return Option.match(yield* store.lastCategoryMessage(place.category), {
    onNone: () => 0,
    onSome: ({ globalPosition }) => globalPosition
  })
})

/** The category whose writes wake the reader of a place. */
const categoryOf = (place: Place): string | undefined => {
  if (place === "everything") return undefined
  return "category" in place ? place.category : StreamName.category(place.stream)
}

/** The next messages of a place, and where the ones after them begin. */
const pageFrom = Effect.fnUntraced(function*(
  store: MessageStore["Service"],
  place: Place,
  from: number,
  { types }: Options
) {
  if (place !== "everything" && "stream" in place) {
    const messages = yield* Stream.runCollect(store.readStream(place.stream, { from, limit: defaultBatchSize }))
    return {
      messages: messages.filter(isOfTypes(types)),
      next: from + messages.length,
      hasMore: messages.length === defaultBatchSize
    }
  }
  const { hasMore, messages, through } = yield* place === "everything"
    ? store.readAllPage({ from, types })
    : store.readCategoryPage(place.category, { from, types })
  return { messages, next: Math.max(from, through + 1), hasMore }
})

/** How much further back it looks when it has not found enough. */
const growth = 8

/**
 * The last messages of a place, in the order in which they were written.
 *
 * **Details**
 *
 * The messages are in memory. Where types are named, and in a category, it looks back in steps that grow, so it may read more than it
 * gives; messages of a type that is rare cost a read of all that came after them.
 *
 * Fails with `InvalidArgument` for a `count` below 0, with `InvalidStreamName` or `InvalidCategory` for a name that can't be one.
 *
 * @example
 * ```ts
 * import { Tail } from "eventfold"
 *
 * const latest = Tail.last({ category: "account" }, 10)
 * ```
 *
 * @category reading
 * @since 0.1.0
 */
export const last = Effect.fn("Tail.last")(function*(
  place: Place,
  count: number,
  options: Options = {}
): Effect.fn.Return<ReadonlyArray<RecordedMessage>, TailError, MessageStore> {
  yield* checkInt("count", count, 0)
  const store = yield* MessageStore
  const through = yield* end(store, place)
  const first = place !== "everything" && "stream" in place ? 0 : 1
  if (through < first || count === 0) return []
  let found: ReadonlyArray<RecordedMessage> = []
  for (let window = count;; window *= growth) {
    const from = Math.max(first, through - window + 1)
    found = yield* Stream.runCollect(Stream.takeRight(readFrom(store, place, from, options), count))
    if (found.length >= count || from === first) return found
  }
})

/**
 * Follows a place: its messages from a position on, and then those that come. It does not end by itself.
 *
 * **Details**
 *
 * It sees each message once, in the order of the log, and holds a page of them in memory. It is woken by writes, and looks by itself every
 * two seconds. It fails when the store does, for longer than the store retries: start it again with the position after the last message
 * that it has given.
 *
 * @example
 * ```ts
 * import { Console, Stream } from "effect"
 * import { Tail } from "eventfold"
 *
 * const show = Stream.runForEach(
 *   Tail.follow({ stream: "account-123" }),
 *   ({ position, type }) => Console.log(position, type)
 * )
 * ```
 *
 * @category reading
 * @since 0.1.0
 */
export const follow = (
  place: Place,
  options: FollowOptions = {}
): Stream.Stream<RecordedMessage, TailError, MessageStore> =>
  Stream.unwrap(Effect.gen(function*() {
    yield* checkInt("from", options.from, 0)
    const store = yield* MessageStore
    // Before the end is looked up, so that nothing is missed between the two.
    const wakeUps = yield* store.wakeUps(categoryOf(place))
    const start = options.from ?? (yield* end(store, place)) + 1
    return Stream.paginate({ from: start, isCaughtUp: false }, ({ from, isCaughtUp }) =>
      Effect.gen(function*() {
        if (isCaughtUp) yield* wakeUps.awaitAtMost(pollInterval)
        const { hasMore, messages, next } = yield* pageFrom(store, place, from, options)
        return [messages, Option.some({ from: next, isCaughtUp: !hasMore })] as const
      }))
  })).pipe(Stream.withSpan("Tail.follow"))

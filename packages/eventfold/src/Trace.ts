/**
 * What caused what: the effects of a message, the messages of a correlation, and both as a tree.
 *
 * A message names its cause in its metadata: {@link Metadata.follow} and the handlers of consumers see to that, and so do
 * Eventide's clients. This module goes the other way, from a cause to its effects.
 *
 * No index of Message DB has that order. With `Postgres.install({ traceIndexes: true })` the database has two more, and an answer
 * costs what it gives. Without them the store looks through a window of the log, and each answer says from where to where:
 * {@link EffectsPage} `lookedFrom`, `lookedThrough` and `isComplete`. What was not looked at is not claimed to be absent.
 *
 * These are the traces of messages. Those of OpenTelemetry are in `TraceContext`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { checkInt, formatArgument } from "./internal/store/argumentChecks.ts"
import * as InProcess from "./internal/store/inProcess.ts"
import { readSpan } from "./internal/store/measured.ts"
import {
  causeOf,
  type CorrelatedPage,
  type EffectsPage,
  isCause,
  type Node,
  type Traced,
  type Tree,
  waitBetween
} from "./internal/store/traces.ts"
import { type MessagePlace, placeOf } from "./Message.ts"
import { MessageStore } from "./MessageStore.ts"
import type { TraceBackend } from "./StoreBackend.ts"
import { InvalidArgument, type StoreError, Unsupported } from "./StoreError.ts"
import * as StreamName from "./StreamName.ts"

/** @since 0.1.0 */
export { Cause, Caused, CorrelatedPage, EffectsPage, Node, Traced, Tree, Wait } from "./internal/store/traces.ts"

/**
 * The cause that the metadata of a message names; none when it names none that can be. Nothing is looked up: the cause may be gone.
 *
 * @category tracing
 * @since 0.1.0
 */
export { causeOf } from "./internal/store/traces.ts"

/**
 * How many messages a store without the indexes looks through. Defaults to 10,000: about 250 pages of the table with messages of a
 * usual size, so a few milliseconds.
 *
 * @category options
 * @since 0.1.0
 */
export const defaultWindow = 10_000

/** The messages of an answer have no content, so they are small. */
const defaultLimit = 100

/** A tree is looked at as a whole. */
const defaultTreeLimit = 500

/** Deeper than what people follow, and than what programs do by intent. */
const defaultDepth = 32

/**
 * The options of all answers.
 *
 * @category options
 * @since 0.1.0
 */
export interface WindowOptions {
  /**
   * How many messages to look through, from 1, where the store has no index for them. Defaults to {@link defaultWindow}. A store with
   * the indexes, or in memory, takes no notice of it.
   */
  readonly window?: number | undefined
}

/**
 * The options of {@link effects}.
 *
 * @category options
 * @since 0.1.0
 */
export interface EffectsOptions extends WindowOptions {
  /** Only messages with higher global positions: the `lookedThrough` of the page before. Defaults to that of the cause. */
  readonly after?: number | undefined
  /** The most messages of the page, from 1. Defaults to 100. */
  readonly limit?: number | undefined
}

/**
 * The options of {@link correlated}.
 *
 * @category options
 * @since 0.1.0
 */
export interface CorrelatedOptions extends EffectsOptions {
  /**
   * Only messages with higher global positions: the `lookedThrough` of the page before. Defaults to 0 where the store has the index.
   * Where it has none, the page begins half a window before `around`.
   */
  readonly after?: number | undefined
  /**
   * The global position around which to look where the store has no index and `after` is absent. Defaults to the first message of
   * the stream that gives the correlation its name; without such a stream, the page looks through the last messages of the log.
   */
  readonly around?: number | undefined
}

/**
 * The options of {@link tree}.
 *
 * @category options
 * @since 0.1.0
 */
export interface TreeOptions extends WindowOptions {
  /** How many causes above a message the tree may have, from 0. Defaults to 32. */
  readonly depth?: number | undefined
  /** The most messages of the tree, from 1. Defaults to 500. */
  readonly limit?: number | undefined
  /** As that of {@link CorrelatedOptions}, for the tree of a correlation. */
  readonly around?: number | undefined
}

/**
 * The errors of all answers. `InvalidArgument` is for an option out of range, and for a global position without a message.
 *
 * @category errors
 * @since 0.1.0
 */
export type TraceError = InvalidArgument | Unsupported | StoreError

/** What the store does for this module. */
const backend: Effect.Effect<TraceBackend, Unsupported, MessageStore> = Effect.flatMap(
  MessageStore,
  (store) => {
    const { trace } = store[InProcess.TypeId]
    return trace === undefined
      ? Effect.fail(new Unsupported({ operation: "tracing", remedy: "give the store's backend the member `trace`" }))
      : Effect.succeed(trace)
  }
)

/** Runs an operation in its span. */
const inSpan =
  (operation: string) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | MessageStore> =>
    Effect.flatMap(
      MessageStore,
      (store) => Effect.withSpan(effect, `Trace.${operation}`, readSpan(store[InProcess.TypeId], operation))
    )

/** The last position after which a page can begin: `lookedFrom` is the one that follows. */
const lastAfter = Number.MAX_SAFE_INTEGER - 1

const checkOptions = Effect.fnUntraced(function*(
  { after, around, limit, window }: Pick<CorrelatedOptions, "after" | "around" | "limit" | "window">
) {
  yield* checkInt("after", after, 0)
  yield* checkInt("around", around, 0)
  yield* checkInt("limit", limit, 1)
  yield* checkInt("window", window, 1)
})

/** The message at a global position, as it is now. */
const found = Effect.fnUntraced(function*(
  message: number | MessagePlace
): Effect.fn.Return<Traced, InvalidArgument | StoreError, MessageStore> {
  const store = yield* MessageStore
  const globalPosition = typeof message === "number" ? message : message.globalPosition
  const recorded = yield* store.messageAt(globalPosition)
  if (Option.isSome(recorded)) {
    return { message: placeOf(recorded.value), cause: causeOf(recorded.value.metadata) }
  }
  return yield* new InvalidArgument({
    argument: "message",
    value: formatArgument(globalPosition),
    expected: "the global position of a message in the store"
  })
})

/**
 * The effects of a message, by global position: the messages that name it as their cause. Each has the time that it took.
 *
 * **Details**
 *
 * `message` is its global position, or its place as lists and reads give it. Give a page's `lookedThrough` as `after` to look
 * further, as long as `isComplete` is false.
 *
 * It costs a look-up for each effect with the indexes, and a scan of `window` messages without.
 *
 * **Gotchas**
 *
 * Only direct effects: {@link tree} has those of the effects, too. A message that was deleted is no effect: its tombstone does not
 * have the metadata.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Trace } from "eventfold"
 *
 * const show = Effect.gen(function*() {
 *   const { effects, isComplete, lookedThrough } = yield* Trace.effects(48_211)
 *   for (const { message, wait } of effects) yield* Console.log(message.streamName, message.type, `${wait.millis} ms`)
 *   if (!isComplete) yield* Console.log(`looked up to ${lookedThrough}`)
 * })
 * ```
 *
 * @category tracing
 * @since 0.1.0
 */
export const effects = (
  message: number | MessagePlace,
  options: EffectsOptions = {}
): Effect.Effect<EffectsPage, TraceError, MessageStore> =>
  Effect.gen(function*() {
    yield* checkOptions(options)
    const { limit = defaultLimit, window = defaultWindow } = options
    const trace = yield* backend
    const { message: cause } = yield* found(message)
    const after = Math.min(lastAfter, Math.max(options.after ?? 0, cause.globalPosition))
    const { isComplete, lookedFrom, lookedThrough, messages } = yield* trace.effects({
      causes: [cause],
      after,
      limit,
      window
    })
    return {
      effects: messages.map(({ message }) => ({ message, wait: waitBetween(cause, message) })),
      lookedFrom,
      lookedThrough,
      isComplete
    }
  }).pipe(inSpan("effects"))

const correlatedPage = Effect.fnUntraced(function*(
  name: string,
  options: CorrelatedOptions,
  limit: number
) {
  yield* checkOptions(options)
  const trace = yield* backend
  // Names of all kinds are correlations, also a bare category. None is one that no store can keep.
  const correlation = yield* StreamName.parse(name)
  const { around, window = defaultWindow } = options
  const after = options.after === undefined ? undefined : Math.min(lastAfter, options.after)
  return yield* trace.correlated({ correlation, after, around, limit, window })
})

/**
 * The messages of a correlation, by global position: those whose metadata has this `correlationStreamName`.
 *
 * **Details**
 *
 * The name is compared as a whole. (The option `correlation` of reads compares its category.) Give a page's `lookedThrough` as `after`
 * to go on, as long as `isComplete` is false.
 *
 * It costs a look-up for each message with the indexes, and a scan of `window` messages without. Then a first page without `after` looks
 * around the beginning of the stream that gives the correlation its name, or around `around`; it is complete only when that is the
 * whole log. To look before it, give an `after` below its `lookedFrom`.
 *
 * Fails with `InvalidStreamName` for a name that no stream can have.
 *
 * @category tracing
 * @since 0.1.0
 */
export const correlated = (
  correlationStreamName: string,
  options: CorrelatedOptions = {}
): Effect.Effect<CorrelatedPage, TraceError | StreamName.InvalidStreamName, MessageStore> =>
  correlatedPage(correlationStreamName, options, options.limit ?? defaultLimit).pipe(
    Effect.map(({ isComplete, lookedFrom, lookedThrough, messages }) => ({
      messages,
      lookedFrom,
      lookedThrough,
      isComplete
    })),
    inSpan("correlated")
  )

/** The messages with their effects below them, as an outline. The messages come by global position. */
const outline = (
  traced: ReadonlyArray<Traced>,
  depth: number
): { readonly nodes: ReadonlyArray<Node>; readonly isCut: boolean } => {
  const byPosition = new Map(traced.map((one) => [one.message.globalPosition, one]))
  const below = new Map<number, Array<Traced>>()
  const first: Array<Traced> = []
  for (const one of traced) {
    const cause = causeWithin(byPosition, one)
    const siblings = cause === undefined ? first : below.get(cause.globalPosition)
    if (siblings !== undefined) siblings.push(one)
    else if (cause !== undefined) below.set(cause.globalPosition, [one])
  }
  const nodes: Array<Node> = []
  let isCut = false
  const open = first.toReversed().map((one) => ({ one, depth: 0 }))
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { one } = next
    const cause = causeWithin(byPosition, one)
    const wait = cause === undefined ? Option.none() : Option.some(waitBetween(cause, one.message))
    nodes.push({ ...one, depth: next.depth, wait })
    const effects = below.get(one.message.globalPosition) ?? []
    if (effects.length === 0) continue
    if (next.depth === depth) isCut = true
    else for (const effect of effects.toReversed()) open.push({ one: effect, depth: next.depth + 1 })
  }
  return { nodes, isCut }
}

/** The cause of a message, when it is one of the messages. A cause comes before its effect, so no message is its own. */
const causeWithin = (
  messages: ReadonlyMap<number, Traced>,
  { cause: { valueOrUndefined: named }, message }: Traced
): MessagePlace | undefined => {
  const cause = named === undefined ? undefined : messages.get(named.globalPosition)?.message
  return named !== undefined && cause !== undefined && isCause(named, cause) &&
      cause.globalPosition < message.globalPosition
    ? cause
    : undefined
}

/** The effects of a message, of its effects and so on, a generation with each request. */
const descendants = Effect.fnUntraced(function*(
  root: number,
  depth: number,
  limit: number,
  window: number
): Effect.fn.Return<Omit<Tree, "nodes"> & { readonly traced: ReadonlyArray<Traced> }, TraceError, MessageStore> {
  const trace = yield* backend
  const first = yield* found(root)
  const traced = [first]
  let generation: ReadonlyArray<Traced> = traced
  let [isCut, isComplete, lookedThrough] = [false, true, Number.MAX_SAFE_INTEGER]
  for (let above = 0; generation.length > 0 && !isCut; above++) {
    const room = above < depth ? limit - traced.length : 0
    const page = yield* trace.effects({
      causes: generation.map(({ message }) => message),
      after: root,
      // Without room, it asks whether there are more.
      limit: Math.max(1, room),
      window
    })
    lookedThrough = Math.min(lookedThrough, page.lookedThrough)
    if (room === 0) {
      isCut = page.messages.length > 0
      isComplete &&= page.isComplete
      break
    }
    isCut = page.isFull
    isComplete &&= page.isComplete
    traced.push(...page.messages)
    generation = page.messages
  }
  return { traced, isCut, isComplete: isComplete && !isCut, lookedFrom: root + 1, lookedThrough }
})

/**
 * What caused what, as an outline: of a message, when `from` is its global position, and of a correlation, when `from` is the name of its
 * stream.
 *
 * **Details**
 *
 * The tree of a message has the message, its effects, their effects and so on. That of a correlation has its messages, each below its
 * cause; those whose cause is none of them begin a tree of their own.
 *
 * It is bounded: by `depth`, by `limit`, and by `window` on a store without the indexes. `isCut` says that there is more than `depth` and
 * `limit` let in, `isComplete` that nothing is missing at all. The tree of a message costs one request for each generation, each
 * as {@link effects} does for its messages; that of a correlation is one page of {@link correlated}.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Trace } from "eventfold"
 *
 * const show = Effect.gen(function*() {
 *   const { isComplete, nodes } = yield* Trace.tree("fulfilment-7")
 *   for (const { depth, message } of nodes) {
 *     yield* Console.log(`${"  ".repeat(depth)}${message.type} in ${message.streamName}`)
 *   }
 *   if (!isComplete) yield* Console.log("there may be more")
 * })
 * ```
 *
 * @category tracing
 * @since 0.1.0
 */
export const tree = (
  from: number | string,
  options: TreeOptions = {}
): Effect.Effect<Tree, TraceError | StreamName.InvalidStreamName, MessageStore> =>
  Effect.gen(function*() {
    const { around, depth = defaultDepth, limit = defaultTreeLimit, window = defaultWindow } = options
    yield* checkInt("depth", depth, 0)
    yield* checkOptions(options)
    if (typeof from === "number") {
      const { traced, ...looked } = yield* descendants(from, depth, limit, window)
      return { ...looked, nodes: outline(traced.toSorted(byGlobalPosition), depth).nodes }
    }
    const { isComplete, isFull, lookedFrom, lookedThrough, messages } = yield* correlatedPage(
      from,
      { around, window },
      limit
    )
    const { isCut, nodes } = outline(messages, depth)
    return { nodes, isCut: isCut || isFull, lookedFrom, lookedThrough, isComplete: isComplete && !isCut }
  }).pipe(inSpan("tree"))

const byGlobalPosition = ({ message: a }: Traced, { message: b }: Traced): number => a.globalPosition - b.globalPosition

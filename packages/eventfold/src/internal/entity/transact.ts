import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { RecordedMessage } from "../../Message.ts"
import type { MessageStore } from "../../MessageStore.ts"
import { StoreError, WrongExpectedVersion } from "../../StoreError.ts"
import { logFailure } from "../runtime/log.ts"
import { errorType } from "../runtime/meter.ts"
import { isOnItsOwn } from "../store/independence.ts"
import * as InProcess from "../store/inProcess.ts"
import { stillHolds } from "../store/lineage.ts"
import type { Boundary, InRound, Prepare, Written } from "./boundary.ts"
import * as Metrics from "./metrics.ts"
import type { Unwritten } from "./rounds.ts"
import type { Freshness } from "./stateCache.ts"

export interface Options {
  readonly retry: Schedule.Schedule<unknown>
  readonly freshness: Freshness | "assumeEmpty"
  /** Whether a decision on a cached state counts that the append proves to be the latest. */
  readonly mayBeProven: boolean
  readonly alwaysCheck: boolean
  readonly commandId: string | undefined
}

/** A decision on the state that was found: the events that follow, and a reply. */
export type Decide<Found, Events, Reply, Refusal, R> = (
  found: Found
) => Effect.Effect<{ readonly events: Events; readonly reply: Reply }, Refusal, R>

/** What has been decided and is in the store, and the state after it. */
export interface Completed<Found, Events, Reply> {
  readonly events: Events
  readonly after: Found
  readonly reply: Reply
  /** The highest global position of the events; none without events. */
  readonly globalPosition: Option.Option<number>
}

/**
 * Other writers were faster, and the attempts of the transaction are used up: a `WrongExpectedVersion` with more fields.
 * Nothing was written.
 *
 * **Details**
 *
 * `missed` are messages as the store has them. Their category decodes them; it gives none for a message of a type that it
 * does not name.
 *
 * @example
 * ```ts
 * import { Category, type Entity } from "eventfold"
 * import { Effect, Option, Schema } from "effect"
 *
 * class Account extends Category.make("account", { Deposited: { amount: Schema.Int } }) {}
 *
 * const whatChanged = (conflict: Entity.Conflict) =>
 *   Effect.map(Effect.forEach(conflict.missed, Account.decode), (events) =>
 *     events.filter(Option.isSome).map(({ value }) => value.type))
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class Conflict extends WrongExpectedVersion.extend<Conflict>("Conflict")({
  /** How many times the transaction decided, from 1. */
  attempts: Schema.Int,
  /** The messages of the stream that the last decision did not see, the first 100 of them. */
  missed: Schema.Array(RecordedMessage)
}) {
  override get message(): string {
    const attempts = this.attempts === 1 ? "1 attempt" : `${this.attempts} attempts`
    return `${super.message}; the transaction gave up after ${attempts}`
  }
}

/** How many missed messages a conflict carries at most. */
export const maxMissed = 100

/** A transaction while it runs: what it is about, and how far it has come. */
interface Transaction<Found, Events, Reply, E, R> {
  readonly store: MessageStore["Service"]
  readonly boundary: Boundary<Found, Events, E, R>
  readonly decide: Decide<Found, Events, Reply, E, R>
  readonly options: Options
  readonly metrics: Metrics.EntityMetrics
  attempts: number
  /** The state that the last attempt decided on. */
  found: Found | undefined
  /** The conflict that ended the last attempt. */
  conflict: WrongExpectedVersion | undefined
  /** Whether a write was refused that was to prove a cached state. */
  wasStale: boolean
  /** Whether the next attempt waits for its turn, because a round of those who wait had no state to decide on. */
  hasToQueue: boolean
  /** The generation of the store in which the state was loaded. */
  generation: number
}

/** Whether a transaction has to look at which database the store is. It costs next to nothing. */
const mayBeOutdated = <Found, Events, Reply, E, R>(
  { generation, store }: Transaction<Found, Events, Reply, E, R>
): boolean => {
  const { lineage } = store[InProcess.TypeId]
  return lineage !== undefined && (lineage.isDue() || lineage.generation() !== generation)
}

/**
 * Whether the state that a transaction decided on is of a database that another one has replaced: after a failover, say, that lost
 * the last messages. An append at its version may match by chance. In a transaction of the application, both are on one connection.
 */
const isOutdated = <Found, Events, Reply, E, R>(
  { generation, store }: Transaction<Found, Events, Reply, E, R>
): Effect.Effect<boolean, StoreError> =>
  Effect.contextWith((context: Context.Context<never>) => {
    const { lineage, transactions } = store[InProcess.TypeId]
    return lineage === undefined || isOnItsOwn(transactions, context)
      ? Effect.succeed(false)
      : Effect.map(stillHolds(lineage, generation), (holds) => !holds)
  })

const generationOf = (store: MessageStore["Service"]): number => store[InProcess.TypeId].lineage?.generation() ?? 0

/** Whether an error is the transaction's own conflict. `decide` may fail with anything, also with the conflict of another one. */
const isOwnConflict = (
  { conflict }: { readonly conflict: WrongExpectedVersion | undefined },
  error: unknown
): boolean => conflict !== undefined && error === conflict

/** Remembers the conflict that a check or a write fails with. */
const noteConflict = <Found, Events, Reply, E, R, A>(
  tx: Transaction<Found, Events, Reply, E, R>,
  effect: Effect.Effect<A, E | WrongExpectedVersion, R>
) =>
  Effect.tapError(effect, (error) => {
    if (error instanceof WrongExpectedVersion) tx.conflict = error
    return Effect.void
  })

/** The outcome of the same command when it was handled before. `decide` runs again for the reply. */
const handledBefore = <Found, Events, Reply, E, R>(
  { boundary, decide, options: { commandId } }: Transaction<Found, Events, Reply, E, R>
): Effect.Effect<Option.Option<Completed<Found, Events, Reply>>, E, R> =>
  commandId === undefined ? Effect.succeedNone : Effect.flatMap(
    boundary.handledBefore(commandId),
    Option.match({
      onNone: () => Effect.succeedNone,
      onSome: ({ after, events, found, globalPosition }) =>
        Effect.map(
          decide(found),
          ({ reply }) => Option.some({ events, after, reply, globalPosition: Option.some(globalPosition) })
        )
    })
  )

/** The outcome of a write. */
const completed = <Found, Events, Reply, E, R>(
  tx: Transaction<Found, Events, Reply, E, R>,
  found: Found,
  { after, events, globalPosition }: Written<Found, Events>,
  reply: Reply
): Effect.Effect<Completed<Found, Events, Reply>, E, R> => {
  const all = { events, reply, globalPosition: Option.some(globalPosition) }
  if (Option.isSome(after)) return Effect.succeed({ ...all, after: after.value })
  // The store had these events already, so the latest state has them folded in.
  return Effect.flatMap(handledBefore(tx), (before) =>
    Option.isSome(before)
      ? Effect.succeed(before.value)
      : Effect.map(tx.boundary.loadAgain(found, undefined), (after) => ({ ...all, after })))
}

/**
 * Decides on a cached state, which the write proves to be the latest: at the versions that were found it succeeds only then. None when
 * nothing is proven, and nothing is written: the write was refused, or there is none. Another state might have led to another decision,
 * so no error of this one comes out. What does come out is a failure of the store, after which the events may be written.
 *
 * `deciding` runs what comes before the write.
 */
const attemptOnCached = <Found, Events, Reply, E, R>(
  tx: Transaction<Found, Events, Reply, E, R>,
  found: Found,
  prepare: Prepare<Found, Events, E, R, Unwritten>,
  deciding: <A, E2>(effect: Effect.Effect<A, E2, R>) => Effect.Effect<A, E2, R>
): Effect.Effect<Option.Option<Completed<Found, Events, Reply>>, E | StoreError, R> =>
  Effect.suspend(() => {
    const { boundary, decide, metrics, options: { commandId }, store } = tx
    tx.generation = generationOf(store)
    const begun = metrics.now()
    const decided = Effect.tapCause(Effect.suspend(() => decide(found)), (cause) =>
      Effect.sync(() => metrics.refused(begun, errorType(cause))))
    const prepared = Effect.flatMap(decided, ({ events, reply }) => {
      metrics.decided(begun)
      // A look at what the command did before is a read as well.
      const isLookedUp = commandId !== undefined && boundary.extent(events) !== "all"
      return isLookedUp || !boundary.proves(events, commandId)
        ? Effect.succeedNone
        : Effect.map(prepare(found, events, commandId), (write) =>
          Option.some({ write, reply }))
    })
    return Effect.flatMap(Effect.exit(deciding(prepared)), (exit) => {
      if (Exit.isFailure(exit) || Option.isNone(exit.value) || mayBeOutdated(tx)) return Effect.succeedNone
      const { reply, write } = exit.value.value
      return Effect.matchEffect(write, {
        onSuccess: (written) => Effect.asSome(completed(tx, found, written, reply)),
        onFailure: (error) => {
          if (error instanceof StoreError) return Effect.fail(error)
          tx.wasStale = true
          if (isOwnConflict(tx, error)) tx.found = found
          return Effect.succeedNone
        }
      })
    })
  })

/** Loads, decides and writes, once. */
const attempt = <Found, Events, Reply, E, R>(
  tx: Transaction<Found, Events, Reply, E, R>
): Effect.Effect<Completed<Found, Events, Reply>, E | WrongExpectedVersion | StoreError, R> =>
  Effect.gen(function*() {
    const { boundary, decide, metrics, options: { alwaysCheck, commandId, freshness } } = tx
    tx.attempts += 1
    if (tx.attempts > 1) metrics.retried()
    const known = mayBeOutdated(tx) && (yield* isOutdated(tx)) ? undefined : tx.found
    const generation = generationOf(tx.store)
    const found = known === undefined
      ? yield* boundary.load(freshness)
      : yield* boundary.loadAgain(known, tx.conflict)
    tx.generation = generation
    tx.found = found
    tx.conflict = undefined
    const check = () => noteConflict(tx, boundary.check(found))
    const begun = metrics.now()
    const { events, reply } = yield* Effect.tapCause(decide(found), (cause) => {
      metrics.refused(begun, errorType(cause))
      return alwaysCheck && Option.isSome(Cause.findErrorOption(cause)) ? check() : Effect.void
    })
    metrics.decided(begun)

    const extent = boundary.extent(events)
    if (extent !== "all") {
      // The ids of its events reveal a repeated command only in the streams that it writes.
      const before = yield* handledBefore(tx)
      if (Option.isSome(before)) return before.value
    }
    if (extent === "none") {
      if (alwaysCheck) yield* check()
      return { events, after: found, reply, globalPosition: Option.none() }
    }

    if (mayBeOutdated(tx) && (yield* isOutdated(tx))) return yield* attempt(tx)
    const write = noteConflict(tx, Effect.flatten(boundary.prepare(found, events, commandId)))
    return yield* completed(tx, found, yield* write, reply)
  })

/** An attempt that may be refused because of what the same command did before: then the first outcome is the outcome. */
const attemptOrHandledBefore = <Found, Events, Reply, E, R>(
  tx: Transaction<Found, Events, Reply, E, R>
) =>
  tx.options.commandId === undefined ? attempt(tx) : Effect.catchIf(
    attempt(tx),
    (error) => !isOwnConflict(tx, error),
    (error) =>
      Effect.flatMap(
        handledBefore(tx),
        Option.match({ onNone: () => Effect.fail(error), onSome: (before) => Effect.succeed(before) })
      )
  )

/** Runs at once or not at all: the others of a round wait for it. A decision that takes time is made again when it is in no round. */
const promptly = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  { leave, tooSlow }: Pick<InRound<never, never, never, never>, "leave" | "tooSlow">
): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.forkChild(effect, { startImmediately: true }), (fiber) => {
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return exit
    tooSlow()
    leave()
    return Effect.andThen(Fiber.interrupt(fiber), Effect.interrupt)
  })

/** The attempt in a round with the others that wait for the stream, or, where there are no rounds, `alone`. */
const attemptInRound = <Found, Events, Reply, E, R>(
  tx: Transaction<Found, Events, Reply, E, R>,
  alone: Effect.Effect<Option.Option<Completed<Found, Events, Reply>>, E | StoreError, R>
): Effect.Effect<Option.Option<Completed<Found, Events, Reply>>, E | StoreError, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(tx.boundary.joinRound, (joined) => {
      if (Option.isNone(joined)) return restore(alone)
      const { leave, prepare, turn } = joined.value
      const attempted = Effect.flatMap(turn, (found) => {
        if (Option.isSome(found)) {
          return attemptOnCached(tx, found.value, prepare, (deciding) => promptly(deciding, joined.value))
        }
        tx.hasToQueue = true
        return Effect.succeedNone
      })
      return Effect.ensuring(restore(attempted), Effect.sync(leave))
    })
  )

/**
 * The attempt in a round, and in another one when the first was refused. That begins with a state that was read: when it is refused as
 * well, one of its transactions may be the reason.
 */
const attemptInRounds = <Found, Events, Reply, E, R>(
  tx: Transaction<Found, Events, Reply, E, R>,
  alone: Effect.Effect<Option.Option<Completed<Found, Events, Reply>>, E | StoreError, R>
): Effect.Effect<Option.Option<Completed<Found, Events, Reply>>, E | StoreError, R> => {
  const { inTurn } = tx.store[InProcess.TypeId].streamQueues
  const round = attemptInRound(tx, inTurn(tx.boundary.streamNames, alone))
  const again = Effect.suspend(() => {
    // Whatever becomes of the second one: the attempt after it queues, because a write of the first was refused.
    return tx.wasStale ? round : Effect.succeedNone
  })
  return Effect.flatMap(round, (done) => Option.isSome(done) ? Effect.succeed(done) : again)
}

/** The attempt on the cached state, by itself, if it is worth one. */
const attemptAlone = <Found, Events, Reply, E, R>(
  tx: Transaction<Found, Events, Reply, E, R>
): Effect.Effect<Option.Option<Completed<Found, Events, Reply>>, E | StoreError, R> =>
  Effect.suspend(() => {
    const { boundary, store } = tx
    const cached = boundary.promising()
    const { inTurn } = store[InProcess.TypeId].streamQueues
    return Option.isNone(cached)
      ? Effect.succeedNone
      : attemptOnCached(
        tx,
        cached.value,
        (...args) =>
          Effect.map(boundary.prepare(...args), (write) => inTurn(boundary.streamNames, noteConflict(tx, write))),
        identity
      )
  })

/**
 * The first attempt goes ahead, in parallel with others. After a conflict the transaction queues for its streams with the
 * others of this process, and so does one that finds a queue: otherwise newcomers would overtake the queue again and again. Those that
 * may decide on a cached state do so in rounds.
 *
 * In a transaction of the application it queues for nothing, also when it is independent of that transaction: which may hold what
 * those ahead in the queue wait for.
 */
const attemptInTurn = <Found, Events, Reply, E, R>(
  tx: Transaction<Found, Events, Reply, E, R>
) => {
  const { boundary: { streamNames }, options: { mayBeProven }, store } = tx
  const { streamQueues: { hasTurn, inTurn, isQueued }, transactions } = store[InProcess.TypeId]
  const next = attemptOrHandledBefore(tx)
  /** The attempt after one on a cached state, if that has proven nothing. */
  const orNext = (attempted: Effect.Effect<Option.Option<Completed<Found, Events, Reply>>, E | StoreError, R>) =>
    Effect.flatMap(attempted, (done) => {
      if (Option.isSome(done)) return Effect.succeed(done.value)
      return tx.wasStale || tx.hasToQueue ? inTurn(streamNames, next) : next
    })
  const alone = attemptAlone(tx)
  return Effect.contextWith((context: Context.Context<R>) => {
    const isFirst = tx.attempts === 0 && mayBeProven
    const first = isFirst ? orNext(alone) : next
    if ((tx.attempts === 0 && !isQueued(streamNames)) || isOnItsOwn(transactions, context)) return first
    return isFirst && !hasTurn(context) ? orNext(attemptInRounds(tx, alone)) : inTurn(streamNames, first)
  })
}

/** Reads the messages that the last decision missed. They explain the conflict, so a failure to read them does not replace it. */
const readMissed = <Found, Events, Reply, E, R>(
  { boundary, found }: Transaction<Found, Events, Reply, E, R>,
  streamName: string
) => {
  const missed = found === undefined ? Effect.succeed([]) : boundary.missed(found, streamName, maxMissed)
  return Effect.catch(missed, (error) =>
    Effect.as(
      logFailure("Warn", "transaction could not read the messages that it missed", { streamName }, Cause.fail(error)),
      []
    ))
}

/** Attempts are used up: fails with the last conflict, unless the same command turns out to be what wrote. */
const giveUp = Effect.fnUntraced(function*<Found, Events, Reply, E, R>(
  tx: Transaction<Found, Events, Reply, E, R>,
  { actual, expected, streamName }: WrongExpectedVersion
) {
  const before = yield* handledBefore(tx)
  if (Option.isSome(before)) return before.value
  tx.metrics.gaveUp()
  const missed = yield* readMissed(tx, streamName)
  // What the store has is not checked again: a foreign writer may have written it.
  return yield* new Conflict({ streamName, expected, actual, attempts: tx.attempts, missed }, { disableChecks: true })
})

/** Loads, decides and writes, and does so again after a conflict: see `Entity.transact`. */
export const transact = <Found, Events, Reply, E, R, Refusal, RDecide>(
  store: MessageStore["Service"],
  boundary: Boundary<Found, Events, E, R>,
  decide: Decide<Found, Events, Reply, Refusal, RDecide>,
  options: Options
): Effect.Effect<Completed<Found, Events, Reply>, E | Refusal | Conflict | StoreError, R | RDecide> =>
  Effect.suspend(() => {
    const tx: Transaction<Found, Events, Reply, E | Refusal, R | RDecide> = {
      store,
      boundary,
      decide,
      options,
      metrics: Metrics.ofStreams(store, boundary.streamNames),
      attempts: 0,
      found: undefined,
      conflict: undefined,
      wasStale: false,
      hasToQueue: false,
      generation: generationOf(store)
    }
    type Failure = E | Refusal | WrongExpectedVersion | StoreError
    const isOwn = (error: Failure): error is Failure & WrongExpectedVersion => isOwnConflict(tx, error)
    const attempt = attemptInTurn(tx)
    return Effect.catchIf(attempt, isOwn, (conflict) => {
      // The first attempt is made outside of the schedule, which would cost as much as the rest of a transaction without a conflict.
      let next: typeof attempt = Effect.fail(conflict)
      const inTurn = Effect.suspend(() => {
        const now = next
        next = attempt
        return now
      })
      return Effect.retry(inTurn, { schedule: options.retry, while: isOwn }).pipe(
        Effect.catchIf(isOwn, (conflict) => giveUp(tx, conflict))
      )
    })
  })

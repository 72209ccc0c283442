/**
 * An entity: the state that the events of one stream fold into, and decisions on it under optimistic concurrency.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Category from "./Category.ts"
import { succeeded } from "./internal/eager.ts"
import type { RecordedMessage } from "./Message.ts"
import * as MessageStore from "./MessageStore.ts"
import type { StoreError, WrongExpectedVersion } from "./StoreError.ts"
import type { InvalidStreamName, StreamName } from "./StreamName.ts"

/**
 * By type of event, the state after it. Pure and total: an event has happened, so it can't be refused.
 *
 * @since 0.1.0
 */
export type Evolve<E, S> = {
  readonly [K in keyof E & string]: (state: S, data: Category.Data<E[K]>) => S
}

/**
 * A state and the stream version it was folded up to; none when the stream does not exist.
 *
 * @since 0.1.0
 */
export interface Snapshot<S> {
  readonly state: S
  readonly version: Option.Option<number>
}

/**
 * What a transaction did: the events that were decided, none perhaps, and the state and version after them.
 *
 * @since 0.1.0
 */
export interface Transacted<S, Event> extends Snapshot<S> {
  readonly events: ReadonlyArray<Event>
}

/**
 * What `decide` gives: an event, or some, or none (an empty array).
 *
 * @since 0.1.0
 */
export type Decision<Event> = Event | ReadonlyArray<Event>

/** @since 0.1.0 */
export type LoadError = InvalidStreamName | Category.DecodeError | StoreError

/** @since 0.1.0 */
export type TransactError = MessageStore.AppendError | Category.DecodeError

/** @since 0.1.0 */
export interface TransactOptions {
  /**
   * When to decide again after a conflict. Default: {@link defaultRetry}. `Schedule.recurs(0)` never does.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
}

/** @since 0.1.0 */
export interface Entity<E extends Category.Events, S> {
  readonly category: Category.Category<string, E>
  /** The schema of the state. */
  readonly state: Schema.Codec<S, unknown>
  readonly initial: S
  /** The state after an event: one step of the fold, for who reads the events by himself. */
  readonly evolve: (state: S, event: Pick<Category.EventOf<E>, "type" | "data">) => S
  /** Folds all events of the stream of an id. The state is `initial` when the stream does not exist. */
  readonly load: (id: Category.Id) => Effect.Effect<Snapshot<S>, LoadError, MessageStore.MessageStore>
  /**
   * Decides on the current state and appends the outcome.
   *
   * 1. The stream is read and folded.
   * 2. `decide` sees the state and gives the events that follow, or fails with a refusal of its own.
   * 3. No events: nothing is written and nothing is checked. Otherwise they are appended, all or none, expecting the
   *    version that was read.
   * 4. If another writer was faster, what is new in the stream is read and `decide` runs again, as often as `retry`
   *    says; then the call fails with the last `WrongExpectedVersion`. So `decide` may run several times: it should have
   *    no effects that must not be repeated.
   *
   * Events whose ids are all recorded in the stream already, with the same content, are not written again: the call
   * succeeds with the stream's state as it is.
   */
  readonly transact: <Refusal = never, R = never>(
    id: Category.Id,
    decide: (
      state: S,
      version: Option.Option<number>
    ) => Decision<Category.EventOf<E>> | Effect.Effect<Decision<Category.EventOf<E>>, Refusal, R>,
    options?: TransactOptions
  ) => Effect.Effect<Transacted<S, Category.EventOf<E>>, Refusal | TransactError, R | MessageStore.MessageStore>
}

/**
 * Ten more attempts, the first after about 2 milliseconds and each after twice the time of the one before, 250
 * milliseconds at the most, jittered. The delays are on `Clock`: a test on the test clock has to move it on for a conflict
 * to be retried.
 *
 * @since 0.1.0
 */
export const defaultRetry: Schedule.Schedule<unknown> = Schedule.max([
  Schedule.min([Schedule.exponential("2 millis"), Schedule.spaced("250 millis")]).pipe(Schedule.jittered),
  Schedule.recurs(10)
])

type Fold<S> = { state: S; version: number }

/**
 * Defines an entity of a category: the schema of its state, the state of a stream without events, and how each event
 * changes it. Events of types that the category does not name are skipped.
 *
 * @example
 * ```ts
 * import { Category, Entity } from "eventfold"
 * import { Schema } from "effect"
 *
 * const Account = Category.make("account", { Deposited: { amount: Schema.Int }, Closed: {} })
 *
 * const Balance = Entity.make(Account, {
 *   state: Schema.Struct({ balance: Schema.Int, open: Schema.Boolean }),
 *   initial: { balance: 0, open: true },
 *   evolve: {
 *     Deposited: (state, { amount }) => ({ ...state, balance: state.balance + amount }),
 *     Closed: (state) => ({ ...state, open: false })
 *   }
 * })
 *
 * const close = (id: string) => Balance.transact(id, (state) => state.open ? Account.events.Closed({}) : [])
 * ```
 *
 * @since 0.1.0
 */
export const make = <E extends Category.Events, S>(
  category: Category.Category<string, E>,
  options: {
    readonly state: Schema.Codec<S, unknown>
    readonly initial: NoInfer<S>
    readonly evolve: Evolve<NoInfer<E>, NoInfer<S>>
  }
): Entity<E, S> => {
  const steps = new Map(Object.entries<(state: S, data: never) => S>(options.evolve))
  const evolve = (state: S, { data, type }: Pick<Category.EventOf<E>, "type" | "data">): S => {
    const step = steps.get(type)
    return step === undefined ? state : step(state, data as never)
  }

  const foldArray = (fold: Fold<S>) =>
    Effect.fnUntraced(function*(rows: ReadonlyArray<RecordedMessage>) {
      for (const recorded of rows) {
        const decoding = category.decode(recorded)
        const event = succeeded(decoding)?.value ?? (yield* decoding)
        if (Option.isSome(event)) fold.state = evolve(fold.state, event.value)
        fold.version = recorded.position
      }
    })

  /** Folds what is new in the stream since `fold`. */
  const catchUp = Effect.fnUntraced(function*(streamName: StreamName, from: Fold<S>) {
    const store = yield* MessageStore.MessageStore
    const fold = { ...from }
    yield* store.readStream(streamName, { from: from.version + 1 }).pipe(
      Stream.runForEachArray(foldArray(fold)),
      // The position is ours and every store reads forwards: either failure would be a bug.
      Effect.catchTag(["InvalidArgument", "Unsupported"], Effect.die)
    )
    return fold
  })

  const beginning: Fold<S> = { state: options.initial, version: -1 }

  const load = Effect.fn("Entity.load")(function*(id: Category.Id) {
    const streamName = yield* category.streamName(id)
    yield* Effect.annotateCurrentSpan("eventfold.stream", streamName)
    return snapshot(yield* catchUp(streamName, beginning))
  })

  const transact: Entity<E, S>["transact"] = Effect.fn("Entity.transact")(function*(id, decide, options) {
    const store = yield* MessageStore.MessageStore
    const streamName = yield* category.streamName(id)
    yield* Effect.annotateCurrentSpan("eventfold.stream", streamName)
    let current = beginning
    let conflict: WrongExpectedVersion | undefined

    const attempt = Effect.gen(function*() {
      current = yield* catchUp(streamName, current)
      const { state, version } = snapshot(current)
      const decided = decide(state, version)
      const decision = Effect.isEffect(decided) ? yield* decided : decided
      const events: ReadonlyArray<Category.EventOf<E>> = Array.isArray(decision) ? decision : [decision]
      if (events.length === 0) return { state, version, events }
      const messages = yield* category.encode(streamName, events)
      const expectedVersion = current.version === -1 ? "noStream" : current.version
      const written = yield* Effect.tapErrorTag(
        store.append(streamName, messages, { expectedVersion }),
        "WrongExpectedVersion",
        (error) => Effect.sync(() => conflict = error)
      )
      if (written.version !== current.version + messages.length) {
        // They had been recorded before under the same ids: the stream has them already, and folds them once.
        current = yield* catchUp(streamName, current)
        return { ...snapshot(current), events }
      }
      const next = events.reduce(evolve, state)
      return { state: next, version: Option.some(written.version), events }
    })

    return yield* Effect.retry(attempt, {
      schedule: options?.retry ?? defaultRetry,
      // Only this append's own conflict: `decide` may fail with another entity's.
      while: (error) => error === conflict
    })
  })

  return { category, state: options.state, initial: options.initial, evolve, load, transact }
}

const snapshot = <S>({ state, version }: Fold<S>): Snapshot<S> => ({
  state,
  version: version === -1 ? Option.none() : Option.some(version)
})

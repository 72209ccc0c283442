/**
 * An entity: the state that the events of one stream fold into, and decisions on it under optimistic concurrency.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type * as Category from "./Category.ts"
import type { Freshness } from "./EntityCache.ts"
import { oneStream, severalStreams } from "./internal/entity/boundary.ts"
import { changes } from "./internal/entity/changes.ts"
import {
  type Decided,
  type Decision,
  outcome,
  type RefusalOf,
  type Replied,
  type ReplyOf,
  type RequirementsOf,
  type Settled
} from "./internal/entity/decision.ts"
import { type EntityStream, type Model, open, type ReadError, versionOption } from "./internal/entity/entityStream.ts"
import type { Fold } from "./internal/entity/fold.ts"
import * as Snapshots from "./internal/entity/snapshots.ts"
import * as Transaction from "./internal/entity/transact.ts"
import * as MessageStore from "./MessageStore.ts"
import { InvalidArgument, type Unsupported, type WrongExpectedVersion } from "./StoreError.ts"
import type * as StreamName from "./StreamName.ts"

/** @since 0.1.0 */
export {
  type Decided,
  type Decision,
  isReplied,
  type RefusalOf,
  type Replied,
  reply,
  type ReplyOf,
  type RequirementsOf
} from "./internal/entity/decision.ts"

/**
 * By type of event, the state after it. Pure and total: an event has happened, so it can't be refused. It gives a new
 * state and leaves the old one as it is, which may be in use elsewhere.
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
export interface Loaded<S> {
  readonly state: S
  readonly version: Option.Option<number>
}

/**
 * What a transaction did: the events that were decided, none perhaps, the state and version after them, and the reply.
 *
 * @since 0.1.0
 */
export interface Transacted<S, Event, Reply = void> extends Loaded<S> {
  readonly events: ReadonlyArray<Event>
  readonly reply: Reply
}

/** @since 0.1.0 */
export type LoadError = ReadError

/**
 * The stream was not at the version that was decided upon, and attempts are used up: a `WrongExpectedVersion` that knows
 * how many there were, and the events that the last one missed (the first hundred at the most).
 *
 * @since 0.1.0
 */
export type Conflict<Recorded> = Transaction.Conflict<Recorded>

/** @since 0.1.0 */
export type TransactError<C extends Category.Any = Category.Any> =
  | Exclude<MessageStore.AppendError, WrongExpectedVersion>
  | Conflict<Category.RecordedEvent<C>>
  | Category.DecodeError

/** @since 0.1.0 */
export interface LoadOptions {
  /** Default `"latest"`. Without an `EntityCache` it is always the latest. */
  readonly freshness?: Freshness | undefined
}

/** @since 0.1.0 */
export interface TransactOptions {
  /**
   * When to decide again after a conflict. Default: {@link defaultRetry}. `Schedule.recurs(0)` never does.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /**
   * Which state to decide on at first; after a conflict it is always the latest. `"assumeEmpty"` reads nothing, and
   * decides on the initial state of a stream that is expected not to exist: a creation in one round trip. Default
   * `"latest"`.
   */
  readonly freshness?: Freshness | "assumeEmpty" | undefined
  /**
   * Whether the version is checked also when there are no events, or a refusal, with one more read: then "nothing to do"
   * or "no" has been decided on the latest state, whatever `freshness` says. Default: false.
   */
  readonly alwaysCheck?: boolean | undefined
  /**
   * The id of the command that is handled, any text. The same command has one effect on a stream, however often it is
   * sent: message ids are derived from it (those that events may have are not used), and the second time the result is
   * the first one's: its events, the state and version after them, and the reply that `decide` gives to the state before
   * them, which it is called with again.
   */
  readonly commandId?: string | undefined
}

/** @since 0.1.0 */
export interface ChangesOptions {
  /** How long to wait for a wake-up before looking anyway. Default: one second. */
  readonly pollInterval?: Duration.Input | undefined
}

const TargetTypeId = "~eventfold/Entity/Target"

/**
 * An entity and an id: one of the streams of a {@link transactAll}.
 *
 * @since 0.1.0
 */
export interface Target<C extends Category.Any, S> extends AnyTarget {
  readonly entity: Entity<C, S>
  readonly id: Category.Id<C>
}

/**
 * Any {@link Target}, as a bound of type parameters.
 *
 * @since 0.1.0
 */
export interface AnyTarget {
  readonly id: unknown
  /** @internal */
  readonly [TargetTypeId]: unknown
}

/** @since 0.1.0 */
export interface Entity<C extends Category.Any, S> {
  readonly category: C
  /** The schema of the state. */
  readonly state: Schema.Codec<S, unknown>
  readonly initial: S
  /** The state after an event: one step of the fold, for who reads the events by himself. */
  readonly evolve: (state: S, event: Pick<Category.Event<C>, "type" | "data">) => S
  /** The state that the events of an id's stream fold into. It is `initial` when the stream does not exist. */
  readonly load: (
    id: Category.Id<C>,
    options?: LoadOptions
  ) => Effect.Effect<Loaded<S>, LoadError, MessageStore.MessageStore | Category.Services<C>>
  /**
   * The state as it was: after the event of a version (inclusive; the latest state when the stream has not got that far),
   * or at a time, when the events up to the first that was written later had happened. It is folded from the beginning.
   */
  readonly loadAt: (
    id: Category.Id<C>,
    at: { readonly version: number } | { readonly time: DateTime.Utc }
  ) => Effect.Effect<
    Loaded<S>,
    LoadError | InvalidArgument,
    MessageStore.MessageStore | Category.Services<C>
  >
  /**
   * Decides on the current state and appends the outcome.
   *
   * 1. The stream is read and folded.
   * 2. `decide` sees the state and gives the events that follow, maybe with a {@link reply}, or fails with a refusal of
   *    its own.
   * 3. No events, or a refusal: nothing is written and nothing is checked, unless `alwaysCheck` is set. Otherwise they
   *    are appended, all or none, expecting the version that was read.
   * 4. If another writer was faster, what is new in the stream is read and `decide` runs again, as often as `retry`
   *    says; then the call fails with the last {@link Conflict}. So `decide` may run several times: it should have no
   *    effects that must not be repeated.
   * 5. If a snapshot is due it is written.
   *
   * Events whose ids are all recorded in the stream already, with the same content, are not written again: the call
   * succeeds with the stream's state as it is.
   */
  readonly transact: <A extends Decided<Decision<Category.Event<C>>>>(
    id: Category.Id<C>,
    decide: (state: S, version: Option.Option<number>) => A,
    options?: TransactOptions
  ) => Effect.Effect<
    Transacted<S, Category.Event<C>, ReplyOf<A>>,
    RefusalOf<A> | TransactError<C>,
    RequirementsOf<A> | MessageStore.MessageStore | Category.Services<C>
  >
  /**
   * The latest state, then the state after each event that is written, for as long as the stream is run. Events of this
   * process come at once, those of others when the store hears of them (`MessageStore.wakeUps`), or at the next poll.
   */
  readonly changes: (
    id: Category.Id<C>,
    options?: ChangesOptions
  ) => Stream.Stream<Loaded<S>, LoadError, MessageStore.MessageStore | Category.Services<C>>
  /** This entity with an id, for {@link transactAll}. */
  readonly at: (id: Category.Id<C>) => Target<C, S>
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

/**
 * When snapshots of an entity are written: after an append, to a stream beside its own, `account:snapshot-123` for
 * `account-123`, as Eventide's clients do. A load then begins with the last one. They are an economy and never a source of
 * truth: one that can't be written is a warning in the log, and one of another version, or that does not decode, is
 * passed over and replaced.
 *
 * @since 0.1.0
 */
export type SnapshotOptions<S> =
  & {
    /**
     * The version of the state, from 1, to be raised when its schema or `evolve` changes: snapshots of other versions are
     * passed over.
     */
    readonly version: number
    /**
     * Tells the snapshots of several entities of one category apart: `"Balance"` makes it
     * `account:snapshot+Balance-123`.
     */
    readonly specifier?: string | undefined
  }
  & (
    /** One for at least so many messages since the last. */
    | { readonly every: number }
    /** After each append whose state and version it wants. */
    | { readonly when: (state: S, version: number) => boolean }
  )

/** @since 0.1.0 */
export interface Options<E, S> {
  readonly state: Schema.Codec<S, unknown>
  /** The state of a stream without events. */
  readonly initial: NoInfer<S>
  readonly evolve: NoInfer<Evolve<E, S>>
  /** Default: none are written or read. */
  readonly snapshots?: SnapshotOptions<NoInfer<S>> | undefined
  /** How much of an `EntityCache`'s capacity a state takes. Default: 1. */
  readonly weight?: ((state: NoInfer<S>) => number) | undefined
}

const isDue = <S>(options: SnapshotOptions<S>) => ({ snapshotAt, state, version }: Fold<S>): boolean =>
  "every" in options ? version - snapshotAt >= options.every : options.when(state, version)

const loaded = <S>({ state, version }: Pick<Fold<S>, "state" | "version">): Loaded<S> => ({
  state,
  version: versionOption(version)
})

/** The steps of all types of events as one function. An event of a type without a step changes nothing. */
const evolveBy = <S>(steps: Evolve<Category.Events, S>) => {
  const byType = new Map(Object.entries<(state: S, data: never) => S>(steps))
  return (state: S, { data, type }: { readonly type: string; readonly data: unknown }): S => {
    const step = byType.get(type)
    return step === undefined ? state : step(state, data as never)
  }
}

const transactionOptions = (options: TransactOptions = {}): Transaction.Options => ({
  retry: options.retry ?? defaultRetry,
  freshness: options.freshness ?? "latest",
  alwaysCheck: options.alwaysCheck ?? false,
  commandId: options.commandId
})

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
 *   },
 *   snapshots: { version: 1, every: 500 }
 * })
 *
 * const close = (id: string) => Balance.transact(id, (state) => state.open ? Account.events.Closed({}) : [])
 * ```
 *
 * @since 0.1.0
 */
export const make = <E extends Category.Events, O extends Category.Options, S>(
  category: Category.Category<E, O>,
  options: Options<E, S>
): Entity<Category.Category<E, O>, S> => {
  type C = Category.Category<E, O>
  const model: Model<E, O, S> = {
    category,
    evolve: evolveBy(options.evolve),
    initial: options.initial,
    weight: options.weight ?? (() => 1),
    snapshots: options.snapshots === undefined ? undefined : Snapshots.make(options.state, {
      version: options.snapshots.version,
      specifier: options.snapshots.specifier,
      isDue: isDue(options.snapshots)
    })
  }

  // Not Effect.fn: see MessageStore.append.
  const load = (id: Category.Id<C>, options?: LoadOptions) =>
    Effect.useSpan("Entity.load", (span) =>
      Effect.flatMap(open(model, id), ({ load, streamName }) => {
        span.attribute("eventfold.stream", streamName)
        return Effect.map(load(options?.freshness ?? "latest"), loaded)
      }).pipe(Effect.provideService(Tracer.ParentSpan, span)))

  const loadAt = Effect.fn("Entity.loadAt")(function*(
    id: Category.Id<C>,
    at: { readonly version: number } | { readonly time: DateTime.Utc }
  ) {
    const { loadUntil, streamName } = yield* open(model, id)
    yield* Effect.annotateCurrentSpan("eventfold.stream", streamName)
    if ("time" in at) {
      return loaded(yield* loadUntil(({ time }) => time.epochMilliseconds <= at.time.epochMilliseconds))
    }
    if (!Number.isSafeInteger(at.version) || at.version < 0) {
      const expected = "a whole number from 0"
      return yield* new InvalidArgument({ argument: "version", value: String(at.version), expected })
    }
    return loaded(yield* loadUntil(({ position }) => position <= at.version))
  })

  const transact = Effect.fn("Entity.transact")(function*<A extends Decided<Decision<Category.Event<C>>>>(
    id: Category.Id<C>,
    decide: (state: S, version: Option.Option<number>) => A,
    options?: TransactOptions
  ) {
    const store = yield* MessageStore.MessageStore
    const stream = yield* open(model, id)
    yield* Effect.annotateCurrentSpan("eventfold.stream", stream.streamName)
    const { after, events, reply } = yield* Transaction.transact(
      store,
      oneStream(store, stream, (append) => store.append(append.streamName, append.messages, append)),
      ({ state, version }) =>
        Effect.map(
          outcome<Decision<Category.Event<C>>, A>(decide(state, versionOption(version))),
          ({ decision, reply }) => ({ events: Arr.ensure(decision), reply })
        ),
      transactionOptions(options)
    )
    return { ...loaded(after), events, reply }
  })

  const self: Entity<C, S> = {
    category,
    state: options.state,
    initial: options.initial,
    evolve: model.evolve,
    load,
    loadAt,
    transact,
    changes: (id, { pollInterval = "1 second" } = {}) => Stream.map(changes(model, id, pollInterval), loaded),
    at: (id) => ({ entity: self, id, [TargetTypeId]: open(model, id) })
  }
  return self
}

/**
 * The stream of a target.
 *
 * @internal
 */
export const streamOf = <C extends Category.Any, S>(target: Target<C, S>) =>
  target[TargetTypeId] as Effect.Effect<
    EntityStream<S, Category.Event<C>, Category.RecordedEvent<C>, Category.Services<C>>,
    StreamName.InvalidStreamName,
    MessageStore.MessageStore
  >

/** The state that a target's entity has. */
type StateOf<T> = T extends Target<infer _C, infer S> ? S : never

type CategoryOf<T> = T extends Target<infer C, infer _S> ? C : never

type RecordedOf<T> = T extends Target<infer C, infer _S> ? Category.RecordedEvent<C> : never

type ServicesOf<T> = T extends Target<infer C, infer _S> ? Category.Services<C> : never

/** @since 0.1.0 */
export type TransactAllError<T extends Targets> =
  | Exclude<MessageStore.AppendError, WrongExpectedVersion>
  | Conflict<RecordedOf<T[keyof T]>>
  | Category.DecodeError
  | InvalidArgument
  | Unsupported

/**
 * The streams of a {@link transactAll}, by names of your choice.
 *
 * @since 0.1.0
 */
export interface Targets {
  readonly [name: string]: AnyTarget
}

/**
 * What `decide` gives for each of the targets; nothing for those that it leaves out.
 *
 * @since 0.1.0
 */
export type Decisions<T extends Targets> = {
  readonly [K in keyof T]?: Decision<Category.Event<CategoryOf<T[K]>>> | undefined
}

/** A decision for a name that no target has is a mistake of typing, which an inferred type would let pass. */
type OnlyTargets<T, A> = Exclude<NamesIn<Settled<A>>, keyof T> extends never ? unknown
  : { readonly noSuchTarget: Exclude<NamesIn<Settled<A>>, keyof T> }

type NamesIn<B> = B extends Replied<infer D, infer _Reply> ? NamesIn<D> : B extends unknown ? keyof B : never

/**
 * What a transaction over several streams did, by the names of the targets.
 *
 * @since 0.1.0
 */
export interface TransactedAll<T extends Targets, Reply = void> {
  readonly entities: {
    readonly [K in keyof T]: Loaded<StateOf<T[K]>> & {
      readonly events: ReadonlyArray<Category.Event<CategoryOf<T[K]>>>
    }
  }
  readonly reply: Reply
}

/**
 * Decides on several entities and appends the outcome to their streams in one transaction: all of it or nothing, each
 * stream expected to be at the version that was read. Otherwise it does what `transact` of one entity does; what the
 * options say holds for every stream. A stream without events is not written, and its version is not checked.
 *
 * **Details**
 *
 * All the streams of a transaction wait for its commit, so a transfer between two accounts is a good use, and a
 * transaction over a thousand is not. Fails with `InvalidArgument` when two targets are one stream.
 *
 * @example
 * ```ts
 * import { Category, Entity } from "eventfold"
 * import { Schema } from "effect"
 *
 * const Account = Category.make("account", { Deposited: { amount: Schema.Int }, Withdrawn: { amount: Schema.Int } })
 * const Balance = Entity.make(Account, {
 *   state: Schema.Int,
 *   initial: 0,
 *   evolve: { Deposited: (balance, { amount }) => balance + amount, Withdrawn: (balance, { amount }) => balance - amount }
 * })
 *
 * const transfer = (from: string, to: string, amount: number) =>
 *   Entity.transactAll({ payer: Balance.at(from), payee: Balance.at(to) }, ({ payer }) =>
 *     payer < amount
 *       ? Entity.reply({}, "refused")
 *       : Entity.reply({
 *         payer: Account.events.Withdrawn({ amount }),
 *         payee: Account.events.Deposited({ amount })
 *       }, "done"))
 * ```
 *
 * @since 0.1.0
 */
export const transactAll: <T extends Targets, A extends Decided<Decisions<T>>>(
  targets: T,
  decide: (states: { readonly [K in keyof T]: StateOf<T[K]> }) => A & OnlyTargets<T, A>,
  options?: TransactOptions
) => Effect.Effect<
  TransactedAll<T, ReplyOf<A>>,
  RefusalOf<A> | TransactAllError<T>,
  RequirementsOf<A> | MessageStore.MessageStore | ServicesOf<T[keyof T]>
> = Effect.fn("Entity.transactAll")(function*<T extends Targets, A extends Decided<Decisions<T>>>(
  targets: T,
  decide: (states: { readonly [K in keyof T]: StateOf<T[K]> }) => A,
  options?: TransactOptions
) {
  const store = yield* MessageStore.MessageStore
  const names = Object.keys(targets)
  const byName = <A>(values: ReadonlyArray<A>): object => Object.fromEntries(Arr.zip(names, values))
  const streams = yield* Effect.forEach(
    Object.values<AnyTarget>(targets),
    (target) =>
      target[TargetTypeId] as Effect.Effect<AnyStream<T>, StreamName.InvalidStreamName, MessageStore.MessageStore>
  )
  for (const [index, { streamName }] of streams.entries()) {
    const first = streams.findIndex((other) => other.streamName === streamName)
    if (first !== index) {
      const expected = `another stream than that of ${names[first]}`
      return yield* new InvalidArgument({ argument: `targets.${names[index]}`, value: streamName, expected })
    }
  }
  const { after, events, reply } = yield* Transaction.transact(
    store,
    severalStreams(store, streams, store.writeAll),
    (found) =>
      Effect.map(
        outcome<Decisions<T>, A>(
          decide(byName(found.map(({ fold }) => fold.state)) as { readonly [K in keyof T]: StateOf<T[K]> })
        ),
        ({ decision, reply }) => ({
          events: names.map((name) => Arr.ensure<unknown>(Object.hasOwn(decision, name) ? decision[name] ?? [] : [])),
          reply
        })
      ),
    transactionOptions(options)
  )
  const entities = byName(Arr.zipWith(after, events, ({ fold }, events) => ({ ...loaded(fold), events })))
  return { entities: entities as TransactedAll<T>["entities"], reply }
})

/** One of the streams, whatever its entity. */
type AnyStream<T extends Targets> = EntityStream<unknown, unknown, RecordedOf<T[keyof T]>, ServicesOf<T[keyof T]>>

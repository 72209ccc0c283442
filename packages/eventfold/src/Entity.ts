/**
 * An entity: a state that is folded from the events of one stream, and decisions on it with optimistic concurrency.
 *
 * **Details**
 *
 * {@link make} says how the events of a category become a state. `load` reads the state of an id. `transact` decides on it:
 * a function gets the state and gives the events that follow, or a typed refusal. They are appended only if no other writer
 * has changed the stream meanwhile; otherwise the decision is made again. {@link transactAll} decides on several entities at
 * once. With an `EntityCache`, or with snapshots, a load reads only what is new.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Category from "./Category.ts"
import { appendingOneStream, type Boundary, severalStreams, withMetadata } from "./internal/entity/boundary.ts"
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
import {
  type AnyRecorded,
  type EntityStream,
  givingMetadata,
  type Model,
  open,
  versionOption
} from "./internal/entity/entityStream.ts"
import type { Fold } from "./internal/entity/fold.ts"
import {
  type ChangesOptions,
  type LoadOptions,
  type TransactAllOptions,
  transactionOptions,
  type TransactOptions
} from "./internal/entity/options.ts"
import * as Snapshots from "./internal/entity/snapshots.ts"
import type { SnapshotOptions } from "./internal/entity/snapshots.ts"
import * as Transaction from "./internal/entity/transact.ts"
import { inSpan } from "./internal/store/spans.ts"
import * as MessageStore from "./MessageStore.ts"
import { InvalidArgument, type StoreError, type Unsupported, type WrongExpectedVersion } from "./StoreError.ts"
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
  type RequirementsOf,
  type Settled
} from "./internal/entity/decision.ts"

/** @since 0.1.0 */
export {
  type ChangesOptions,
  defaultRetry,
  type LoadOptions,
  type TransactAllOptions,
  type TransactOptions
} from "./internal/entity/options.ts"

/** @since 0.1.0 */
export { Conflict } from "./internal/entity/transact.ts"

/** @since 0.1.0 */
export type { SnapshotOptions } from "./internal/entity/snapshots.ts"

/**
 * The functions of a fold: for each type of event, the state after it.
 *
 * **Details**
 *
 * A function is pure and total: the event has happened, so it cannot be refused. It gives a new state and does not change the
 * old one, which other readers may have.
 *
 * @category models
 * @since 0.1.0
 */
export type Evolve<C extends Category.Any, S> = {
  readonly [K in keyof C["Events"] & string]: (state: S, data: Category.Data<C["Events"][K]>) => S
}

/**
 * A state, and the stream version that it stands for, from 0. The version is none when the stream does not exist.
 *
 * @category models
 * @since 0.1.0
 */
export interface Loaded<S> {
  readonly state: S
  readonly version: Option.Option<number>
}

/**
 * The result of a transaction: the decided events, which may be none, the state and version after them, and the reply.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transacted<S, C extends Category.Any, Reply = void> extends Loaded<S> {
  readonly events: ReadonlyArray<Category.Event<C>>
  readonly reply: Reply
  /**
   * The global position of the last event that was written, for `ReadModel.waitFor` and `Consumer.waitFor`. None when nothing
   * was written. When the events had been written before, under the same `commandId` or the same ids, it is that of then.
   */
  readonly globalPosition: Option.Option<number>
}

/**
 * The errors of a load: a wrong id, a stored event that does not fit its schema, or a failure of the store.
 *
 * @category errors
 * @since 0.1.0
 */
export type LoadError = StreamName.InvalidStreamName | Category.DecodeError | StoreError

/**
 * The errors of a transaction beside the refusals of its decision, of `transact` and of {@link transactAll}.
 *
 * **When to use**
 *
 * In signatures. To tell these errors from refusals of one's own, see `StoreFailure`.
 *
 * **Details**
 *
 * - `Conflict`: other writers were faster, and the attempts are used up.
 * - `InvalidMessage`: a decided event does not fit its schema.
 * - `DuplicateMessageId`: another message has the id of an event.
 * - `DecodeError`: a stored event does not fit its schema.
 * - `InvalidStreamName`: the id is empty or does not fit its schema.
 * - `StoreError`: the store failed. Whether the events were written may be unknown; with a `commandId` it is safe to retry.
 * - `InvalidArgument`: two targets of a {@link transactAll} are one stream.
 * - `Unsupported`: the store cannot write to several streams at once.
 *
 * @category errors
 * @since 0.1.0
 */
export type TransactError =
  | Exclude<MessageStore.AppendError, WrongExpectedVersion>
  | Transaction.Conflict
  | Category.DecodeError
  | InvalidArgument
  | Unsupported

const TargetTypeId = "~eventfold/Entity/Target"

/**
 * An entity with an id, which {@link transactAll} decides on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target<C extends Category.Any, S> extends AnyTarget {
  readonly entity: Entity<C, S>
  readonly id: Category.Id<C>
}

/**
 * Any {@link Target}, as a bound of type parameters.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnyTarget {
  readonly id: unknown
  /** @internal */
  readonly [TargetTypeId]: unknown
}

/**
 * An entity of a category: how events become a state, and the operations on the state of an id.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entity<C extends Category.Any, S> {
  readonly category: C
  readonly state: Schema.Codec<S, unknown>
  readonly initial: S
  /** The state after an event. It is one step of the fold, for programs that read the events themselves. */
  readonly evolve: (state: S, event: Pick<Category.Event<C>, "type" | "data">) => S
  /** Loads the state of an id by folding the events of its stream. It is `initial` when the stream does not exist. */
  readonly load: (
    id: Category.Id<C>,
    options?: LoadOptions
  ) => Effect.Effect<Loaded<S>, LoadError, MessageStore.MessageStore | Category.Services<C>>
  /**
   * Loads a past state, folded from the beginning of the stream.
   *
   * `{ version }` is the state after the event of that version, inclusive, or the latest when the stream has not got that
   * far. It must be a whole number from 0; anything else is an `InvalidArgument`. `{ time }` is the state before the first
   * event that was written later than that.
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
   * Decides on the state of an id and appends the events.
   *
   * **Details**
   *
   * 1. The transaction loads the state.
   * 2. `decide` gets the state and the version, and gives the events that follow, perhaps with a {@link reply}. It may also be
   *    an effect, which can fail with a refusal of its own.
   * 3. The events are appended, all or none, at the version that was loaded. Without events, or with a refusal, nothing is
   *    written, and the version is not checked unless `alwaysCheck` is set.
   * 4. If another writer was faster, the transaction reads what is new and decides again, as often as `retry` says. Then it
   *    fails with the last {@link Conflict}.
   * 5. If a snapshot is due, it is written.
   *
   * **Gotchas**
   *
   * `decide` may run several times, so it must have no effects that must not be repeated.
   *
   * When the stream has all of the events already, under the same ids and with the same content, they are not written again.
   * The transaction succeeds with the latest state.
   */
  readonly transact: <A extends Decided<Decision<Category.Event<C>>>>(
    id: Category.Id<C>,
    decide: (state: S, version: Option.Option<number>) => A,
    options?: TransactOptions<Category.GivenMetadata<C>>
  ) => Effect.Effect<
    Transacted<S, C, ReplyOf<A>>,
    RefusalOf<A> | TransactError,
    RequirementsOf<A> | MessageStore.MessageStore | Category.Services<C>
  >
  /**
   * Streams the latest state, then the state after each event that is written. The stream does not end by itself.
   *
   * Events of this process arrive at once. Events of other processes arrive when the store hears of them
   * (`MessageStore.wakeUps`), or at the next poll.
   */
  readonly changes: (
    id: Category.Id<C>,
    options?: ChangesOptions
  ) => Stream.Stream<Loaded<S>, LoadError, MessageStore.MessageStore | Category.Services<C>>
  /** The entity with an id, for {@link transactAll}. */
  readonly at: (id: Category.Id<C>) => Target<C, S>
}

/**
 * The definition of an entity.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<C extends Category.Any, S> {
  /** The schema of the state. Snapshots are stored in its JSON form. */
  readonly state: Schema.Codec<S, unknown>
  /** The state of a stream without events. */
  readonly initial: NoInfer<S>
  /** The state after each type of event. */
  readonly evolve: Evolve<C, NoInfer<S>>
  /** When to write snapshots. Defaults to none: a load folds all events of the stream. */
  readonly snapshots?: SnapshotOptions<NoInfer<S>> | undefined
  /** How much of the capacity of an `EntityCache` a state takes. Defaults to 1, so the capacity is a number of entities. */
  readonly weight?: ((state: NoInfer<S>) => number) | undefined
}

/**
 * Any state. Its primitives, members and elements are named, so that the compiler keeps the literals that a function of
 * `evolve` gives, also deep in the state: `{ ...state, status: "paid" }` has `"paid"` and not `string`.
 */
type AnyState =
  | ""
  | 0
  | 0n
  | boolean
  | null
  | undefined
  | {}
  | { readonly [field: string]: AnyState }
  | ReadonlyArray<AnyState>
  | []

const loaded = <S>({ state, version }: Pick<Fold<S>, "state" | "version">): Loaded<S> => ({
  state,
  version: versionOption(version)
})

/** The steps of all types of events as one function. An event of a type without a step changes nothing. */
const evolveBy = <S>(steps: Evolve<Category.Any, S>) => {
  const byType = new Map(Object.entries<(state: S, data: never) => S>(steps))
  return (state: S, { data, type }: { readonly type: string; readonly data: unknown }): S => {
    const step = byType.get(type)
    return step === undefined ? state : step(state, data as never)
  }
}

/**
 * The boundary of one stream.
 *
 * @internal
 */
export const boundaryOf = <S, Event, Recorded extends AnyRecorded, R>(
  store: MessageStore.MessageStore["Service"],
  stream: EntityStream<S, Event, Recorded, R>
) => appendingOneStream(store, stream)

/**
 * Decides on one stream, in whichever boundary it is.
 *
 * @internal
 */
export const transactIn = <C extends Category.Any, S, A extends Decided<Decision<Category.Event<C>>>, E, R>(
  store: MessageStore.MessageStore["Service"],
  boundary: Boundary<Fold<S>, ReadonlyArray<Category.Event<C>>, E, R>,
  decide: (state: S, version: Option.Option<number>) => A,
  options: TransactOptions<unknown> | undefined
): Effect.Effect<
  Transacted<S, C, ReplyOf<A>>,
  RefusalOf<A> | E | Transaction.Conflict | StoreError,
  RequirementsOf<A> | R
> =>
  Effect.map(
    Transaction.transact(
      store,
      boundary,
      ({ state, version }: Fold<S>) =>
        Effect.map(
          outcome<Decision<Category.Event<C>>, A>(decide(state, versionOption(version))),
          ({ decision, reply }) => ({ events: Arr.ensure(decision), reply })
        ),
      transactionOptions(options)
    ),
    ({ after, events, globalPosition, reply }) => ({ ...loaded(after), events, reply, globalPosition })
  )

/**
 * Defines an entity of a category: the schema of its state, the state of a stream without events, and how each event changes
 * it.
 *
 * **Details**
 *
 * Messages of types that the category does not name are skipped. Several entities may be defined for one category.
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
 * @category constructors
 * @since 0.1.0
 */
export const make = <C extends Category.Any, S extends AnyState>(
  category: C,
  options: Options<C, S>
): Entity<C, S> => {
  const model: Model<C["Events"], C["Options"], S> = {
    category: Category.plain(category),
    evolve: evolveBy(options.evolve),
    initial: options.initial,
    weight: options.weight ?? (() => 1),
    snapshots: options.snapshots === undefined ? undefined : Snapshots.make(options.state, options.snapshots)
  }

  const load = (id: Category.Id<C>, options?: LoadOptions) =>
    inSpan("Entity.load", () => undefined, (span) =>
      Effect.flatMap(open(model, id), ({ load, streamName }) => {
        span?.attribute("eventfold.stream", streamName)
        return Effect.map(load(options?.freshness ?? "latest"), loaded)
      }))

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

  const transact = <A extends Decided<Decision<Category.Event<C>>>>(
    id: Category.Id<C>,
    decide: (state: S, version: Option.Option<number>) => A,
    options?: TransactOptions<Category.GivenMetadata<C>>
  ) =>
    inSpan(
      "Entity.transact",
      () => undefined,
      (span) =>
        MessageStore.MessageStore.use((store) =>
          Effect.flatMap(open(model, id), (opened) => {
            const stream = givingMetadata(opened, options?.metadata)
            span?.attribute("eventfold.stream", stream.streamName)
            return transactIn(store, boundaryOf(store, stream), decide, options)
          })
        )
    )

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
 * An entity of any category, for code that is generic in it: see `Category.plain`.
 *
 * @internal
 */
export const plain = <C extends Category.Any, S>(entity: Entity<C, S>): Entity<Category.Plain<C>, S> =>
  entity as unknown as Entity<Category.Plain<C>, S>

/**
 * Any entity, as a bound of type parameters.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any {
  readonly category: Category.Any
  readonly state: Schema.Codec<unknown, unknown>
  readonly initial: unknown
}

/**
 * The operations of any entity, for code that does not know its types: see `Category.untyped`.
 *
 * @internal
 */
export const untyped = (entity: Any) => entity as Entity<Category.Untyped, unknown>

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

type StateOf<T> = T extends Target<infer _C, infer S> ? S : never

type CategoryOf<T> = T extends Target<infer C, infer _S> ? C : never

type ServicesOf<T> = T extends Target<infer C, infer _S> ? Category.Services<C> : never

/**
 * The entities of a {@link transactAll}, under names of your choice.
 *
 * @category models
 * @since 0.1.0
 */
export interface Targets {
  readonly [name: string]: AnyTarget
}

/**
 * The decision of a {@link transactAll}: the events for each target, by name. A target that is left out gets no events.
 *
 * @category models
 * @since 0.1.0
 */
export type Decisions<T extends Targets> = {
  readonly [K in keyof T]?: Decision<Category.Event<CategoryOf<T[K]>>> | undefined
}

/** Decisions that may have other names too, so that {@link OnlyTargets} can say which these are. */
type NamedDecisions<T extends Targets> = Decisions<T> | (Decisions<T> & { readonly [name: string]: unknown })

/**
 * The result of `decide`, unless it has a name that no target has: the compiler would not find it in an inferred type. When
 * the result is no decision at all, the compiler takes the bound for `A`, and says what a decision is.
 */
type OnlyTargets<T extends Targets, A> = [Decided<NamedDecisions<T>>] extends [A] ? Decided<Decisions<T>>
  : Exclude<NamesIn<Settled<A>>, keyof T> extends infer Name
    ? [Name] extends [never] ? A : `There is no target ${Name & string}`
  : never

type NamesIn<B> = B extends Replied<infer D, infer _Reply> ? NamesIn<D> : B extends unknown ? keyof B : never

/**
 * The result of a {@link transactAll}: the state, version and events of each target by name, and the reply.
 *
 * @category models
 * @since 0.1.0
 */
export interface TransactedAll<T extends Targets, Reply = void> {
  readonly entities: {
    readonly [K in keyof T]: Loaded<StateOf<T[K]>> & {
      readonly events: ReadonlyArray<Category.Event<CategoryOf<T[K]>>>
    }
  }
  readonly reply: Reply
  /** The highest global position of what was written: see {@link Transacted} `globalPosition`. */
  readonly globalPosition: Option.Option<number>
}

/**
 * Decides on the states of several entities and appends the events to their streams in one transaction: all of them, or none.
 *
 * **When to use**
 *
 * When one decision must change several entities together, such as a transfer between two accounts. All the streams of a
 * transaction wait for its commit, so use it for a few entities and not for a thousand. When the changes may happen one after
 * the other, use a `Process`.
 *
 * **Details**
 *
 * The steps are those of `transact` of one entity, and each option holds for every stream. Each stream with events must be at
 * the version that was loaded. A stream without events is not written. Its version is checked only with `checkReads`, in the
 * transaction that writes the others. (`alwaysCheck` checks all streams when none has events, or when the decision refuses.)
 *
 * Fails with `InvalidArgument`, before anything is read, when two targets are one stream.
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
 * @category running
 * @since 0.1.0
 */
export const transactAll: <T extends Targets, A extends Decided<NamedDecisions<T>>>(
  targets: T,
  decide: (states: { readonly [K in keyof T]: StateOf<T[K]> }) => OnlyTargets<T, A>,
  options?: TransactAllOptions
) => Effect.Effect<
  TransactedAll<T, ReplyOf<A>>,
  RefusalOf<A> | TransactError,
  RequirementsOf<A> | MessageStore.MessageStore | ServicesOf<T[keyof T]>
> = Effect.fn("Entity.transactAll")(function*<T extends Targets, A extends Decided<NamedDecisions<T>>>(
  targets: T,
  decide: (states: { readonly [K in keyof T]: StateOf<T[K]> }) => A | OnlyTargets<T, A>,
  options?: TransactAllOptions
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
      const expected = `a stream other than that of ${names[first]}`
      return yield* new InvalidArgument({ argument: `targets.${names[index]}`, value: streamName, expected })
    }
  }
  const { after, events, globalPosition, reply } = yield* Transaction.transact(
    store,
    withMetadata(
      severalStreams(store, streams, options?.checkReads ?? false, store.writeAll),
      options?.metadata
    ),
    (found) =>
      Effect.map(
        outcome<NamedDecisions<T>, A>(
          decide(byName(found.map(({ fold }) => fold.state)) as { readonly [K in keyof T]: StateOf<T[K]> }) as A
        ),
        ({ decision, reply }) => ({
          events: names.map((name) => Arr.ensure<unknown>(Object.hasOwn(decision, name) ? decision[name] ?? [] : [])),
          reply
        })
      ),
    transactionOptions(options)
  )
  const entities = byName(Arr.zipWith(after, events, ({ fold }, events) => ({ ...loaded(fold), events })))
  return { entities: entities as TransactedAll<T>["entities"], reply, globalPosition }
})

/** One of the streams, whatever its entity. */
type AnyStream<T extends Targets> = EntityStream<unknown, unknown, AnyRecorded, ServicesOf<T[keyof T]>>

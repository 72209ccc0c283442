/**
 * Steering: what an operator does to consumers and read models, by whom and why, guarded by what was looked at, and recorded.
 *
 * **When to use**
 *
 * Where people steer a program: in a page, a command, a script. `Parking`, `Consumer` and `ReadModel` have the same operations
 * without author, guard and record, for programs.
 *
 * **Details**
 *
 * Each operation takes `by`, a name that is not empty, and a `reason`, which is required where something is given up. It takes as
 * `expected` what was looked at, and fails with {@link NotAsSeen} when that has changed: of two operators who have seen the same, one
 * does it, and the other one learns what is different now. What was done is a record of `Administration`, in the same transaction;
 * what was refused, failed or was interrupted has none, and is undone. Only {@link rebuild} and {@link switchTo}, which take as long as
 * they take, have two records: one before they begin, and one with their outcome.
 *
 * It needs the store, and not the definitions: a consumer's id and category, the name of a read model. {@link rebuild},
 * {@link switchTo} and {@link accept} need the definition, and ask the service `Observe` for it by name.
 *
 * **Gotchas**
 *
 * On a store without transactions everything fails with `Unsupported`, before anything is done: all stores of eventfold have them, a
 * stock Message DB as well. Positions in a `PositionStore` of your own, and read models in another database than the messages or in
 * memory, are not a part of the transaction: what is done to them is done before the record, and stays when the record can't be written.
 *
 * Give each operation a transaction of its own. Within a transaction of yours, what it does takes effect with that one's commit, but what
 * kept a consumer stopped is over before.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Rewound } from "./Consumer.ts"
import type { ConsumerIsRunning, ConsumerUnknown } from "./internal/consumer/errors.ts"
import type { NotAsSeen } from "./internal/observe/asSeen.ts"
import type { DefinitionNotLoaded } from "./internal/observe/registry.ts"
import * as SteerConsumers from "./internal/observe/steerConsumers.ts"
import * as SteerReadModels from "./internal/observe/steerReadModels.ts"
import type { BuildNotFound } from "./internal/readModel/errors.ts"
import type * as MessageStore from "./MessageStore.ts"
import { Observe, type RebuildFailed } from "./Observe.ts"
import type * as Parking from "./Parking.ts"
import type * as ReadModel from "./ReadModel.ts"
import type { ReadModelStore } from "./ReadModelStore.ts"
import type { InvalidArgument, StoreError, Unsupported } from "./StoreError.ts"
import type { InvalidCategory } from "./StreamName.ts"

/** @since 0.1.0 */
export { type Author, type AuthorWithReason, NotAsSeen } from "./internal/observe/asSeen.ts"
/** @since 0.1.0 */
export type { DropOptions, OwnerSeen, StreamSeen } from "./internal/observe/steerConsumers.ts"
/** @since 0.1.0 */
export type { BuildSeen } from "./internal/observe/steerReadModels.ts"

/**
 * What all operations can fail with:
 *
 * - `NotAsSeen`: what was looked at has changed.
 * - `InvalidArgument`, `InvalidCategory`: an option, a name or a category is invalid, such as an empty `by` or `reason`.
 * - `Unsupported`: the store has no transactions.
 * - `AppendError`: the record could not be written, so nothing was done. Of these only `StoreError` is to be expected: a retryable one
 *   says that the same call may succeed later.
 *
 * @category errors
 * @since 0.1.0
 */
export type SteeringError =
  | NotAsSeen
  | InvalidArgument
  | InvalidCategory
  | Unsupported
  | StoreError
  | MessageStore.AppendError

/**
 * Which parked stream to replay, what was looked at, and who does it.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReplayOptions extends SteerConsumers.ReplayOptions {}

/**
 * What was looked at of all that waits for a consumer, and who replays it.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReplayAllOptions extends SteerConsumers.ReplayAllOptions {}

/**
 * Where to set a consumer back to, where it was, who does it, and why.
 *
 * @category options
 * @since 0.1.0
 */
export interface RewindOptions extends SteerConsumers.RewindOptions {}

/**
 * How to build a read model again, its builds that were looked at, and who does it.
 *
 * @category options
 * @since 0.1.0
 */
export interface RebuildOptions extends SteerReadModels.RebuildOptions {}

/**
 * Which build takes the place of the live one, and who does it.
 *
 * @category options
 * @since 0.1.0
 */
export interface SwitchOptions extends SteerReadModels.SwitchOptions {}

/**
 * Where the live build resumes, where it was, who does it, and why.
 *
 * @category options
 * @since 0.1.0
 */
export interface RewindReadModelOptions extends SteerReadModels.RewindOptions {}

/**
 * For which live build a definition is accepted, and who does it.
 *
 * @category options
 * @since 0.1.0
 */
export interface AcceptOptions extends SteerReadModels.AcceptOptions {}

/**
 * Which build to drop, who does it, and why.
 *
 * @category options
 * @since 0.1.0
 */
export interface DropBuildOptions extends SteerReadModels.DropBuildOptions {}

/**
 * What was looked at of an entry of `Parking.list`, as `expected` takes it.
 *
 * @category looking
 * @since 0.1.0
 */
export const seen = ({ messages }: Parking.ParkedStream): SteerConsumers.StreamSeen => ({
  messages: messages.length,
  last: (messages.at(-1) ?? messages[0]).globalPosition
})

const annotated = (owner: Parking.Owner) => Effect.annotateCurrentSpan("messaging.consumer.group.name", owner.id)

/**
 * Requests a replay of one parked stream: of its oldest message with `limit: 1`, of all without. See `Parking.replay`.
 *
 * **Details**
 *
 * It is refused unless exactly the messages wait that were looked at. The consumer may run meanwhile. Its record has the action
 * `Parking.replay`, and the id of the consumer as the subject.
 *
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Parking, Steering } from "eventfold"
 *
 * const notifier = { id: "notifier", category: "account" }
 *
 * // The oldest message of each stream, of which each was looked at.
 * const replayOldest = Stream.runForEach(Parking.list(notifier), (parked) =>
 *   Steering.replay(notifier, { stream: parked.stream, limit: 1, expected: Steering.seen(parked), by: "ann" }).pipe(
 *     Effect.catchTag("NotAsSeen", ({ message }) => Effect.log(message))
 *   ))
 * ```
 *
 * @category consumers
 * @since 0.1.0
 */
export const replay = Effect.fn("Steering.replay")(function*(
  consumer: Parking.Owner,
  options: ReplayOptions
): Effect.fn.Return<void, SteeringError, MessageStore.MessageStore> {
  yield* annotated(consumer)
  yield* SteerConsumers.replay(consumer, options)
})

/**
 * Requests a replay of all that waits for a consumer, in one transaction. See `Parking.replay`.
 *
 * **Details**
 *
 * It is refused unless as many streams and messages wait as were looked at, and when one of the streams changes meanwhile. It keeps the
 * consumers of the category from parking more until its commit, which takes a read and an append for each stream.
 *
 * @category consumers
 * @since 0.1.0
 */
export const replayAll = Effect.fn("Steering.replayAll")(function*(
  consumer: Parking.Owner,
  options: ReplayAllOptions
): Effect.fn.Return<void, SteeringError, MessageStore.MessageStore> {
  yield* annotated(consumer)
  yield* SteerConsumers.replayAll(consumer, options)
})

/**
 * Drops what waits of a stream, or one message of it by its global position: the consumer will not handle it. Gives how many messages
 * it dropped. See `Parking.drop`.
 *
 * **Details**
 *
 * With `expected` it is refused unless exactly the messages wait that were looked at. With `globalPosition` it is refused unless that
 * message still waits; others may have been parked. The parked stream keeps the reason, and so does the record, with the action
 * `Parking.drop`.
 *
 * @example
 * ```ts
 * import { Steering } from "eventfold"
 *
 * const notifier = { id: "notifier", category: "account" }
 *
 * const giveUp = Steering.drop(notifier, {
 *   stream: "account-123",
 *   expected: { messages: 2, last: 4_711 },
 *   by: "ann",
 *   reason: "the address is gone"
 * })
 * ```
 *
 * @category consumers
 * @since 0.1.0
 */
export const drop = Effect.fn("Steering.drop")(function*(
  consumer: Parking.Owner,
  options: SteerConsumers.DropOptions
): Effect.fn.Return<number, SteeringError, MessageStore.MessageStore> {
  yield* annotated(consumer)
  return yield* SteerConsumers.drop(consumer, options)
})

/**
 * Sets a consumer back to a message or a time, and gives what it has changed. Stop all members first. See `Consumer.rewind`.
 *
 * **Details**
 *
 * It is refused unless the consumer is at the position that was looked at. No member can start between the look at its position and the
 * commit. Beside {@link SteeringError} it fails with `ConsumerIsRunning` when a member runs in any process, or another operator rewinds
 * the consumer at that moment, and with `ConsumerUnknown` when the store has no position of it.
 *
 * @category consumers
 * @since 0.1.0
 */
export const rewind = Effect.fn("Steering.rewind")(function*(
  consumer: Parking.Owner,
  options: RewindOptions
): Effect.fn.Return<
  ReadonlyArray<Rewound>,
  SteeringError | ConsumerIsRunning | ConsumerUnknown,
  MessageStore.MessageStore
> {
  yield* annotated(consumer)
  return yield* SteerConsumers.rewind(consumer, options)
})

/** What a rebuild and a switch need. */
type BuildNeeds = Observe | MessageStore.MessageStore | ReadModelStore

/**
 * Builds a read model again, by the name of a definition that is loaded in this program, and reports its progress. Run the stream to its
 * end. See `ReadModel.rebuild`, whose options it takes: throttle, compare, switch.
 *
 * **Details**
 *
 * It is refused unless the read model has the builds that were looked at. One record says that it begins, and one how it has ended,
 * both with the same `run` in their details. The `outcome` is `switched`, `built` (it waits for its switch), `stopped` (the stream was
 * not run to its end), `interrupted` or `failed`. A rebuild without a second record belongs to a program that was killed; the
 * unfinished build stays, and the next rebuild goes on from there.
 *
 * Beside {@link SteeringError} it fails with `DefinitionNotLoaded`, and with `RebuildFailed`, also when another program is building the
 * read model: its failure has the tag `ReadModelIsBuilding` then.
 *
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Steering } from "eventfold"
 *
 * const rebuild = Stream.runForEach(
 *   Steering.rebuild("open_orders", { expected: [{ number: 1, state: "live" }], throttle: 5_000, by: "ann" }),
 *   ({ handled, of, phase }) => Effect.log(`${phase}: ${handled} of ${of} messages`)
 * )
 * ```
 *
 * @category read models
 * @since 0.1.0
 */
export const rebuild = (
  readModel: string,
  options: RebuildOptions
): Stream.Stream<ReadModel.Progress, SteeringError | DefinitionNotLoaded | RebuildFailed, BuildNeeds> =>
  Stream.unwrap(Effect.flatMap(Observe, (observe) => SteerReadModels.rebuild(observe, readModel, options))).pipe(
    Stream.withSpan("Steering.rebuild")
  )

/**
 * Puts a build that was filled beside the live one in its place: after a rebuild with `switch: "manual"`. It handles first what the build
 * still misses, and reports its progress. Run the stream to its end.
 *
 * **Details**
 *
 * It is refused unless the build is as it was looked at. It has two records, as {@link rebuild}. It fails with `InvalidArgument` when
 * the definition that is loaded here did not fill the build, and otherwise as `rebuild` does.
 *
 * @category read models
 * @since 0.1.0
 */
export const switchTo = (
  readModel: string,
  options: SwitchOptions
): Stream.Stream<ReadModel.Progress, SteeringError | DefinitionNotLoaded | RebuildFailed, BuildNeeds> =>
  Stream.unwrap(Effect.flatMap(Observe, (observe) => SteerReadModels.switchTo(observe, readModel, options))).pipe(
    Stream.withSpan("Steering.switchTo")
  )

/**
 * Has the live build of a read model resume after a global position: 0, or that of a message. See `ReadModel.rewind`.
 *
 * **Details**
 *
 * It is refused unless the live build is where it was looked at. A program that runs the read model moves it on with each message: stop
 * it first where messages come all the time.
 *
 * @category read models
 * @since 0.1.0
 */
export const rewindReadModel: (
  readModel: string,
  options: RewindReadModelOptions
) => Effect.Effect<void, SteeringError, MessageStore.MessageStore | ReadModelStore> = Effect.fn(
  "Steering.rewindReadModel"
)(SteerReadModels.rewind)

/**
 * Accepts a changed definition of the same version, by the name of the one that is loaded in this program. See `ReadModel.accept`.
 *
 * **Details**
 *
 * It is refused unless the live build is as it was looked at. Beside {@link SteeringError} it fails with `DefinitionNotLoaded`, and with
 * `BuildNotFound` when the live build is of another version.
 *
 * @category read models
 * @since 0.1.0
 */
export const accept = Effect.fn("Steering.accept")(function*(
  readModel: string,
  options: AcceptOptions
): Effect.fn.Return<void, SteeringError | DefinitionNotLoaded | BuildNotFound, BuildNeeds> {
  const observe = yield* Observe
  yield* SteerReadModels.accept(yield* observe.readModelDefinition(readModel), options)
})

/**
 * Drops a build of a read model and its tables. See `ReadModel.drop`.
 *
 * **Details**
 *
 * It is refused unless the build is as it was looked at, and with `InvalidArgument` for the live build.
 *
 * @category read models
 * @since 0.1.0
 */
export const dropBuild: (
  readModel: string,
  options: DropBuildOptions
) => Effect.Effect<void, SteeringError, MessageStore.MessageStore | ReadModelStore> = Effect.fn("Steering.dropBuild")(
  SteerReadModels.dropBuild
)

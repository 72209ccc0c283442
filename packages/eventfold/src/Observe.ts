/**
 * What an application is, asked by name: the definitions that a program registers, and what the store says of them.
 *
 * A tool that has only the store can list streams, positions and what is parked (`MessageStore.streams`, `Consumer.list`). What
 * needs a definition, such as the state of an entity, is asked of a program that has registered it with {@link layer}. Others
 * answer {@link DefinitionNotLoaded}.
 *
 * All answers have schemas with a JSON form, so that a page, a command or a server can pass them on.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Category from "./Category.ts"
import * as Commands from "./Commands.ts"
import * as Entity from "./Entity.ts"
import * as FailureReport from "./FailureReport.ts"
import { check as checkConsumer } from "./internal/consumer/checkDefinition.ts"
import type { Consumer } from "./internal/consumer/definition.ts"
import * as DecodedMessages from "./internal/observe/decodedMessages.ts"
import * as Definitions from "./internal/observe/definitions.ts"
import * as EntityStates from "./internal/observe/entityStates.ts"
import type { EntityChangesOptions, EntityStateOptions } from "./internal/observe/entityStates.ts"
import * as MessageReaders from "./internal/observe/messageReaders.ts"
import type { EntityChange, EntityState } from "./internal/observe/observedEntities.ts"
import type { DecodedMessage, MessageReader } from "./internal/observe/observedMessages.ts"
import type { ObservedConsumer, ObservedProcess, ObservedReadModel } from "./internal/observe/observedReaders.ts"
import type { StoredTypes } from "./internal/observe/observedTypes.ts"
import * as Readers from "./internal/observe/readers.ts"
import * as Registry from "./internal/observe/registry.ts"
import * as StoredTypesCheck from "./internal/observe/storedTypes.ts"
import type { CheckOptions } from "./internal/observe/storedTypes.ts"
import { checkDefinition as checkReadModel } from "./internal/readModel/checkDefinition.ts"
import type { RecordedMessage } from "./Message.ts"
import type { MessageStore, ReadCategoryError } from "./MessageStore.ts"
import * as Process from "./Process.ts"
import * as ReadModel from "./ReadModel.ts"
import type { ReadModelStore } from "./ReadModelStore.ts"
import type { InvalidArgument, StoreError, Unsupported } from "./StoreError.ts"
import * as StreamName from "./StreamName.ts"
import type { InvalidCategory } from "./StreamName.ts"

/** @since 0.1.0 */
export type { CategoryDefinition, EntityDefinition } from "./internal/observe/definitions.ts"
/** @since 0.1.0 */
export { type EntityChangesOptions, type EntityStateOptions, UnshowableState } from "./internal/observe/entityStates.ts"
/** @since 0.1.0 */
export { EntityChange, EntityState, StateAt } from "./internal/observe/observedEntities.ts"
/** @since 0.1.0 */
export { DecodedMessage, MessageReader } from "./internal/observe/observedMessages.ts"
/** @since 0.1.0 */
export { ObservedConsumer, ObservedProcess, ObservedReadModel } from "./internal/observe/observedReaders.ts"
/** @since 0.1.0 */
export { Misfit, StoredType, StoredTypes } from "./internal/observe/observedTypes.ts"
/** @since 0.1.0 */
export { DefinitionNotLoaded, type Kind } from "./internal/observe/registry.ts"
/** @since 0.1.0 */
export type { CheckOptions } from "./internal/observe/storedTypes.ts"

/**
 * The errors of looking at an entity: its definition is not loaded here, the id is not one of its category, an option is out of
 * range, an event does not decode, a state has no JSON form, or the store fails.
 *
 * @category errors
 * @since 0.1.0
 */
export type EntityError =
  | Registry.DefinitionNotLoaded
  | Entity.LoadError
  | InvalidArgument
  | EntityStates.UnshowableState

/**
 * The errors of a command that is run by its name. A refusal is none of them: it is an answer.
 *
 * @category errors
 * @since 0.1.0
 */
export type CommandError = Registry.DefinitionNotLoaded | Commands.RunError

type AnyConsumer = Consumer<unknown, unknown>

type AnyReadModel = ReadModel.ReadModel<unknown, unknown>

/**
 * The errors of looking at consumers, processes and read models.
 *
 * @category errors
 * @since 0.1.0
 */
export type ReaderError = StoreError | InvalidArgument | InvalidCategory

/**
 * A rebuild that was asked for by name has failed. What it has done so far stays, and the next one goes on from there.
 *
 * @category errors
 * @since 0.1.0
 */
export class RebuildFailed extends Schema.TaggedError<RebuildFailed>()("RebuildFailed", {
  readModel: Schema.String,
  /** Why: one of the errors of `ReadModel.rebuild`, or that of a handler. */
  failure: FailureReport.FailureReport
}) {
  override get message(): string {
    return `the rebuild of ${this.readModel} has failed: ${FailureReport.format(this.failure)}`
  }
}

/**
 * The definitions that a program has loaded.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<
  Entities extends Readonly<Record<string, Entity.Any>>,
  Categories extends ReadonlyArray<Category.Any>,
  Models extends ReadonlyArray<AnyReadModel>,
  Sets extends Readonly<Record<string, Commands.Any>> = {}
> {
  readonly consumers?: ReadonlyArray<AnyConsumer> | undefined
  /** The processes, whose consumers need not be among the consumers. */
  readonly processes?: ReadonlyArray<Process.Process<unknown, unknown>> | undefined
  /** With read models the layer also needs a `ReadModelStore`, and what their handlers need, so that they can be built again. */
  readonly readModels?: Models | undefined
  /** The entities, each by a name of its own: a category may have several. */
  readonly entities?: Entities | undefined
  /** The commands of entities, each set under the name of its entity. The layer also needs what their decisions need. */
  readonly commands?: Sets | undefined
  /** The categories whose messages can be checked. Those of the entities need not be among them. */
  readonly categories?: Categories | undefined
}

/**
 * The service that answers about the definitions of this program.
 *
 * @category services
 * @since 0.1.0
 */
export class Observe extends Context.Service<Observe, {
  /** The names of the definitions that are loaded. */
  readonly loaded: {
    readonly categories: ReadonlyArray<string>
    /** The names of the commands, by the names of their entities. */
    readonly commands: Readonly<Record<string, ReadonlyArray<string>>>
    readonly consumers: ReadonlyArray<string>
    readonly entities: ReadonlyArray<string>
    readonly processes: ReadonlyArray<string>
    readonly readModels: ReadonlyArray<string>
  }
  /** The schemas of the definitions that are loaded: for an API document, or a form. */
  readonly definitions: {
    readonly categories: ReadonlyArray<Definitions.CategoryDefinition>
    readonly entities: ReadonlyArray<Definitions.EntityDefinition>
  }
  /**
   * Runs a command of an entity by its name, on JSON, as `Commands.run` does: `name` is that of the entity, `id` is as it stands in the
   * stream name, and `payload` has the JSON form of its schema.
   */
  readonly command: (
    name: string,
    id: string,
    command: string,
    payload: unknown,
    options?: Commands.RunOptions
  ) => Effect.Effect<Commands.Answer, CommandError>
  /**
   * The consumers that are loaded, those of processes among them, and then those that only the store knows, by their positions or
   * by what is parked for them.
   *
   * **Details**
   *
   * Of each it costs what `Consumer.status` costs, and `Parking.owners` once. Where the store can't list, there are only those that
   * are loaded.
   */
  readonly consumers: Effect.Effect<ReadonlyArray<ObservedConsumer>, ReaderError>
  /**
   * The consumers with an id, as {@link consumers} has them: one for each category under which the id is known. Empty when neither
   * this program nor the store knows it.
   */
  readonly consumer: (id: string) => Effect.Effect<ReadonlyArray<ObservedConsumer>, ReaderError>
  /**
   * The definitions of the consumers with an id that are loaded, one for each category: for operations that need one, such as
   * `Consumer.regroup`. Not empty.
   */
  readonly consumerDefinitions: (
    id: string
  ) => Effect.Effect<Arr.NonEmptyReadonlyArray<AnyConsumer>, Registry.DefinitionNotLoaded>
  /** The processes that are loaded, with their deadlines. */
  readonly processes: Effect.Effect<ReadonlyArray<ObservedProcess>, ReaderError>
  /** A process that is loaded, with its deadlines. */
  readonly process: (name: string) => Effect.Effect<ObservedProcess, Registry.DefinitionNotLoaded | ReaderError>
  /** The read models that are loaded, and then those that only the store knows. Empty without a `ReadModelStore`. */
  readonly readModels: Effect.Effect<ReadonlyArray<ObservedReadModel>, ReaderError>
  /** A read model by its name; none when neither this program nor the store knows it. */
  readonly readModel: (name: string) => Effect.Effect<Option.Option<ObservedReadModel>, ReaderError>
  /** The definition of a read model that is loaded, without its handlers. */
  readonly readModelDefinition: (
    name: string
  ) => Effect.Effect<Pick<AnyReadModel, "name" | "version" | "fingerprint">, Registry.DefinitionNotLoaded>
  /**
   * Builds a read model that is loaded again, by its name: `ReadModel.rebuild`, whose progress the stream gives. Run it to its end.
   */
  readonly rebuild: (
    name: string,
    options?: ReadModel.BuildOptions
  ) => Stream.Stream<ReadModel.Progress, Registry.DefinitionNotLoaded | RebuildFailed>
  /**
   * The state of an entity now, at a version or at a time, as JSON, and that at another version to compare it with. `id` is as
   * it stands in the stream name.
   *
   * **Details**
   *
   * The state is folded from the beginning of the stream, without snapshots and caches: it shows what the events say.
   */
  readonly entity: (
    name: string,
    id: string,
    options?: EntityStateOptions
  ) => Effect.Effect<EntityState, EntityError>
  /**
   * The messages of an entity's stream in order, each with the state before and after it. Fails at the first event that does not
   * decode.
   */
  readonly entityChanges: (
    name: string,
    id: string,
    options?: EntityChangesOptions
  ) => Stream.Stream<EntityChange, EntityError>
  /** What the definition of its category makes of a stored message: its data as a program gets it, or why it does not fit. */
  readonly decode: (message: RecordedMessage) => Effect.Effect<DecodedMessage>
  /**
   * Who reads a message, and how far each is with it: the consumers, processes and read models that are loaded and read its category, and
   * the consumers that the store knows by their positions. It costs the positions of all consumers, and a read of one parked stream for
   * each of these readers.
   */
  readonly readersOf: (message: RecordedMessage) => Effect.Effect<ReadonlyArray<MessageReader>, StoreError>
  /** What the process of one id has done, by the name of a process: `Process.history`. One that is not loaded here is taken to keep its own stream in the category of its name. */
  readonly processHistory: (
    name: string,
    id: string,
    options?: Parameters<typeof Process.history>[2]
  ) => Effect.Effect<Process.ProcessHistory, StoreError | Unsupported | InvalidArgument | InvalidCategory>
  /**
   * The stored messages of a category by type and by version of the schema, against the schemas of its definition, with the first
   * that does not fit: of a sample, or of all, in bounded memory.
   */
  readonly storedTypes: (
    category: string,
    options?: CheckOptions
  ) => Effect.Effect<StoredTypes, Registry.DefinitionNotLoaded | ReadCategoryError>
}>()("eventfold/Observe") {}

/** A rebuild runs the handlers. */
type NeedsOf<Models extends ReadonlyArray<AnyReadModel>> = Models extends readonly [] ? never
  : ReadModelStore | (Models[number] extends ReadModel.ReadModel<unknown, infer R> ? R : never)

/** What the decisions of commands need. */
type CommandNeeds<Set> = Set extends Commands.Any<infer R> ? R : never

type CategoriesOf<Entities extends Readonly<Record<string, Entity.Any>>> = Entities[keyof Entities]["category"]

/**
 * Registers the definitions of a program.
 *
 * Building the layer fails with `InvalidArgument` when two definitions of a kind have one name, and when commands stand under a name
 * that is not one of the entities, or of an entity of another category.
 *
 * @example
 * ```ts
 * import { Category, Entity, MessageStore, Observe } from "eventfold"
 * import { Effect, Layer, Schema } from "effect"
 *
 * const Account = Category.make("account", { Deposited: { amount: Schema.Int } })
 * const Balance = Entity.make(Account, {
 *   state: Schema.Int,
 *   initial: 0,
 *   evolve: { Deposited: (balance, { amount }) => balance + amount }
 * })
 *
 * const App = Observe.layer({ entities: { account: Balance } }).pipe(Layer.provideMerge(MessageStore.layerMemory))
 *
 * const program = Effect.gen(function*() {
 *   yield* Account.append("1", Account.events.Deposited({ amount: 11 }))
 *   const observe = yield* Observe.Observe
 *   const { state, version } = yield* observe.entity("account", "1", { at: { version: 0 } })
 * }).pipe(Effect.provide(App))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <
  const Entities extends Readonly<Record<string, Entity.Any>> = {},
  const Categories extends ReadonlyArray<Category.Any> = [],
  const Models extends ReadonlyArray<AnyReadModel> = [],
  const Sets extends Readonly<Record<string, Commands.Any>> = {}
>(options: Options<Entities, Categories, Models, Sets>): Layer.Layer<
  Observe,
  InvalidArgument | InvalidCategory,
  | MessageStore
  | Category.Services<CategoriesOf<Entities> | Categories[number]>
  | NeedsOf<Models>
  | CommandNeeds<Sets[keyof Sets]>
> => Layer.effect(Observe, make(options)) as Layer.Layer<Observe, InvalidArgument | InvalidCategory, never>

/** Whatever a handler fails with becomes data. */
const rebuild = (model: AnyReadModel, options: ReadModel.BuildOptions | undefined) =>
  Stream.catchCause(ReadModel.rebuild(model, options), (cause) =>
    Stream.fromEffect(
      Cause.hasInterruptsOnly(cause)
        ? Effect.interrupt
        : Effect.flatMap(
          FailureReport.fromCause(cause),
          (failure) => Effect.fail(new RebuildFailed({ readModel: model.name, failure }))
        )
    ))

const make = Effect.fnUntraced(function*(
  { categories = [], commands = {}, consumers = [], entities = {}, processes = [], readModels = [] }: Options<
    Readonly<Record<string, Entity.Any>>,
    ReadonlyArray<Category.Any>,
    ReadonlyArray<AnyReadModel>,
    Readonly<Record<string, Commands.Any>>
  >
) {
  // Whatever the schemas and handlers need: the type of the layer names it.
  const context = yield* Effect.context<unknown>()
  const entityRegistry = yield* Registry.make(
    "entity",
    Object.entries(entities).map(([name, entity]) => [name, { name, entity: Entity.untyped(entity) }] as const)
  )
  const everyCategory = new Set([...categories, ...Object.values(entities).map(({ category }) => category)])
  const categoryRegistry = yield* Registry.make(
    "category",
    [...everyCategory].map((category) => [category.categoryName, Category.untyped(category)] as const)
  )
  yield* Definitions.checkCommands(entities, commands)
  const commandRegistry = yield* Registry.make("commands", Object.entries(commands))
  const everyConsumer = [...consumers, ...processes.flatMap(({ consumers }) => consumers)]
  yield* Effect.forEach(everyConsumer, checkConsumer, { discard: true })
  yield* Registry.make("consumer", everyConsumer.map((one) => [`${one.id} of ${one.category}`, one] as const))
  const processRegistry = yield* Registry.make("process", processes.map((one) => [one.name, one] as const))
  yield* Effect.forEach(readModels, checkReadModel, { discard: true })
  const readModelRegistry = yield* Registry.make("read model", readModels.map((one) => [one.name, one] as const))

  const categoriesByName = new Map(categoryRegistry.all.map((one) => [one.categoryName, one]))
  const readers: MessageReaders.Loaded = {
    consumers: everyConsumer,
    processes: new Set(processRegistry.names),
    readModels
  }

  return Observe.of({
    loaded: {
      categories: categoryRegistry.names,
      commands: Object.fromEntries(
        Object.entries(commands).map(([name, set]) => [name, Commands.describe(set).commands.map(({ name }) => name)])
      ),
      consumers: [...new Set(everyConsumer.map(({ id }) => id))],
      entities: entityRegistry.names,
      processes: processRegistry.names,
      readModels: readModelRegistry.names
    },
    definitions: Definitions.describe(categoryRegistry.all, entities, commands),
    command: Effect.fn("Observe.command")(function*(name, id, command, payload, options) {
      return yield* Commands.run(yield* commandRegistry.get(name), command, id, payload, options)
    }, Effect.provideContext(context)),
    consumers: Readers.consumers(everyConsumer).pipe(
      Effect.withSpan("Observe.consumers"),
      Effect.provideContext(context)
    ),
    consumer: Effect.fn("Observe.consumer")(
      (id) => Readers.consumers(everyConsumer, id),
      Effect.provideContext(context)
    ),
    consumerDefinitions: (id) => {
      const found = everyConsumer.filter((one) => one.id === id)
      return Arr.isReadonlyArrayNonEmpty(found) ? Effect.succeed(found) : Effect.fail(
        new Registry.DefinitionNotLoaded({
          kind: "consumer",
          definition: id,
          loaded: [...new Set(everyConsumer.map(({ id }) => id))]
        })
      )
    },
    processes: Effect.forEach(processRegistry.all, Readers.process).pipe(
      Effect.withSpan("Observe.processes"),
      Effect.provideContext(context)
    ),
    process: Effect.fn("Observe.process")(function*(name) {
      return yield* Readers.process(yield* processRegistry.get(name))
    }, Effect.provideContext(context)),
    readModels: Readers.readModels(readModelRegistry.all).pipe(
      Effect.withSpan("Observe.readModels"),
      Effect.provideContext(context)
    ),
    readModel: Effect.fn("Observe.readModel")(
      (name) => Readers.readModel(readModelRegistry.all, name),
      Effect.provideContext(context)
    ),
    readModelDefinition: readModelRegistry.get,
    rebuild: (name, options) =>
      Stream.unwrap(Effect.map(readModelRegistry.get(name), (model) => rebuild(model, options))).pipe(
        Stream.provideContext(context),
        Stream.withSpan("Observe.rebuild")
      ),
    entity: Effect.fn("Observe.entity")(function*(name, id, options) {
      return yield* EntityStates.entityState(yield* entityRegistry.get(name), id, options)
    }, Effect.provideContext(context)),
    entityChanges: (name, id, options) =>
      Stream.unwrap(Effect.map(entityRegistry.get(name), (entity) => EntityStates.entityChanges(entity, id, options)))
        .pipe(Stream.provideContext(context), Stream.withSpan("Observe.entityChanges")),
    decode: Effect.fn("Observe.decode")(
      (message) => DecodedMessages.decode(categoriesByName.get(StreamName.category(message.streamName)), message),
      Effect.provideContext(context)
    ),
    readersOf: Effect.fn("Observe.readersOf")(
      (message) => MessageReaders.readersOf(readers, message),
      Effect.provideContext(context)
    ),
    processHistory: Effect.fn("Observe.processHistory")(
      (name, id, options) => {
        const category = processes.find((one) => one.name === name)?.category ?? name
        return Process.history({ name, category }, id, options)
      },
      Effect.provideContext(context)
    ),
    storedTypes: Effect.fn("Observe.storedTypes")(function*(category, options) {
      return yield* StoredTypesCheck.check(yield* categoryRegistry.get(category), options)
    }, Effect.provideContext(context))
  })
})

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
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Category from "./Category.ts"
import * as Entity from "./Entity.ts"
import * as EntityStates from "./internal/observe/entityStates.ts"
import type { EntityChange, EntityChangesOptions, EntityState, EntityStateOptions } from "./internal/observe/entityStates.ts"
import * as Registry from "./internal/observe/registry.ts"
import * as StoredTypesCheck from "./internal/observe/storedTypes.ts"
import type { CheckOptions, StoredTypes } from "./internal/observe/storedTypes.ts"
import { MessageStore, type ReadCategoryError } from "./MessageStore.ts"
import type { InvalidArgument } from "./StoreError.ts"

/** @since 0.1.0 */
export {
  EntityChange,
  type EntityChangesOptions,
  EntityState,
  type EntityStateOptions,
  StateAt,
  UnshowableState
} from "./internal/observe/entityStates.ts"
/** @since 0.1.0 */
export { DefinitionNotLoaded, type Kind } from "./internal/observe/registry.ts"
/** @since 0.1.0 */
export { type CheckOptions, Misfit, StoredType, StoredTypes } from "./internal/observe/storedTypes.ts"

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
 * The definitions that a program has loaded.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<
  Entities extends Readonly<Record<string, Entity.Any>>,
  Categories extends ReadonlyArray<Category.Any>
> {
  /** The entities, each by a name of its own: a category may have several. */
  readonly entities?: Entities | undefined
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
    readonly entities: ReadonlyArray<string>
  }
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
  /**
   * The stored messages of a category by type and by version of the schema, against the schemas of its definition, with the first
   * that does not fit: of a sample, or of all, in bounded memory.
   */
  readonly storedTypes: (
    category: string,
    options?: CheckOptions
  ) => Effect.Effect<StoredTypes, Registry.DefinitionNotLoaded | ReadCategoryError>
}>()("eventfold/Observe") {}

type CategoriesOf<Entities extends Readonly<Record<string, Entity.Any>>> = Entities[keyof Entities]["category"]

/**
 * Registers the definitions of a program.
 *
 * Building the layer fails with `InvalidArgument` when two definitions of a kind have one name.
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
  const Categories extends ReadonlyArray<Category.Any> = []
>(options: Options<Entities, Categories>): Layer.Layer<
  Observe,
  InvalidArgument,
  MessageStore | Category.Services<CategoriesOf<Entities> | Categories[number]>
> => Layer.effect(Observe, make(options)) as Layer.Layer<Observe, InvalidArgument, never>

const make = Effect.fnUntraced(function*(
  { categories = [], entities = {} }: Options<Readonly<Record<string, Entity.Any>>, ReadonlyArray<Category.Any>>
) {
  // Whatever the schemas need: the type of the layer names it.
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
  return Observe.of({
    loaded: { categories: categoryRegistry.names, entities: entityRegistry.names },
    entity: Effect.fn("Observe.entity")(function*(name, id, options) {
      return yield* EntityStates.entityState(yield* entityRegistry.get(name), id, options)
    }, Effect.provideContext(context)),
    entityChanges: (name, id, options) =>
      Stream.unwrap(Effect.map(entityRegistry.get(name), (entity) => EntityStates.entityChanges(entity, id, options)))
        .pipe(Stream.provideContext(context), Stream.withSpan("Observe.entityChanges")),
    storedTypes: Effect.fn("Observe.storedTypes")(function*(category, options) {
      return yield* StoredTypesCheck.check(yield* categoryRegistry.get(category), options)
    }, Effect.provideContext(context))
  })
})

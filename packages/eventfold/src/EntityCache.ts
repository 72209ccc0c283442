/**
 * A cache of entities: with its layer, a load reads only what is new in a stream.
 *
 * It is a setting of the application and not of the domain code: an entity uses the cache that it finds in its context,
 * and none by default.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { make, type Options, type Service } from "./internal/entity/stateCache.ts"

/** @since 0.1.0 */
export type { Freshness, Options } from "./internal/entity/stateCache.ts"

/**
 * The cache of the context: none, unless there is a {@link layer}.
 *
 * @since 0.1.0
 */
export const EntityCache = Context.Reference<Option.Option<Service>>("eventfold/EntityCache", {
  defaultValue: () => Option.none()
})

/**
 * A cache that is emptied with the layer, for all entities of the programs it is provided to.
 *
 * **Details**
 *
 * The latest state is still the latest: a load reads what is new after the cached state, which costs one round trip and,
 * when there is nothing new, no rows. Loads of one entity that begin at the same moment share one read. After a failed
 * append the entity is forgotten, so the next load reads. When the capacity is exceeded, those go that nobody has asked
 * for the longest.
 *
 * @example
 * ```ts
 * import { EntityCache, MessageStore } from "eventfold"
 * import { Layer } from "effect"
 *
 * const Live = Layer.merge(MessageStore.layerMemory, EntityCache.layer({ capacity: 10_000, timeToLive: "1 hour" }))
 * ```
 *
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<never> => Layer.effect(EntityCache, Effect.asSome(make(options)))

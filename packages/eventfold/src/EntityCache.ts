/**
 * A cache of entities' states: with its layer, a load reads only what is new in a stream.
 *
 * **Details**
 *
 * The cache is a setting of the application and not of the domain code. An entity uses the cache in its context, and none by
 * default.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { make, type Options, type Service } from "./internal/entity/stateCache.ts"

/** @since 0.1.0 */
export type { Freshness, Options, Service } from "./internal/entity/stateCache.ts"

/**
 * The cache in the context. Defaults to none; {@link layer} provides one.
 *
 * @category services
 * @since 0.1.0
 */
export const EntityCache = Context.Reference<Option.Option<Service>>("eventfold/EntityCache", {
  defaultValue: () => Option.none()
})

/**
 * Provides a cache for all entities of a program. It is emptied when the layer closes.
 *
 * **When to use**
 *
 * When a program loads the same entities again and again. Give the capacity a number of entities that fits into memory, or
 * give the entities a `weight`.
 *
 * **Details**
 *
 * A transaction decides on the cached state, and its append proves that it was the latest: see `Entity.TransactOptions`. Of
 * transactions of one entity that wait for one another, one write takes the events of all.
 *
 * The latest state is still the latest: a load reads what is new after the cached state. That is one round trip, which
 * usually reads no rows. Loads of one entity that begin at the same moment share one read. After a failed append the cache
 * drops the entity, so the next load reads the stream.
 *
 * When the database becomes another one, as after a failover that lost the last messages, the cache forgets all that it has of the
 * former one. It asks which database it is after a connection was opened or lost, and not for each load.
 *
 * When the capacity is exceeded, the cache drops the least recently used entities.
 *
 * @example
 * ```ts
 * import { EntityCache, MessageStore } from "eventfold"
 * import { Layer } from "effect"
 *
 * const Live = Layer.merge(MessageStore.layerMemory, EntityCache.layer({ capacity: 10_000, timeToLive: "1 hour" }))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<never> => Layer.effect(EntityCache, Effect.asSome(make(options)))

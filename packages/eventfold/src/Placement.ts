/**
 * Which of the programs on a store runs a consumer, a member of its group, a process or a read model.
 *
 * **Details**
 *
 * By default nothing places them: each program offers all that it defines, and the leases of the store decide, so the program that comes
 * first runs everything. With a placement in the context each program runs what is placed with it, and no more. `Cluster.layer` of
 * `@eventfold/cluster` provides one, which places evenly on the machines that are there.
 *
 * A placement says where something should run. The leases still say whether it may, so a placement that is wrong for a moment, or two
 * programs that see different machines, cost time and no order: a reader begins only when the one before has let go.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/**
 * What is placed in this program, as known at one moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface View {
  /**
   * The parts of a reader that are placed here, from 0. A consumer's group has as many parts as members. Any other consumer, and a read
   * model, is one part.
   */
  readonly here: (reader: string, parts: number) => ReadonlyArray<number>
}

/**
 * Places readers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service {
  /** What is placed here now. */
  readonly view: () => View
  /** Completes as soon as another view has replaced this one. */
  readonly changedFrom: (view: View) => Effect.Effect<void>
}

/**
 * The placement in the context. Defaults to none: each program offers all that it defines.
 *
 * **When to use**
 *
 * Provide one of your own when something else than `@eventfold/cluster` knows the machines, such as the ordinals of a StatefulSet.
 *
 * **Details**
 *
 * It is read when a consumer, process or read model starts. When a part moves away its handlers get the `grace` of the consumer to end,
 * the position is written and the lease released. All programs have to define the same readers: a part that is placed in a program
 * without its definition does not run.
 *
 * @example
 * ```ts
 * import { Effect, Layer, Option } from "effect"
 * import { Placement } from "eventfold"
 *
 * // Machine 1 of 3, which always are three.
 * const view: Placement.View = {
 *   here: (_, parts) => Array.from({ length: parts }, (_, part) => part).filter((part) => part % 3 === 1)
 * }
 *
 * const Fixed = Layer.succeed(
 *   Placement.Placement,
 *   Option.some({ view: () => view, changedFrom: () => Effect.never })
 * )
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export const Placement: Context.Reference<Option.Option<Service>> = Context.Reference("eventfold/Placement", {
  defaultValue: () => Option.none()
})

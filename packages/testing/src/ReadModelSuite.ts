/**
 * The conformance suite of the stores of read models: every promise that eventfold makes of read models, as tests that any
 * such store can run.
 *
 * @since 0.1.0
 */
import { layer as withLayer } from "@effect/vitest"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import type { MessageStore } from "eventfold/MessageStore"
import type { ReadModelStore } from "eventfold/ReadModelStore"
import * as Builds from "./internal/readModelSuite/builds.ts"
import * as Contract from "./internal/readModelSuite/contract.ts"
import type { Counting } from "./internal/readModelSuite/counter.ts"
import * as Faults from "./internal/readModelSuite/faults.ts"
import * as Handling from "./internal/readModelSuite/handling.ts"

/** @since 0.1.0 */
export type { Counting } from "./internal/readModelSuite/counter.ts"

/**
 * Declares the tests, in a `describe` of the given name, on one store of the layer. The stores need not be empty: each test
 * has categories and read models of its own. The clock is the real one.
 *
 * @example
 * ```ts no-run
 * import * as ReadModelSuite from "@eventfold/testing/ReadModelSuite"
 * import { Effect, Layer, Option } from "effect"
 * import { MemoryTable, MessageStore, ReadModel } from "eventfold"
 *
 * const table = (readModel: string) => MemoryTable.make<string, number>(readModel, "counts")
 *
 * ReadModelSuite.suite("memory", Layer.merge(MessageStore.layerMemory, ReadModel.layerMemory), {
 *   tables: [],
 *   add: (readModel, key, count) =>
 *     table(readModel).update(key, (row) => Option.getOrElse(row, () => 0) + count),
 *   counts: (readModel) => Effect.map(table(readModel).entries, (entries) => Object.fromEntries(entries))
 * })
 * ```
 *
 * @since 0.1.0
 */
export const suite = <E, R>(
  name: string,
  layer: Layer.Layer<MessageStore | ReadModelStore | R, E>,
  counting: Counting<R>
): void => {
  // That a read model has started or stopped is not worth reading here.
  const quiet = Layer.provideMerge(layer, Layer.succeed(References.MinimumLogLevel, "Warn"))
  withLayer(quiet, { excludeTestServices: true, timeout: "2 minutes" })(`ReadModelStore: ${name}`, (it) => {
    Contract.tests(it, counting)
    Handling.tests(it, counting)
    Builds.tests(it, counting)
    Faults.tests(it, counting)
  })
}

/**
 * The conformance suite of read-model stores: what eventfold promises of read models, as tests.
 *
 * **When to use**
 *
 * When you write a `ReadModelStore`: say how to count in it ({@link Counting}), and call {@link suite} in a test file. It
 * needs the optional peers `vitest` and `@effect/vitest`.
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
import * as Steering from "./internal/readModelSuite/steering.ts"

/** @since 0.1.0 */
export type { Counting } from "./internal/readModelSuite/counter.ts"

/**
 * Declares the tests of a read-model store, in a `describe` with this name.
 *
 * **Details**
 *
 * All tests share the stores of the layer: the one under test, and a message store to read from. The layer has five minutes
 * to be built. Both stores may have data already: each test has categories and read models of its own, and leaves them
 * there. The tests run on the real clock.
 *
 * **Gotchas**
 *
 * Vitest's default of 5 seconds a test is too short for a store on a database: set `testTimeout` to three minutes or
 * more. What waits in vain fails after two.
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
 * @category tests
 * @since 0.1.0
 */
export const suite = <E, R>(
  name: string,
  layer: Layer.Layer<MessageStore | ReadModelStore | R, E>,
  counting: Counting<R>
): void => {
  // Without the log of read models that start and stop.
  const quiet = Layer.provideMerge(layer, Layer.succeed(References.MinimumLogLevel, "Warn"))
  withLayer(quiet, { excludeTestServices: true, timeout: "5 minutes" })(`ReadModelStore: ${name}`, (it) => {
    Contract.tests(it, counting)
    Handling.tests(it, counting)
    Builds.tests(it, counting)
    Faults.tests(it, counting)
    Steering.tests(it, counting)
  })
}

/**
 * The conformance suite of message stores: what eventfold promises of a store, as tests. A store that passes them works
 * with entities, consumers and processes as eventfold's own stores do.
 *
 * **When to use**
 *
 * When you write a store. Implement `StoreBackend`, make the service with `MessageStore.make`, and call {@link suite} in a
 * test file. Only this module and `ReadModelSuite` need the optional peers `vitest` and `@effect/vitest`.
 *
 * @since 0.1.0
 */
import { layer as withLayer } from "@effect/vitest"
import type * as Layer from "effect/Layer"
import type { MessageStore } from "eventfold/MessageStore"
import * as Administration from "./internal/messageStoreSuite/administration.ts"
import * as ApplicationTransactions from "./internal/messageStoreSuite/applicationTransactions.ts"
import * as Checks from "./internal/messageStoreSuite/checks.ts"
import * as Commands from "./internal/messageStoreSuite/commands.ts"
import * as Concurrency from "./internal/messageStoreSuite/concurrency.ts"
import * as ConsumerPositions from "./internal/messageStoreSuite/consumerPositions.ts"
import * as Consumers from "./internal/messageStoreSuite/consumers.ts"
import * as ConsumersOfAll from "./internal/messageStoreSuite/consumersOfAll.ts"
import * as Deletions from "./internal/messageStoreSuite/deletions.ts"
import * as Encoding from "./internal/messageStoreSuite/encoding.ts"
import * as Entities from "./internal/messageStoreSuite/entities.ts"
import * as EntityCache from "./internal/messageStoreSuite/entityCache.ts"
import type * as Fixtures from "./internal/messageStoreSuite/fixtures.ts"
import type { Feature } from "./internal/messageStoreSuite/fixtures.ts"
import * as Keeping from "./internal/messageStoreSuite/keeping.ts"
import * as Leases from "./internal/messageStoreSuite/leases.ts"
import * as Listing from "./internal/messageStoreSuite/listing.ts"
import * as Metadata from "./internal/messageStoreSuite/metadata.ts"
import * as Parking from "./internal/messageStoreSuite/parking.ts"
import * as Processes from "./internal/messageStoreSuite/processes.ts"
import * as ReadAll from "./internal/messageStoreSuite/readAll.ts"
import * as Reading from "./internal/messageStoreSuite/reading.ts"
import * as Runners from "./internal/messageStoreSuite/runners.ts"
import * as Snapshots from "./internal/messageStoreSuite/snapshots.ts"
import * as Steering from "./internal/messageStoreSuite/steering.ts"
import * as Streams from "./internal/messageStoreSuite/streams.ts"
import * as Traces from "./internal/messageStoreSuite/traces.ts"
import * as Transactions from "./internal/messageStoreSuite/transactions.ts"
import * as Versions from "./internal/messageStoreSuite/versions.ts"
import * as WakeUps from "./internal/messageStoreSuite/wakeUps.ts"
import * as Writing from "./internal/messageStoreSuite/writing.ts"

/** @since 0.1.0 */
export type { Feature } from "./internal/messageStoreSuite/fixtures.ts"

/**
 * What {@link suite} takes.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * The features that the store lacks. The suite expects `Unsupported` for reading backwards, for streams and for transactions,
   * positions in streams instead of rows, and does not try large groups.
   * Defaults to none.
   */
  readonly unsupported?: ReadonlyArray<Feature> | undefined
  /**
   * What the tests are about: `"store"` is what the store does itself; `"everything"` is also what eventfold makes of any store:
   * entities, snapshots, consumers, parking, processes, metadata and versions of events. Less is enough for a store of parts
   * that have passed everything, such as other functions on the same tables.
   * Defaults to `"everything"`.
   */
  readonly about?: "everything" | "store" | undefined
}

/**
 * Declares the tests of a message store, in a `describe` with this name.
 *
 * **Details**
 *
 * All tests share one store of the layer, which has five minutes to be built. It may have messages already: each test writes
 * to categories of its own, and leaves its messages there, more than 20,000 in all. The tests run on the real clock.
 *
 * **Gotchas**
 *
 * Nothing else may write to the store meanwhile: some tests count the messages of all categories. Vitest's default of 5
 * seconds a test is too short for a store on a database: set `testTimeout` to three minutes or more. What waits in vain says
 * so after two.
 *
 * @example
 * ```ts no-run
 * import * as MessageStoreSuite from "@eventfold/testing/MessageStoreSuite"
 * import { MessageStore } from "eventfold"
 *
 * MessageStoreSuite.suite("memory", MessageStore.layerMemory)
 * ```
 *
 * @category tests
 * @since 0.1.0
 */
export const suite = <E>(name: string, layer: Layer.Layer<MessageStore, E>, options: Options = {}): void => {
  const supports: Fixtures.Supports = (feature) => options.unsupported?.includes(feature) !== true
  withLayer(layer, { excludeTestServices: true, timeout: "5 minutes" })(`MessageStore: ${name}`, (it) => {
    Writing.tests(it)
    Keeping.tests(it)
    Checks.tests(it)
    Reading.tests(it, supports)
    ReadAll.tests(it)
    Encoding.tests(it)
    Concurrency.tests(it)
    WakeUps.tests(it)
    Leases.tests(it)
    Transactions.tests(it)
    ApplicationTransactions.tests(it, supports)
    ConsumerPositions.tests(it, supports)
    Listing.tests(it, supports)
    Traces.tests(it)
    Streams.tests(it, supports)
    if (supports("streams")) Deletions.tests(it)
    if (supports("streams")) Administration.tests(it, supports)
    if (options.about === "store") return
    Entities.tests(it)
    Commands.tests(it)
    Snapshots.tests(it)
    EntityCache.tests(it)
    Consumers.tests(it)
    Runners.tests(it)
    ConsumersOfAll.tests(it)
    Parking.tests(it)
    Steering.tests(it, supports)
    Processes.tests(it)
    Metadata.tests(it)
    Versions.tests(it)
  })
}

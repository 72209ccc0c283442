/**
 * The conformance suite of message stores: every promise that eventfold makes of a store, as tests that any store can
 * run.
 *
 * @since 0.1.0
 */
import { layer as withLayer } from "@effect/vitest"
import type * as Layer from "effect/Layer"
import type { MessageStore } from "eventfold/MessageStore"
import * as Concurrency from "./internal/messageStoreSuite/concurrency.ts"
import * as Consumers from "./internal/messageStoreSuite/consumers.ts"
import * as ConsumersOfAll from "./internal/messageStoreSuite/consumersOfAll.ts"
import * as Encoding from "./internal/messageStoreSuite/encoding.ts"
import * as Entities from "./internal/messageStoreSuite/entities.ts"
import * as EntityCache from "./internal/messageStoreSuite/entityCache.ts"
import type * as Fixtures from "./internal/messageStoreSuite/fixtures.ts"
import * as Leases from "./internal/messageStoreSuite/leases.ts"
import * as Parking from "./internal/messageStoreSuite/parking.ts"
import * as Processes from "./internal/messageStoreSuite/processes.ts"
import * as ReadAll from "./internal/messageStoreSuite/readAll.ts"
import * as Reading from "./internal/messageStoreSuite/reading.ts"
import * as Snapshots from "./internal/messageStoreSuite/snapshots.ts"
import * as Transactions from "./internal/messageStoreSuite/transactions.ts"
import * as WakeUps from "./internal/messageStoreSuite/wakeUps.ts"
import * as Writing from "./internal/messageStoreSuite/writing.ts"

/**
 * What a store may be without: reading a stream backwards, and consumer groups of more than 32,767 members. A stock
 * Message DB has neither.
 *
 * @since 0.1.0
 */
export type Feature = Fixtures.Feature

/** @since 0.1.0 */
export interface Options {
  /** What the store refuses, with `Unsupported` or a `StoreError`; the suite holds it to that. */
  readonly unsupported?: ReadonlyArray<Feature> | undefined
}

/**
 * Declares the tests, in a `describe` of the given name, on one store of the layer. The store need not be empty: each
 * test writes to categories of its own. The clock is the real one.
 *
 * @example
 * ```ts no-run
 * import * as MessageStoreSuite from "@eventfold/testing/MessageStoreSuite"
 * import { MessageStore } from "eventfold"
 *
 * MessageStoreSuite.suite("memory", MessageStore.layerMemory)
 * ```
 *
 * @since 0.1.0
 */
export const suite = <E>(name: string, layer: Layer.Layer<MessageStore, E>, options: Options = {}): void => {
  const supports: Fixtures.Supports = (feature) => options.unsupported?.includes(feature) !== true
  withLayer(layer, { excludeTestServices: true, timeout: "2 minutes" })(`MessageStore: ${name}`, (it) => {
    Writing.tests(it)
    Reading.tests(it, supports)
    ReadAll.tests(it)
    Encoding.tests(it)
    Concurrency.tests(it)
    WakeUps.tests(it)
    Leases.tests(it)
    Entities.tests(it)
    Snapshots.tests(it)
    EntityCache.tests(it)
    Transactions.tests(it)
    Consumers.tests(it)
    ConsumersOfAll.tests(it)
    Parking.tests(it)
    Processes.tests(it)
  })
}

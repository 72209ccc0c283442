/**
 * The conformance suite of message stores: every promise that eventfold makes of a store, as tests that any store can
 * run.
 *
 * @since 0.1.0
 */
import { layer as withLayer } from "@effect/vitest"
import type * as Layer from "effect/Layer"
import type { MessageStore } from "eventfold/MessageStore"
import * as Concurrency from "./internal/concurrency.ts"
import * as Consumers from "./internal/consumers.ts"
import * as ConsumersOfAll from "./internal/consumersOfAll.ts"
import * as Encoding from "./internal/encoding.ts"
import * as Entities from "./internal/entities.ts"
import * as Everything from "./internal/everything.ts"
import type * as Fixtures from "./internal/fixtures.ts"
import * as Leases from "./internal/leases.ts"
import * as Parking from "./internal/parking.ts"
import * as Processes from "./internal/processes.ts"
import * as Reading from "./internal/reading.ts"
import * as States from "./internal/states.ts"
import * as Transactions from "./internal/transactions.ts"
import * as WakeUps from "./internal/wakeUps.ts"
import * as Writing from "./internal/writing.ts"

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
    Everything.tests(it)
    Encoding.tests(it)
    Concurrency.tests(it)
    WakeUps.tests(it)
    Leases.tests(it)
    Entities.tests(it)
    States.tests(it)
    Transactions.tests(it)
    Consumers.tests(it)
    ConsumersOfAll.tests(it)
    Parking.tests(it)
    Processes.tests(it)
  })
}

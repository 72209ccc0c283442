import type { Lineage, Positions, StoreBackend, Transactions } from "../../StoreBackend.ts"
import * as StreamQueues from "./streamQueues.ts"

/**
 * The key of {@link InProcess} on the service of a store. It is a string, because the inferred types of wrapped services spell
 * it out, and a program cannot import a symbol from here.
 */
export const TypeId = "~eventfold/MessageStore/InProcess"

/**
 * What all users of one store share within this process. Only eventfold's own modules use it.
 *
 * @category models
 * @since 0.1.0
 */
export interface InProcess {
  readonly streamQueues: StreamQueues.StreamQueues
  /** The transactions that the store takes part in; `undefined` when it takes part in none. */
  readonly transactions: Transactions | undefined
  /** Notices that the database has become another one; `undefined` where it never does. */
  readonly lineage: Lineage | undefined
  /** The rows of positions; `undefined` where positions are messages. */
  readonly positions: Positions | undefined
}

export const make = (
  { lineage, positions, transactions }: Pick<StoreBackend, "lineage" | "positions" | "transactions">
): InProcess => ({
  streamQueues: StreamQueues.make(),
  transactions,
  lineage,
  positions
})

/**
 * Tables of read models in memory: for tests and small programs. They are part of a build, as tables of a database are:
 * what a handler does to them is undone when its transaction is, and is seen by others when that is committed.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import type * as Option from "effect/Option"
import { InvalidArgument } from "./StoreError.ts"

/**
 * The rows of all tables of a build, by the name of the table.
 *
 * @since 0.1.0
 */
export type Rows = Map<string, HashMap.HashMap<unknown, unknown>>

/**
 * A transaction that changes the tables of a read model's build.
 *
 * @since 0.1.0
 */
export interface Transaction {
  readonly readModel: string
  readonly rows: Rows
}

/**
 * The transaction that handlers are in; `undefined` outside of one. It is for stores to set.
 *
 * @since 0.1.0
 */
export const Transaction: Context.Reference<Transaction | undefined> = Context.Reference<
  Transaction | undefined
>("eventfold/MemoryTable/Transaction", { defaultValue: () => undefined })

/**
 * The tables in memory, which `ReadModel.layerMemory` has.
 *
 * @since 0.1.0
 */
export class MemoryTables extends Context.Service<MemoryTables, {
  /** The rows of the build of a read model that is in use; none when it has none. */
  readonly rows: (readModel: string) => ReadonlyMap<string, HashMap.HashMap<unknown, unknown>> | undefined
}>()("eventfold/MemoryTables") {}

/**
 * A table of a read model. Keys and rows are values, which are not changed but replaced; they are the same when `Equal` says
 * so.
 *
 * @since 0.1.0
 */
export interface MemoryTable<Key, Row> {
  readonly readModel: string
  readonly name: string
  /** The row of a key: in a handler of the read model that of its own build, elsewhere of the one in use. */
  readonly get: (key: Key) => Effect.Effect<Option.Option<Row>, never, MemoryTables>
  /** All rows, in no order. */
  readonly entries: Effect.Effect<ReadonlyArray<readonly [Key, Row]>, never, MemoryTables>
  /** Sets the row of a key. Outside of a handler of the read model, who would not know of it, it is a defect. */
  readonly set: (key: Key, row: Row) => Effect.Effect<void, never, MemoryTables>
  /** Sets the row of a key by what it is now; a row of `undefined` is none. A defect as for `set`. */
  readonly update: (
    key: Key,
    change: (row: Option.Option<Row>) => Row
  ) => Effect.Effect<void, never, MemoryTables>
  /** Removes the row of a key, if there is one. A defect as for `set`. */
  readonly remove: (key: Key) => Effect.Effect<void, never, MemoryTables>
}

/**
 * A table of a read model by their names.
 *
 * @example
 * ```ts
 * import { Category, MemoryTable, MessageStore, ReadModel } from "eventfold"
 * import { Effect, Layer, Option, Schema } from "effect"
 *
 * const Account = Category.make("account", { Deposited: { amount: Schema.Int } })
 *
 * const balances = MemoryTable.make<string, number>("balances", "by_account")
 * const Balances = ReadModel.make("balances", { version: 1 }).on(Account, {
 *   Deposited: ({ data, recorded }) =>
 *     balances.update(recorded.streamName, (balance) => Option.getOrElse(balance, () => 0) + data.amount)
 * })
 *
 * const program = Effect.gen(function*() {
 *   yield* ReadModel.start(Balances)
 *   const { globalPosition } = yield* Account.append("1", Account.events.Deposited({ amount: 11 }))
 *   yield* ReadModel.waitFor(Balances, globalPosition)
 *   return yield* balances.get("account-1") // 11
 * }).pipe(Effect.scoped, Effect.provide(Layer.mergeAll(MessageStore.layerMemory, ReadModel.layerMemory)))
 * ```
 *
 * @since 0.1.0
 */
export const make = <Key, Row>(readModel: string, name: string): MemoryTable<Key, Row> => {
  type Table = HashMap.HashMap<Key, Row>
  const empty: Table = HashMap.empty()
  const own = Effect.map(Transaction, (transaction) => transaction?.readModel === readModel ? transaction : undefined)
  // The table is the only one of its name, and so its rows are of these types.
  const table = Effect.gen(function*() {
    const tables = yield* MemoryTables
    const rows = (yield* own)?.rows ?? tables.rows(readModel)
    return (rows?.get(name) ?? empty) as Table
  })
  const change = (change: (table: Table) => Table) =>
    Effect.gen(function*() {
      const before = yield* table
      const transaction = yield* own
      if (transaction === undefined) {
        const expected = `changed by the handlers of the read model ${readModel} only`
        return yield* Effect.die(new InvalidArgument({ argument: "table", value: `${readModel}.${name}`, expected }))
      }
      transaction.rows.set(name, change(before))
    })
  return {
    readModel,
    name,
    get: (key) => Effect.map(table, HashMap.get(key)),
    entries: Effect.map(table, HashMap.toEntries),
    set: (key, row) => change(HashMap.set(key, row)),
    update: (key, update) => change((table) => HashMap.set(table, key, update(HashMap.get(table, key)))),
    remove: (key) => change(HashMap.remove(key))
  }
}

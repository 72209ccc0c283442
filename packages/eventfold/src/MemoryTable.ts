/**
 * Tables of read models in memory, for tests and small programs.
 *
 * **Details**
 *
 * Tables belong to a build, as those of a database do. What a handler changes is visible to that handler at once, and to
 * others when the transaction of the handler is committed. A rollback undoes it.
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
 * @category models
 */
export type Rows = Map<string, HashMap.HashMap<unknown, unknown>>

/**
 * A transaction that changes the tables of a build. `rows` are the rows as it has changed them so far.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transaction {
  readonly readModel: string
  readonly rows: Rows
}

/**
 * The transaction that the handlers of a read model run in; `undefined` outside of one. A read-model store provides it.
 *
 * @since 0.1.0
 * @category services
 */
export const Transaction: Context.Reference<Transaction | undefined> = Context.Reference<
  Transaction | undefined
>("eventfold/MemoryTable/Transaction", { defaultValue: () => undefined })

/**
 * The committed rows of read models in memory. `ReadModel.layerMemory` provides it.
 *
 * @since 0.1.0
 * @category services
 */
export class MemoryTables extends Context.Service<MemoryTables, {
  /** The rows of a read model's live build; `undefined` when it has none. */
  readonly rows: (readModel: string) => ReadonlyMap<string, HashMap.HashMap<unknown, unknown>> | undefined
}>()("eventfold/MemoryTables") {}

/**
 * A table of a read model in memory. Keys and rows are values: they are replaced and never changed, and compared by `Equal`.
 *
 * **Details**
 *
 * In a handler of its read model, a table is that of the build being filled, with what the transaction has changed so far.
 * Elsewhere it is that of the live build, as committed.
 *
 * **Gotchas**
 *
 * Only handlers of its read model change a table. `set`, `update` and `remove` are a defect elsewhere, because a rebuild would
 * lose the change.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemoryTable<Key, Row> {
  readonly readModel: string
  readonly name: string
  /** The row of a key. */
  readonly get: (key: Key) => Effect.Effect<Option.Option<Row>, never, MemoryTables>
  /** All rows, in no particular order. */
  readonly entries: Effect.Effect<ReadonlyArray<readonly [Key, Row]>, never, MemoryTables>
  /** Sets the row of a key. */
  readonly set: (key: Key, row: Row) => Effect.Effect<void, never, MemoryTables>
  /** Sets the row of a key to what `change` makes of the present one; none when the key has no row. */
  readonly update: (
    key: Key,
    change: (row: Option.Option<Row>) => Row
  ) => Effect.Effect<void, never, MemoryTables>
  /** Removes the row of a key, if it has one. */
  readonly remove: (key: Key) => Effect.Effect<void, never, MemoryTables>
}

/**
 * Makes a table of a read model, by the name of the read model and its own. The table exists as soon as a handler sets a row.
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
 *   Deposited: ({ data, id }) =>
 *     balances.update(id, (balance) => Option.getOrElse(balance, () => 0) + data.amount)
 * })
 *
 * const program = Effect.gen(function*() {
 *   yield* ReadModel.start(Balances)
 *   const { globalPosition } = yield* Account.append("1", Account.events.Deposited({ amount: 11 }))
 *   yield* ReadModel.waitFor(Balances, globalPosition)
 *   return yield* balances.get("1") // 11
 * }).pipe(Effect.scoped, Effect.provide(Layer.mergeAll(MessageStore.layerMemory, ReadModel.layerMemory)))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Key, Row>(readModel: string, name: string): MemoryTable<Key, Row> => {
  type Table = HashMap.HashMap<Key, Row>
  const empty: Table = HashMap.empty()
  const own = Effect.map(Transaction, (transaction) => transaction?.readModel === readModel ? transaction : undefined)
  // No other table of the read model has this name, so its rows are of these types.
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
        const expected = `changed within the handlers of the read model ${readModel}`
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

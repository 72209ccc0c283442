/** A read model of balances by account, for the tests of read models, and what they do with it. */
import { assert } from "@effect/vitest"
import { Effect, Layer, Option, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Category, MemoryStore, MemoryTable, MessageStore, ReadModel, type StoreBackend } from "eventfold"

export const Account = Category.make("account", { Deposited: { amount: Schema.Int }, Closed: {} })

export const deposit = (id: string, amount: number) => Account.append(id, Account.events.Deposited({ amount }))

const table = MemoryTable.make<string, number>("balances", "by_account")

type Event = Extract<Category.RecordedEvent<typeof Account>, { readonly type: "Deposited" }>

export const add = ({ data, recorded }: Event, factor = 1) =>
  table.update(recorded.streamName, (balance) => Option.getOrElse(balance, () => 0) + data.amount * factor)

/** Balances by account. Another factor makes another definition. */
export const balances = (options: Partial<ReadModel.Options> = {}, factor = 1) =>
  ReadModel.make("balances", { version: 1, fingerprint: `by ${factor}`, ...options })
    .on(Account, { Deposited: (event) => add(event, factor) })

/** The balances of the live build. */
export const counted = Effect.map(table.entries, (entries) => Object.fromEntries(entries))

/** The balances that the log gives. */
export const folded = (factor = 1) =>
  Effect.map(Stream.runCollect(Account.readCategory()), (events) => {
    const found: Record<string, number> = {}
    for (const event of events) {
      if (event.type !== "Deposited") continue
      const { streamName } = event.recorded
      found[streamName] = (found[streamName] ?? 0) + event.data.amount * factor
    }
    return found
  })

export const isExact = Effect.fnUntraced(function*(factor = 1) {
  assert.deepStrictEqual(yield* counted, yield* folded(factor))
})

/** Lets virtual time pass until a condition holds. */
export const eventually = Effect.fnUntraced(function*<E, R>(condition: Effect.Effect<boolean, E, R>) {
  for (let i = 0; i < 1_000; i++) {
    if (yield* condition) return
    yield* TestClock.adjust("100 millis")
  }
  assert.fail("the condition did not come to hold")
})

/** Lets virtual time pass until a read model has handled everything. */
export const caughtUp = (model: ReadModel.ReadModel<unknown, unknown> = balances()) =>
  eventually(Effect.map(ReadModel.status(model), ({ live }) => Option.isSome(live) && live.value.lag.messages === 0))

export const inMemory = Layer.merge(MessageStore.layerMemory, ReadModel.layerMemory)

/** A store in memory that can be replaced by another one, as by a restore. */
export const replaceable = Effect.gen(function*() {
  let current = yield* MemoryStore.make
  const backend: StoreBackend.StoreBackend = {
    append: (append) => current.append(append),
    writeAll: (appends) => current.writeAll(appends),
    readStream: (page) => current.readStream(page),
    readCategory: (page) => current.readCategory(page),
    readAll: (page) => current.readAll(page),
    heldBack: (from) => current.heldBack(from),
    messageAt: (globalPosition) => current.messageAt(globalPosition),
    lastPosition: Effect.suspend(() => current.lastPosition),
    countAll: (range) => current.countAll(range),
    identity: Effect.suspend(() => current.identity),
    lastMessage: (streamName, type) => current.lastMessage(streamName, type),
    streamVersion: (streamName) => current.streamVersion(streamName),
    findMessage: (streamName, id) => current.findMessage(streamName, id),
    messageById: (id) => current.messageById(id),
    lastCategoryMessage: (category) => current.lastCategoryMessage(category),
    countCategory: (range) => current.countCategory(range),
    lease: (name) => current.lease(name)
  }
  return {
    layer: Layer.merge(Layer.effect(MessageStore.MessageStore, MessageStore.make(backend)), ReadModel.layerMemory),
    replaceBy: (next: StoreBackend.StoreBackend) => Effect.sync(() => current = next)
  }
})

/**
 * Reads of a category, and of streams that are folded.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Entity from "eventfold/Entity"
import * as EntityCache from "eventfold/EntityCache"
import { MessageStore } from "eventfold/MessageStore"
import { counter, repeatedlyAsync } from "./AppendRows.ts"
import { promise } from "./BenchError.ts"
import { Databases } from "./Databases.ts"
import * as Emmett from "./Emmett.ts"
import * as MessageDbClient from "./MessageDbClient.ts"
import { type Dataset, idOf, ledger, savings, streamNameOf } from "./Messages.ts"
import { rate, repeatedly, type Round, type Row } from "./Rounds.ts"

/** Reads so many messages of a category, from a global position on: messages a second. */
export const readCategory = (
  store: MessageStore["Service"],
  dataset: Dataset,
  limit = dataset.messages,
  from = 1
): Round => {
  const read = Effect.suspend(() => {
    let count = 0
    return dataset.category.readCategory({ limit, from }).pipe(
      Stream.runForEachArray((events) => Effect.sync(() => count += events.length)),
      Effect.map(() => count)
    )
  })
  return (millis) => Effect.provideService(rate(read, millis), MessageStore, store)
}

const reads = Effect.gen(function*() {
  const { load, store } = yield* (yield* Databases).ours
  yield* load(ledger)
  return readCategory(store, ledger)
})

const readsOfMessageDb = Effect.gen(function*() {
  const { load, readCategory } = yield* (yield* Databases).messageDb
  yield* load(ledger)
  const read = promise(async () => {
    let [count, from] = [0, 1]
    for (;;) {
      const page = await readCategory(ledger.category.name, from)
      count += page.length
      from = (page.at(-1)?.globalPosition ?? 0) + 1
      if (page.length < MessageDbClient.pageSize) return count
    }
  })
  const round: Round = (millis) => rate(read, millis)
  return round
})

const readsOfEmmett = Effect.gen(function*() {
  const { load, store } = yield* (yield* Databases).emmett
  yield* load(ledger)
  const streams = Array.from({ length: ledger.streams }, (_, n) => streamNameOf(ledger, n))
  const read = promise(async () => {
    let count = 0
    for (const stream of streams) count += (await store.readStream(stream)).events.length
    return count
  })
  const round: Round = (millis) => rate(read, millis)
  return round
})

const readsOfCopy = Effect.gen(function*() {
  const { load, read } = yield* (yield* Databases).copy
  yield* load(ledger)
  const round: Round = (millis) => rate(Effect.as(read(ledger.category.name), ledger.messages), millis)
  return round
})

/** What the events of a stream fold into, for everybody. */
export const evolve = ({ balance, count }: State, amount: number): State => ({
  balance: balance + amount,
  count: count + 1
})

export interface State {
  readonly balance: number
  readonly count: number
}

export const initial: State = { balance: 0, count: 0 }

/** The entity of a data set's category. */
export const entityOf = ({ category }: Dataset) =>
  Entity.make(category, {
    state: Schema.Struct({ balance: Schema.Int, count: Schema.Int }),
    initial,
    evolve: {
      Opened: (state, { amount }) => evolve(state, amount),
      Deposited: (state, { amount }) => evolve(state, amount),
      Withdrawn: (state, { amount }) => evolve(state, -amount),
      Renamed: (state) => evolve(state, 0)
    }
  })

/** Loads one entity after the other, the streams in turns: loads a second. */
export const load = Effect.fnUntraced(function*(
  store: MessageStore["Service"],
  dataset: Dataset,
  cached: { readonly freshness: EntityCache.Freshness } | undefined = undefined
): Effect.fn.Return<Round, never, Scope.Scope> {
  const entity = entityOf(dataset)
  const next = counter()
  const cache = cached === undefined ? Context.empty() : yield* Layer.build(EntityCache.layer({ capacity: 10_000 }))
  const context = Context.add(cache, MessageStore, store)
  return (millis) =>
    Effect.provideContext(repeatedly(millis, () => entity.load(idOf(dataset, next()), cached)), context)
})

const foldsBy = (peer: "emmett" | "messageDb") =>
  Effect.gen(function*() {
    const { emmett, messageDb } = yield* Databases
    const next = counter()
    const repeat = (call: (streamName: string) => Promise<unknown>): Round => (millis) =>
      repeatedlyAsync(millis, () => call(streamNameOf(savings, next())), 1)
    if (peer === "emmett") {
      const { load, store } = yield* emmett
      yield* load(savings)
      const read = (streamName: string) =>
        store.aggregateStream<State, Emmett.PaymentEvent>(streamName, {
          evolve: (state: State, { data, type }: Emmett.PaymentEvent) => evolve(state, amountOf(type, data)),
          initialState: () => initial
        })
      return repeat(read)
    }
    const { load, readStream } = yield* messageDb
    yield* load(savings)
    return repeat(async (streamName) =>
      (await readStream(streamName)).reduce((state, { data, type }) => evolve(state, amountOf(type, data)), initial)
    )
  })

export const amountOf = (type: string, { amount }: { readonly amount: number }) =>
  type === "Renamed" ? 0 : type === "Withdrawn" ? -amount : amount

const folds = (freshness: EntityCache.Freshness | undefined) =>
  Effect.gen(function*() {
    const { load: fill, store } = yield* (yield* Databases).ours
    yield* fill(savings)
    return yield* load(store, savings, freshness === undefined ? undefined : { freshness })
  })

/** A load with a cache beside the load without. */
const cachedRow = (
  name: string,
  description: string,
  freshness: EntityCache.Freshness,
  budget?: number
): Row<Databases> => ({
  name,
  description,
  unit: "loads/s",
  warmUp: 2_000,
  ours: folds(freshness),
  peers: [
    { name: "eventfold, not cached", budget, side: folds(undefined) },
    { name: Emmett.name, side: foldsBy("emmett") }
  ]
})

export const rows: ReadonlyArray<Row<Databases>> = [
  {
    name: "read-category",
    description: "a category of 30 streams of 1,000 messages, every message decoded by its schema",
    unit: "messages/s",
    millis: 700,
    warmUp: 3_000,
    ours: reads,
    peers: [
      { name: `${MessageDbClient.name} through pg, JSON.parse`, budget: 2, side: readsOfMessageDb },
      { name: `${Emmett.name}, one stream after the other`, budget: 1, side: readsOfEmmett },
      { name: "COPY TO, not decoded", side: readsOfCopy }
    ]
  },
  {
    name: "load-100",
    description: "a stream of 100 events, read and folded, one after the other",
    unit: "loads/s",
    warmUp: 2_000,
    ours: folds(undefined),
    peers: [
      { name: Emmett.name, budget: 1, side: foldsBy("emmett") },
      { name: `${MessageDbClient.name} through pg, JSON.parse`, side: foldsBy("messageDb") }
    ]
  },
  cachedRow("load-100-cached", "the same with a cache, which asks the store for what is new", "latest", 5),
  cachedRow("load-100-known", "the same, content with what the cache has", "cached")
]

/**
 * Transactions: load a stream, fold it, decide, and append at the version that was read.
 */
import { CommandHandler } from "@event-driven-io/emmett"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as EntityCache from "eventfold/EntityCache"
import { MessageStore } from "eventfold/MessageStore"
import { append, counter, repeatedlyAsync } from "./AppendRows.ts"
import { Databases } from "./Databases.ts"
import * as Emmett from "./Emmett.ts"
import * as MessageDbClient from "./MessageDbClient.ts"
import { account, type Dataset, eventOf, idOf, purse, streamNameOf, wallet } from "./Messages.ts"
import { amountOf, entityOf, evolve, initial, type State } from "./ReadRows.ts"
import { repeatedly, type Round, type Row, type Side } from "./Rounds.ts"

const callers = 64

interface Options {
  readonly cache?: "default" | "latest" | undefined
  readonly dataset?: Dataset | undefined
  /** On how many streams the callers decide, in turn. Defaults to all. */
  readonly streams?: number | undefined
}

/** Each transaction adds an event to its stream, and the streams take turns. */
const ours = ({ cache: freshness, dataset = wallet, streams }: Options = {}): Side<Databases> =>
  Effect.gen(function*() {
    const { load, store } = yield* (yield* Databases).ours
    yield* load(dataset)
    const entity = entityOf(dataset)
    const cache = freshness === undefined
      ? Context.empty()
      : yield* Layer.build(EntityCache.layer({ capacity: 10_000 }))
    const context = Context.add(cache, MessageStore, store)
    const next = counter()
    const options = freshness === "latest" ? { freshness } : {}
    const transact = () => {
      const n = next()
      const id = streams === undefined ? idOf(dataset, n) : `hot${n % streams}`
      return entity.transact(id, () => eventOf(dataset, n), options)
    }
    const round: Round = (millis) => Effect.provideContext(repeatedly(millis, transact, callers), context)
    return round
  })

const emmett: Side<Databases> = Effect.gen(function*() {
  const { load, store } = yield* (yield* Databases).emmett
  yield* load(wallet)
  const next = counter()
  const handle = CommandHandler<State, Emmett.PaymentEvent>({
    evolve: (state, { data, type }) => evolve(state, amountOf(type, data)),
    initialState: () => initial
  })
  const round: Round = (millis) =>
    repeatedlyAsync(millis, () => {
      const n = next()
      return handle(store, streamNameOf(wallet, n), () => Emmett.eventOf(n))
    }, callers)
  return round
})

/** What one writes by hand: reads the stream, folds it, and writes at the version that was read. */
const messageDb: Side<Databases> = Effect.gen(function*() {
  const { load, readStream, writeAt } = yield* (yield* Databases).messageDb
  yield* load(wallet)
  const next = counter()
  const round: Round = (millis) =>
    repeatedlyAsync(millis, async () => {
      const n = next()
      const streamName = streamNameOf(wallet, n)
      const messages = await readStream(streamName)
      messages.reduce((state, { data, type }) => evolve(state, amountOf(type, data)), initial)
      await writeAt(streamName, n, messages.at(-1)?.position ?? -1)
    }, callers)
  return round
})

/** As many callers as `append-256` has, each with a stream of its own in turn. */
const appends: Side<Databases> = Effect.gen(function*() {
  const { load, store } = yield* (yield* Databases).ours
  yield* load(account)
  return append(store, { callers: 256 })
})

export const rows: ReadonlyArray<Row<Databases>> = [
  {
    name: "transact-64",
    description: "64 callers that load a stream of some 20 events, decide, and append one event",
    unit: "transactions/s",
    millis: 500,
    warmUp: 3_000,
    ours: ours(),
    peers: [
      { name: `${Emmett.name}, its command handler`, budget: 5, side: emmett },
      { name: `${MessageDbClient.name} by hand`, budget: 3, side: messageDb }
    ]
  },
  {
    name: "transact-64-cached",
    description: "the same with a cache, on whose states the transactions decide, and the append proves them",
    unit: "transactions/s",
    millis: 500,
    warmUp: 3_000,
    ours: ours({ cache: "default" }),
    peers: [
      { name: "eventfold, not cached", budget: 4, side: ours({ dataset: purse }) },
      { name: "the same, asking for the latest", side: ours({ cache: "latest" }) }
    ]
  },
  {
    name: "transact-64-hot",
    description: "64 callers that decide on one stream, with a cache",
    unit: "transactions/s",
    millis: 500,
    warmUp: 3_000,
    ours: ours({ cache: "default", streams: 1 }),
    peers: [{ name: "256 callers that append to streams of their own", budget: 0.4, side: appends }]
  },
  {
    name: "transact-64-warm",
    description: "64 callers that decide on 20 streams, with a cache",
    unit: "transactions/s",
    millis: 500,
    warmUp: 3_000,
    slow: true,
    ours: ours({ cache: "default", streams: 20 }),
    peers: [{ name: "256 callers that append to streams of their own", budget: 0.4, side: appends }]
  }
]

/**
 * Appends: many callers, one caller, and many messages a call. Everybody writes to the 10,000 streams of one category,
 * which take turns.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { MessageStore } from "eventfold/MessageStore"
import { promise } from "./BenchError.ts"
import { Databases } from "./Databases.ts"
import * as Emmett from "./Emmett.ts"
import * as MessageDbClient from "./MessageDbClient.ts"
import { account, type Dataset, eventOf, idOf, streamNameOf } from "./Messages.ts"
import { rate, repeatedly, type Round, type Row } from "./Rounds.ts"

/** Messages of a bulk append. */
const bulk = 1_000

/** Messages of a round of COPY. */
const copied = 20_000

/** Goes up by one from call to call, of all rounds. */
export const counter = (first = 0): () => number => {
  let n = first
  return () => n++
}

/** Callers of ours that append so many messages with each call: messages a second. */
export const append = (
  store: MessageStore["Service"],
  { callers, dataset = account, first = 0, messages = 1 }: {
    readonly callers: number
    readonly messages?: number
    readonly dataset?: Dataset
    /** The stream that is appended to first, by its number. */
    readonly first?: number
  }
): Round => {
  const next = counter(first)
  const { category } = dataset
  const call = messages === 1
    ? () => {
      const n = next()
      return category.append(idOf(dataset, n), eventOf(dataset, n))
    }
    : () => {
      const n = next()
      return category.append(idOf(dataset, n), Array.from({ length: messages }, (_, i) => eventOf(dataset, n + i)))
    }
  return (millis) =>
    Effect.map(repeatedly(millis, call, callers), (calls) => calls * messages).pipe(
      Effect.provideService(MessageStore, store)
    )
}

/** Callers of a peer, in its own way, without Effect: calls a second. */
export const repeatedlyAsync = (millis: number, call: () => Promise<unknown>, callers: number) =>
  Clock.clockWith((clock) =>
    promise(async () => {
      const begin = clock.monotonicTimeNanosUnsafe()
      const end = begin + BigInt(millis) * 1_000_000n
      let calls = 0
      const caller = async () => {
        while (clock.monotonicTimeNanosUnsafe() < end) {
          await call()
          calls++
        }
      }
      await Promise.all(Array.from({ length: callers }, caller))
      return calls * 1e9 / Number(clock.monotonicTimeNanosUnsafe() - begin)
    })
  )

const ours = (options: { readonly callers: number; readonly messages?: number }) =>
  Effect.gen(function*() {
    const { load, store } = yield* (yield* Databases).ours
    yield* load(account)
    return append(store, options)
  })

const messageDb = (callers: number) =>
  Effect.gen(function*() {
    const { load, write } = yield* (yield* Databases).messageDb
    yield* load(account)
    const next = counter()
    const round: Round = (millis) => repeatedlyAsync(millis, () => write(account, next()), callers)
    return round
  })

const emmett = (callers: number, messages = 1) =>
  Effect.gen(function*() {
    const { load, store } = yield* (yield* Databases).emmett
    yield* load(account)
    const next = counter()
    const call = () => {
      const n = next()
      return store.appendToStream(
        streamNameOf(account, n),
        Array.from({ length: messages }, (_, i) => Emmett.eventOf(n + i))
      )
    }
    const round: Round = (millis) => Effect.map(repeatedlyAsync(millis, call, callers), (calls) => calls * messages)
    return round
  })

const copy = (perStatement: number) =>
  Effect.gen(function*() {
    const { load, write } = yield* (yield* Databases).copy
    yield* load(account)
    const round: Round = () => Effect.flatMap(write(account, copied, perStatement), ({ run }) => rate(run))
    return round
  })

const insert = Effect.gen(function*() {
  const { insert, load } = yield* (yield* Databases).copy
  yield* load(account)
  const round: Round = (millis) => repeatedlyAsync(millis, () => insert(account), 1)
  return round
})

const copyName = `COPY, ${copied.toLocaleString("en")} a statement`

export const rows: ReadonlyArray<Row<Databases>> = [
  {
    name: "append-256",
    description: "256 fibers that append single messages to one category",
    unit: "messages/s",
    millis: 500,
    warmUp: 3_000,
    ours: ours({ callers: 256 }),
    peers: [
      { name: MessageDbClient.name, budget: 12, side: messageDb(256) },
      { name: copyName, budget: 0.5, side: copy(copied) },
      { name: Emmett.name, side: emmett(256) }
    ]
  },
  {
    name: "append-1",
    description: "one fiber that appends one message after the other",
    unit: "messages/s",
    warmUp: 5_000,
    ours: ours({ callers: 1 }),
    peers: [
      { name: MessageDbClient.name, budget: 1.3, side: messageDb(1) },
      { name: Emmett.name, side: emmett(1) },
      { name: "INSERT, nothing else", side: insert }
    ]
  },
  {
    name: "append-bulk",
    description: `one fiber that appends ${bulk.toLocaleString("en")} messages a call`,
    unit: "messages/s",
    millis: 300,
    warmUp: 1_000,
    ours: ours({ callers: 1, messages: bulk }),
    peers: [
      { name: copyName, budget: 0.7, side: copy(copied) },
      { name: `COPY, ${bulk.toLocaleString("en")} a statement`, side: copy(bulk) },
      { name: Emmett.name, budget: 1, side: emmett(1, bulk) }
    ]
  }
]

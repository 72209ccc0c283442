/**
 * Messages of streams with attributes. Each is an append, whose metadata has the time of the message, for which there is an index.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { MessageStore } from "eventfold/MessageStore"
import type { Metadata } from "eventfold/Metadata"
import * as Streams from "eventfold/Streams"
import { counter } from "./AppendRows.ts"
import type { BenchError } from "./BenchError.ts"
import { Databases } from "./Databases.ts"
import { dataOf, idOf, sensor, streamNameOf } from "./Messages.ts"
import { repeatedly, type Round, type Row } from "./Rounds.ts"

type Store = MessageStore["Service"]

const sensors = Streams.make({ category: sensor.category.name })

/** Measures callers that write one message a call, all of them to the streams of one category in turn: messages a second. */
const side = (callers: number, write: (store: Store, n: number) => Effect.Effect<unknown, BenchError, MessageStore>) =>
  Effect.gen(function*() {
    const { load, store } = yield* (yield* Databases).ours
    yield* load(sensor)
    const next = counter()
    const round: Round = (millis) =>
      Effect.provideService(repeatedly(millis, () => write(store, next()), callers), MessageStore, store)
    return round
  })

const addMessage = (callers: number) => side(callers, (_, n) => sensors.addMessage(idOf(sensor, n), dataOf(n)))

const append = (callers: number, metadata?: Metadata) =>
  side(
    callers,
    (store, n) => store.append(streamNameOf(sensor, n), { type: Streams.messageType, data: dataOf(n), metadata })
  )

/** As large as what `addMessage` writes, and in no index. */
const asLarge: Metadata = { xt: DateTime.formatIso(DateTime.makeUnsafe("2026-01-01")) }

const peers = (callers: number) => [
  { name: "append of the same data", budget: 0.95, side: append(callers) },
  { name: "append with as much metadata", side: append(callers, asLarge) }
]

export const rows: ReadonlyArray<Row<Databases>> = [
  {
    name: "add-message-64",
    description: "64 fibers that add single messages to streams with attributes, of one category",
    unit: "messages/s",
    millis: 500,
    warmUp: 3_000,
    slow: true,
    ours: addMessage(64),
    peers: peers(64)
  },
  {
    name: "add-message-1",
    description: "one fiber that adds one message after the other",
    unit: "messages/s",
    warmUp: 5_000,
    slow: true,
    ours: addMessage(1),
    peers: peers(1)
  }
]

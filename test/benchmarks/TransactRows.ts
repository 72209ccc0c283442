/**
 * Transactions: load a stream, fold it, decide, and append at the version that was read.
 */
import { CommandHandler } from "@event-driven-io/emmett"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as EntityCache from "eventfold/EntityCache"
import { MessageStore } from "eventfold/MessageStore"
import { counter, repeatedlyAsync } from "./AppendRows.ts"
import { Databases } from "./Databases.ts"
import * as Emmett from "./Emmett.ts"
import { eventOf, idOf, streamNameOf, wallet } from "./Messages.ts"
import { amountOf, entityOf, evolve, initial, type State } from "./ReadRows.ts"
import { repeatedly, type Round, type Row, type Side } from "./Rounds.ts"

const callers = 64

/** Each transaction adds an event to its stream, and the streams take turns. */
const ours = (isCached: boolean): Side<Databases> =>
  Effect.gen(function*() {
    const { load, store } = yield* (yield* Databases).ours
    yield* load(wallet)
    const entity = entityOf(wallet)
    const cache = isCached ? yield* Layer.build(EntityCache.layer({ capacity: 10_000 })) : Context.empty()
    const context = Context.add(cache, MessageStore, store)
    const next = counter()
    const transact = () => {
      const n = next()
      return entity.transact(idOf(wallet, n), () => eventOf(wallet, n))
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

export const rows: ReadonlyArray<Row<Databases>> = [
  {
    name: "transact-64",
    description: "64 callers that load a stream of some 20 events, decide, and append one event",
    unit: "transactions/s",
    millis: 500,
    warmUp: 3_000,
    ours: ours(false),
    peers: [{ name: `${Emmett.name}, its command handler`, side: emmett }]
  },
  {
    name: "transact-64-cached",
    description: "the same with a cache, which asks the store for what is new",
    unit: "transactions/s",
    millis: 500,
    warmUp: 3_000,
    ours: ours(true),
    peers: [{ name: "eventfold, not cached", side: ours(false) }]
  }
]

/**
 * The program that the page's tests look at: the example of orders, in a process and on a database of its own, so that it can be killed and
 * started again. It has orders with each of the fates, two messages that are parked, messages whose every field is hostile, and a long stream.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { MessageStore } from "eventfold/MessageStore"
import { fileURLToPath } from "node:url"
import * as Child from "../support/Child.ts"
import * as Database from "../support/Database.ts"
import { shortOrLong } from "../support/Form.ts"
import * as Store from "../support/Store.ts"
import { until, untilSome } from "../support/Until.ts"
import { hostile, meter } from "./Hostile.ts"

const script = fileURLToPath(new URL("../../examples/order-fulfilment/src/main.ts", import.meta.url))

/** How many messages the stream `meter-1` has. */
export const readings = shortOrLong(20_000, 1_000_000)

export class Shop extends Context.Service<Shop, {
  readonly url: string
  /** The address of its database. */
  readonly database: string
  /** Its store, for what is written while the program is down. */
  readonly store: MessageStore["Service"]
  /** The global position of the first message of order 1001. */
  readonly placed: number
  /** Kills it. */
  readonly kill: Effect.Effect<void>
  /** Starts it again, at the same address. */
  readonly restart: Effect.Effect<void>
}>()("@eventfold/test/page/Shop") {}

/** Starts the program, and gives the address that it prints. */
const start = Effect.fnUntraced(function*(database: string, port: string) {
  const child = yield* Child.start(script, ["--store", database, "run", "--port", port, "--slow-for", "5"])
  const url = yield* untilSome(
    "the program has printed its address",
    Effect.sync(() =>
      Option.fromNullishOr(child.lines.map((line) => /^http\S+/.exec(line)?.[0]).find((found) => found !== undefined))
    )
  )
  return { child, url }
})

const append = (url: string, streamName: string, messages: ReadonlyArray<unknown>) =>
  Effect.promise(async () => {
    const answer = await fetch(`${url}/streams/${encodeURIComponent(streamName)}/messages`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ messages })
    })
    const body: unknown = await answer.json()
    if (answer.status !== 201 || typeof body !== "object" || body === null || !("globalPosition" in body)) {
      throw new Error(`${streamName} was not written: ${JSON.stringify(body)}`)
    }
    return Number(body.globalPosition)
  })

const minutes = 60_000

const orders = [
  ["1001", "good", 30 * minutes],
  ["1002", "flaky", 30 * minutes],
  ["1003", "declined", 30 * minutes],
  ["1004", "slow", 1_200],
  ["1005", "broken", 30 * minutes]
] as const

const placed = (order: string, card: string, payWithin: number) => ({
  type: "Placed",
  data: { lines: [{ item: "teapots", count: 2, price: 2_000 }], total: 4_000, card, payWithin },
  metadata: { correlationStreamName: `order-${order}` }
})

/** Writes all of it. Gives the global position of the first order. */
const fill = Effect.fnUntraced(function*(url: string, store: Shop["Service"]["store"]) {
  for (const { streamName, ...message } of hostile) yield* append(url, streamName, [message])
  for (let from = 0; from < readings; from += 1_000) yield* store.append("meter-1", meter(from, 1_000))
  const positions = yield* Effect.forEach(
    orders,
    ([order, card, payWithin]) => append(url, `order-${order}`, [placed(order, card, payWithin)])
  )
  // Not what the schema of commands says: the consumer parks it.
  yield* append(url, "payment:command-misfit", [{ type: "Charge", data: { cents: "twelve" } }])
  return positions[0] ?? 0
})

const ask = (url: string) => Effect.promise(() => fetch(url).then((answer) => answer.text()))

export const layer = Layer.effect(
  Shop,
  Effect.gen(function*() {
    const database = yield* Database.make()
    const scope = yield* Effect.scope
    const started = (port: string) => Effect.provideService(start(database.url, port), Scope.Scope, scope)
    const { child: first, url } = yield* started("0")
    let child = first
    const store = yield* Store.open(database.url)
    const position = yield* fill(url, store)
    yield* until(
      "two messages are parked, and the last order has its money back",
      Effect.map(
        Effect.all([ask(`${url}/consumers/payments/parked`), ask(`${url}/streams/payment-1004/messages`)]),
        ([parked, payment]) => /command-1005/.test(parked) && /command-misfit/.test(parked) && /Refunded/.test(payment)
      )
    )
    return Shop.of({
      url,
      database: database.url,
      store,
      placed: position,
      kill: Effect.suspend(() => child.kill),
      restart: Effect.map(started(new URL(url).port), (again) => {
        child = again.child
      })
    })
  })
)

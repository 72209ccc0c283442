/**
 * Not a test: the program that the page's tests look at, in a process of its own, because they kill it. `shopProcess.ts PORT STORE` serves the
 * order fulfilment, which runs beside the server, with administrators' actions; port 0 is any that is free, the store `memory` or the URL of
 * a PostgreSQL database. A new store gets orders, a parked one among them, and messages whose every field is hostile. Prints its address
 * when all of that is there, and stops on SIGTERM.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as CommandLine from "@eventfold/example-command-line/CommandLine"
import { App, Registered } from "@eventfold/example-order-fulfilment/src/App.ts"
import { OrderId, place } from "@eventfold/example-order-fulfilment/src/Order.ts"
import { PaymentProvider } from "@eventfold/example-order-fulfilment/src/PaymentProvider.ts"
import * as Sandbox from "@eventfold/example-order-fulfilment/src/Sandbox.ts"
import { Authentication, Server } from "@eventfold/http"
import { Console, Duration, Effect, Layer, Logger, Schedule, Schema, Stream } from "effect"
import * as HttpServer from "effect/http/HttpServer"
import type { SqlClient } from "effect/sql"
import { Consumer, MessageStore, Parking, type ReadModelStore, type StoreError } from "eventfold"
import { hostile, meter } from "./Hostile.ts"

const [, , port = "0", store = "memory"] = process.argv

const orders = [["1001", "good"], ["1002", "flaky"], ["1003", "declined"], ["1004", "slow"], [
  "1005",
  "broken"
]] as const

const fill = Effect.gen(function*() {
  const messages = yield* MessageStore.MessageStore
  if ((yield* messages.lastPosition) > 0) return
  for (const { streamName, ...message } of hostile) yield* messages.append(streamName, message)
  for (let from = 0; from < 5_000; from += 500) yield* messages.append("meter-1", meter(from, 500))
  for (const [order, card] of orders) {
    const lines = [{ item: "teapots", count: 2, price: 2_000 }] as const
    yield* place({ order: OrderId.make(order), lines, card, payWithin: Duration.minutes(order === "1004" ? 0.02 : 30) })
  }
  // Not what the schema of commands says: the consumer parks it.
  yield* messages.append("payment:command-misfit", { type: "Charge", data: { cents: "twelve" } })
})

const awaitParked = Stream.runCollect(Parking.owners).pipe(
  Effect.repeat({ until: (owners) => owners.length > 0, schedule: Schedule.spaced("50 millis") })
)

const Ready = Layer.effectDiscard(Effect.gen(function*() {
  const { address } = yield* HttpServer.HttpServer
  yield* awaitParked
  yield* Console.log(HttpServer.formatAddress(address))
}))

/** The declaration of the example names what it needs by a path that only its own package knows. */
const Orders: Layer.Layer<
  never,
  StoreError.InvalidArgument,
  | Consumer.Host<StoreError.StoreError>
  | MessageStore.MessageStore
  | PaymentProvider
  | ReadModelStore.ReadModelStore
  | SqlClient.SqlClient
> = App

class NoPort extends Schema.TaggedError<NoPort>()("NoPort", { port: Schema.String }) {}

const main = Effect.gen(function*() {
  const number = Number(port)
  if (!Number.isSafeInteger(number)) return yield* new NoPort({ port })
  const sandbox = yield* Sandbox.make({ slow: Effect.sleep("5 seconds") })
  yield* fill
  const served = Ready.pipe(
    Layer.provide(
      Server.layer({ port: number, accessLog: false, page: { write: true }, limits: { requestsPerSecond: 10_000 } })
    ),
    Layer.provide(Authentication.layerOpen)
  )
  return yield* Consumer.launch(Layer.merge(Orders, served)).pipe(
    Effect.provideService(PaymentProvider, sandbox.provider)
  )
}).pipe(
  Effect.scoped,
  Effect.provide(Layer.provideMerge(Registered, CommandLine.databaseLayer({ store, data: "" }))),
  // The standard output is for the address alone.
  Effect.provide(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]))
)

NodeRuntime.runMain(main)

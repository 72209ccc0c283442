/**
 * Serves the HTTP API on a database, and answers with the port.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Authentication, Server } from "@eventfold/http"
import * as Store from "@eventfold/test/support/Store"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import { MessageStore } from "eventfold/MessageStore"
import { answer, endWithParent } from "./Child.ts"

const [, , url = ""] = process.argv

const limits = { openLive: 10_000, requestsPerSecond: 100_000 }

const program = Effect.gen(function*() {
  yield* endWithParent
  const served = Server.layer({ port: 0, limits, accessLog: false }).pipe(
    Layer.provide(Authentication.layerOpen),
    Layer.provide(Layer.effect(MessageStore, Store.open(url)))
  )
  return yield* Effect.gen(function*() {
    const { address } = yield* HttpServer.HttpServer
    yield* answer("port" in address ? address.port : 0)
    return yield* Effect.never
  }).pipe(Effect.provide(served))
}).pipe(Effect.provideService(References.MinimumLogLevel, "Warn"))

NodeRuntime.runMain(program)

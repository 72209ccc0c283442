/**
 * The program in a browser: the page of the HTTP API, for this machine only. Whoever opens it may also steer.
 */
import { Authentication, Server } from "@eventfold/http"
import { Console, Effect, Layer } from "effect"
import { HttpServer } from "effect/http"

const Announced = Layer.effectDiscard(
  Effect.flatMap(
    HttpServer.HttpServer,
    ({ address }) => Console.log(`${HttpServer.formatAddress(address)} shows it in a browser`)
  )
)

export const layer = (port: number) =>
  Announced.pipe(
    Layer.provide(Server.layer({ port, accessLog: false, page: { write: true } })),
    Layer.provide(Authentication.layerOpen)
  )

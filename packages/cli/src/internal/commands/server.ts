/**
 * The HTTP server. This module is loaded when a command serves.
 */
import * as Authentication from "@eventfold/http/Authentication"
import * as Server from "@eventfold/http/Server"
import * as Tokens from "@eventfold/http/Tokens"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import type { ServeError } from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import { CommandFailed, UsageError } from "../failures/errors.ts"
import { print } from "../output/terminal.ts"

interface Options {
  readonly accessLog: boolean
  readonly host: string
  readonly port: number
  readonly tokens: string | undefined
  readonly write: boolean
}

const Announced = Layer.effectDiscard(
  Effect.flatMap(
    HttpServer.HttpServer,
    ({ address }) =>
      print(
        `${
          HttpServer.formatAddress(address)
        } serves the store: a page to look at, and the API with its reference at /docs`
      )
  )
)

const notListening = (port: number) => ({ cause }: ServeError) =>
  new CommandFailed({
    message: `port ${port} can't be listened on: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: "end the program that has it, or name another one with --port"
  })

/** Serves until it is interrupted. */
export const server = ({ accessLog, host, port, tokens, write }: Options) =>
  Announced.pipe(
    Layer.provide(Server.layer({ port, host, accessLog, page: { write } })),
    Layer.provide(
      tokens === undefined
        ? Authentication.layerOpen
        : Layer.catch(Tokens.layerFile(tokens), (error) =>
          Layer.effectDiscard(Effect.fail(new UsageError({ message: error.message }))).pipe(
            Layer.provideMerge(Authentication.layerOpen)
          ))
    ),
    Layer.catchTag("ServeError", (error) =>
      Layer.effectDiscard(notListening(port)(error))),
    Layer.catchTag("UnsafeHost", () =>
      Layer.effectDiscard(
        new UsageError({
          message: `everyone who reaches ${host} could do everything`,
          hint: "give the file of those who may: --tokens tokens.json, or leave --host out"
        })
      )),
    // Requests are logged when they are asked for.
    Layer.provide(accessLog ? Layer.succeed(References.MinimumLogLevel, "Info") : Layer.empty)
  )

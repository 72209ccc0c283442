import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import { Sender } from "../authentication/sender.ts"

/** A line a request: its method, path, status, time and sender. No queries, headers or bodies. */
export const logged = <E, R>(
  answer: Effect.Effect<HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse, E, R | HttpServerRequest> =>
  Effect.gen(function*() {
    const { method, url } = yield* HttpServerRequest
    const sender: { name: string | undefined } = { name: undefined }
    const start = yield* Clock.currentTimeNanos
    const exit = yield* Effect.exit(Effect.provideService(answer, Sender, sender))
    const end = yield* Clock.currentTimeNanos
    yield* Effect.logInfo("request answered").pipe(Effect.annotateLogs({
      method,
      path: url.replace(/[?#].*$/, ""),
      // A client that has gone gets no answer, and there is none to log.
      status: Exit.isSuccess(exit) ? exit.value.status : "none",
      milliseconds: Number(end - start) / 1_000_000,
      ...(sender.name === undefined ? {} : { sender: sender.name })
    }))
    return yield* exit
  })

/**
 * The routes that follow a stream, a category or everything. They answer with bytes that are the same for all clients, so that a
 * message is not encoded for each of them.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { Api } from "../../Api.ts"
import { Limits } from "../../Limits.ts"
import { Principal } from "../../Principal.ts"
import { authorize, authorizeStream } from "../authentication/access.ts"
import { Closing } from "../limits/closing.ts"
import { OpenAnswers } from "../limits/openAnswers.ts"
import { authorizeCategories, groupOf } from "../messages/log.ts"
import { ofRead } from "../problems/failures.ts"
import type { Format } from "./frames.ts"
import * as Hub from "./hub.ts"
import type { Selection } from "./selection.ts"

/** The format that the client names first. Browsers' `EventSource` names the first one, and `fetch` none. */
const formatOf = (accept: string | undefined): Format => {
  const lines = accept?.indexOf("application/x-ndjson") ?? -1
  const events = accept?.indexOf("text/event-stream") ?? -1
  return lines >= 0 && (events < 0 || lines < events) ? "ndjson" : "sse"
}

const contentTypes: Readonly<Record<Format, string>> = { sse: "text/event-stream", ndjson: "application/x-ndjson" }

/** Where to begin: `Last-Event-ID` is newer than the address. */
const startOf = (lastEventId: number | undefined, from: Hub.Start | undefined) => ({
  after: lastEventId ?? (typeof from === "number" ? from - 1 : from),
  resumes: lastEventId !== undefined
})

const group = HttpApiBuilder.group(
  Api,
  "live",
  Effect.fnUntraced(function*(handlers) {
    const hub = yield* Hub.Hub
    const count = yield* OpenAnswers

    const answer = Effect.fnUntraced(
      function*(request: HttpServerRequest, selection: Selection, start: ReturnType<typeof startOf>) {
        const { name } = yield* Principal
        yield* count(name)
        const format = formatOf(request.headers["accept"])
        const bytes = yield* Effect.mapError(
          hub.open({ selection, format, ...start }),
          (error) => error._tag === "PositionAhead" ? error : ofRead(error)
        )
        return HttpServerResponse.stream(bytes, {
          contentType: contentTypes[format],
          // Proxies hold back what they buffer; nginx asks this header.
          headers: { "x-accel-buffering": "no" }
        })
      }
    )

    return handlers.handleAll({
      stream: Effect.fnUntraced(function*({ headers, params: { streamName }, query: { from, type }, request }) {
        yield* authorizeStream("read", streamName)
        const selection: Selection = { source: { _tag: "Stream", streamName }, types: type }
        return yield* answer(request, selection, startOf(headers["last-event-id"], from))
      }),

      category: Effect.fnUntraced(function*({ headers, params: { category }, query, request }) {
        yield* authorize("read", category)
        const { correlation, from, member, size, type: types } = query
        const consumerGroup = yield* groupOf(member, size)
        const selection: Selection = { source: { _tag: "Category", category, correlation, consumerGroup }, types }
        return yield* answer(request, selection, startOf(headers["last-event-id"], from))
      }),

      all: Effect.fnUntraced(function*({ headers, query: { category, from, type }, request }) {
        yield* authorizeCategories(category)
        const selection: Selection = { source: { _tag: "All", categories: category }, types: type }
        return yield* answer(request, selection, startOf(headers["last-event-id"], from))
      })
    })
  })
)

/** The hub of the routes. It ends its clients when the server begins to stop. */
const hub = Layer.effect(
  Hub.Hub,
  Effect.gen(function*() {
    const { heartbeat, liveQueueBytes, liveStall } = yield* Limits
    const hub = yield* Hub.make({ heartbeat, queueBytes: liveQueueBytes, stalled: liveStall })
    const closing = yield* Closing
    yield* Effect.forkScoped(Effect.andThen(closing, hub.end))
    return hub
  })
)

export const layer = group.pipe(Layer.provide(hub))

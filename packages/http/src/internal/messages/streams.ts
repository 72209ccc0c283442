/**
 * The routes of one stream.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import { MessageStore } from "eventfold/MessageStore"
import { Api } from "../../Api.ts"
import { Principal } from "../../Principal.ts"
import { authorizeStream } from "../authentication/access.ts"
import { ofAppend } from "../problems/failures.ts"
import * as NewMessages from "./newMessages.ts"
import { etag, expected } from "./preconditions.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "streams",
  Effect.fnUntraced(function*(handlers) {
    const store = yield* MessageStore
    return handlers.handleAll({
      append: Effect.fnUntraced(function*({ headers, params: { streamName }, payload }) {
        yield* authorizeStream("append", streamName)
        const { expectedVersion, messages } = yield* NewMessages.fromBody(payload)
        const { byHeader, version } = yield* expected(headers, expectedVersion)
        const { name } = yield* Principal
        const withIds = yield* NewMessages.identified(messages, streamName, {
          sender: name,
          key: headers["idempotency-key"]
        })
        const toWrite = yield* NewMessages.traced(withIds, headers.traceparent)
        const result = yield* store.append(streamName, toWrite, { expectedVersion: version }).pipe(
          Effect.mapError(ofAppend({ streamName: ["params", "streamName"], byHeader }))
        )
        return HttpApiSchema.withHeaders({
          body: { ...result, ids: withIds.map(({ id }) => id) },
          headers: { etag: etag(result.version) }
        })
      })
    })
  })
)

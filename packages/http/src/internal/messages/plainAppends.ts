/**
 * The short way of appends that are as the API wants them: most of what a busy server does.
 *
 * HttpApi's way decodes and encodes each part of a request by its schema, and finds all that is wrong with it. It costs more than the
 * append. This one takes requests whose parts it knows at a glance, and leaves all others to that one: so both give the same answers.
 */
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import { MessageStore } from "eventfold/MessageStore"
import type { Appended } from "../../Api.ts"
import { Limits } from "../../Limits.ts"
import { Admission, Admitted } from "../authentication/access.ts"
import { counted, ofCause, secure } from "../problems/answers.ts"
import * as Appending from "./appending.ts"
import * as NewMessages from "./newMessages.ts"
import { etag } from "./preconditions.ts"

type Answer = HttpServerResponse.HttpServerResponse

/** The route of the API that this is the short way of. */
const route = "/streams/:streamName/messages"

/** Characters that stand for themselves in a path, and no name that could be too long for a router. */
const path = /^\/streams\/([\w.~:+@!$()*,=&-]{1,250})\/messages$/

/** The stream that a request appends to, when it may go the short way. */
const streamNameOf = ({ headers, method, url }: HttpServerRequest, bodyBytes: number): string | undefined => {
  if (method !== "POST" || headers["content-type"] !== "application/json") return undefined
  // A key makes ids and asks for one more message.
  if ("idempotency-key" in headers || "transfer-encoding" in headers) return undefined
  // Node ends the body there: no limit has to be counted.
  if (!(Number(headers["content-length"]) <= bodyBytes)) return undefined
  return path.exec(url)?.[1]
}

const ofAppended = (appended: typeof Appended.Type): Answer =>
  HttpServerResponse.text(JSON.stringify(appended), {
    status: 201,
    contentType: "application/json",
    headers: Headers.fromRecordUnsafe({ ...secure, etag: etag(appended.version) })
  })

/** Answers the requests that may go the short way. Others go the long way, also those that turn out to be wrong. */
export const make = Effect.gen(function*() {
  const { admit, inTime } = yield* Admission
  const { bodyBytes } = yield* Limits
  const append = Appending.make(yield* MessageStore)
  const count = yield* counted

  /** The router of the API would say so to the span of the request, and does not see it. */
  const ofRoute = (request: HttpServerRequest, answered: Effect.Effect<Answer>): Effect.Effect<Answer> =>
    Effect.andThen(Effect.annotateCurrentSpan("http.route", route), count(request, route, answered))

  const answer = (request: Appending.Request): Effect.Effect<Answer> =>
    inTime(Effect.matchCauseEffect(append(request), {
      onSuccess: (appended) => Effect.succeed(ofAppended(appended)),
      onFailure: (cause) => ofCause(cause, bodyBytes)
    }))

  return <E, R>(longWay: Effect.Effect<Answer, E, R>) =>
    Effect.flatMap(HttpServerRequest, (request) => {
      const streamName = streamNameOf(request, bodyBytes)
      if (streamName === undefined) return longWay
      const { "if-match": ifMatch, "if-none-match": ifNoneMatch, traceparent } = request.headers
      const headers = { "if-match": ifMatch, "if-none-match": ifNoneMatch, traceparent }
      return Effect.matchCauseEffect(admit(request), {
        onFailure: (cause) => ofRoute(request, ofCause(cause, bodyBytes)),
        onSuccess: (sender) =>
          Effect.matchEffect(request.text, {
            onFailure: () => Effect.provideService(longWay, Admitted, sender),
            onSuccess: (text) => {
              const body = NewMessages.fromJson(text)
              return Option.isNone(body)
                ? Effect.provideService(longWay, Admitted, sender)
                : ofRoute(request, answer({ sender, streamName, headers, body: body.value }))
            }
          })
      })
    })
})

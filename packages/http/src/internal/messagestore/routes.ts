/**
 * Messagestore's routes.
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Message from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import * as StreamName from "eventfold/StreamName"
import type * as Streams from "eventfold/Streams"
import { Api } from "../../Api.ts"
import { Limits } from "../../Limits.ts"
import type { Messagestore } from "../../Messagestore.ts"
import { Principal } from "../../Principal.ts"
import type * as Problem from "../../Problem.ts"
import { authorize, authorizeSome } from "../authentication/access.ts"
import * as Administration from "../authentication/administration.ts"
import { pageLimit } from "../limits/pages.ts"
import { invalid, ofRead, orProblem } from "../problems/failures.ts"
import { inParams, ofAdd, ofAddMessage, ofGuarded, ofStats, ofStreams } from "./failures.ts"
import { etag, guarded, isOf } from "./preconditions.ts"

/** The version of Messagestore whose routes these are. */
const version = "0.0.2"

const missing = false as const

const attrsOf = ({ attributes, id }: Streams.Stream<Streams.Attributes>) => ({ id, attrs: attributes })

const withTag = (stream: Streams.Stream<Streams.Attributes>) =>
  HttpApiSchema.withHeaders({ body: attrsOf(stream), headers: { etag: etag(stream) } })

/** A time without a zone would be another moment on another server. */
const withZone = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/

/** The message of a body: with exactly the keys `at` and `data` it has a time. */
const messageOf = (body: Streams.Attributes): Effect.Effect<Streams.Timed, Problem.InvalidRequest> => {
  const { at, data } = body
  if (at === undefined || data === undefined || Object.keys(body).length !== 2) {
    return Effect.succeed({ at: undefined, data: body })
  }
  const when = typeof at === "string" && withZone.test(at) ? new Date(at) : at
  if (typeof when !== "number" && !(when instanceof Date)) {
    const expected = "must be a time with its zone, such as 2026-11-29T10:00:00Z, or in milliseconds since 1970"
    return Effect.fail(invalid(["payload", "at"], expected))
  }
  return isObject(data)
    ? Effect.succeed({ at: when, data })
    : Effect.fail(invalid(["payload", "data"], "must be an object"))
}

const isObject = (value: unknown): value is Streams.Attributes =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const layer = (streams: Messagestore) =>
  HttpApiBuilder.group(
    Api,
    "messagestore",
    Effect.fnUntraced(function*(handlers) {
      const { category } = streams
      // A name that can't be one is a mistake of the program, which it should learn when it starts.
      yield* Effect.orDie(StreamName.parseCategory(category))
      const store = yield* MessageStore
      const limits = yield* Limits
      const onStore = Effect.provideService(MessageStore, store)
      const may = (scope: "read" | "append" | "admin") => authorize(scope, category)
      const streamNameOf = (id: string) => `${category}-${id}`

      /** The message that the same request has written before, if it is that. */
      const writtenBefore = (
        id: string,
        messageId: string,
        { at, data }: Streams.Timed,
        refusal: Problem.DuplicateMessageId
      ) =>
        Effect.gen(function*() {
          const found = yield* orProblem(ofStreams(inParams))(streams.message(id, messageId))
          return Option.isSome(found) && at === undefined && Equal.equals(found.value.data, data)
            ? found.value
            : yield* refusal
        })

      return handlers.handleAll({
        api: () => Effect.as(authorizeSome("read"), { messagestore: version }),

        stats: () => onStore(Effect.andThen(may("read"), orProblem(ofStats)(streams.stats))),

        streams: Effect.fnUntraced(function*({ query: { after, base, limit } }) {
          yield* may("read")
          const page = { after, base, limit: yield* pageLimit(limits, limit) }
          const [objects, count] = yield* Effect.all([streams.list(page), streams.count]).pipe(
            orProblem(ofStreams(inParams))
          )
          return { objects: objects.map(attrsOf), count }
        }, onStore),

        addStream: Effect.fnUntraced(function*({ payload: { attrs, id } }) {
          yield* may("append")
          return yield* streams.add({ id, attributes: attrs }).pipe(
            Effect.map(attrsOf),
            orProblem(ofAdd)
          )
        }, onStore),

        stream: Effect.fnUntraced(function*({ headers, params: { id } }) {
          yield* may("read")
          const found = yield* orProblem(ofStreams(inParams))(streams.get(id))
          if (Option.isNone(found)) return missing
          const ifNoneMatch = headers["if-none-match"]
          if (ifNoneMatch === undefined || !isOf(ifNoneMatch, found.value)) return withTag(found.value)
          const tags = { etag: etag(found.value), "cache-control": "private, no-cache" }
          return HttpServerResponse.empty({ status: 304, headers: tags })
        }, onStore),

        setStream: Effect.fnUntraced(function*({ headers, params: { id }, payload }) {
          yield* may("append")
          const set = streams.set(id, payload).pipe(
            Effect.map(withTag),
            Effect.catchTag("StreamNotFound", () => Effect.succeed(missing))
          )
          return yield* guarded(streams, id, headers["if-match"], set).pipe(
            orProblem(ofGuarded({ ...inParams, attributes: ["payload"] }))
          )
        }, onStore),

        deleteStream: Effect.fnUntraced(function*({ headers, params: { id }, query }) {
          yield* may("admin")
          const { name: by } = yield* Principal
          const reason = query.reason ?? "DELETE of the stream"
          const subject = streamNameOf(id)
          const wasThere = yield* Administration.recorded(
            guarded(streams, id, headers["if-match"], streams.delete(id, { by, reason })),
            (done) => done ? { action: "Streams.delete", subject, reason } : undefined
          ).pipe(orProblem(ofGuarded(inParams)))
          return wasThere ? undefined : missing
        }, onStore),

        messages: Effect.fnUntraced(function*({ params: { id }, query: { base, limit, sort } }) {
          yield* may("read")
          const page = { base, limit: yield* pageLimit(limits, limit), sort }
          const [objects, count] = yield* Effect.all([streams.messages(id, page), streams.countMessages(id)]).pipe(
            orProblem(ofStreams(inParams))
          )
          return { objects, count }
        }, onStore),

        addMessage: Effect.fnUntraced(function*({ headers, params: { id }, payload }) {
          yield* may("append")
          const message = yield* messageOf(payload)
          const { name } = yield* Principal
          const key = headers["idempotency-key"]
          const messageId = key === undefined
            ? yield* Message.nextId
            : Message.deriveId("messagestore", name, streamNameOf(id), key)
          return yield* streams.addMessage(id, message, { id: messageId }).pipe(
            orProblem(ofAddMessage),
            Effect.catchTag("DuplicateMessageId", (refusal) => writtenBefore(id, messageId, message, refusal))
          )
        }, onStore),

        message: Effect.fnUntraced(function*({ params: { id, messageId } }) {
          yield* may("read")
          return Option.getOrElse(yield* orProblem(ofRead)(streams.message(id, messageId)), () => missing)
        }, onStore),

        deleteMessage: Effect.fnUntraced(function*({ params: { id, messageId }, query }) {
          yield* may("admin")
          const { name: by } = yield* Principal
          const reason = query.reason ?? "DELETE of the message"
          const details = { messageId }
          const wasThere = yield* Administration.recorded(
            streams.deleteMessage(id, messageId, { by, reason }),
            (done) => done ? { action: "Streams.deleteMessage", subject: streamNameOf(id), reason, details } : undefined
          ).pipe(orProblem(ofStreams(inParams)))
          return wasThere ? undefined : missing
        }, onStore),

        reset: Effect.fnUntraced(function*({ query }) {
          yield* may("admin")
          const { name: by } = yield* Principal
          const reason = query.reason ?? "POST of a reset"
          yield* Administration.recorded(
            streams.reset({ by, reason }),
            (went) => ({ action: "Streams.reset", subject: category, reason, details: { ...went } })
          ).pipe(orProblem(ofStreams(inParams)))
        }, onStore)
      })
    })
  )

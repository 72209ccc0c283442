/**
 * The routes of one stream.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import type { MessageId, RecordedMessage } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import { Observe } from "eventfold/Observe"
import { Api } from "../../Api.ts"
import { Limits } from "../../Limits.ts"
import { Principal } from "../../Principal.ts"
import * as Problem from "../../Problem.ts"
import { authorizeStream } from "../authentication/access.ts"
import { pageLimit } from "../limits/pages.ts"
import { ofAppend, ofRead, orProblem } from "../problems/failures.ts"
import { linkTo } from "./links.ts"
import * as NewMessages from "./newMessages.ts"
import { etag, expected, isCurrent } from "./preconditions.ts"
import * as StreamPage from "./streamPage.ts"

const revalidated = { "cache-control": "private, no-cache" }

/** The client has what there is. */
const notModified = (version: number) =>
  HttpServerResponse.empty({ status: 304, headers: { etag: etag(version), ...revalidated } })

const linkToPage = (url: string, rel: string, place: StreamPage.Place | undefined): ReadonlyArray<string> =>
  place === undefined ? [] : [linkTo(url, rel, { from: String(place.from), limit: String(place.limit) })]

const orNotFound = <A>(found: Option.Option<A>) =>
  Option.match(found, {
    onNone: () => Effect.fail(new Problem.MessageNotFound({})),
    onSome: (message) => Effect.succeed(message)
  })

export const layer = HttpApiBuilder.group(
  Api,
  "streams",
  Effect.fnUntraced(function*(handlers) {
    const store = yield* MessageStore
    const limits = yield* Limits
    const observe = yield* Observe

    const versionOf = (streamName: string) => orProblem(ofRead)(store.streamVersion(streamName))

    /** The messages that don't fit; undefined where that can't be told. */
    const misfitsOf = (messages: ReadonlyArray<RecordedMessage>) =>
      Effect.map(
        Effect.forEach(messages, (message) => observe.decode(message)),
        (decoded) =>
          decoded.every(({ isLoaded }) => isLoaded)
            ? decoded.flatMap(({ misfit }) => Option.toArray(misfit))
            : undefined
      )

    /**
     * Fails when the key of the request was used with more messages. To the store these would be a part of what it has, so it is asked
     * for the one that would follow them. Nothing else is written meanwhile: if that one is there, so are those of the request.
     */
    const refuseShortened = (streamName: string, id: MessageId) =>
      Effect.flatMap(
        orProblem(ofRead)(store.findMessage(streamName, id)),
        (found) =>
          Option.isNone(found) ? Effect.void : Effect.fail(
            new Problem.DuplicateMessageId({
              detail: "the Idempotency-Key was used with more messages; nothing was written",
              streamName,
              id
            })
          )
      )

    return handlers.handleAll({
      append: Effect.fnUntraced(function*({ headers, params: { streamName }, payload }) {
        yield* authorizeStream("append", streamName)
        const { expectedVersion, messages } = yield* NewMessages.fromBody(payload)
        const { byHeader, version } = yield* expected(headers, expectedVersion)
        const { name } = yield* Principal
        const idSource = { sender: name, key: headers["idempotency-key"] }
        const withIds = yield* NewMessages.identified(messages, streamName, idSource)
        const toWrite = yield* NewMessages.traced(withIds, headers.traceparent)
        const write = store.append(streamName, toWrite, { expectedVersion: version }).pipe(
          orProblem(ofAppend({ streamName: ["params", "streamName"], byHeader }))
        )
        const id = NewMessages.following(messages.length, streamName, idSource)
        // Without a key there is nothing to ask for, and most requests have none: they need no fibers of their own.
        const result = id === undefined
          ? yield* write
          : (yield* Effect.all([write, refuseShortened(streamName, id)], { concurrency: "unbounded" }))[0]
        return HttpApiSchema.withHeaders({
          body: { ...result, ids: withIds.map(({ id }) => id) },
          headers: { etag: etag(result.version) }
        })
      }),

      read: Effect.fnUntraced(function*({ headers, params: { streamName }, query }) {
        yield* authorizeStream("read", streamName)
        const limit = yield* pageLimit(limits, query.limit)
        // Before the page: a later version would promise messages that the page does not have.
        const version = Option.getOrUndefined(yield* versionOf(streamName))
        if (version !== undefined && isCurrent(headers["if-none-match"], version)) return notModified(version)
        const { direction = "forwards", from, type: types } = query
        const wanted = { streamName, from, limit, direction, types }
        const page = yield* StreamPage.read(store, wanted, version ?? -1, limits.page)
        const misfits = query.check === undefined ? undefined : yield* misfitsOf(page.messages)
        const { url } = yield* HttpServerRequest.HttpServerRequest
        const link = [...linkToPage(url, "next", page.next), ...linkToPage(url, "prev", page.previous)].join(", ")
        return HttpApiSchema.withHeaders({
          body: {
            messages: page.messages,
            ...(page.next === undefined ? {} : { next: page.next.from }),
            ...(page.previous === undefined ? {} : { previous: page.previous.from }),
            ...(misfits === undefined ? {} : { misfits })
          },
          headers: {
            ...(version === undefined ? {} : { etag: etag(version) }),
            ...(link === "" ? {} : { link })
          }
        })
      }),

      last: Effect.fnUntraced(function*({ params: { streamName }, query: { type } }) {
        yield* authorizeStream("read", streamName)
        return yield* orNotFound(yield* orProblem(ofRead)(store.lastMessage(streamName, { type })))
      }),

      message: Effect.fnUntraced(function*({ params: { messageId, streamName } }) {
        yield* authorizeStream("read", streamName)
        return yield* orNotFound(yield* orProblem(ofRead)(store.findMessage(streamName, messageId)))
      }),

      version: Effect.fnUntraced(function*({ headers, params: { streamName } }) {
        yield* authorizeStream("read", streamName)
        const version = Option.getOrUndefined(yield* versionOf(streamName))
        if (version === undefined) {
          return yield* new Problem.StreamNotFound({ detail: `stream ${streamName} has no messages`, streamName })
        }
        if (isCurrent(headers["if-none-match"], version)) return notModified(version)
        return HttpApiSchema.withHeaders({ body: { streamName, version }, headers: { etag: etag(version) } })
      })
    })
  })
)

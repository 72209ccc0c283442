/**
 * The definition of the HTTP API: its routes, with the schemas of what they take and answer.
 *
 * `Routes` serves it, `Client` calls it, and its OpenAPI document is made of it. This module needs nothing of a server.
 *
 * @since 0.1.0
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import * as Message from "eventfold/Message"
import * as Metadata from "eventfold/Metadata"
import type { Principal } from "./Principal.ts"
import * as Problem from "./Problem.ts"

/**
 * Authenticates each request, and counts it against the rate of its sender.
 *
 * @category middleware
 * @since 0.1.0
 */
export class Access extends HttpApiMiddleware.Service<Access, { provides: Principal }>()("@eventfold/http/Api/Access", {
  error: [
    Problem.InvalidRequest,
    Problem.Unauthorized,
    Problem.TooManyRequests,
    Problem.InternalError
  ],
  security: { bearer: HttpApiSecurity.bearer }
}) {}

const position = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * A message to append, as JSON.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NewMessage = Schema.Struct({
  /** A UUID. Defaults to one that the server makes, of the `Idempotency-Key` if there is one. */
  id: Schema.optionalKey(Message.MessageId),
  type: Schema.NonEmptyString,
  data: Schema.Json,
  metadata: Schema.optionalKey(Metadata.Metadata)
}).annotate({ identifier: "NewMessage" })

/**
 * Several messages to append to one stream, all or none.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NewMessages = Schema.Struct({
  messages: Schema.NonEmptyArray(NewMessage),
  expectedVersion: Schema.optionalKey(Problem.ExpectedVersion)
}).annotate({ identifier: "NewMessages" })

/**
 * One stream's part of appends to several streams. Without messages it checks the version of the stream, and needs an
 * `expectedVersion` then.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StreamAppend = Schema.Struct({
  streamName: Schema.NonEmptyString,
  messages: Schema.Array(NewMessage),
  expectedVersion: Schema.optionalKey(Problem.ExpectedVersion)
}).annotate({ identifier: "StreamAppend" })

/**
 * What an append has written.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Appended = Schema.Struct({
  /** The position of the last message of the append in its stream; -1 for a check of a stream that does not exist. */
  version: Schema.Int,
  /** The global position of that message; 0 for a check. */
  globalPosition: Schema.Int,
  /** The ids of the messages, in their order. */
  ids: Schema.Array(Message.MessageId)
}).annotate({ identifier: "Appended" })

/**
 * A message in the store, as JSON.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RecordedMessage = Message.RecordedMessage.annotate({ identifier: "RecordedMessage" })

/**
 * A page of a stream.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StreamPage = Schema.Struct({
  messages: Schema.Array(RecordedMessage),
  /** The `from` of the next page in this direction; absent at the end. */
  next: Schema.optionalKey(position),
  /** The `from` of the page before this one in this direction; absent at the beginning. */
  previous: Schema.optionalKey(position)
}).annotate({ identifier: "StreamPage" })

const etag = { etag: Schema.String }

const streamName = {
  streamName: Schema.NonEmptyString.annotate({ description: "The name of a stream, such as `account-123`" })
}

/**
 * The routes of one stream: appends, reads, its version.
 *
 * @category groups
 * @since 0.1.0
 */
export class Streams extends HttpApiGroup.make("streams").add(
  HttpApiEndpoint.post("append", "/streams/:streamName/messages", {
    params: streamName,
    headers: {
      "if-match": Schema.optionalKey(Schema.String.annotate({
        description: "The version that the stream must have, such as `\"12\"`, or `*` for a stream that exists"
      })),
      "if-none-match": Schema.optionalKey(Schema.String.annotate({
        description: "`*` for a stream that does not exist"
      })),
      "idempotency-key": Schema.optionalKey(Schema.NonEmptyString.annotate({
        description: "Makes the ids of the messages, so that the same request can be sent again"
      })),
      traceparent: Schema.optionalKey(Schema.String)
    },
    payload: [
      Schema.Union([NewMessages, NewMessage]),
      Schema.String.annotate({ description: "A message a line, as JSON" }).pipe(
        HttpApiSchema.asText({ contentType: "application/x-ndjson" })
      )
    ],
    success: HttpApiSchema.WithHeaders(Appended.pipe(HttpApiSchema.status(201)), etag),
    error: [
      Problem.Forbidden,
      Problem.WrongExpectedVersion,
      Problem.PreconditionFailed,
      Problem.PayloadTooLarge,
      Problem.UnsupportedMediaType,
      Problem.InvalidMessage,
      Problem.DuplicateMessageId,
      Problem.Unavailable
    ]
  }).annotateMerge(OpenApi.annotations({
    summary: "Append messages",
    description: "Appends one message, several, or a line each, all or none"
  }))
).middleware(Access).annotateMerge(OpenApi.annotations({ description: "Append to a stream, and read it" })) {}

/**
 * A heartbeat of a live answer: the client has everything up to this position.
 *
 * **Details**
 *
 * The first one tells that the client has caught up; then there is one each 15 seconds. The position is that of the stream, or the
 * global one for a category and for everything. It is -1 for a stream without messages.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Heartbeat = Schema.Struct({
  position: Schema.Int.check(Schema.isGreaterThanOrEqualTo(-1))
}).annotate({ identifier: "Heartbeat" })

/**
 * An event of a live answer: a message, or a heartbeat. Its id is the position after which to resume.
 *
 * @category schemas
 * @since 0.1.0
 */
export const LiveEvent = Schema.Union([
  Schema.Struct({
    id: Schema.String,
    event: Schema.Literal("message"),
    data: Schema.fromJsonString(Schema.toCodecJson(Message.RecordedMessage))
  }),
  Schema.Struct({
    /** Absent at position -1. */
    id: Schema.optional(Schema.String),
    event: Schema.Literal("heartbeat"),
    data: Schema.fromJsonString(Heartbeat)
  })
]).annotate({ identifier: "LiveEvent" })

const resumption = (what: string) => ({
  "last-event-id": Schema.optionalKey(
    Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).annotate({
      description: `The ${what} that the client has last. The answer continues after it, whatever \`from\` says`
    })
  )
})

const liveFrom = (what: string, least: number) =>
  Schema.optionalKey(
    Schema.Union([Schema.Literal("end"), Schema.Int.check(Schema.isGreaterThanOrEqualTo(least))]).annotate({
      description: `The ${what} to begin with, inclusive, or \`end\` for what comes next. Defaults to the first`
    })
  )

const liveType = Schema.optionalKey(
  Schema.NonEmptyArray(Schema.NonEmptyString).annotate({ description: "Only messages of these types. May be repeated" })
)

const liveCategory = Schema.NonEmptyString.annotate({ description: "The name of a category, such as `account`" })

/** An endpoint declares one streaming answer; the document also has the other one. */
const alsoAsLines = {
  "application/x-ndjson": {
    schema: {
      type: "string",
      description: "A line of JSON for each message, a `RecordedMessage`, or for each heartbeat, as in " +
        "`{\"heartbeat\":{\"position\":12}}`"
    }
  }
}

const liveDocs = (summary: string, description: string) =>
  OpenApi.annotations({
    summary,
    description: `${description} The answer has no end: it catches up, then follows. As server-sent events, or with ` +
      "`Accept: application/x-ndjson` as lines of JSON. A client that is cut off resumes after the last id that it has.",
    transform: (operation) => ({
      ...operation,
      responses: {
        ...operation["responses"],
        200: {
          ...operation["responses"]["200"],
          content: {
            "text/event-stream": { schema: operation["responses"]["200"].content["text/event-stream"].schema },
            ...alsoAsLines
          }
        }
      }
    })
  })

const live = {
  success: HttpApiSchema.StreamSse({ events: LiveEvent }),
  error: [Problem.Forbidden, Problem.Unsupported, Problem.Unavailable]
} as const

/**
 * The routes that follow a stream, a category or everything.
 *
 * @category groups
 * @since 0.1.0
 */
export class Live extends HttpApiGroup.make("live").add(
  HttpApiEndpoint.get("stream", "/streams/:streamName/live", {
    params: streamName,
    query: { from: liveFrom("position", 0), type: liveType },
    headers: resumption("position"),
    ...live
  }).annotateMerge(liveDocs("Follow a stream", "The messages of a stream, with their positions as ids.")),
  HttpApiEndpoint.get("category", "/categories/:category/live", {
    params: { category: liveCategory },
    query: {
      from: liveFrom("global position", 1),
      type: liveType,
      correlation: Schema.optionalKey(Schema.NonEmptyString.annotate({
        description: "Only messages whose metadata has a `correlationStreamName` of this category"
      })),
      member: Schema.optionalKey(
        Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).annotate({
          description: "Which member of a consumer group reads, from 0"
        })
      ),
      size: Schema.optionalKey(
        Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)).annotate({
          description: "How many members the consumer group has"
        })
      )
    },
    headers: resumption("global position"),
    ...live
  }).annotateMerge(liveDocs("Follow a category", "The messages of all streams of a category, with their global positions as ids.")),
  HttpApiEndpoint.get("all", "/live", {
    query: {
      from: liveFrom("global position", 1),
      category: Schema.optionalKey(
        Schema.NonEmptyArray(Schema.NonEmptyString).annotate({
          description: "Only messages of these categories. May be repeated"
        })
      ),
      type: liveType
    },
    headers: resumption("global position"),
    ...live
  }).annotateMerge(liveDocs("Follow everything", "All messages of the store, with their global positions as ids."))
).middleware(Access).annotateMerge(OpenApi.annotations({ description: "Follow what is written" })) {}

/**
 * The whole API.
 *
 * @category api
 * @since 0.1.0
 */
export class Api extends HttpApi.make("eventfold").add(Streams, Live).annotateMerge(OpenApi.annotations({
  title: "eventfold",
  version: "1",
  description: "The message store of eventfold: append messages to streams, read and follow them"
})).annotate(HttpApi.PayloadParseOptions, { errors: "all", onExcessProperty: "error" }).annotate(
  HttpApi.QueryParseOptions,
  { errors: "all" }
) {}

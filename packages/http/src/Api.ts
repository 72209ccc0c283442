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
import * as Observed from "eventfold/Observed"
import { described, etag, globalPosition, limitQuery, onRead, position, traceparent } from "./internal/api/parts.ts"
import * as NowApi from "./NowApi.ts"
import * as ObserveApi from "./ObserveApi.ts"
import type { Principal } from "./Principal.ts"
import * as Problem from "./Problem.ts"
import * as ReadersApi from "./ReadersApi.ts"

/**
 * Authenticates each request, and counts it against the rate of its sender.
 *
 * @category middleware
 * @since 0.1.0
 */
export class Access extends HttpApiMiddleware.Service<Access, { provides: Principal }>()("@eventfold/http/Api/Access", {
  error: [Problem.Unauthorized, Problem.TooManyRequests, Problem.InternalError],
  security: { bearer: HttpApiSecurity.bearer }
}) {}

const positionQuery = position.annotate({ description: "The position of the first message, inclusive" })
const globalQuery = globalPosition.annotate({ description: "The global position to begin with, inclusive" })
const typesQuery = Schema.NonEmptyArray(Schema.NonEmptyString).annotate({
  description: "Only messages of these types. May be repeated"
})
const categoriesQuery = Schema.NonEmptyArray(Schema.NonEmptyString).annotate({
  description: "Only messages of these categories. May be repeated"
})
const categoryName = {
  category: Schema.NonEmptyString.annotate({ description: "The name of a category, such as `account`" })
}
const categoryFilters = {
  correlation: Schema.optionalKey(Schema.NonEmptyString.annotate({
    description: "Only messages whose metadata has a `correlationStreamName` of this category"
  })),
  member: Schema.optionalKey(position.annotate({ description: "Which member of a consumer group reads, from 0" })),
  size: Schema.optionalKey(globalPosition.annotate({ description: "How many members the consumer group has" }))
}

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
  previous: Schema.optionalKey(position),
  /**
   * The messages of the page that don't fit their schemas, when the request asks with `check`. Absent where the definition of the
   * category is not loaded here.
   */
  misfits: Schema.optionalKey(Schema.Array(Observed.Misfit))
}).annotate({ identifier: "StreamPage" })

/**
 * A page of a category, or of the whole store.
 *
 * @category schemas
 * @since 0.1.0
 */
export const LogPage = Schema.Struct({
  messages: Schema.Array(RecordedMessage),
  /** The global position up to which the page has looked, inclusive. Continue at the next one. */
  through: position,
  /** Whether to continue at once. When it is false, there may be more later. */
  hasMore: Schema.Boolean,
  /** What keeps the page from reaching the end: transactions in progress. Only pages of the whole store have it. */
  heldBack: Schema.optionalKey(Schema.Struct({
    /** The first global position that is not final. */
    position: globalPosition,
    writers: Schema.Array(Schema.Struct({
      pid: Schema.optionalKey(Schema.Int),
      preparedAs: Schema.optionalKey(Schema.String),
      state: Schema.optionalKey(Schema.String),
      since: Schema.optionalKey(Schema.DateTimeUtc),
      applicationName: Schema.optionalKey(Schema.String)
    }))
  }))
}).annotate({ identifier: "LogPage" })

/**
 * The version of a stream.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StreamVersion = Schema.Struct({
  streamName: Schema.String,
  /** The position of its last message. */
  version: position
}).annotate({ identifier: "StreamVersion" })

const name = Schema.String
const next = Schema.optionalKey(
  Schema.String.annotate({ description: "Where the next page begins: give it as `after`. Absent at the end" })
)

/**
 * A message without its content.
 *
 * @category schemas
 * @since 0.1.0
 */
export const MessagePlace = Message.MessagePlace.annotate({ identifier: "MessagePlace" })

/**
 * A category with its last message.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CategorySummary = Schema.Struct({
  category: name,
  /** How many messages it has. Absent when the store does not know it. */
  size: Schema.optionalKey(Schema.Struct({
    messages: Schema.Int,
    /** Whether they were counted. Otherwise the number is an estimate by the statistics of the database. */
    isExact: Schema.Boolean
  })),
  last: MessagePlace
}).annotate({ identifier: "CategorySummary" })

/**
 * A page of categories.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CategoriesPage = Schema.Struct({ categories: Schema.Array(CategorySummary), next }).annotate({
  identifier: "CategoriesPage"
})

/**
 * A stream with its version and its last message.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StreamSummary = Schema.Struct({ streamName: name, version: position, last: MessagePlace }).annotate({
  identifier: "StreamSummary"
})

/**
 * The streams of a category that have changed last.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ChangedStreams = Schema.Struct({
  /** By their last messages, the newest first. */
  streams: Schema.Array(StreamSummary),
  /** Whether these are all streams of the category. Otherwise others changed before. */
  isComplete: Schema.Boolean
}).annotate({ identifier: "ChangedStreams" })

/**
 * A page of streams.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StreamsPage = Schema.Struct({ streams: Schema.Array(StreamSummary), next }).annotate({
  identifier: "StreamsPage"
})

/**
 * A message, as the definition of its category reads it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DecodedMessage = Observed.DecodedMessage.annotate({ identifier: "DecodedMessage" })

/**
 * How far a reader is with a message.
 *
 * @category schemas
 * @since 0.1.0
 */
export const MessageReader = Observed.MessageReader.annotate({ identifier: "MessageReader" })

const looked = {
  lookedFrom: Schema.Int.annotate({
    description: "The global position, inclusive, from which on messages were looked at"
  }),
  lookedThrough: Schema.Int.annotate({
    description:
      "The global position, inclusive, up to which messages were looked at: give it as `after` to look further"
  }),
  isComplete: Schema.Boolean.annotate({ description: "Whether nothing was left out, up to the end of the log" })
}

/**
 * Effects of a message, and how far the store has looked for them.
 *
 * @category schemas
 * @since 0.1.0
 */
export const EffectsPage = Schema.Struct({
  effects: Schema.Array(Schema.Struct({ message: MessagePlace, wait: Observed.Wait })),
  ...looked
}).annotate({ identifier: "EffectsPage" })

/**
 * Messages of a correlation, and how far the store has looked for them.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CorrelatedPage = Schema.Struct({
  messages: Schema.Array(Schema.Struct({
    message: MessagePlace,
    /** Absent when the metadata names none. */
    cause: Schema.optionalKey(Schema.Struct({
      globalPosition: Schema.Int,
      streamName: Schema.optionalKey(Schema.String),
      position: Schema.optionalKey(Schema.Int)
    }))
  })),
  ...looked
}).annotate({ identifier: "CorrelatedPage" })

const traceQuery = {
  after: Schema.optionalKey(position.annotate({ description: "Only messages with higher global positions" })),
  limit: Schema.optionalKey(limitQuery),
  window: Schema.optionalKey(
    globalPosition.check(Schema.isLessThanOrEqualTo(100_000)).annotate({
      description: "How many messages to look through where the store has no index for traces. Defaults to 10,000"
    })
  )
}

const namesQuery = {
  prefix: Schema.optionalKey(Schema.String.annotate({ description: "Only names that begin with this text" })),
  after: Schema.optionalKey(Schema.String.annotate({ description: "Only names after this one, by their bytes" })),
  limit: Schema.optionalKey(
    globalPosition.annotate({ description: "How many names to look at. Defaults to 100" })
  )
}

const nextLink = {
  link: Schema.optionalKey(Schema.String.annotate({ description: "The next page, by RFC 8288" }))
}

const pageHeaders = {
  etag: Schema.optionalKey(etag.etag),
  link: Schema.optionalKey(Schema.String.annotate({ description: "The next and the previous page, by RFC 8288" }))
}

const ifNoneMatch = {
  "if-none-match": Schema.optionalKey(Schema.String.annotate({
    description: "The version that the client has, such as `\"12\"`: the answer is 304 when the stream is still at it"
  }))
}

const idempotency = {
  "idempotency-key": Schema.optionalKey(Schema.NonEmptyString.annotate({
    description: "Makes the ids of the messages, so that the same request can be sent again"
  })),
  ...traceparent
}

const streamName = {
  streamName: Schema.NonEmptyString.annotate({ description: "The name of a stream, such as `account-123`" })
}

const onAppend = [
  Problem.InvalidRequest,
  Problem.Forbidden,
  Problem.WrongExpectedVersion,
  Problem.PreconditionFailed,
  Problem.PayloadTooLarge,
  Problem.UnsupportedMediaType,
  Problem.InvalidMessage,
  Problem.DuplicateMessageId,
  Problem.Unavailable
] as const

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
      ...idempotency
    },
    payload: [
      Schema.Union([NewMessages, NewMessage]),
      Schema.String.annotate({ description: "A message a line, as JSON" }).pipe(
        HttpApiSchema.asText({ contentType: "application/x-ndjson" })
      )
    ],
    success: HttpApiSchema.WithHeaders(Appended.pipe(HttpApiSchema.status(201)), etag),
    error: onAppend
  }).annotateMerge(described(
    "Append messages",
    "Appends one message, several, or one a line, all or none. The same messages under the same ids can be sent again: the answer is " +
      "that of the first time, whatever version is expected."
  )),
  HttpApiEndpoint.get("read", "/streams/:streamName/messages", {
    params: streamName,
    query: {
      from: Schema.optionalKey(positionQuery),
      limit: Schema.optionalKey(limitQuery),
      direction: Schema.optionalKey(Schema.Literals(["forwards", "backwards"])),
      type: Schema.optionalKey(typesQuery),
      check: Schema.optionalKey(
        Schema.Literal("true").annotate({
          description: "Also hold the messages against their schemas, and answer those that don't fit"
        })
      )
    },
    headers: ifNoneMatch,
    success: [HttpApiSchema.WithHeaders(StreamPage, pageHeaders), HttpApiSchema.Empty(304)],
    error: [...onRead, Problem.Unsupported]
  }).annotateMerge(described(
    "Read a stream",
    "A page of the stream, by position. A stream that does not exist has no messages. A page with `type` may have fewer messages than " +
      "its limit, or none, and still a next page."
  )),
  HttpApiEndpoint.get("last", "/streams/:streamName/messages/last", {
    params: streamName,
    query: { type: Schema.optionalKey(Schema.NonEmptyString) },
    success: RecordedMessage,
    error: [...onRead, Problem.MessageNotFound]
  }).annotateMerge(described("The last message", "The last message of the stream, or the last one of a type.")),
  HttpApiEndpoint.get("message", "/streams/:streamName/messages/:messageId", {
    params: { ...streamName, messageId: Message.MessageId },
    success: RecordedMessage,
    error: [...onRead, Problem.MessageNotFound]
  }).annotateMerge(described("A message by id", "The message of the stream with this id.")),
  HttpApiEndpoint.get("version", "/streams/:streamName", {
    params: streamName,
    headers: ifNoneMatch,
    success: [HttpApiSchema.WithHeaders(StreamVersion, etag), HttpApiSchema.Empty(304)],
    error: [...onRead, Problem.StreamNotFound]
  }).annotateMerge(described("The version of a stream", "The position of the stream's last message. HEAD works, too."))
).middleware(Access).annotateMerge(OpenApi.annotations({ description: "Append to a stream, and read it" })) {}

/**
 * The routes of the whole store: reads by global position, and appends to several streams.
 *
 * @category groups
 * @since 0.1.0
 */
export class Messages extends HttpApiGroup.make("messages").add(
  HttpApiEndpoint.get("read", "/messages", {
    query: {
      from: Schema.optionalKey(globalQuery),
      limit: Schema.optionalKey(limitQuery),
      category: Schema.optionalKey(categoriesQuery),
      type: Schema.optionalKey(typesQuery)
    },
    success: LogPage,
    error: onRead
  }).annotateMerge(described(
    "Read everything",
    "A page of the whole store, by global position, up to the last message that is final. Continue at `through` + 1."
  )),
  HttpApiEndpoint.get("at", "/messages/:globalPosition", {
    params: { globalPosition },
    success: RecordedMessage,
    error: [...onRead, Problem.MessageNotFound]
  }).annotateMerge(described("A message by global position", "The message at this global position.")),
  HttpApiEndpoint.get("byId", "/messages/ids/:messageId", {
    params: { messageId: Message.MessageId },
    success: RecordedMessage,
    error: [...onRead, Problem.MessageNotFound]
  }).annotateMerge(described("A message by its id alone", "The message with this id, in whatever stream.")),
  HttpApiEndpoint.get("decoded", "/messages/:globalPosition/decoded", {
    params: { globalPosition },
    success: DecodedMessage,
    error: [...onRead, Problem.MessageNotFound]
  }).annotateMerge(described(
    "A message as a program gets it",
    "Its data in the newest version of its schema, or where and why it does not fit, when the definition of its category is loaded here."
  )),
  HttpApiEndpoint.get("readers", "/messages/:globalPosition/readers", {
    params: { globalPosition },
    success: Schema.Struct({ readers: Schema.Array(MessageReader) }),
    error: [...onRead, Problem.MessageNotFound]
  }).annotateMerge(described(
    "Who has handled a message",
    "The consumers, processes and read models that read its category: whether each is past it, behind, or has it parked. Only those that " +
      "the sender may see."
  )),
  HttpApiEndpoint.get("effects", "/messages/:globalPosition/effects", {
    params: { globalPosition },
    query: traceQuery,
    success: EffectsPage,
    error: [...onRead, Problem.MessageNotFound, Problem.Unsupported]
  }).annotateMerge(described(
    "The effects of a message",
    "A page of the messages that the sender may read and that name this one as their cause, by global position, each with the time that " +
      "it took. While `isComplete` is false, look further after `lookedThrough`."
  )),
  HttpApiEndpoint.get("correlated", "/correlations/:streamName", {
    params: streamName,
    query: {
      ...traceQuery,
      around: Schema.optionalKey(position.annotate({
        description: "The global position around which to look, without `after` and without an index"
      }))
    },
    success: CorrelatedPage,
    error: [...onRead, Problem.Unsupported]
  }).annotateMerge(described(
    "The messages of a correlation",
    "A page of the messages that the sender may read and whose metadata has this `correlationStreamName`, by global position, each with " +
      "its cause. While `isComplete` is false, look further after `lookedThrough`."
  )),
  HttpApiEndpoint.post("writeAll", "/appends", {
    headers: idempotency,
    payload: Schema.NonEmptyArray(StreamAppend),
    success: Schema.Struct({ results: Schema.Array(Appended) }).pipe(HttpApiSchema.status(201)),
    error: [...onAppend.filter((one) => one !== Problem.PreconditionFailed), Problem.Unsupported]
  }).annotateMerge(described(
    "Append to several streams",
    "Appends to several streams in one transaction, all or none. An append without messages checks the version of its stream."
  ))
).middleware(Access).annotateMerge(
  OpenApi.annotations({ description: "Read everything, append to several streams" })
) {}

/**
 * The routes of categories.
 *
 * @category groups
 * @since 0.1.0
 */
export class Categories extends HttpApiGroup.make("categories").add(
  HttpApiEndpoint.get("list", "/categories", {
    query: namesQuery,
    success: HttpApiSchema.WithHeaders(CategoriesPage, nextLink),
    error: [...onRead, Problem.Unsupported]
  }).annotateMerge(described(
    "List categories",
    "A page of the categories that the sender may read, by name, each with its last message and about how many messages it has. " +
      "Nothing is counted, and there is no total."
  )),
  HttpApiEndpoint.get("streams", "/categories/:category/streams", {
    params: categoryName,
    query: namesQuery,
    success: HttpApiSchema.WithHeaders(StreamsPage, nextLink),
    error: [...onRead, Problem.Unsupported]
  }).annotateMerge(described(
    "List the streams of a category",
    "A page of the streams, by name, each with its version and its last message. Deleted streams are left out, so a page may have fewer " +
      "streams than its limit and still a next one."
  )),
  HttpApiEndpoint.get("changed", "/categories/:category/changed", {
    params: categoryName,
    query: {
      limit: Schema.optionalKey(
        globalPosition.annotate({ description: "The most streams of the answer. Defaults to 100" })
      )
    },
    success: ChangedStreams,
    error: [...onRead, Problem.Unsupported]
  }).annotateMerge(described(
    "The streams that changed last",
    "The streams of the category by their last message, the newest first: of those among its newest 1,000 messages. Deleted streams are " +
      "left out."
  )),
  HttpApiEndpoint.get("read", "/categories/:category/messages", {
    params: categoryName,
    query: {
      from: Schema.optionalKey(globalQuery),
      limit: Schema.optionalKey(limitQuery),
      type: Schema.optionalKey(typesQuery),
      ...categoryFilters
    },
    success: LogPage,
    error: onRead
  }).annotateMerge(described(
    "Read a category",
    "A page of all streams of the category, by global position. Continue at `through` + 1."
  ))
).middleware(Access).annotateMerge(OpenApi.annotations({ description: "Read and list categories" })) {}

/**
 * A heartbeat of a live answer: the client has everything up to this position, and `caughtUp` says whether that is all there is.
 *
 * **Details**
 *
 * There is one as soon as the client has caught up, and one each 15 seconds: also while it catches up, when nothing waits for it. The
 * position is that of the stream, or the global one for a category and for everything. It is -1 for a stream without messages.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Heartbeat = Schema.Struct({
  position: Schema.Int.check(Schema.isGreaterThanOrEqualTo(-1)),
  caughtUp: Schema.Boolean
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
    data: Schema.fromJsonString(Schema.toCodecJson(RecordedMessage))
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

/** An endpoint declares one streaming answer; the document also has the other one. */
const alsoAsLines = {
  "application/x-ndjson": {
    schema: {
      type: "string",
      description: "A line of JSON for each message, a `RecordedMessage`, or for each heartbeat, as in " +
        "`{\"heartbeat\":{\"position\":12,\"caughtUp\":true}}`"
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
  error: [Problem.InvalidRequest, Problem.Forbidden, Problem.PositionAhead, Problem.Unavailable]
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
    query: { from: liveFrom("position", 0), type: Schema.optionalKey(typesQuery) },
    headers: resumption("position"),
    ...live
  }).annotateMerge(liveDocs("Follow a stream", "The messages of a stream, with their positions as ids.")),
  HttpApiEndpoint.get("category", "/categories/:category/live", {
    params: categoryName,
    query: {
      from: liveFrom("global position", 1),
      type: Schema.optionalKey(typesQuery),
      ...categoryFilters
    },
    headers: resumption("global position"),
    ...live
  }).annotateMerge(
    liveDocs("Follow a category", "The messages of all streams of a category, with their global positions as ids.")
  ),
  HttpApiEndpoint.get("all", "/live", {
    query: {
      from: liveFrom("global position", 1),
      category: Schema.optionalKey(categoriesQuery),
      type: Schema.optionalKey(typesQuery)
    },
    headers: resumption("global position"),
    ...live
  }).annotateMerge(liveDocs("Follow everything", "All messages of the store, with their global positions as ids."))
).middleware(Access).annotateMerge(OpenApi.annotations({ description: "Follow what is written" })) {}

/**
 * A stream of Messagestore, with its attributes.
 *
 * @category schemas
 * @since 0.1.0
 */
export const MessagestoreStream = Schema.Struct({
  id: Schema.String,
  attrs: Observed.Attributes
}).annotate({ identifier: "MessagestoreStream" })

/**
 * A message of a stream of Messagestore. `at` is the time that was given for it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const MessagestoreMessage = Observed.StreamMessage.annotate({ identifier: "MessagestoreMessage" })

const listOf = <S extends Schema.Top>(objects: S) =>
  Schema.Struct({
    objects: Schema.Array(objects),
    /** How many there are in all. */
    count: position
  })

const messagestorePage = {
  base: Schema.optionalKey(position.annotate({ description: "How many to leave out first. Defaults to 0" })),
  limit: Schema.optionalKey(limitQuery)
}

const reason = {
  reason: Schema.optionalKey(Schema.NonEmptyString.annotate({
    description: "Why, for the record. Defaults to the name of the request"
  }))
}

const streamId = { id: Schema.NonEmptyString.annotate({ description: "The id of a stream" }) }

const streamMessageId = { ...streamId, messageId: Message.MessageId }

const attributesTag = { etag: Schema.String.annotate({ description: "Of the stream's attributes" }) }

const ifMatch = {
  "if-match": Schema.optionalKey(Schema.String.annotate({
    description: "The `ETag` that the attributes must have, or `*` for a stream that exists"
  }))
}

/** What Messagestore answers when there is no such thing. It stands before an empty answer, which any value would fit. */
const isMissing = Schema.Literal(false).pipe(HttpApiSchema.status(404))

const onMessagestore = [
  Problem.InvalidRequest,
  Problem.Forbidden,
  Problem.Unsupported,
  Problem.Unavailable
] as const

const onMessagestoreBody = [...onMessagestore, Problem.PayloadTooLarge, Problem.UnsupportedMediaType] as const

/**
 * Messagestore's REST server: the streams of one category, with attributes, and messages with a time. What is not there is
 * answered with 404 and `false`.
 *
 * @category groups
 * @since 0.1.0
 */
export class Messagestore extends HttpApiGroup.make("messagestore").add(
  HttpApiEndpoint.get("api", "/api", {
    success: Schema.Struct({ messagestore: Schema.String }),
    error: Problem.Forbidden
  }).annotateMerge(described("The version", "The version of Messagestore whose routes these are.")),
  HttpApiEndpoint.get("stats", "/stats", {
    success: Observed.StreamStats,
    error: [Problem.Forbidden, Problem.Unsupported, Problem.Unavailable]
  }).annotateMerge(described("Count", "The numbers of streams and messages, in one consistent view.")),
  HttpApiEndpoint.get("streams", "/streams", {
    query: {
      ...messagestorePage,
      after: Schema.optionalKey(Schema.String.annotate({
        description: "Only streams whose ids come after this one. Pages by it cost the same, however many come before"
      }))
    },
    success: listOf(MessagestoreStream),
    error: onMessagestore
  }).annotateMerge(
    described("List streams", "A page of the streams, by the bytes of their ids, and how many there are.")
  ),
  HttpApiEndpoint.post("addStream", "/streams", {
    payload: Schema.Struct({
      /** Defaults to a new UUID. */
      id: Schema.optionalKey(Schema.NonEmptyString),
      /** Defaults to none. */
      attrs: Schema.optionalKey(Observed.Attributes)
    }),
    success: MessagestoreStream,
    error: [...onMessagestoreBody, Problem.StreamExists]
  }).annotateMerge(described("Add a stream", "Gives attributes to a stream that has none of its own, and answers it.")),
  HttpApiEndpoint.get("stream", "/streams/:id", {
    params: streamId,
    headers: ifNoneMatch,
    success: [HttpApiSchema.WithHeaders(MessagestoreStream, attributesTag), isMissing, HttpApiSchema.Empty(304)],
    error: onMessagestore
  }).annotateMerge(described("A stream", "The stream with its attributes, `{}` when it was never added.")),
  HttpApiEndpoint.put("setStream", "/streams/:id", {
    params: streamId,
    headers: ifMatch,
    payload: Observed.Attributes,
    success: [HttpApiSchema.WithHeaders(MessagestoreStream, attributesTag), isMissing],
    error: [...onMessagestoreBody, Problem.AttributesChanged]
  }).annotateMerge(described("Replace attributes", "Replaces all attributes of a stream, and answers the stream.")),
  HttpApiEndpoint.delete("deleteStream", "/streams/:id", {
    params: streamId,
    query: reason,
    headers: ifMatch,
    success: [isMissing, HttpApiSchema.Empty(200)],
    error: [...onMessagestore, Problem.AttributesChanged]
  }).annotateMerge(
    described("Delete a stream", "Deletes the stream with its messages. Needs the scope `admin`. It is recorded.")
  ),
  HttpApiEndpoint.get("messages", "/streams/:id/messages", {
    params: streamId,
    query: {
      ...messagestorePage,
      sort: Schema.optionalKey(
        Schema.Literals(["at", "-at"]).annotate({
          description: "`-at` for the newest first, `at` for the oldest first. Defaults to `-at`"
        })
      )
    },
    success: listOf(MessagestoreMessage),
    error: onMessagestore
  }).annotateMerge(
    described("List messages", "A page of the messages of a stream by their times, and how many there are.")
  ),
  HttpApiEndpoint.post("addMessage", "/streams/:id/messages", {
    params: streamId,
    headers: {
      "idempotency-key": Schema.optionalKey(Schema.NonEmptyString.annotate({
        description: "Makes the id of the message, so that the same request can be sent again"
      }))
    },
    payload: Observed.Attributes.annotate({
      description: "The data; or `at`, as text or in milliseconds since 1970, and `data`, with no other key"
    }),
    success: MessagestoreMessage,
    error: [
      ...onMessagestoreBody.filter((one) => one !== Problem.Unsupported),
      Problem.InvalidMessage,
      Problem.DuplicateMessageId
    ]
  }).annotateMerge(
    described("Add a message", "Writes a message to a stream, which need not be added first, and answers it.")
  ),
  HttpApiEndpoint.get("message", "/streams/:id/messages/:messageId", {
    params: streamMessageId,
    success: [MessagestoreMessage, isMissing],
    error: [Problem.InvalidRequest, Problem.Forbidden, Problem.Unavailable]
  }).annotateMerge(described("A message", "The message of the stream with this id.")),
  HttpApiEndpoint.delete("deleteMessage", "/streams/:id/messages/:messageId", {
    params: streamMessageId,
    query: reason,
    success: [isMissing, HttpApiSchema.Empty(200)],
    error: onMessagestore
  }).annotateMerge(
    described("Delete a message", "Deletes the message's data. Needs the scope `admin`. It is recorded.")
  ),
  HttpApiEndpoint.post("reset", "/reset", {
    query: reason,
    success: HttpApiSchema.Empty(200),
    error: onMessagestore
  }).annotateMerge(
    described("Delete all streams", "Deletes all streams of the category. Needs the scope `admin`. It is recorded.")
  )
).prefix("/messagestore").middleware(Access).annotateMerge(
  OpenApi.annotations({ description: "Messagestore's REST server: streams with attributes, and messages with a time" })
) {}

/**
 * The routes for those who run the server.
 *
 * @category groups
 * @since 0.1.0
 */
export class System extends HttpApiGroup.make("system").add(
  HttpApiEndpoint.get("health", "/healthz", {
    success: Schema.Struct({ status: Schema.Literal("ok") })
  }).annotateMerge(
    described("Whether the server runs", "Answers as long as the server runs, whatever its store does.")
  ),
  HttpApiEndpoint.get("ready", "/readyz", {
    success: Schema.Struct({ status: Schema.Literal("ready") }),
    error: Problem.NotReady
  }).annotateMerge(described(
    "Whether the server is ready",
    "Asks the store, and makes the checks of the application, such as one of a consumer's lag."
  )),
  HttpApiEndpoint.get("metrics", "/metrics", {
    success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4" })),
    error: Problem.Forbidden
  }).middleware(Access).annotateMerge(
    described(
      "Metrics",
      "The metrics of the process, in the text format of Prometheus. Needs the scope `read` for all categories."
    )
  )
).annotateMerge(OpenApi.annotations({ description: "Run the server" })) {}

/**
 * The API without Messagestore's routes.
 *
 * @category api
 * @since 0.1.0
 */
export class ApiWithoutMessagestore extends HttpApi.make("eventfold").add(
  Streams,
  Messages,
  Categories,
  Live,
  ObserveApi.Entities.middleware(Access),
  ReadersApi.Consumers.middleware(Access),
  ObserveApi.Processes.middleware(Access),
  ReadersApi.ReadModels.middleware(Access),
  ObserveApi.Schemas.middleware(Access),
  ObserveApi.Administration.middleware(Access),
  NowApi.RightNow.middleware(Access),
  NowApi.Store.middleware(Access),
  System
).annotateMerge(OpenApi.annotations({
  title: "eventfold",
  version: "1",
  description: "The message store of eventfold: append messages to streams, read and follow them"
})).annotate(HttpApi.PayloadParseOptions, { errors: "all", onExcessProperty: "error" }).annotate(
  HttpApi.QueryParseOptions,
  { errors: "all" }
) {}

/**
 * The whole API.
 *
 * @category api
 * @since 0.1.0
 */
export class Api extends ApiWithoutMessagestore.add(Messagestore) {}

/**
 * Messagestore's routes alone.
 *
 * @category api
 * @since 0.1.0
 */
export class MessagestoreApi extends HttpApi.make("eventfold").add(Messagestore).annotateMerge(OpenApi.annotations({
  title: "Messagestore",
  version: "1",
  description: "Messagestore's REST server on eventfold: streams with attributes, and messages with a time"
})).annotate(HttpApi.PayloadParseOptions, { errors: "all", onExcessProperty: "error" }).annotate(
  HttpApi.QueryParseOptions,
  { errors: "all" }
) {}

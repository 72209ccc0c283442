/**
 * The problems that the HTTP API answers with: each failure is a JSON document of the type `application/problem+json` (RFC 9457).
 *
 * All have one shape: `type` is a stable URN that a program decides by, `status` the status of the answer, `title` the same text
 * for each problem of the type, and `detail` what is wrong this time. Some have more fields. No problem carries SQL, stacks, or
 * the data of messages.
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * The version that an append expects, as it stands in a request or a problem: `"any"`, `"noStream"`, `"exists"` or a number.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ExpectedVersion = Schema.Union([
  Schema.Literals(["any", "noStream", "exists"]),
  Schema.Int.check(Schema.isGreaterThanOrEqualTo(-1))
]).annotate({
  identifier: "ExpectedVersion",
  description: "The version that the stream must have: \"any\" (no check), \"noStream\" or -1, \"exists\", or a number"
})

/**
 * Which part of a request is wrong. The path begins with `params`, `query`, `headers` or `payload`.
 *
 * @category models
 * @since 0.1.0
 */
export const Issue = Schema.Struct({
  path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
  message: Schema.String
})

/**
 * 400: the request is not one of this API. `errors` has the path of each part that is wrong, of the first hundred.
 *
 * @category problems
 * @since 0.1.0
 */
export class InvalidRequest extends HttpApiError.Problem<InvalidRequest>()("InvalidRequest", {
  type: "urn:eventfold:problem:invalid-request",
  status: 400,
  title: "The request is invalid"
}, { errors: Schema.Array(Issue) }) {}

/**
 * 401: the request has no token that is known. The answer has `WWW-Authenticate`.
 *
 * @category problems
 * @since 0.1.0
 */
export class Unauthorized extends HttpApiError.Problem<Unauthorized>()("Unauthorized", {
  type: "urn:eventfold:problem:unauthorized",
  status: 401,
  title: "The request is not authenticated"
}) {}

/**
 * 403: the token lacks a scope, or does not cover a category.
 *
 * @category problems
 * @since 0.1.0
 */
export class Forbidden extends HttpApiError.Problem<Forbidden>()("Forbidden", {
  type: "urn:eventfold:problem:forbidden",
  status: 403,
  title: "The request is not allowed"
}, {
  /** The scope that the request needs. */
  scope: Schema.Literals(["read", "append", "admin"]),
  /** The category that the request needs; absent when it needs all. */
  category: Schema.optionalKey(Schema.String)
}) {}

/**
 * 403: the `Host` of the request is not one that this server answers to. A server on loopback answers to `localhost` and to loopback
 * addresses alone, because a page of another site could reach it by a name of its own otherwise (DNS rebinding).
 *
 * @category problems
 * @since 0.1.0
 */
export class HostNotAllowed extends HttpApiError.Problem<HostNotAllowed>()("HostNotAllowed", {
  type: "urn:eventfold:problem:host-not-allowed",
  status: 403,
  title: "The server does not answer to this host"
}) {}

/**
 * 404: no route has this path.
 *
 * @category problems
 * @since 0.1.0
 */
export class RouteNotFound extends HttpApiError.Problem<RouteNotFound>()("RouteNotFound", {
  type: "urn:eventfold:problem:route-not-found",
  status: 404,
  title: "There is no such route"
}) {}

/**
 * 404: the stream has no messages.
 *
 * @category problems
 * @since 0.1.0
 */
export class StreamNotFound extends HttpApiError.Problem<StreamNotFound>()("StreamNotFound", {
  type: "urn:eventfold:problem:stream-not-found",
  status: 404,
  title: "The stream does not exist"
}, { streamName: Schema.String }) {}

/**
 * 404: there is no such message, or the token does not cover its category.
 *
 * @category problems
 * @since 0.1.0
 */
export class MessageNotFound extends HttpApiError.Problem<MessageNotFound>()("MessageNotFound", {
  type: "urn:eventfold:problem:message-not-found",
  status: 404,
  title: "There is no such message"
}) {}

/**
 * 404: the program of this server has not loaded the definition that the answer needs. Another program may have it: see
 * `Observe.layer`.
 *
 * @category problems
 * @since 0.1.0
 */
export class DefinitionNotLoaded extends HttpApiError.Problem<DefinitionNotLoaded>()("DefinitionNotLoaded", {
  type: "urn:eventfold:problem:definition-not-loaded",
  status: 404,
  title: "The definition is not loaded here"
}, {
  kind: Schema.String.annotate({ description: "Such as `entity`, `commands`, `process`, `read model` or `category`" }),
  definition: Schema.String
}) {}

/**
 * 404: the entity has no command of this name.
 *
 * @category problems
 * @since 0.1.0
 */
export class CommandNotFound extends HttpApiError.Problem<CommandNotFound>()("CommandNotFound", {
  type: "urn:eventfold:problem:command-not-found",
  status: 404,
  title: "There is no such command"
}, {
  command: Schema.String,
  /** The names of the commands that there are. */
  known: Schema.Array(Schema.String)
}) {}

/**
 * 404: neither the program of the server nor the store knows a consumer with this id.
 *
 * @category problems
 * @since 0.1.0
 */
export class ConsumerNotFound extends HttpApiError.Problem<ConsumerNotFound>()("ConsumerNotFound", {
  type: "urn:eventfold:problem:consumer-not-found",
  status: 404,
  title: "There is no such consumer"
}, { consumer: Schema.String }) {}

/**
 * 404: neither the program of the server nor the store knows a read model of this name.
 *
 * @category problems
 * @since 0.1.0
 */
export class ReadModelNotFound extends HttpApiError.Problem<ReadModelNotFound>()("ReadModelNotFound", {
  type: "urn:eventfold:problem:read-model-not-found",
  status: 404,
  title: "There is no such read model"
}, { readModel: Schema.String }) {}

/**
 * 405: the path has a route, for other methods. The answer has `Allow`.
 *
 * @category problems
 * @since 0.1.0
 */
export class MethodNotAllowed extends HttpApiError.Problem<MethodNotAllowed>()("MethodNotAllowed", {
  type: "urn:eventfold:problem:method-not-allowed",
  status: 405,
  title: "The route does not have this method"
}) {}

const versions = {
  streamName: Schema.String,
  expected: ExpectedVersion,
  /** The stream's version; null when the stream does not exist. */
  actual: Schema.NullOr(Schema.Int)
}

/**
 * 409: the stream is not at the `expectedVersion` of the body. Nothing was written.
 *
 * @category problems
 * @since 0.1.0
 */
export class WrongExpectedVersion extends HttpApiError.Problem<WrongExpectedVersion>()("WrongExpectedVersion", {
  type: "urn:eventfold:problem:wrong-expected-version",
  status: 409,
  title: "The stream is at another version"
}, versions) {}

/**
 * 409: `Last-Event-ID` is beyond the end of the store, or of the stream. The store is older than what the client has: a failover or a
 * backup has lost messages. Nothing would come until others take their places, which the client would miss. Read again from the beginning,
 * or from a position before `end`.
 *
 * @category problems
 * @since 0.1.0
 */
export class PositionAhead extends HttpApiError.Problem<PositionAhead>()("PositionAhead", {
  type: "urn:eventfold:problem:position-ahead",
  status: 409,
  title: "The store is older than what the client has"
}, { position: Schema.Int, end: Schema.Int }) {}

/**
 * 409: the command was refused by its decision. Nothing was written.
 *
 * @category problems
 * @since 0.1.0
 */
export class CommandRefused extends HttpApiError.Problem<CommandRefused>()("CommandRefused", {
  type: "urn:eventfold:problem:command-refused",
  status: 409,
  title: "The command is refused"
}, {
  entity: Schema.String,
  command: Schema.String,
  /** The refusal in the JSON form of its schema. */
  refusal: Schema.Json
}) {}

/**
 * 409: what is to be steered is no longer as it was looked at. Nothing was done: look again.
 *
 * @category problems
 * @since 0.1.0
 */
export class NotAsSeen extends HttpApiError.Problem<NotAsSeen>()("NotAsSeen", {
  type: "urn:eventfold:problem:not-as-seen",
  status: 409,
  title: "It is not as it was looked at"
}, {
  /** The `expected` of the request. */
  expected: Schema.Json,
  /** What there is now, in the same form; null when there is nothing. */
  actual: Schema.Json,
  /** The difference in words, such as `3 more were parked since`. */
  change: Schema.String
}) {}

/**
 * 409: a member of the consumer runs. Stop all of them first.
 *
 * @category problems
 * @since 0.1.0
 */
export class ConsumerIsRunning extends HttpApiError.Problem<ConsumerIsRunning>()("ConsumerIsRunning", {
  type: "urn:eventfold:problem:consumer-is-running",
  status: 409,
  title: "The consumer is running"
}, { consumer: Schema.String, category: Schema.String }) {}

/**
 * 409: another build of the read model is being filled.
 *
 * @category problems
 * @since 0.1.0
 */
export class ReadModelIsBuilding extends HttpApiError.Problem<ReadModelIsBuilding>()("ReadModelIsBuilding", {
  type: "urn:eventfold:problem:read-model-is-building",
  status: 409,
  title: "The read model is being built"
}, { readModel: Schema.String }) {}

/**
 * 409: the read model has no live build of the version of the definition.
 *
 * @category problems
 * @since 0.1.0
 */
export class BuildNotFound extends HttpApiError.Problem<BuildNotFound>()("BuildNotFound", {
  type: "urn:eventfold:problem:build-not-found",
  status: 409,
  title: "There is no such build"
}, { readModel: Schema.String }) {}

/**
 * 412: the stream is not at the version that `If-Match` or `If-None-Match` asks for. Nothing was written.
 *
 * @category problems
 * @since 0.1.0
 */
export class PreconditionFailed extends HttpApiError.Problem<PreconditionFailed>()("PreconditionFailed", {
  type: "urn:eventfold:problem:precondition-failed",
  status: 412,
  title: "The stream is at another version"
}, versions) {}

/**
 * 409: a stream with this id was added before. Nothing was changed.
 *
 * @category problems
 * @since 0.1.0
 */
export class StreamExists extends HttpApiError.Problem<StreamExists>()("StreamExists", {
  type: "urn:eventfold:problem:stream-exists",
  status: 409,
  title: "The stream exists"
}, { id: Schema.String }) {}

/**
 * 412: the attributes of the stream are not those that `If-Match` asks for. Nothing was changed.
 *
 * @category problems
 * @since 0.1.0
 */
export class AttributesChanged extends HttpApiError.Problem<AttributesChanged>()("AttributesChanged", {
  type: "urn:eventfold:problem:attributes-changed",
  status: 412,
  title: "The stream has other attributes"
}, { id: Schema.String }) {}

/**
 * 413: the body is larger than the server takes.
 *
 * @category problems
 * @since 0.1.0
 */
export class PayloadTooLarge extends HttpApiError.Problem<PayloadTooLarge>()("PayloadTooLarge", {
  type: "urn:eventfold:problem:payload-too-large",
  status: 413,
  title: "The body is too large"
}, {
  /** The largest body in bytes. */
  limit: Schema.Int
}) {}

/**
 * 415: the route does not take a body of this content type, or the request names none.
 *
 * @category problems
 * @since 0.1.0
 */
export class UnsupportedMediaType extends HttpApiError.Problem<UnsupportedMediaType>()("UnsupportedMediaType", {
  type: "urn:eventfold:problem:unsupported-media-type",
  status: 415,
  title: "The content type is not supported"
}) {}

/**
 * 422: the store can't keep one of the messages. Nothing was written.
 *
 * @category problems
 * @since 0.1.0
 */
export class InvalidMessage extends HttpApiError.Problem<InvalidMessage>()("InvalidMessage", {
  type: "urn:eventfold:problem:invalid-message",
  status: 422,
  title: "The store cannot keep the message"
}, {
  streamName: Schema.String,
  /** Which of the messages to this stream, from 0. */
  index: Schema.Int,
  path: Schema.Array(Schema.Union([Schema.String, Schema.Int]))
}) {}

/**
 * 422: another message has the id, or the `Idempotency-Key` was used with another body. Nothing was written.
 *
 * @category problems
 * @since 0.1.0
 */
export class DuplicateMessageId extends HttpApiError.Problem<DuplicateMessageId>()("DuplicateMessageId", {
  type: "urn:eventfold:problem:duplicate-message-id",
  status: 422,
  title: "The message id is taken"
}, { streamName: Schema.String, id: Schema.String }) {}

/**
 * 422: the `Idempotency-Key` is that of another command on the entity: of one with another name, or with another payload. Nothing was
 * written.
 *
 * @category problems
 * @since 0.1.0
 */
export class CommandIdTaken extends HttpApiError.Problem<CommandIdTaken>()("CommandIdTaken", {
  type: "urn:eventfold:problem:command-id-taken",
  status: 422,
  title: "The id of the command is taken"
}, { entity: Schema.String, command: Schema.String }) {}

/**
 * 429: the token has sent too many requests in this second, or holds too many live answers open. The answer has `Retry-After`.
 *
 * @category problems
 * @since 0.1.0
 */
export class TooManyRequests extends HttpApiError.Problem<TooManyRequests>()("TooManyRequests", {
  type: "urn:eventfold:problem:too-many-requests",
  status: 429,
  title: "There are too many requests"
}, {
  /** How many are allowed. */
  limit: Schema.Int
}) {}

/**
 * 500: the server failed. Its log says why.
 *
 * @category problems
 * @since 0.1.0
 */
export class InternalError extends HttpApiError.Problem<InternalError>()("InternalError", {
  type: "urn:eventfold:problem:internal-error",
  status: 500,
  title: "The server failed"
}) {}

/**
 * 500: a rebuild has failed. What it has done stays, and the next one goes on from there. Its record says why: see `GET /administration`.
 *
 * @category problems
 * @since 0.1.0
 */
export class RebuildFailed extends HttpApiError.Problem<RebuildFailed>()("RebuildFailed", {
  type: "urn:eventfold:problem:rebuild-failed",
  status: 500,
  title: "The rebuild has failed"
}, {
  readModel: Schema.String,
  /** The tag of the error. */
  failure: Schema.String
}) {}

/**
 * 500: a stored message does not fit the schemas of its definition, so that what follows from it can't be told.
 *
 * @category problems
 * @since 0.1.0
 */
export class UndecodableMessage extends HttpApiError.Problem<UndecodableMessage>()("UndecodableMessage", {
  type: "urn:eventfold:problem:undecodable-message",
  status: 500,
  title: "A stored message does not fit its schema"
}, {
  streamName: Schema.String,
  /** The position in the stream, from 0. */
  position: Schema.Int,
  globalPosition: Schema.Int,
  /** Where in the message. */
  path: Schema.Array(Schema.Union([Schema.String, Schema.Int]))
}) {}

/**
 * 501: this store does not have the operation, such as appends to several streams at once.
 *
 * @category problems
 * @since 0.1.0
 */
export class Unsupported extends HttpApiError.Problem<Unsupported>()("Unsupported", {
  type: "urn:eventfold:problem:unsupported",
  status: 501,
  title: "The store does not have the operation"
}) {}

/**
 * 503: the store is away. To send the request again is safe, also an append that has message ids or an `Idempotency-Key`. The answer
 * has `Retry-After`.
 *
 * @category problems
 * @since 0.1.0
 */
export class Unavailable extends HttpApiError.Problem<Unavailable>()("Unavailable", {
  type: "urn:eventfold:problem:unavailable",
  status: 503,
  title: "The store is not available"
}) {}

/**
 * 503: the server is not ready to take requests. `failed` names the checks that have failed.
 *
 * @category problems
 * @since 0.1.0
 */
export class NotReady extends HttpApiError.Problem<NotReady>()("NotReady", {
  type: "urn:eventfold:problem:not-ready",
  status: 503,
  title: "The server is not ready"
}, { failed: Schema.Array(Schema.Struct({ check: Schema.String, reason: Schema.String })) }) {}

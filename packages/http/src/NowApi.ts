/**
 * The definition of the routes that tell what happens right now, and what the store and the server are: groups that `Api` has beside those
 * of `ObserveApi` and `ReadersApi`.
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { FailureReport } from "eventfold/FailureReport"
import { HeldBack } from "eventfold/HeldBack"
import { MessagePlace } from "eventfold/Message"
import * as Observed from "eventfold/Observed"
import * as Verify from "eventfold/Verify"
import { described, onList, runEvents } from "./internal/api/parts.ts"
import { Scope } from "./Principal.ts"
import * as Problem from "./Problem.ts"

const kind = Schema.Literals(["consumer", "process", "read model"])

const whose = {
  kind,
  /** The id of the consumer, or the name of the process or of the read model. */
  reader: Schema.String,
  /** The category that a consumer reads, `$all` for several. Of a process its name, of a read model `$all`. */
  category: Schema.String
}

/**
 * How far a consumer, a process or a read model is.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NowReader = Schema.Struct({
  ...whose,
  /** Whether a program runs it that has told so within 30 seconds. */
  isRunning: Schema.Boolean,
  /** Where it runs, such as `web-3 pid 81`; null when it does not run, or the store does not know it. */
  runsOn: Schema.NullOr(Schema.String),
  lag: Schema.Struct({
    /** How many messages are not handled. Where its definition is not loaded, how many global positions are after its own, at most. */
    messages: Schema.Int,
    /** Whether they were counted. */
    isExact: Schema.Boolean,
    /** The age of the oldest of them in milliseconds; 0 when there is none, null where it is not known. */
    age: Schema.NullOr(Schema.Finite)
  }),
  /** Messages that it handles a second; null when it does not run. */
  rate: Schema.NullOr(Schema.Finite),
  /** How many handlers run. */
  inFlight: Schema.Int,
  /** How many messages wait for it in parked streams. */
  parked: Schema.Int
}).annotate({ identifier: "NowReader" })

/**
 * Something that a person should look at.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Attention = Schema.Union([
  /** No program runs it, and messages wait for it. */
  Schema.Struct({
    what: Schema.Literal("stopped"),
    ...whose,
    /** When it wrote its position last; null when it has never done so. */
    since: Schema.NullOr(Schema.DateTimeUtc),
    lag: NowReader.fields.lag,
    /** The failure that it stopped with, if this server has seen it. */
    failure: Schema.NullOr(FailureReport)
  }),
  /** Its handler has failed, and tries again. */
  Schema.Struct({
    what: Schema.Literal("stuck"),
    ...whose,
    since: Schema.DateTimeUtc,
    message: MessagePlace,
    attempts: Schema.Int,
    failure: FailureReport
  }),
  /** Transactions in progress keep it from reading on. */
  Schema.Struct({ what: Schema.Literal("heldBack"), ...whose, heldBack: HeldBack }),
  /** Messages wait for it in parked streams. */
  Schema.Struct({
    what: Schema.Literal("parked"),
    ...whose,
    since: Schema.DateTimeUtc,
    streams: Schema.Int,
    messages: Schema.Int
  }),
  /** Deadlines are past their time. */
  Schema.Struct({
    what: Schema.Literal("overdue"),
    ...whose,
    deadlines: Schema.Int,
    /** The one that is past its time the longest. */
    first: Observed.PendingDeadline
  }),
  /** A program that runs readers has been silent for more than 30 seconds: it was killed, is frozen, or can't reach the store. */
  Schema.Struct({
    what: Schema.Literal("silent"),
    host: Schema.NullOr(Schema.String),
    pid: Schema.NullOr(Schema.Int),
    since: Schema.DateTimeUtc,
    readers: Schema.Array(Schema.String)
  })
]).annotate({ identifier: "Attention" })

/**
 * A message whose handler has failed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RecentError = Schema.Struct({
  ...whose,
  /** `retrying`: it is tried again. `parked`: it waits in a parked stream. `failed`: it was skipped, or has stopped the reader. */
  state: Schema.Literals(["retrying", "parked", "failed"]),
  streamName: Schema.String,
  position: Schema.Int,
  globalPosition: Schema.Int,
  type: Schema.String,
  attempts: Schema.Int,
  time: Schema.DateTimeUtc,
  failure: FailureReport
}).annotate({ identifier: "RecentError" })

/**
 * What happens right now, as far as the sender may read it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Now = Schema.Struct({
  /** When this was looked at. */
  time: Schema.DateTimeUtc,
  /** When lags, deadlines and parked messages were looked at: at most every other second, and less often where that takes long. */
  lagsAt: Schema.DateTimeUtc,
  /** The global position of the last message. */
  end: Schema.Int,
  /** The last message, and how old it is in milliseconds; null when there is none, or the sender may not read it. */
  newest: Schema.NullOr(Schema.Struct({ message: MessagePlace, age: Schema.Finite })),
  /**
   * Global positions that were taken a second, over the last ten seconds at most: about as many messages as were written. Null until it
   * was looked at twice.
   */
  rate: Schema.NullOr(Schema.Finite),
  readers: Schema.Array(NowReader),
  /** What a person should look at first comes first. */
  attention: Schema.Array(Attention),
  /** The newest first: 20 at most. */
  errors: Schema.Array(RecentError)
}).annotate({ identifier: "Now" })

/**
 * An event of the feed: what happens now, or that the store is away.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NowEvent = Schema.Union([
  Schema.Struct({ event: Schema.Literal("now"), data: Schema.fromJsonString(Schema.toCodecJson(Now)) }),
  Schema.Struct({
    event: Schema.Literal("away"),
    data: Schema.fromJsonString(Schema.Struct({ detail: Schema.String }))
  })
]).annotate({ identifier: "NowEvent" })

/**
 * What was seen while someone looked, by columns: each list has a value for each of `times`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NowHistory = Schema.Struct({
  /** In milliseconds since 1970, rising. Where nobody looked there is none. */
  times: Schema.Array(Schema.Finite),
  /** The global position of the last message then. */
  ends: Schema.Array(Schema.Int),
  readers: Schema.Array(Schema.Struct({
    ...whose,
    /** The age of the oldest message that was not handled, in milliseconds; null where it is not known. */
    ages: Schema.Array(Schema.NullOr(Schema.Finite))
  }))
}).annotate({ identifier: "NowHistory" })

/** How far back the history goes, in seconds. */
export const historySeconds = 900

/**
 * The routes of what happens right now.
 *
 * @category groups
 * @since 0.1.0
 */
export class RightNow extends HttpApiGroup.make("now").add(
  HttpApiEndpoint.get("now", "/now", { success: Now, error: onList }).annotateMerge(described(
    "What happens now",
    "The end of the log, how far each reader is, and what needs attention. However many ask, the store is asked once a second at most."
  )),
  HttpApiEndpoint.get("feed", "/now/feed", {
    success: HttpApiSchema.StreamSse({ events: NowEvent }),
    error: onList
  }).annotateMerge(described(
    "Follow what happens now",
    "The same as server-sent events, once a second, without an end. All senders share one look at the store, and while none follows " +
      "there is none. While the store is away the events say so."
  )),
  HttpApiEndpoint.get("history", "/now/history", {
    query: {
      for: Schema.optionalKey(
        Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: historySeconds })).annotate({
          description: `How many seconds back, at most ${historySeconds}, which is also the default`
        })
      )
    },
    success: NowHistory,
    error: [Problem.InvalidRequest, Problem.Forbidden]
  }).annotateMerge(described(
    "What was seen before",
    "The end of the log and the lag of each reader, a value a second, of the times at which someone looked. The server keeps it in memory."
  ))
).annotateMerge(OpenApi.annotations({ description: "See what happens right now" })) {}

/**
 * What the store is.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StoreDescription = Observed.StoreDescription.annotate({ identifier: "StoreDescription" })

/**
 * What the server is, and what it knows of the sender.
 *
 * @category schemas
 * @since 0.1.0
 */
export const About = Schema.Struct({
  /** The version of `@eventfold/http`. */
  version: Schema.String,
  /** Whether the server lets everyone in, with all scopes. */
  isOpen: Schema.Boolean,
  sender: Schema.Struct({
    name: Schema.String,
    scopes: Schema.Array(Scope),
    /** The patterns of categories that it may see; null for all. */
    categories: Schema.NullOr(Schema.Array(Schema.String))
  })
}).annotate({ identifier: "About" })

/**
 * Something that is wrong in the store, with what to do about it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const VerifyFinding = Schema.Struct({
  /** An `error` is damage, a `warning` costs speed or may become damage, and a `note` is neither. */
  level: Schema.Literals(["error", "warning", "note"]),
  /** What was found, in one line. */
  message: Schema.String,
  remedy: Schema.String,
  finding: Verify.Finding
}).annotate({ identifier: "VerifyFinding" })

/**
 * An event of a check of the store: a finding, the end with how many messages were looked at, that it still runs, or that it has failed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const VerifyEvent = Schema.Union([
  Schema.Struct({ event: Schema.Literal("finding"), data: Schema.fromJsonString(VerifyFinding) }),
  Schema.Struct({
    event: Schema.Literal("verified"),
    data: Schema.fromJsonString(Schema.Struct({ messages: Schema.Int }))
  }),
  ...runEvents
]).annotate({ identifier: "VerifyEvent" })

/**
 * The routes of the store and of the server.
 *
 * @category groups
 * @since 0.1.0
 */
export class Store extends HttpApiGroup.make("store").add(
  HttpApiEndpoint.get("store", "/store", { success: StoreDescription, error: onList }).annotateMerge(described(
    "What the store is",
    "Its identity and versions, what its tables and indexes take on disk, and what the server may do with it. Needs the scope `read` for " +
      "all categories."
  )),
  HttpApiEndpoint.post("verify", "/store/verify", {
    success: HttpApiSchema.StreamSse({ events: VerifyEvent }),
    error: [...onList, Problem.Unsupported]
  }).annotateMerge(described(
    "Check everything that is stored",
    "Looks at every message and at the schema, in one consistent view beside writers. The answer is server-sent events: each finding, a " +
      "heartbeat each 15 seconds, and `verified` at the end. It takes about as long as to copy the table out, and changes nothing. When " +
      "the connection ends, so does the check. Needs the scope `admin` for all categories."
  )),
  HttpApiEndpoint.get("about", "/about", { success: About }).annotateMerge(
    described("What the server is", "Its version, and who the sender is to it. Needs no scope.")
  )
).annotateMerge(OpenApi.annotations({ description: "See what the store and the server are" })) {}

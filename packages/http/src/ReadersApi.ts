/**
 * The definition of the routes that show consumers and read models, and steer them: groups that `Api` has beside those of `ObserveApi`.
 *
 * What is steered has in its `expected` what was looked at. When that has changed, nothing is done, and the answer is `not-as-seen`.
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import * as Observed from "eventfold/Observed"
import {
  described,
  globalPosition,
  limitQuery,
  onList,
  onRead,
  position,
  runEvents,
  text,
  timeWithZone
} from "./internal/api/parts.ts"
import * as Problem from "./Problem.ts"

/**
 * A consumer, as far as the program and the store know it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Consumer = Observed.ObservedConsumer.annotate({ identifier: "Consumer" })

/**
 * A program that runs consumers or read models.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Runner = Observed.Runner.annotate({ identifier: "Runner" })

/**
 * The messages of one stream that wait for a consumer.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ParkedStream = Schema.Struct({
  /** The category and the cardinal id, such as `account-123`. */
  stream: Schema.String,
  /** The global position of the message by which it was parked. */
  parkedAt: globalPosition,
  /** How many messages wait. */
  waiting: Schema.Int,
  /** The global position of the last of them. */
  last: globalPosition,
  /** Those that wait longest, the oldest first: 100 at most. */
  messages: Schema.Array(Observed.ParkedMessage)
}).annotate({ identifier: "ParkedStream" })

/**
 * A page of parked streams.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ParkedPage = Schema.Struct({
  streams: Schema.Array(ParkedStream),
  /** The `after` of the next page; absent at the end. */
  next: Schema.optionalKey(globalPosition)
}).annotate({ identifier: "ParkedPage" })

const reason = {
  reason: Schema.optionalKey(text.annotate({ description: "Why, for the record" }))
}

const requiredReason = { reason: text.annotate({ description: "Why, for the record" }) }

const replayLimit = {
  limit: Schema.optionalKey(globalPosition.annotate({
    description: "How many messages of each stream, the oldest first. Defaults to all that wait"
  }))
}

const parkedStreamSeen = Schema.Struct({
  /** How many messages wait in the stream: its `waiting`. */
  messages: globalPosition,
  /** The global position of the last of them: its `last`. */
  last: position
}).annotate({ description: "What was looked at of the stream: its `waiting` and `last`" })

/**
 * A replay of what waits for a consumer: of one stream, or of all.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Replay = Schema.Union([
  Schema.Struct({ stream: text, expected: parkedStreamSeen, ...replayLimit, ...reason }),
  Schema.Struct({
    expected: Schema.Struct({ streams: globalPosition, messages: globalPosition }).annotate({
      description: "What was looked at of the consumer: the `streams` and `messages` of its `parked`"
    }),
    ...replayLimit,
    ...reason
  })
]).annotate({ identifier: "Replay" })

/**
 * Gives up what waits of a stream: one message, or all.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Drop = Schema.Union([
  Schema.Struct({ stream: text, globalPosition, ...requiredReason }),
  Schema.Struct({ stream: text, expected: parkedStreamSeen, ...requiredReason })
]).annotate({ identifier: "Drop" })

/**
 * Sets a consumer back.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RewindConsumer = Schema.Struct({
  to: Schema.Union([
    Schema.Literal("beginning"),
    Schema.Struct({ position: globalPosition }),
    Schema.Struct({ time: timeWithZone })
  ]).annotate({
    description:
      "The first message to handle again: the first of all, one by its global position, or the first since a time"
  }),
  expected: position.annotate({ description: "The position that was looked at; of a group the lowest of its members" }),
  ...requiredReason
}).annotate({ identifier: "RewindConsumer" })

const onSteering = [
  ...onRead,
  Problem.NotAsSeen,
  Problem.PayloadTooLarge,
  Problem.UnsupportedMediaType,
  Problem.Unsupported
] as const

const consumer = { consumer: text.annotate({ description: "The id of a consumer; of a process it is the name" }) }

const ofCategory = {
  category: Schema.optionalKey(text.annotate({
    description: "Which one, where an id has several, such as that of a process: the category that it reads, or `$all`"
  }))
}

/**
 * The routes of consumers, of what is parked for them, and of what runs where.
 *
 * @category groups
 * @since 0.1.0
 */
export class Consumers extends HttpApiGroup.make("consumers").add(
  HttpApiEndpoint.get("list", "/consumers", {
    success: Schema.Struct({ consumers: Schema.Array(Consumer) }),
    error: onList
  }).annotateMerge(described(
    "List consumers",
    "The consumers that are loaded here, with their lag, and those that the store knows by their positions or by what is parked for " +
      "them. Only those of categories that the sender may read."
  )),
  HttpApiEndpoint.get("one", "/consumers/:consumer", {
    params: consumer,
    query: ofCategory,
    success: Consumer,
    error: [...onRead, Problem.ConsumerNotFound]
  }).annotateMerge(described("A consumer", "How far it is, and how much is parked for it.")),
  HttpApiEndpoint.get("parked", "/consumers/:consumer/parked", {
    params: consumer,
    query: {
      ...ofCategory,
      after: Schema.optionalKey(
        position.annotate({ description: "Only streams that were parked after this position" })
      ),
      limit: Schema.optionalKey(limitQuery)
    },
    success: ParkedPage,
    error: [...onRead, Problem.ConsumerNotFound]
  }).annotateMerge(described(
    "Parked messages",
    "A page of the streams in which messages wait for the consumer, in the order in which they were parked."
  )),
  HttpApiEndpoint.post("replay", "/consumers/:consumer/parked/replay", {
    params: consumer,
    query: ofCategory,
    payload: Replay,
    success: HttpApiSchema.Empty(202),
    error: [...onSteering, Problem.ConsumerNotFound]
  }).annotateMerge(described(
    "Replay parked messages",
    "Asks the consumer to handle what waits, of one stream or of all: at once if it runs, otherwise when it runs again. Needs the scope " +
      "`admin`. It is recorded."
  )),
  HttpApiEndpoint.post("drop", "/consumers/:consumer/parked/drop", {
    params: consumer,
    query: ofCategory,
    payload: Drop,
    success: Schema.Struct({ dropped: Schema.Int }),
    error: [...onSteering, Problem.ConsumerNotFound]
  }).annotateMerge(described(
    "Drop parked messages",
    "Gives up what waits of a stream: the consumer will not handle it. Needs the scope `admin`. It is recorded."
  )),
  HttpApiEndpoint.post("rewind", "/consumers/:consumer/rewind", {
    params: consumer,
    query: ofCategory,
    payload: RewindConsumer,
    success: Schema.Struct({
      rewound: Schema.Array(Schema.Struct({
        /** The member of the consumer's group; null without a group. */
        member: Schema.NullOr(position),
        from: position,
        position
      }))
    }),
    error: [...onSteering, Problem.ConsumerNotFound, Problem.ConsumerIsRunning]
  }).annotateMerge(described(
    "Rewind a consumer",
    "Has it handle messages again, from a position or a time on. Stop all its members first. Needs the scope `admin`. It is recorded."
  )),
  HttpApiEndpoint.get("runners", "/runners", {
    success: Schema.Struct({ runners: Schema.Array(Runner) }),
    error: onList
  }).annotateMerge(described(
    "What runs where",
    "The programs that run consumers or read models of categories that the sender may read, with what they do right now."
  ))
).annotateMerge(OpenApi.annotations({ description: "Look at consumers and at what runs where, and steer them" })) {}

/**
 * A read model, as far as the program and the store know it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ReadModel = Observed.ObservedReadModel.annotate({ identifier: "ReadModel" })

const buildNumber = globalPosition.annotate({ description: "The number of the build" })

/**
 * What was looked at of a build.
 *
 * @category schemas
 * @since 0.1.0
 */
export const BuildSeen = Schema.Struct({
  number: buildNumber,
  state: Observed.BuildState,
  position: Schema.optionalKey(position.annotate({ description: "The position of its checkpoint. Defaults to any" }))
}).annotate({ identifier: "BuildSeen" })

const filling = {
  throttle: Schema.optionalKey(
    globalPosition.annotate({ description: "The most messages a second. Defaults to no limit" })
  ),
  sideEffects: Schema.optionalKey(Schema.Boolean),
  compare: Schema.optionalKey(
    Schema.Literal("same").annotate({
      description: "Switches only when the new build has the same rows as the live one"
    })
  )
}

/**
 * Builds a read model again. What is not given is as its definition says.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Rebuild = Schema.Struct({
  expected: Schema.Array(Schema.Struct({ number: buildNumber, state: Observed.BuildState })).annotate({
    description: "All builds that were looked at; empty when there was none"
  }),
  ...filling,
  switch: Schema.optionalKey(Schema.Literals(["when caught up", "manual"])),
  ...reason
}).annotate({ identifier: "Rebuild" })

/**
 * Puts a build in the place of the live one.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SwitchBuild = Schema.Struct({ expected: BuildSeen, ...filling, ...reason }).annotate({
  identifier: "SwitchBuild"
})

/**
 * Has the live build resume after a global position.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RewindReadModel = Schema.Struct({
  to: position.annotate({ description: "0, or the global position of a message: it resumes after it" }),
  expected: Schema.Struct({ number: buildNumber, position }).annotate({
    description: "The live build, with its position"
  }),
  ...requiredReason
}).annotate({ identifier: "RewindReadModel" })

/**
 * Accepts a changed definition for the live build.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AcceptDefinition = Schema.Struct({
  expected: Schema.Struct({
    number: buildNumber,
    position: Schema.optionalKey(position)
  }).annotate({ description: "The live build" }),
  ...reason
}).annotate({ identifier: "AcceptDefinition" })

/**
 * How far a rebuild is.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Progress = Schema.Struct({
  phase: Schema.Literals(["building", "built", "switched"]),
  /** The number of the build. */
  build: Schema.Int,
  /** The global position up to which it has handled everything, inclusive. */
  position: Schema.Int,
  /** The global position that it has to reach. */
  target: Schema.Int,
  handled: Schema.Int,
  /** How many messages it has to handle to reach the target. */
  of: Schema.Int,
  /** Messages a second. */
  rate: Schema.Finite,
  /** How long the rest takes, in milliseconds; null before the first message is handled. */
  remaining: Schema.NullOr(Schema.Finite)
}).annotate({ identifier: "Progress" })

/**
 * An event of a rebuild: its progress, that it still runs, or that it has failed. The answer ends with the rebuild.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RebuildEvent = Schema.Union([
  Schema.Struct({ event: Schema.Literal("progress"), data: Schema.fromJsonString(Progress) }),
  ...runEvents
]).annotate({ identifier: "RebuildEvent" })

const onBuilding = [
  ...onSteering,
  Problem.DefinitionNotLoaded,
  Problem.ReadModelIsBuilding,
  Problem.RebuildFailed
] as const

const asItRuns =
  "The answer is server-sent events: its progress, and a heartbeat each 15 seconds. When the connection ends, the rebuild " +
  "stops, and the next one goes on from there. Needs the scope `admin` for all categories. It is recorded."

const readModel = { readModel: text.annotate({ description: "The name of a read model, such as `balances`" }) }

/**
 * The routes of read models.
 *
 * @category groups
 * @since 0.1.0
 */
export class ReadModels extends HttpApiGroup.make("readModels").add(
  HttpApiEndpoint.get("list", "/read-models", {
    success: Schema.Struct({ readModels: Schema.Array(ReadModel) }),
    error: onList
  }).annotateMerge(described(
    "List read models",
    "The read models that are loaded here, and those that the store knows by their builds. A read model may have any category as its " +
      "source, so this needs the scope `read` for all."
  )),
  HttpApiEndpoint.get("one", "/read-models/:readModel", {
    params: readModel,
    success: ReadModel,
    error: [...onList, Problem.ReadModelNotFound]
  }).annotateMerge(
    described("A read model", "Its builds, and how far each is. Needs the scope `read` for all categories.")
  ),
  HttpApiEndpoint.post("rebuild", "/read-models/:readModel/rebuild", {
    params: readModel,
    payload: Rebuild,
    success: HttpApiSchema.StreamSse({ events: RebuildEvent }),
    error: onBuilding
  }).annotateMerge(
    described("Rebuild a read model", `Fills a new build beside the live one, and switches. ${asItRuns}`)
  ),
  HttpApiEndpoint.post("switch", "/read-models/:readModel/switch", {
    params: readModel,
    payload: SwitchBuild,
    success: HttpApiSchema.StreamSse({ events: RebuildEvent }),
    error: onBuilding
  }).annotateMerge(
    described(
      "Switch to a build",
      `Puts a build that waits for it in the place of the live one, once it has caught up. ${asItRuns}`
    )
  ),
  HttpApiEndpoint.post("rewind", "/read-models/:readModel/rewind", {
    params: readModel,
    payload: RewindReadModel,
    success: HttpApiSchema.NoContent,
    error: onSteering
  }).annotateMerge(described(
    "Rewind a read model",
    "Has the live build resume after a position. Needs the scope `admin` for all categories. It is recorded."
  )),
  HttpApiEndpoint.post("accept", "/read-models/:readModel/accept", {
    params: readModel,
    payload: AcceptDefinition,
    success: HttpApiSchema.NoContent,
    error: [...onSteering, Problem.DefinitionNotLoaded, Problem.BuildNotFound]
  }).annotateMerge(described(
    "Accept a definition",
    "Lets the live build count as filled by the definition that is loaded here, of the same version. Needs the scope `admin` for all " +
      "categories. It is recorded."
  )),
  HttpApiEndpoint.delete("dropBuild", "/read-models/:readModel/builds/:number", {
    params: { ...readModel, number: buildNumber },
    query: {
      state: Schema.Literals(["building", "retired"]).annotate({ description: "The state that was looked at" }),
      position: Schema.optionalKey(
        position.annotate({ description: "The position that was looked at. Defaults to any" })
      ),
      ...requiredReason
    },
    success: HttpApiSchema.NoContent,
    error: [...onRead, Problem.NotAsSeen, Problem.Unsupported]
  }).annotateMerge(described(
    "Drop a build",
    "Drops a build and its tables; not the live one. Needs the scope `admin` for all categories. It is recorded."
  ))
).annotateMerge(OpenApi.annotations({ description: "Look at read models, and steer them" })) {}

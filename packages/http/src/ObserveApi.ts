/**
 * The definition of the routes that show what an application is, and run its commands: the groups that `Api` has beside those of
 * messages.
 *
 * What needs a definition is answered by a program that has loaded it, with `Observe.layer`. Without it the answers are what the
 * store knows, and `definition-not-loaded` for the rest. None is `null`, times are ISO 8601 in UTC, and ages are in milliseconds.
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
  etag,
  globalPosition,
  limitQuery,
  onList,
  onRead,
  position,
  text,
  timeWithZone,
  traceparent
} from "./internal/api/parts.ts"
import * as Problem from "./Problem.ts"

/**
 * An entity that the program has loaded.
 *
 * @category schemas
 * @since 0.1.0
 */
export const EntitySummary = Schema.Struct({
  /** The name under which it is registered. */
  entity: Schema.String,
  category: Schema.String,
  /** The names of its commands. */
  commands: Schema.Array(Schema.String)
}).annotate({ identifier: "EntitySummary" })

/**
 * The state of an entity.
 *
 * @category schemas
 * @since 0.1.0
 */
export const EntityState = Observed.EntityState.annotate({ identifier: "EntityState" })

/**
 * What a message changed in the state of an entity.
 *
 * @category schemas
 * @since 0.1.0
 */
export const EntityChange = Observed.EntityChange.annotate({ identifier: "EntityChange" })

/**
 * A page of changes of an entity.
 *
 * @category schemas
 * @since 0.1.0
 */
export const EntityChangesPage = Schema.Struct({
  changes: Schema.Array(EntityChange),
  /** The `from` of the next page; absent at the end. */
  next: Schema.optionalKey(position)
}).annotate({ identifier: "EntityChangesPage" })

/** The reply of a command. */
const reply = Schema.optionalKey(
  Schema.Json.annotate({ description: "The reply in the JSON form of its schema. Absent when the command has none" })
)

/**
 * What a command did that has written events.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CommandWritten = Schema.Struct({
  reply,
  /** The version of the entity's stream after them. */
  version: position,
  /** The global position of the last one. */
  globalPosition
}).annotate({ identifier: "CommandWritten" })

/**
 * What a command did that had nothing to write.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CommandWithoutEvents = Schema.Struct({
  reply,
  /** The version of the entity's stream; null when it does not exist. */
  version: Schema.NullOr(position),
  globalPosition: Schema.Null
}).annotate({ identifier: "CommandWithoutEvents" })

const entityName = {
  entity: text.annotate({ description: "The name under which the entity is registered, such as `account`" })
}

const entity = {
  ...entityName,
  id: text.annotate({ description: "The id as it stands in the name of the stream, such as `123`" })
}

const notLoaded = [...onRead, Problem.DefinitionNotLoaded] as const

const onEntity = [...notLoaded, Problem.UndecodableMessage] as const

/**
 * The routes of entities and their commands.
 *
 * @category groups
 * @since 0.1.0
 */
export class Entities extends HttpApiGroup.make("entities").add(
  HttpApiEndpoint.get("list", "/entities", {
    success: Schema.Struct({ entities: Schema.Array(EntitySummary) }),
    error: [Problem.Forbidden]
  }).annotateMerge(
    described("List entities", "The entities that are loaded here, of the categories that the sender may read.")
  ),
  HttpApiEndpoint.get("state", "/entities/:entity/:id", {
    params: entity,
    query: {
      at: Schema.optionalKey(
        Schema.Union([position, timeWithZone]).annotate({
          description: "A version, inclusive, or a time: the state of then. Defaults to the latest"
        })
      ),
      compare: Schema.optionalKey(position.annotate({ description: "A version whose state to answer too" }))
    },
    success: EntityState,
    error: onEntity
  }).annotateMerge(described(
    "The state of an entity",
    "The state now, at a version or at a time, folded from the events. A stream that does not exist has the initial state, at the " +
      "version null."
  )),
  HttpApiEndpoint.get("changes", "/entities/:entity/:id/changes", {
    params: entity,
    query: {
      from: Schema.optionalKey(position.annotate({ description: "The position of the first message, inclusive" })),
      limit: Schema.optionalKey(limitQuery)
    },
    success: EntityChangesPage,
    error: onEntity
  }).annotateMerge(described(
    "What each event changed",
    "A page of the entity's messages, each with the state before and after it: fewer than `limit` where the states are large. To begin " +
      "later costs the fold of what is before."
  )),
  HttpApiEndpoint.post("run", "/entities/:entity/:id/commands/:command", {
    params: { ...entity, command: text.annotate({ description: "The name of a command, such as `Withdraw`" }) },
    headers: {
      "idempotency-key": Schema.optionalKey(text.annotate({
        description:
          "The id of the command: it has one effect, however often it is sent. That of one sender is not that of another"
      })),
      ...traceparent
    },
    payload: Schema.Json.annotate({ description: "The payload of the command, in the JSON form of its schema" }),
    success: [
      HttpApiSchema.WithHeaders(CommandWritten.pipe(HttpApiSchema.status(201)), etag),
      HttpApiSchema.WithHeaders(CommandWithoutEvents, { etag: Schema.optionalKey(etag.etag) })
    ],
    error: [
      ...onEntity,
      Problem.CommandNotFound,
      Problem.CommandRefused,
      Problem.CommandIdTaken,
      Problem.InvalidMessage,
      Problem.DuplicateMessageId,
      Problem.PayloadTooLarge,
      Problem.UnsupportedMediaType
    ]
  }).annotateMerge(described(
    "Run a command",
    "Decides on the latest state and writes the events that follow: 201, or 200 when there are none. With an `Idempotency-Key` the " +
      "same command can be sent again: the answer is that of the first time. A refusal is 409, with the refusal as a field."
  ))
).annotateMerge(OpenApi.annotations({ description: "Look at entities, and run their commands" })) {}

/**
 * A process: how far it is, and what it waits for.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Process = Observed.ObservedProcess.annotate({ identifier: "Process" })

/**
 * A deadline that has not passed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Deadline = Observed.PendingDeadline.annotate({ identifier: "Deadline" })

/**
 * A process of one id that waits for a deadline.
 *
 * @category schemas
 * @since 0.1.0
 */
export const WaitingProcess = Observed.WaitingProcess.annotate({ identifier: "WaitingProcess" })

/**
 * What a process of one id has done.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ProcessHistory = Observed.ProcessHistory.annotate({ identifier: "ProcessHistory" })

const process = { process: text.annotate({ description: "The name of a process, such as `fulfilment`" }) }

/**
 * The routes of processes.
 *
 * @category groups
 * @since 0.1.0
 */
export class Processes extends HttpApiGroup.make("processes").add(
  HttpApiEndpoint.get("list", "/processes", {
    success: Schema.Struct({ processes: Schema.Array(Process) }),
    error: onList
  }).annotateMerge(
    described("List processes", "The processes that are loaded here, whose categories the sender may read.")
  ),
  HttpApiEndpoint.get("one", "/processes/:process", {
    params: process,
    success: Process,
    error: [...onList, Problem.DefinitionNotLoaded]
  })
    .annotateMerge(
      described("A process", "How far its consumers are, and the deadlines that are due next.")
    ),
  HttpApiEndpoint.get("instances", "/processes/:process/instances", {
    params: process,
    query: {
      state: Schema.optionalKey(
        Schema.Literals(["waiting", "overdue"]).annotate({
          description: "`overdue` for those of which a deadline is past its time. Defaults to `waiting`"
        })
      ),
      limit: Schema.optionalKey(limitQuery)
    },
    success: Schema.Struct({ instances: Schema.Array(WaitingProcess) }),
    error: onRead
  }).annotateMerge(described(
    "What waits",
    "The ids of the process that wait for a deadline, those whose next one is due first in front. The store knows them without the " +
      "definition of the process."
  )),
  HttpApiEndpoint.get("history", "/processes/:process/instances/:id", {
    params: {
      ...process,
      id: text.annotate({ description: "The id as it stands in the name of the stream, such as `7`" })
    },
    query: {
      before: Schema.optionalKey(
        position.annotate({
          description: "Only reactions whose events are before this position: the `next` of the page before"
        })
      ),
      limit: Schema.optionalKey(
        Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })).annotate({
          description: "The most reactions of the page. Defaults to 20"
        })
      )
    },
    success: ProcessHistory,
    error: [...onRead, Problem.Unsupported]
  }).annotateMerge(described(
    "What a process of one id has done",
    "A page of its reactions, the newest first, each with the message that it reacted to and all that it wrote. Messages that the sender may " +
      "not read are left out."
  )),
  HttpApiEndpoint.get("deadlines", "/processes/:process/deadlines", {
    params: process,
    query: {
      id: Schema.optionalKey(text.annotate({ description: "Only those of the process with this id" })),
      limit: Schema.optionalKey(limitQuery)
    },
    success: Schema.Struct({ deadlines: Schema.Array(Deadline) }),
    error: onRead
  }).annotateMerge(described(
    "Pending deadlines",
    "The deadlines that are due next, the earliest first, so that those overdue come first. The store knows them without the definition " +
      "of the process: a name that it does not know has none."
  ))
).annotateMerge(OpenApi.annotations({ description: "Look at processes" })) {}

/**
 * The types of a category's events, as the program has loaded them.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CategoryTypes = Schema.Struct({
  category: Schema.String,
  types: Schema.Array(Schema.String)
}).annotate({ identifier: "CategoryTypes" })

/**
 * The stored messages of a category against its schemas.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StoredTypes = Observed.StoredTypes.annotate({ identifier: "StoredTypes" })

/**
 * The routes of schemas.
 *
 * @category groups
 * @since 0.1.0
 */
export class Schemas extends HttpApiGroup.make("schemas").add(
  HttpApiEndpoint.get("list", "/schemas", {
    success: Schema.Struct({ schemas: Schema.Array(CategoryTypes) }),
    error: [Problem.Forbidden]
  }).annotateMerge(described(
    "List schemas",
    "The categories whose definitions are loaded here, with the types of their events. The schemas themselves are in this document."
  )),
  HttpApiEndpoint.post("check", "/schemas/:category/check", {
    params: { category: text.annotate({ description: "The name of a category, such as `account`" }) },
    query: {
      sample: Schema.optionalKey(globalPosition.annotate({
        description:
          "How many of the oldest and how many of the newest messages. At most that of a page, which is also the default"
      }))
    },
    success: StoredTypes,
    error: notLoaded
  }).annotateMerge(described(
    "Check stored messages",
    "Decodes a sample of the category's messages, and answers by type and version how many fit, with the first that does not. It writes " +
      "nothing."
  ))
).annotateMerge(OpenApi.annotations({ description: "Hold stored messages against their schemas" })) {}

/**
 * A record of what an administrator has done.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AdministrationRecord = Schema.Struct({
  /** Its position among the records, from 0. */
  position,
  globalPosition,
  time: Schema.DateTimeUtc,
  ...Observed.Administered.fields
}).annotate({ identifier: "AdministrationRecord" })

/**
 * A page of records of administrators.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AdministrationPage = Schema.Struct({
  records: Schema.Array(AdministrationRecord),
  /** The `from` of the next page in this direction; absent at the end. */
  next: Schema.optionalKey(position)
}).annotate({ identifier: "AdministrationPage" })

/**
 * The route of what administrators have done.
 *
 * @category groups
 * @since 0.1.0
 */
export class Administration extends HttpApiGroup.make("administration").add(
  HttpApiEndpoint.get("records", "/administration", {
    query: {
      from: Schema.optionalKey(position.annotate({ description: "The position of the first record, inclusive" })),
      limit: Schema.optionalKey(limitQuery),
      direction: Schema.optionalKey(
        Schema.Literals(["forwards", "backwards"]).annotate({
          description: "`backwards` for the newest first. Defaults to `backwards`"
        })
      )
    },
    success: AdministrationPage,
    error: [...onRead, Problem.UndecodableMessage, Problem.Unsupported]
  }).annotateMerge(described(
    "What administrators have done",
    "A page of the records. Needs the scope `read` for the category `eventfold:administration`."
  ))
).annotateMerge(OpenApi.annotations({ description: "See what administrators have done" })) {}

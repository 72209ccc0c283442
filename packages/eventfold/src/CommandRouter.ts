/**
 * Where the named commands of a program are decided: here, or on the machine that keeps the entity in its cache.
 *
 * **Details**
 *
 * By default each program decides its commands itself. `Cluster.layer` of `@eventfold/cluster` provides a router that sends them on.
 * What a command does, answers and fails with is the same either way. It is about `Commands` alone: `Entity.transact` takes a function,
 * which can't be sent.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DecodeError } from "./Category.ts"
import { CommandIdTaken, InvalidAnswer, InvalidPayload, Refused } from "./internal/entity/commandAnswers.ts"
import { Conflict } from "./internal/entity/transact.ts"
import { Metadata } from "./Metadata.ts"
import { DuplicateMessageId, InvalidArgument, InvalidMessage, StoreError, Unsupported } from "./StoreError.ts"
import { InvalidStreamName } from "./StreamName.ts"

/** @since 0.1.0 */
export { CommandIdTaken, InvalidAnswer, InvalidPayload } from "./internal/entity/commandAnswers.ts"

/**
 * A command on its way, as a schema.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Sent = Schema.Struct({
  category: Schema.String,
  command: Schema.String,
  /** The id of the entity, as it stands in the stream name. */
  id: Schema.String,
  /** In the JSON form of its schema. */
  payload: Schema.Json,
  /** Made before the command is sent, so that it has one effect however often it arrives. */
  commandId: Schema.String,
  /** What the caller's context gives to the events. */
  metadata: Metadata,
  /** Whether the caller wants the state and the events, which may be large. */
  wantsState: Schema.Boolean
})

/**
 * A command on its way.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sent extends Schema.Schema.Type<typeof Sent> {}

/**
 * What a command did elsewhere, as a schema.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Performed = Schema.TaggedStruct("Performed", {
  /** The reply in the JSON form of its schema. Absent when the command has none. */
  reply: Schema.optionalKey(Schema.Json),
  version: Schema.OptionFromNullOr(Schema.Int),
  globalPosition: Schema.OptionFromNullOr(Schema.Int),
  /** The state after the command and its events; absent when they are not wanted. */
  after: Schema.optionalKey(Schema.Struct({
    state: Schema.Json,
    events: Schema.Array(Schema.Struct({
      id: Schema.UndefinedOr(Schema.String),
      type: Schema.String,
      data: Schema.Json,
      metadata: Schema.UndefinedOr(Schema.Json)
    }))
  }))
})

/**
 * What a command did elsewhere.
 *
 * @category models
 * @since 0.1.0
 */
export interface Performed extends Schema.Schema.Type<typeof Performed> {}

/**
 * The outcome of a command that was decided elsewhere, as a schema.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Outcome = Schema.Union([Performed, Refused])

/**
 * The outcome of a command that was decided elsewhere.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = typeof Outcome.Type

/**
 * What a command fails with, wherever it was decided, as a schema: `Commands.CommandError`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Failure = Schema.Union([
  InvalidPayload,
  InvalidAnswer,
  CommandIdTaken,
  Conflict,
  InvalidMessage,
  DuplicateMessageId,
  DecodeError,
  InvalidStreamName,
  InvalidArgument,
  Unsupported,
  StoreError
])

/**
 * What a command fails with, wherever it was decided.
 *
 * @category models
 * @since 0.1.0
 */
export type Failure = typeof Failure.Type

/**
 * Sends commands.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service {
  /** Sends a command, and gives its outcome. None when it is to be decided here, also when no answer has come. */
  readonly send: (sent: Sent) => Effect.Effect<Option.Option<Outcome>, Failure>
}

/**
 * The router in the context. Defaults to none: commands are decided here.
 *
 * **Details**
 *
 * A command is decided here as well when it runs in a transaction, and when it is given the options `metadata`, `retry` or `freshness`.
 *
 * @category services
 * @since 0.1.0
 */
export const CommandRouter: Context.Reference<Option.Option<Service>> = Context.Reference("eventfold/CommandRouter", {
  defaultValue: () => Option.none()
})

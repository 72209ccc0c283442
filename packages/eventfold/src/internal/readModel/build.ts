/**
 * The builds of read models, as data.
 */
import * as Schema from "effect/Schema"
import { StoreIdentity } from "../store/storeIdentity.ts"

/**
 * How far a build has come.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Checkpoint = Schema.Struct({
  /** The global position up to which everything is handled, inclusive; 0 before the first message. */
  position: Schema.Int,
  /**
   * The last message that a handler took; none before the first. As long as the log has this message at this position, it
   * is the log that the tables were filled from.
   */
  last: Schema.OptionFromNullOr(Schema.Struct({ globalPosition: Schema.Int, id: Schema.String })),
  /** The message store that the messages were read from. */
  store: StoreIdentity,
  /**
   * The last global position (inclusive) when the read model got its first build. Messages up to it are history: their side
   * effects do not run.
   */
  history: Schema.Int
})

/**
 * How far a build has come.
 *
 * @since 0.1.0
 * @category models
 */
export interface Checkpoint extends Schema.Schema.Type<typeof Checkpoint> {}

/**
 * The state of a build:
 *
 * - `"building"`: it is being filled beside the live build.
 * - `"live"`: queries read its tables. At most one build of a read model is live.
 * - `"retired"`: it was live until another build took its place.
 *
 * @since 0.1.0
 * @category schemas
 */
export const BuildState = Schema.Literals(["building", "live", "retired"])

/**
 * The state of a build.
 *
 * @since 0.1.0
 * @category models
 */
export type BuildState = typeof BuildState.Type

/**
 * A build of a read model: its tables as one definition fills them.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Build = Schema.Struct({
  readModel: Schema.String,
  /** Counts the builds of a read model, from 1. */
  number: Schema.Int,
  /** The version of the definition that fills it. */
  version: Schema.Int,
  /** The fingerprint of the definition that fills it. */
  fingerprint: Schema.String,
  state: BuildState,
  checkpoint: Checkpoint,
  createdAt: Schema.DateTimeUtc
})

/**
 * A build of a read model: its tables as one definition fills them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Build extends Schema.Schema.Type<typeof Build> {}

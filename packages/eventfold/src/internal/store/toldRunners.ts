/**
 * What programs tell of what runs in them, as data.
 */
import * as Schema from "effect/Schema"
import { RunningStatus } from "../../ConsumerStatus.ts"

/**
 * A consumer or read model that a program runs. A process runs as several consumers, whose ids are its name.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Run = Schema.Struct({
  kind: Schema.Literals(["consumer", "read model"]),
  /** The id of the consumer, or the name of the read model. */
  id: Schema.String,
  /** The category of a consumer, `$all` for several; the sources of a read model, joined by commas. */
  category: Schema.String,
  /** When it was started there. */
  since: Schema.DateTimeUtc,
  /**
   * What it does. Of the messages that are being retried it has the first ten. When a program has more than 100 failures to tell of,
   * other programs see the first message, and the beginning of its failure, of the runs beyond.
   */
  status: RunningStatus
})

/**
 * A consumer or read model that a program runs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Run extends Schema.Schema.Type<typeof Run> {}

/**
 * A program that runs consumers or read models.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Runner = Schema.Struct({
  /** Tells it from other programs, and from the one that had its pid before. */
  id: Schema.String,
  /** The name of its machine; `undefined` when the store does not know it. */
  host: Schema.UndefinedOr(Schema.String),
  pid: Schema.UndefinedOr(Schema.Int),
  /** When it opened the store. */
  startedAt: Schema.DateTimeUtc,
  /** When it told the store of it, by the store's clock. */
  toldAt: Schema.DateTimeUtc,
  /** Whether it has been silent for more than 30 seconds: it was killed, is frozen, or can't reach the store. */
  isStale: Schema.Boolean,
  runs: Schema.Array(Run)
})

/**
 * A program that runs consumers or read models.
 *
 * @category models
 * @since 0.1.0
 */
export interface Runner extends Schema.Schema.Type<typeof Runner> {}

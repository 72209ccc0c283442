/**
 * What caused what, as the metadata of messages says it. Every value is untrusted: other clients write metadata, too.
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { MessagePlace } from "../../Message.ts"

/**
 * The message that caused another one, as the metadata of that one says.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Cause = Schema.Struct({
  globalPosition: Schema.Int,
  /** None when the metadata does not have it. */
  streamName: Schema.OptionFromNullOr(Schema.String),
  position: Schema.OptionFromNullOr(Schema.Int)
})

/**
 * The message that caused another one, as the metadata of that one says.
 *
 * @category models
 * @since 0.1.0
 */
export type Cause = typeof Cause.Type

/**
 * A message with its cause.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Traced = Schema.Struct({
  message: MessagePlace,
  /** None when its metadata names none. The cause may be gone, or of another correlation. */
  cause: Schema.OptionFromNullOr(Cause)
})

/**
 * A message with its cause.
 *
 * @category models
 * @since 0.1.0
 */
export type Traced = typeof Traced.Type

/**
 * The time between a cause and its effect.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Wait = Schema.Struct({
  /** Never negative. */
  millis: Schema.Int,
  /**
   * Whether the effect has an earlier time than its cause; `millis` is 0 then. The time of a message is when its transaction began,
   * by the clock of the database. So the clock was set back, the database moved to a server with another clock, or the transaction
   * of the effect began before the cause was written.
   */
  clockDiffers: Schema.Boolean
})

/**
 * The time between a cause and its effect.
 *
 * @category models
 * @since 0.1.0
 */
export type Wait = typeof Wait.Type

/** What was looked at: the fields of all answers. */
const looked = {
  /** The global position, inclusive, from which on messages were looked at. */
  lookedFrom: Schema.Int,
  /** The global position, inclusive, up to which all visible messages were looked at. Give it as `after` to look further. */
  lookedThrough: Schema.Int,
  /**
   * Whether nothing was left out: all visible messages were looked at, from the first one that was asked for to the end of the log.
   * A transaction that was in progress may still commit messages at lower global positions.
   */
  isComplete: Schema.Boolean
}

/**
 * An effect of a message.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Caused = Schema.Struct({ message: MessagePlace, wait: Wait })

/**
 * An effect of a message.
 *
 * @category models
 * @since 0.1.0
 */
export type Caused = typeof Caused.Type

/**
 * Effects of a message, by global position, and how far the store has looked for them.
 *
 * @category schemas
 * @since 0.1.0
 */
export const EffectsPage = Schema.Struct({ effects: Schema.Array(Caused), ...looked })

/**
 * Effects of a message, by global position, and how far the store has looked for them.
 *
 * @category models
 * @since 0.1.0
 */
export type EffectsPage = typeof EffectsPage.Type

/**
 * Messages of a correlation, by global position, and how far the store has looked for them.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CorrelatedPage = Schema.Struct({ messages: Schema.Array(Traced), ...looked })

/**
 * Messages of a correlation, by global position, and how far the store has looked for them.
 *
 * @category models
 * @since 0.1.0
 */
export type CorrelatedPage = typeof CorrelatedPage.Type

/**
 * A message in a tree.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Node = Schema.Struct({
  ...Traced.fields,
  /** How many causes are above it in the tree: 0 for what the tree begins with. */
  depth: Schema.Int,
  /** The time since its cause; none where the cause is not in the tree. */
  wait: Schema.OptionFromNullOr(Wait)
})

/**
 * A message in a tree.
 *
 * @category models
 * @since 0.1.0
 */
export type Node = typeof Node.Type

/**
 * What caused what.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Tree = Schema.Struct({
  /** As an outline: each message is followed by its effects, by global position, and each of those by its own first. */
  nodes: Schema.Array(Node),
  /** Whether there are more messages than `limit` or deeper ones than `depth`, which were left out. */
  isCut: Schema.Boolean,
  ...looked
})

/**
 * What caused what.
 *
 * @category models
 * @since 0.1.0
 */
export type Tree = typeof Tree.Type

/** The time between a message and its effect. */
export const waitBetween = (cause: MessagePlace, effect: MessagePlace): Wait => {
  const millis = DateTime.toEpochMillis(effect.time) - DateTime.toEpochMillis(cause.time)
  return { millis: Math.max(0, millis), clockDiffers: millis < 0 }
}

/** The number of a text, as it is written in the metadata of the library and of Eventide: PostgreSQL compares the texts. */
const naturalOf = (text: string | null): Option.Option<number> => {
  const number = text !== null && /^(0|[1-9]\d*)$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(number) ? Option.some(number) : Option.none()
}

/** The texts of the keys of a cause in metadata, as the operator `->>` of PostgreSQL gives them. */
export interface CauseTexts {
  readonly globalPosition: string | null
  readonly streamName: string | null
  readonly position: string | null
}

/** The cause that metadata names, if it names one that can be: no message has a position that is not a number. */
export const causeOfTexts = ({ globalPosition, position, streamName }: CauseTexts): Option.Option<Cause> => {
  const named = naturalOf(position)
  if (position !== null && Option.isNone(named)) return Option.none()
  return Option.map(naturalOf(globalPosition), (globalPosition): Cause => ({
    globalPosition,
    streamName: Option.fromNullishOr(streamName),
    position: named
  }))
}

const isAbsentOr = <A>(value: Option.Option<A>, expected: A): boolean =>
  Option.isNone(value) || value.value === expected

/**
 * Whether a message is the cause. Its stream is compared, too: messages that were copied from another store name global positions
 * of that one.
 */
export const isCause = (
  cause: Cause,
  { globalPosition, position, streamName }: Pick<MessagePlace, "globalPosition" | "position" | "streamName">
): boolean =>
  cause.globalPosition === globalPosition &&
  isAbsentOr<string>(cause.streamName, streamName) &&
  isAbsentOr(cause.position, position)

/** A value of JSON metadata as a text, as the operator `->>` gives it. */
export const textAt = (metadata: Schema.Json, key: string): string | null => {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) return null
  const value = Object.entries(metadata).find(([name]) => name === key)?.[1]
  return value == null ? null : typeof value === "string" ? value : JSON.stringify(value)
}

/** The cause that JSON metadata names. */
export const causeOf = (metadata: Schema.Json): Option.Option<Cause> =>
  causeOfTexts({
    globalPosition: textAt(metadata, "causationMessageGlobalPosition"),
    streamName: textAt(metadata, "causationMessageStreamName"),
    position: textAt(metadata, "causationMessagePosition")
  })

/**
 * What a store has: its categories and its streams, as `MessageStore.categories` and `MessageStore.streams` list them.
 *
 * Lists come by page and have no totals, because to count is to read the whole log. A page costs the same in a large store as in a
 * small one: a few look-ups for each name.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { MessagePlace } from "./Message.ts"
import type { InvalidArgument, StoreError, Unsupported } from "./StoreError.ts"
import type { CategoryName } from "./StreamName.ts"

/**
 * How many messages a category has.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Size = Schema.Struct({
  messages: Schema.Int,
  /** Whether they were counted. Otherwise the number is an estimate by the statistics of the database, which may be off by a lot. */
  isExact: Schema.Boolean
})

/**
 * How many messages a category has.
 *
 * @category models
 * @since 0.1.0
 */
export type Size = typeof Size.Type

/**
 * A category with at least one message.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CategorySummary = Schema.Struct({
  category: Schema.String,
  /**
   * None when the store does not know it: the database has made no statistics of the log yet, or the role of the store's user may
   * not see them. `MessageStore.countCategory` counts exactly.
   */
  size: Schema.OptionFromNullOr(Size),
  /** The message with the highest global position. */
  last: MessagePlace
})

/**
 * A category with at least one message.
 *
 * @category models
 * @since 0.1.0
 */
export type CategorySummary = typeof CategorySummary.Type

/**
 * A stream with at least one message.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StreamSummary = Schema.Struct({
  streamName: Schema.String,
  /** The position of its last message. */
  version: Schema.Int,
  last: MessagePlace
})

/**
 * A stream with at least one message.
 *
 * @category models
 * @since 0.1.0
 */
export type StreamSummary = typeof StreamSummary.Type

/** Where a list goes on: give it as `after`. None at the end. */
const next = Schema.OptionFromNullOr(Schema.String)

/**
 * A page of categories, by name.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CategoriesPage = Schema.Struct({ categories: Schema.Array(CategorySummary), next })

/**
 * A page of categories, by name.
 *
 * @category models
 * @since 0.1.0
 */
export type CategoriesPage = typeof CategoriesPage.Type

/**
 * A page of streams, by name. It may have fewer streams than asked for, even none, and still have a `next`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StreamsPage = Schema.Struct({ streams: Schema.Array(StreamSummary), next })

/**
 * A page of streams, by name. It may have fewer streams than asked for, even none, and still have a `next`.
 *
 * @category models
 * @since 0.1.0
 */
export type StreamsPage = typeof StreamsPage.Type

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
})

/**
 * The streams of a category that have changed last.
 *
 * @category models
 * @since 0.1.0
 */
export type ChangedStreams = typeof ChangedStreams.Type

/**
 * The options of the streams that have changed last.
 *
 * @category options
 * @since 0.1.0
 */
export interface ChangedOptions {
  /** How many streams at most, from 1. Defaults to 100. */
  readonly limit?: number | undefined
  /**
   * How many of the category's newest messages to look at, from 1. Defaults to 1,000: a stream that changed before these is not found,
   * and the cost does not depend on the size of the category.
   */
  readonly window?: number | undefined
}

/**
 * The options of a list of categories.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Only names that begin with this text. Defaults to all. */
  readonly prefix?: string | undefined
  /** Only names after this one, which need not exist: the `next` of the page before. Defaults to the first name on. */
  readonly after?: string | undefined
  /** How many names to look at, from 1. Defaults to 100. */
  readonly limit?: number | undefined
}

/**
 * The options of a list of streams.
 *
 * @category options
 * @since 0.1.0
 */
export interface StreamsOptions extends Options {
  /** Only streams of this category. Defaults to those of all categories. */
  readonly category?: string | undefined
}

/**
 * The errors of lists. `Unsupported` names what the store lacks.
 *
 * @category errors
 * @since 0.1.0
 */
export type ListingError = InvalidArgument | Unsupported | StoreError

/**
 * A request for one page of names. Names are sorted by the bytes of UTF-8.
 *
 * @category models
 * @since 0.1.0
 */
export interface NamesPage {
  /** The names begin with this text; empty for all. */
  readonly prefix: string
  /** Only names after this one; `undefined` to begin at the first. Its cost must not depend on how many names come before. */
  readonly after: string | undefined
  /** From 1. */
  readonly limit: number
}

/**
 * A request for one page of the names of streams.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamNamesPage extends NamesPage {
  readonly category: CategoryName | undefined
}

/**
 * One of the newest messages of a category.
 *
 * @category models
 * @since 0.1.0
 */
export interface NewestMessage {
  readonly place: MessagePlace
  /** Whether it is the notice that its stream was deleted. */
  readonly isEnd: boolean
}

/**
 * What a backend implements so that its categories and streams can be listed: the optional member `listing` of `StoreBackend`.
 *
 * **Details**
 *
 * A deleted stream, whose only message is the notice of its deletion, is left out of the streams. Its category is listed like
 * others: it has a message. So a page of streams may be shorter than its limit and have a `next`, which is the last name that was
 * looked at.
 *
 * @category models
 * @since 0.1.0
 */
export interface ListingBackend {
  readonly categories: (page: NamesPage) => Effect.Effect<CategoriesPage, Unsupported | StoreError>
  /** The newest messages of a category, the newest first. Its cost must not depend on the number of messages, but on `limit`. */
  readonly newest: (category: CategoryName, limit: number) => Effect.Effect<ReadonlyArray<NewestMessage>, StoreError>
  readonly streams: (page: StreamNamesPage) => Effect.Effect<StreamsPage, Unsupported | StoreError>
}

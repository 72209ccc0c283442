/**
 * Sources: what consumers and read models read. A source is a category, or everything in the store.
 *
 * @since 0.1.0
 */
import type * as Category from "./Category.ts"
import type { RecordedMessage } from "./Message.ts"

/** @since 0.1.0 */
export type {
  AnyOutcome,
  ErrorOf,
  Handlers,
  Outcomes,
  ServicesOf,
  SourceError,
  SourceServices
} from "./internal/processor/sources.ts"

const AllTypeId = "~eventfold/Source/All"

/**
 * Which messages of the store a source of everything includes.
 *
 * @since 0.1.0
 * @category options
 */
export interface AllFilters {
  /** Only messages of these categories, at least one. */
  readonly categories?: ReadonlyArray<string> | undefined
  /** Only messages of these types, at least one. */
  readonly types?: ReadonlyArray<string> | undefined
  /**
   * Whether to include what consumers write about themselves: their positions (categories of the type `position`, as in
   * `account:position`) and what they have parked (of the type `parked`). Defaults to false, because such a reader would
   * otherwise keep reading what reading writes. Categories in `categories` are read whatever their types are. A consumer
   * never gets what it wrote about itself.
   */
  readonly bookkeeping?: boolean | undefined
}

/**
 * The messages of the whole store, or those that pass filters: see {@link all} and {@link allOf}.
 *
 * @since 0.1.0
 * @category models
 */
export interface All {
  readonly [AllTypeId]: typeof AllTypeId
  readonly categories: ReadonlyArray<string> | undefined
  readonly types: ReadonlyArray<string> | undefined
  readonly bookkeeping: boolean
}

/**
 * Makes a source of the messages of the whole store that pass the filters, by global position and not decoded. The store
 * applies the filters, so other messages are not read at all. Both lists need at least one element.
 *
 * @example
 * ```ts
 * import { Consumer } from "eventfold"
 * import { Effect } from "effect"
 *
 * const audit = Consumer.make("audit").on(
 *   Consumer.allOf({ categories: ["account", "transfer"] }),
 *   ({ streamName, type }) => Effect.log(`${type} in ${streamName}`)
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const allOf = ({ bookkeeping = false, categories, types }: AllFilters): All => ({
  [AllTypeId]: AllTypeId,
  categories,
  types,
  bookkeeping
})

/**
 * The source of all messages of the store, by global position and not decoded, without what consumers write about themselves.
 *
 * @since 0.1.0
 * @category constructors
 */
export const all: All = allOf({})

/**
 * A source of messages: a category, whose events are decoded; the name of a category, which may carry types as in
 * `account:command` and whose messages are not decoded; or {@link all}.
 *
 * @since 0.1.0
 * @category models
 */
export type Source = Category.Any | string | All

/**
 * What a handler of a source gets: decoded events of a category, otherwise recorded messages.
 *
 * @since 0.1.0
 * @category models
 */
export type Incoming<From extends Source> = From extends Category.Any ? Category.RecordedEvent<From> : RecordedMessage

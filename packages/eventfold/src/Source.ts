/**
 * What consumers and read models read: a category, or all of the store.
 *
 * @since 0.1.0
 */
import type * as Category from "./Category.ts"
import type { RecordedMessage } from "./Message.ts"

const AllTypeId = "~eventfold/Source/All"

/** @since 0.1.0 */
export interface AllFilters {
  /** Only messages of these categories, at least one. */
  readonly categories?: ReadonlyArray<string> | undefined
  /** Only messages of these types, at least one. */
  readonly types?: ReadonlyArray<string> | undefined
  /**
   * Also what consumers write about themselves: their positions (categories of the type `position`, as in
   * `account:position`), and what they have parked (of the type `parked`). Default: false. A category that is named is read
   * whatever its type is. A consumer never gets what it has written about itself.
   */
  readonly bookkeeping?: boolean | undefined
}

/**
 * The messages of the whole store, or those of them that filters let through: {@link all} and {@link allOf}.
 *
 * @since 0.1.0
 */
export interface All {
  readonly [AllTypeId]: typeof AllTypeId
  readonly categories: ReadonlyArray<string> | undefined
  readonly types: ReadonlyArray<string> | undefined
  readonly bookkeeping: boolean
}

/**
 * The messages of the whole store that filters let through, by global position, as they are. Messages of other categories
 * and types are not read at all.
 *
 * @example
 * ```ts
 * import { Consumer } from "eventfold"
 * import { Effect } from "effect"
 *
 * const audit = Consumer.make("audit", {
 *   from: Consumer.allOf({ categories: ["account", "transfer"] }),
 *   on: ({ streamName, type }) => Effect.log(`${type} in ${streamName}`)
 * })
 * ```
 *
 * @since 0.1.0
 */
export const allOf = ({ bookkeeping = false, categories, types }: AllFilters): All => ({
  [AllTypeId]: AllTypeId,
  categories,
  types,
  bookkeeping
})

/**
 * All messages of the store by global position, as they are, but for what consumers write about themselves.
 *
 * @since 0.1.0
 */
export const all: All = allOf({})

/**
 * What is read: a category, whose events come decoded; the name of one, whose messages come as they are and which may carry
 * types, as in `account:command`; or {@link all} messages.
 *
 * @since 0.1.0
 */
export type Source = Category.Any | string | All

/**
 * What a handler gets.
 *
 * @since 0.1.0
 */
export type Incoming<From extends Source> = From extends Category.Any ? Category.RecordedEvent<From> : RecordedMessage

/**
 * What a database implements so that the module `Archive` works on it: reading messages as they are written, and writing them
 * back with their ids, positions and times.
 *
 * A backend gives it as the optional member `archive` of `StoreBackend`. `Archive` checks names, makes chunks and their checksums,
 * and decodes what it imports, so that a backend does not.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { MessageId } from "./Message.ts"
import type { NotPermitted, StoreError, Unsupported } from "./StoreError.ts"
import type { CategoryName, StreamName } from "./StreamName.ts"

/**
 * What of a store is exported. Without both filters, everything is; never both are given.
 *
 * @category models
 * @since 0.1.0
 */
export interface ArchiveFilter {
  readonly category: CategoryName | undefined
  readonly streamName: StreamName | undefined
}

/**
 * A place in the log, after which a page begins.
 *
 * @category models
 * @since 0.1.0
 */
export interface LogPlace {
  /** 0 before the first message. */
  readonly globalPosition: number
  /** The position in its stream of the message there, by which pages of one stream go on; -1 before the first message. */
  readonly position: number
}

/**
 * A request for one page of messages: those after a place up to a global position, inclusive, by rising global position.
 *
 * @category models
 * @since 0.1.0
 */
export interface ArchivePage extends ArchiveFilter {
  readonly after: LogPlace
  readonly through: number
  /** From 1. */
  readonly limit: number
  /**
   * The page ends with the message that reaches this size of data and metadata, as the store knows it without reading them: a database
   * may have them compressed. So a page of messages that are larger than those before is bounded, too.
   */
  readonly bytes: number
}

/**
 * A page of messages as lines: each a JSON object with a line feed after it, in UTF-8.
 *
 * **Details**
 *
 * The keys of a line are `globalPosition`, `position`, `streamName`, `type`, `id`, `time`, `metadata` and `data`. Data and metadata
 * are the JSON text that the store has, on one line, with all digits of its numbers; a key is absent where the store has none,
 * which is not `null`. The time is in UTC, without a zone: `2026-11-29T10:00:00.123456`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ArchivedPage {
  /** Makes the lines. It is apart from the read, so that the next page can be read meanwhile. */
  readonly lines: () => Uint8Array<ArrayBuffer>
  /** About how many bytes they take. */
  readonly size: number
  readonly count: number
  /** The place of the last message; that of the request when there is none. */
  readonly last: LogPlace
}

/**
 * A stream with attributes, by which a page of attributes begins.
 *
 * @category models
 * @since 0.1.0
 */
export interface AttributesPlace {
  readonly category: string
  readonly id: string
}

/**
 * A request for one page of streams that have attributes of their own, by category and id.
 *
 * @category models
 * @since 0.1.0
 */
export interface AttributesPage extends ArchiveFilter {
  readonly after: AttributesPlace | undefined
  readonly limit: number
}

/**
 * The attributes of a stream, as JSON text, and when they were added.
 *
 * @category models
 * @since 0.1.0
 */
export interface ArchivedAttributes extends AttributesPlace {
  readonly attributes: string
  /** As the times of messages are written; `undefined` where the store does not know. */
  readonly addedAt: string | undefined
}

/**
 * A message of an archive: checked, with its data and metadata as JSON text.
 *
 * @category models
 * @since 0.1.0
 */
export interface ArchivedMessage {
  readonly id: MessageId
  readonly streamName: StreamName
  readonly type: string
  readonly position: number
  readonly globalPosition: number
  /** `undefined` for none, as the marks of deletions have it. */
  readonly data: string | undefined
  readonly metadata: string | undefined
  /** As the archive has it: with all digits that the store had. */
  readonly time: string
}

/**
 * The begin of the line of a message, as {@link ArchivedPage} has it: what comes before its metadata and its data. Each of them follows
 * as `,"metadata":` or `,"data":` with its text; then come `}` and a line feed.
 *
 * @category encoding
 * @since 0.1.0
 */
export const messageLineHead = (
  { globalPosition, id, position, streamName, time, type }: Omit<ArchivedMessage, "data" | "metadata">
): string =>
  `{"globalPosition":${globalPosition},"position":${position},"streamName":${JSON.stringify(streamName)},"type":${
    JSON.stringify(type)
  },"id":"${id}","time":${JSON.stringify(time)}`

/**
 * The line of a message, as {@link ArchivedPage} has it.
 *
 * @category encoding
 * @since 0.1.0
 */
export const messageLine = ({ data, metadata, ...message }: ArchivedMessage): string =>
  `${messageLineHead(message)}${metadata === undefined ? "" : `,"metadata":${metadata}`}${
    data === undefined ? "" : `,"data":${data}`
  }}\n`

/**
 * A request to write messages with their ids, positions and times: all of them, or none.
 *
 * **Details**
 *
 * The messages come by rising global position. What the store already has is left as it is: a message with this id, at this position
 * of this stream. So the same chunk can be written again.
 *
 * @category models
 * @since 0.1.0
 */
export interface ImportedChunk {
  readonly messages: ReadonlyArray<ArchivedMessage>
  /**
   * Whether the messages keep their global positions, which then are higher than all in the store. Otherwise the store gives new
   * ones, in the same order.
   */
  readonly keepsPositions: boolean
  /** With `keepsPositions`: no message that is written later gets this global position, or a lower one. */
  readonly reserved: number
}

/**
 * Why a chunk was not written.
 *
 * - `streamExists`: the stream has other messages than those of the archive.
 * - `idTaken`: another message has the id.
 * - `streamIncomplete`: the archive lacks what comes before, and the store does not have it.
 * - `storeChanged`: the store has messages at global positions that the archive needs.
 * - `attributesDiffer`: the stream has other attributes.
 *
 * @category models
 * @since 0.1.0
 */
export type ConflictReason = "streamExists" | "idTaken" | "streamIncomplete" | "storeChanged" | "attributesDiffer"

/**
 * Why a chunk was not written, and for which message.
 *
 * @category models
 * @since 0.1.0
 */
export interface ImportConflict {
  readonly _tag: "Conflict"
  readonly reason: ConflictReason
  readonly streamName: string
  /** The position of the message, in the archive. -1 of attributes. */
  readonly position: number
}

/**
 * A chunk that was written.
 *
 * @category models
 * @since 0.1.0
 */
export interface ImportWritten {
  readonly _tag: "Written"
  /** How many the store did not have. */
  readonly written: number
}

/**
 * What a backend implements for `Archive`.
 *
 * **Details**
 *
 * - A page of **messages** is one consistent view. Pages up to a global position that is final give each message once, also beside
 *   writers.
 * - An **import** writes a chunk whole or not at all, and keeps the rules of the log while others write: it takes the locks that
 *   appends take. A message at position 0, or the notice of a deleted stream that names the position before it as its `through`,
 *   begins a stream, which must not exist. Any other message comes right after the stream's last one.
 *
 * @category models
 * @since 0.1.0
 */
export interface ArchiveBackend {
  readonly messages: (page: ArchivePage) => Effect.Effect<ArchivedPage, StoreError>
  /** The last message of a filter before a global position. */
  readonly before: (
    filter: ArchiveFilter,
    globalPosition: number
  ) => Effect.Effect<Option.Option<LogPlace & { readonly id: MessageId }>, StoreError>
  readonly attributes: (page: AttributesPage) => Effect.Effect<ReadonlyArray<ArchivedAttributes>, StoreError>
  readonly importMessages: (
    chunk: ImportedChunk
  ) => Effect.Effect<ImportWritten | ImportConflict, NotPermitted | Unsupported | StoreError>
  /**
   * Gives attributes to streams that have none of their own: to all of them, or to none. With `replaces`, the attributes of the others
   * are replaced; otherwise they must be the same.
   */
  readonly importAttributes: (
    streams: ReadonlyArray<ArchivedAttributes>,
    replaces: boolean
  ) => Effect.Effect<ImportWritten | ImportConflict, NotPermitted | Unsupported | StoreError>
}

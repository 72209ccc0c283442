/**
 * Exports and imports of the memory store. Every function is synchronous, as those of the log are.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import {
  type ArchiveBackend,
  type ArchivedAttributes,
  type ArchivedMessage,
  type ArchiveFilter,
  type ConflictReason,
  type ImportConflict,
  type ImportedChunk,
  type ImportWritten,
  messageLine
} from "../../ArchiveBackend.ts"
import { StoreError } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { parseJson } from "../runtime/parseJson.ts"
import { jsonEquals } from "../runtime/storableJson.ts"
import { type Contents, type Log, lowerBound, push, type Row, truncate, upTo } from "./memoryLog.ts"
import { deletionOf, isMark } from "./memoryStreams.ts"
import type { MemoryTransactions } from "./memoryTransactions.ts"

const rowsOf = ({ categories, rows, streams }: Contents, { category, streamName }: ArchiveFilter, through: number) =>
  upTo(
    streamName !== undefined ? streams.get(streamName) : category !== undefined ? categories.get(category) : rows,
    through
  )

/** A mark of a deletion has no data, which this store keeps as `null`. */
const archived = (row: Row): ArchivedMessage => ({
  id: row.id,
  streamName: row.streamName,
  type: row.type,
  position: row.position,
  globalPosition: row.globalPosition,
  data: row.hasNoData === true || isMark(row) ? undefined : row.data,
  metadata: row.metadata ?? undefined,
  // In UTC, without a zone.
  time: row.exactTime ?? DateTime.formatIso(row.time).replace(/\.?0*Z$/, "")
})

/** The first rows, up to the one that reaches a size. */
const upToSize = (rows: ReadonlyArray<Row>, most: number): ReadonlyArray<Row> => {
  let size = 0
  const reaching = rows.findIndex(({ data, metadata }) => (size += data.length + (metadata?.length ?? 0)) >= most)
  return reaching === -1 ? rows : rows.slice(0, reaching + 1)
}

const utf8 = new TextEncoder()

const lastTime = DateTime.makeUnsafe(8.64e15)

const rowOf = ({ data, metadata, time, ...message }: ArchivedMessage): Row => ({
  ...message,
  data: data ?? "null",
  metadata: metadata ?? null,
  // A time that a Date does not have is read as the last one, as from PostgreSQL.
  time: Option.getOrElse(DateTime.make(`${time}Z`), () => lastTime),
  exactTime: time,
  hasNoData: data === undefined
})

const conflict = (reason: ConflictReason, { position, streamName }: Row): ImportConflict => ({
  _tag: "Conflict",
  reason,
  streamName,
  position
})

const isPresent = ({ byId }: Log, row: Row, keepsPositions: boolean): boolean => {
  const found = byId.get(row.id)
  return found !== undefined && found.streamName === row.streamName && found.position === row.position &&
    (!keepsPositions || found.globalPosition === row.globalPosition)
}

/** Why a row can't be written; `undefined` when it can. */
const conflictOf = (log: Log, row: Row, keepsPositions: boolean): ConflictReason | undefined => {
  const version = log.streams.get(row.streamName)?.at(-1)?.position
  if (log.byId.has(row.id)) return "idTaken"
  const begins = row.position === 0 || deletionOf(row)?.["through"] === row.position - 1
  if (version === undefined ? !begins : version !== row.position - 1 || begins) {
    return version === undefined || version < row.position - 1 ? "streamIncomplete" : "streamExists"
  }
  return keepsPositions && row.globalPosition <= (log.rows.at(-1)?.globalPosition ?? 0) ? "storeChanged" : undefined
}

/** Writes a chunk to the end of the log, or nothing of it. */
const importMessages = (
  log: Log,
  { keepsPositions, messages, reserved }: ImportedChunk
): ImportWritten | ImportConflict => {
  const { length } = log.rows
  const last = log.lastGlobalPosition
  for (const message of messages) {
    const row = rowOf(message)
    if (isPresent(log, row, keepsPositions)) continue
    const reason = conflictOf(log, row, keepsPositions)
    if (reason !== undefined) {
      truncate(log, length)
      return conflict(reason, row)
    }
    if (keepsPositions) log.lastGlobalPosition = row.globalPosition - 1
    push(log, row)
  }
  const written = log.rows.length - length
  if (keepsPositions) log.lastGlobalPosition = Math.max(last, log.lastGlobalPosition, reserved)
  return { _tag: "Written", written }
}

const attributesOf = (
  { attributes }: Contents,
  { category, streamName }: ArchiveFilter
): ReadonlyArray<ArchivedAttributes> =>
  [...attributes]
    .filter(([name]) =>
      (streamName === undefined || name === streamName) &&
      (category === undefined || StreamName.category(name) === category)
    )
    .map(([name, attributes]) => ({
      category: StreamName.category(name),
      id: Option.getOrElse(StreamName.id(name), () => ""),
      attributes,
      addedAt: undefined
    }))
    .toSorted((a, b) => StreamName.Order(a.category, b.category) || StreamName.Order(a.id, b.id))

const importAttributes = (
  log: Log,
  streams: ReadonlyArray<ArchivedAttributes>,
  replaces: boolean
): ImportWritten | ImportConflict => {
  const named = streams.map((stream) => ({ ...stream, name: `${stream.category}-${stream.id}` }))
  const differs = named.find(({ attributes, name }) => {
    const found = log.attributes.get(name)
    return found !== undefined && !jsonEquals(parseJson(found), parseJson(attributes))
  })
  if (differs !== undefined && !replaces) {
    return { _tag: "Conflict", reason: "attributesDiffer", streamName: differs.name, position: -1 }
  }
  for (const { attributes, name } of named) log.attributes.set(name, attributes)
  return { _tag: "Written", written: streams.length }
}

/** Fails unless the texts are JSON: this store keeps them as they are. */
const checkJson = (texts: ReadonlyArray<string | undefined>): Effect.Effect<void, StoreError> =>
  Effect.try({
    try: () => texts.forEach((text) => text === undefined || JSON.parse(text)),
    catch: (cause) => new StoreError({ operation: "import", reason: String(cause), isRetryable: false, cause })
  })

export const make = (
  { changing, reading }: Pick<MemoryTransactions, "changing" | "reading">
): ArchiveBackend => ({
  messages: ({ after, bytes, limit, through, ...filter }) =>
    reading((visible, log) => {
      const rows = rowsOf(log, filter, Math.min(visible, through))
      const start = lowerBound(rows, after.globalPosition + 1)
      const page = upToSize(rows.slice(start, start + limit), bytes)
      const last = page.at(-1)
      const lines = utf8.encode(page.map((row) => messageLine(archived(row))).join(""))
      return {
        lines: () => lines,
        size: lines.length,
        count: page.length,
        last: last === undefined ? after : { globalPosition: last.globalPosition, position: last.position }
      }
    }),
  before: (filter, globalPosition) =>
    reading((visible, log) =>
      Option.map(
        Option.fromUndefinedOr(rowsOf(log, filter, Math.min(visible, globalPosition - 1)).at(-1)),
        ({ globalPosition, id, position }) => ({ globalPosition, id, position })
      )
    ),
  attributes: ({ after, limit, ...filter }) =>
    reading((_, log) =>
      attributesOf(log, filter)
        .filter((one) =>
          after === undefined ||
          (StreamName.Order(one.category, after.category) || StreamName.Order(one.id, after.id)) > 0
        )
        .slice(0, limit)
    ),
  importMessages: (chunk) =>
    Effect.andThen(
      checkJson(chunk.messages.flatMap(({ data, metadata }) => [data, metadata])),
      changing("import", (log) => importMessages(log, chunk))
    ),
  importAttributes: (streams, replaces) =>
    Effect.andThen(
      checkJson(streams.map(({ attributes }) => attributes)),
      changing("import", (log) => importAttributes(log, streams, replaces))
    )
})

/**
 * The log of the memory store, and how appends are checked and written to it. Every function is synchronous, so nothing comes
 * between a check and its write.
 */
import type * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as ExpectedVersion from "../../ExpectedVersion.ts"
import type { RecordedMessage } from "../../Message.ts"
import type { Key, Position } from "../../PositionStore.ts"
import {
  type AppendResult,
  type EncodedAppend,
  type EncodedMessage,
  isCheck,
  type PositionRow
} from "../../StoreBackend.ts"
import { DuplicateMessageId, WrongExpectedVersion } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { parseJson } from "../runtime/parseJson.ts"
import { jsonEquals } from "../runtime/storableJson.ts"

/** A row of the log. It keeps JSON as text, so that no reader shares an object with another reader or with the writer. */
export interface Row extends EncodedMessage {
  readonly streamName: StreamName.StreamName
  readonly position: number
  readonly globalPosition: number
  readonly time: DateTime.Utc
  /** Of an imported message: the time as it was written, with digits that `time` does not keep. */
  readonly exactTime?: string | undefined
  /** Of an imported message: that it has no data at all, which this store reads as `null`. */
  readonly hasNoData?: boolean | undefined
}

/** The position of a consumer that a transaction has written, and that only it sees until it commits. */
interface PendingPosition {
  readonly text: string
  readonly row: PositionRow
}

/** What the store holds. */
export interface Contents {
  /** All rows by global position; the maps have the same rows by what they are looked up by. */
  rows: Array<Row>
  byId: Map<string, Row>
  streams: Map<string, Array<Row>>
  categories: Map<string, Array<Row>>
  /** The attributes of the streams that were added, as JSON text, by the name of the stream. */
  attributes: Map<string, string>
  /** The ids of the rows that went with their streams, by global position. */
  gone: Map<number, string>
}

export interface Log extends Contents {
  /** Not the number of rows: a refused write leaves a gap, as it does with a sequence of PostgreSQL. */
  lastGlobalPosition: number
  /** Of consumers. They are beside the rows: no reader of messages meets them. */
  readonly positions: Map<string, PositionRow>
  /** Those of the transaction that has the write lock, in the order in which it wrote them. */
  readonly pendingPositions: Array<PendingPosition>
}

export const make = (): Log => ({
  rows: [],
  byId: new Map(),
  streams: new Map(),
  categories: new Map(),
  attributes: new Map(),
  gone: new Map(),
  lastGlobalPosition: 0,
  positions: new Map(),
  pendingPositions: []
})

const copyLists = (lists: Map<string, Array<Row>>): Map<string, Array<Row>> =>
  new Map([...lists].map(([key, rows]) => [key, [...rows]]))

/** The contents as they are now. It costs as much as the store is large, so only what changes recorded rows asks for it. */
export const copy = ({ attributes, byId, categories, gone, rows, streams }: Contents): Contents => ({
  rows: [...rows],
  byId: new Map(byId),
  streams: copyLists(streams),
  categories: copyLists(categories),
  attributes: new Map(attributes),
  gone: new Map(gone)
})

/** Puts earlier contents back. Global positions that were given since stay taken. */
export const restore = (log: Log, contents: Contents): void => void Object.assign(log, contents)

/** The index of the first row whose global position is `from` or higher. */
export const lowerBound = (rows: ReadonlyArray<Row>, from: number): number => {
  let [low, high] = [0, rows.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((rows[middle]?.globalPosition ?? from) < from) low = middle + 1
    else high = middle
  }
  return low
}

/** The position of a stream's last row; -1 when it has none. A stream that was deleted does not begin at 0. */
const versionOf = ({ streams }: Contents, streamName: string): number => streams.get(streamName)?.at(-1)?.position ?? -1

/** A row as its readers get it. */
export const record = (row: Row): RecordedMessage => ({
  id: row.id,
  streamName: row.streamName,
  type: row.type,
  position: row.position,
  globalPosition: row.globalPosition,
  data: parseJson(row.data),
  metadata: row.metadata === null ? null : parseJson(row.metadata),
  time: row.time
})

const noRows: ReadonlyArray<Row> = []

/** The rows up to a global position, inclusive. */
export const upTo = (rows: ReadonlyArray<Row> | undefined, through: number): ReadonlyArray<Row> => {
  if (rows === undefined) return noRows
  return (rows.at(-1)?.globalPosition ?? 0) <= through ? rows : rows.slice(0, lowerBound(rows, through + 1))
}

type Refusal = WrongExpectedVersion | DuplicateMessageId

/** An append that may be written, or one that is already recorded. */
type Checked = { readonly _tag: "New" } | { readonly _tag: "Recorded"; readonly result: AppendResult }

const sameJson = (a: string | null, b: string | null): boolean =>
  a === b || (a !== null && b !== null && jsonEquals(parseJson(a), parseJson(b)))

/** Metadata without the trace of its append; `null` when nothing else is left. */
const withoutTrace = (metadata: string | null): string | null => {
  const json = metadata === null ? null : parseJson(metadata)
  if (typeof json !== "object" || json === null || Array.isArray(json)) return metadata
  const { traceparent: _, ...others } = json as Schema.JsonObject
  return Object.keys(others).length === 0 ? null : JSON.stringify(others)
}

const sameContent = (row: Row, message: EncodedMessage): boolean =>
  row.type === message.type && sameJson(row.data, message.data) &&
  sameJson(withoutTrace(row.metadata), withoutTrace(message.metadata))

/** The result of an append whose messages are all recorded, in its stream and in its order. */
const recordedBefore = ({ byId }: Log, append: EncodedAppend): AppendResult | undefined => {
  const rows = append.messages.flatMap((message) => byId.get(message.id) ?? [])
  const [first, last] = [rows[0], rows.at(-1)]
  if (first === undefined || last === undefined || rows.length !== append.messages.length) return undefined
  const same = append.messages.every((message, i) => {
    const row = rows[i]
    return row !== undefined && row.streamName === append.streamName && row.position === first.position + i &&
      sameContent(row, message)
  })
  return same ? { version: last.position, globalPosition: last.globalPosition } : undefined
}

const check = (log: Log, append: EncodedAppend): Checked | Refusal => {
  const result = recordedBefore(log, append)
  if (result !== undefined) return { _tag: "Recorded", result }
  const { expectedVersion: expected, streamName } = append
  const version = versionOf(log, streamName)
  if (!ExpectedVersion.matches(expected, version)) {
    const actual = version === -1 ? Option.none() : Option.some(version)
    return new WrongExpectedVersion({ streamName, expected, actual })
  }
  const taken = append.messages.find(({ id }) => log.byId.has(id))
  if (taken === undefined) return { _tag: "New" }
  log.lastGlobalPosition += append.messages.length
  return new DuplicateMessageId({ id: taken.id, streamName })
}

const listOf = (lists: Map<string, Array<Row>>, key: string): Array<Row> => {
  const list = lists.get(key) ?? []
  lists.set(key, list)
  return list
}

/** Adds a row at the end of the log. */
export const push = (log: Log, row: Omit<Row, "globalPosition">): void => {
  const added = { ...row, globalPosition: ++log.lastGlobalPosition }
  log.rows.push(added)
  log.byId.set(added.id, added)
  listOf(log.streams, added.streamName).push(added)
  listOf(log.categories, StreamName.category(added.streamName)).push(added)
}

const write = (log: Log, append: EncodedAppend, time: DateTime.Utc): AppendResult => {
  const { streamName } = append
  let version = versionOf(log, streamName)
  for (const message of append.messages) push(log, { ...message, streamName, position: ++version, time })
  return { version, globalPosition: log.lastGlobalPosition }
}

/** Puts a row in the place of the one with its global position. */
export const replace = (log: Log, row: Row): void => {
  const lists = [log.rows, log.streams.get(row.streamName), log.categories.get(StreamName.category(row.streamName))]
  for (const rows of lists) rows?.splice(lowerBound(rows, row.globalPosition), 1, row)
  log.byId.set(row.id, row)
}

/** Removes all rows of a stream, and remembers their ids. */
export const removeStream = (log: Log, streamName: string): void => {
  const removed = log.streams.get(streamName) ?? []
  const category = StreamName.category(streamName)
  const others = (rows: ReadonlyArray<Row>) => rows.filter((row) => row.streamName !== streamName)
  for (const { globalPosition, id } of removed) {
    log.byId.delete(id)
    log.gone.set(globalPosition, id)
  }
  log.rows = others(log.rows)
  log.categories.set(category, others(log.categories.get(category) ?? []))
  log.streams.delete(streamName)
}

/** Makes the positions of a transaction those that all see. Each append comes here, and few have any. */
export const settlePositions = ({ pendingPositions, positions }: Log): void => {
  if (pendingPositions.length === 0) return
  for (const { row, text } of pendingPositions.splice(0)) positions.set(text, row)
}

const textOf = ({ category, consumerId, member }: Key): string => JSON.stringify([category, consumerId, member ?? null])

/** The position of a key, as it is within the transaction that has the write lock, or outside of it. */
export const positionOf = ({ pendingPositions, positions }: Log, key: Key, isWithin: boolean): Position | undefined => {
  const text = textOf(key)
  const pending = isWithin ? pendingPositions.findLast((one) => one.text === text) : undefined
  return (pending?.row ?? positions.get(text))?.position
}

export const putPosition = (log: Log, row: PositionRow): void => {
  log.pendingPositions.push({ text: textOf(row.key), row })
}

/** The rows of positions after a key, by the texts of the keys. */
export const listPositions = (
  { pendingPositions, positions }: Log,
  after: Key | undefined,
  limit: number,
  isWithin: boolean
): ReadonlyArray<PositionRow> => {
  const rows = new Map(positions)
  if (isWithin) { for (const { row, text } of pendingPositions) rows.set(text, row) }
  const begin = after === undefined ? "" : textOf(after)
  return [...rows]
    .filter(([text]) => text > begin)
    .toSorted(([a], [b]) => a < b ? -1 : 1)
    .slice(0, limit)
    .map(([, row]) => row)
}

/** Removes the last rows, so that this many are left. Their global positions stay taken. */
export const truncate = (log: Log, length: number): void => {
  while (log.rows.length > length) {
    const row = log.rows.pop()
    if (row === undefined) return
    log.byId.delete(row.id)
    log.streams.get(row.streamName)?.pop()
    log.categories.get(StreamName.category(row.streamName))?.pop()
  }
}

export const append = (log: Log, append: EncodedAppend, time: DateTime.Utc): Result.Result<AppendResult, Refusal> => {
  const checked = check(log, append)
  if (checked._tag === "New") return Result.succeed(write(log, append, time))
  return checked._tag === "Recorded" ? Result.succeed(checked.result) : Result.fail(checked)
}

/** The result of a check: the version as it is. */
const versionOnly = (log: Log, { streamName }: EncodedAppend): AppendResult => ({
  version: versionOf(log, streamName),
  globalPosition: 0
})

/**
 * The results of a write that has checks and repeats an earlier one: all of its messages are recorded. The checks passed then,
 * so they are not made again.
 */
const repeatedWithChecks = (
  log: Log,
  appends: ReadonlyArray<EncodedAppend>
): ReadonlyArray<AppendResult> | undefined => {
  if (!appends.some(isCheck) || appends.every(isCheck)) return undefined
  const results: Array<AppendResult> = []
  for (const append of appends) {
    const result = isCheck(append) ? versionOnly(log, append) : recordedBefore(log, append)
    if (result === undefined) return undefined
    results.push(result)
  }
  return results
}

/** Writes all appends, or none. An append that is recorded already must not come with one that is new. */
export const appendAll = (
  log: Log,
  appends: ReadonlyArray<EncodedAppend>,
  time: DateTime.Utc
): Result.Result<ReadonlyArray<AppendResult>, Refusal> => {
  const repeated = repeatedWithChecks(log, appends)
  if (repeated !== undefined) return Result.succeed(repeated)
  const { length } = log.rows
  const results: Array<AppendResult> = []
  const refuse = (error: Refusal) => {
    truncate(log, length)
    return Result.fail(error)
  }
  let recorded: EncodedAppend | undefined
  for (const append of appends) {
    const checked = check(log, append)
    if (checked._tag === "New" && isCheck(append)) {
      results.push(versionOnly(log, append))
    } else if (checked._tag === "New") {
      results.push(write(log, append, time))
    } else if (checked._tag === "Recorded") {
      recorded ??= append
      results.push(checked.result)
    } else {
      return refuse(checked)
    }
  }
  const taken = recorded?.messages[0]
  return taken !== undefined && recorded !== undefined && log.rows.length > length
    ? refuse(new DuplicateMessageId({ id: taken.id, streamName: recorded.streamName }))
    : Result.succeed(results)
}

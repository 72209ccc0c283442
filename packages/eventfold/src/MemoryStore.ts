/**
 * A message store in memory: the smallest complete `StoreBackend`. `MessageStore.layerMemory` makes a service of it.
 *
 * It is meant for tests, and as an example for other backends.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as ExpectedVersion from "./ExpectedVersion.ts"
import { jsonEquals, parseJson } from "./internal/runtime/storableJson.ts"
import { isBookkeeping } from "./internal/store/bookkeeping.ts"
import { type MessageId, nextId, type RecordedMessage } from "./Message.ts"
import {
  type AllRange,
  type AppendResult,
  type CategoryRange,
  type EncodedAppend,
  type EncodedMessage,
  makeLocalLeases,
  messagePage,
  type StoreBackend
} from "./StoreBackend.ts"
import { DuplicateMessageId, WrongExpectedVersion } from "./StoreError.ts"
import * as StreamName from "./StreamName.ts"

/** A row of the log. It keeps JSON as text, so that no reader shares an object with another reader or with the writer. */
interface Row extends EncodedMessage {
  readonly streamName: StreamName.StreamName
  readonly position: number
  readonly globalPosition: number
  readonly time: DateTime.Utc
}

type Refusal = WrongExpectedVersion | DuplicateMessageId

/** An append that may be written, or one that is already recorded. */
type Checked = { readonly _tag: "New" } | { readonly _tag: "Recorded"; readonly result: AppendResult }

const record = (row: Row): RecordedMessage => ({
  id: row.id,
  streamName: row.streamName,
  type: row.type,
  position: row.position,
  globalPosition: row.globalPosition,
  data: parseJson(row.data),
  metadata: row.metadata === null ? null : parseJson(row.metadata),
  time: row.time
})

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

/** As Message DB's `category(metadata->>'correlationStreamName')`: a number or boolean counts as its text. */
const correlationCategory = ({ metadata }: Row): string | undefined => {
  const json = metadata === null ? null : parseJson(metadata)
  if (typeof json !== "object" || json === null || !("correlationStreamName" in json)) return undefined
  const name = json.correlationStreamName
  return name == null ? undefined : StreamName.category(typeof name === "string" ? name : JSON.stringify(name))
}

/** The index of the first row whose global position is `from` or higher. */
const lowerBound = (rows: ReadonlyArray<Row>, from: number): number => {
  let [low, high] = [0, rows.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((rows[middle]?.globalPosition ?? from) < from) low = middle + 1
    else high = middle
  }
  return low
}

const isOf = (category: StreamName.CategoryName, { streamName }: Row): boolean =>
  StreamName.category(streamName) === category

const selects =
  ({ consumerGroup, correlation, types }: Omit<CategoryRange, "category" | "from">) => (row: Row): boolean =>
    (types === undefined || types.includes(row.type)) &&
    (correlation === undefined || correlationCategory(row) === correlation) &&
    (consumerGroup === undefined ||
      Option.contains(StreamName.groupMember(row.streamName, consumerGroup.size), consumerGroup.member))

const selectsOfAll = ({ categories, types }: Pick<AllRange, "categories" | "types">) => (row: Row): boolean =>
  (categories === undefined || categories.some((name) => isOf(name, row))) &&
  (types === undefined || types.includes(row.type))

/**
 * Makes an empty store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<StoreBackend> = Effect.sync(() => {
  // Drawn when it is first asked for: to make a store must not change the random numbers that its program draws.
  let system: MessageId | undefined
  const log: Array<Row> = []
  const byId = new Map<string, Row>()
  const streams = new Map<string, Array<Row>>()
  const categories = new Map<string, Array<Row>>()
  // Not the number of rows: a refused write leaves a gap, as it does with a sequence of PostgreSQL.
  let lastGlobalPosition = 0

  const recordedBefore = (append: EncodedAppend): AppendResult | undefined => {
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

  const check = (append: EncodedAppend): Checked | Refusal => {
    const result = recordedBefore(append)
    if (result !== undefined) return { _tag: "Recorded", result }
    const { expectedVersion: expected, streamName } = append
    const version = (streams.get(streamName)?.length ?? 0) - 1
    if (!ExpectedVersion.matches(expected, version)) {
      const actual = version === -1 ? Option.none() : Option.some(version)
      return new WrongExpectedVersion({ streamName, expected, actual })
    }
    const taken = append.messages.find(({ id }) => byId.has(id))
    if (taken === undefined) return { _tag: "New" }
    lastGlobalPosition += append.messages.length
    return new DuplicateMessageId({ id: taken.id, streamName })
  }

  const listOf = (lists: Map<string, Array<Row>>, key: string): Array<Row> => {
    const list = lists.get(key) ?? []
    lists.set(key, list)
    return list
  }

  const write = (append: EncodedAppend, time: DateTime.Utc): AppendResult => {
    const { streamName } = append
    const stream = listOf(streams, streamName)
    const category = listOf(categories, StreamName.category(streamName))
    for (const message of append.messages) {
      const row = { ...message, streamName, position: stream.length, globalPosition: ++lastGlobalPosition, time }
      log.push(row)
      byId.set(row.id, row)
      stream.push(row)
      category.push(row)
    }
    return { version: stream.length - 1, globalPosition: lastGlobalPosition }
  }

  const undo = (append: EncodedAppend): void => {
    for (const { id } of append.messages) {
      log.pop()
      byId.delete(id)
      streams.get(append.streamName)?.pop()
      categories.get(StreamName.category(append.streamName))?.pop()
    }
  }

  const writeAll = (appends: ReadonlyArray<EncodedAppend>, time: DateTime.Utc) => {
    const written: Array<EncodedAppend> = []
    const results: Array<AppendResult> = []
    const refuse = (error: Refusal) => {
      written.toReversed().forEach(undo)
      return Effect.fail(error)
    }
    let recorded: EncodedAppend | undefined
    for (const append of appends) {
      const checked = check(append)
      if (checked._tag === "New") {
        written.push(append)
        results.push(write(append, time))
      } else if (checked._tag === "Recorded") {
        recorded ??= append
        results.push(checked.result)
      } else {
        return refuse(checked)
      }
    }
    const taken = recorded?.messages[0]
    return taken !== undefined && recorded !== undefined && written.length > 0
      ? refuse(new DuplicateMessageId({ id: taken.id, streamName: recorded.streamName }))
      : Effect.succeed(results)
  }

  return {
    append: (append) =>
      Effect.flatMap(DateTime.now, (time) => {
        const checked = check(append)
        if (checked._tag === "New") return Effect.succeed(write(append, time))
        return checked._tag === "Recorded" ? Effect.succeed(checked.result) : Effect.fail(checked)
      }),
    writeAll: (appends) => Effect.flatMap(DateTime.now, (time) => writeAll(appends, time)),
    readStream: ({ direction, from, limit, streamName }) =>
      Effect.sync(() => {
        const rows = streams.get(streamName) ?? []
        if (direction === "forwards") return messagePage(rows.slice(from ?? 0, (from ?? 0) + limit).map(record))
        const end = Math.min(from ?? rows.length, rows.length - 1) + 1
        return messagePage(rows.slice(Math.max(0, end - limit), end).toReversed().map(record))
      }),
    readCategory: (page) =>
      Effect.sync(() => {
        const rows = categories.get(page.category) ?? []
        const selected = selects(page)
        const found: Array<RecordedMessage> = []
        for (let i = lowerBound(rows, page.from); i < rows.length && found.length < page.limit; i++) {
          const row = rows[i]
          if (row !== undefined && selected(row)) found.push(record(row))
        }
        return messagePage(found)
      }),
    readAll: ({ from, limit, ...filters }) =>
      Effect.sync(() => {
        const selected = selectsOfAll(filters)
        const messages: Array<RecordedMessage> = []
        let through = from - 1
        for (let i = lowerBound(log, from); i < log.length && messages.length < limit; i++) {
          const row = log[i]
          if (row === undefined) break
          through = row.globalPosition
          if (selected(row)) messages.push(record(row))
        }
        return { messages, through, hasMore: through < (log.at(-1)?.globalPosition ?? 0), heldBack: Option.none() }
      }),
    heldBack: () => Effect.succeedNone,
    messageAt: (globalPosition) =>
      Effect.sync(() => {
        const row = log[lowerBound(log, globalPosition)]
        return row?.globalPosition === globalPosition ? Option.some(record(row)) : Option.none()
      }),
    lastPosition: Effect.sync(() => log.at(-1)?.globalPosition ?? 0),
    countAll: (range) =>
      Effect.sync(() => {
        const [selected, ofAll] = [selects(range), selectsOfAll(range)]
        return log.slice(lowerBound(log, range.from)).filter((row) =>
          ofAll(row) && selected(row) && (range.bookkeeping || !isBookkeeping(row.streamName))
        ).length
      }),
    identity: Effect.map(
      Effect.suspend(() => system === undefined ? nextId : Effect.succeed(system)),
      (id) => ({ system: system ??= id, database: "memory", databaseName: "memory", timeline: 1 })
    ),
    lastMessage: (streamName, type) =>
      Effect.sync(() => {
        const rows = streams.get(streamName) ?? []
        const row = type === undefined ? rows.at(-1) : rows.findLast((row) => row.type === type)
        return Option.map(Option.fromUndefinedOr(row), record)
      }),
    streamVersion: (streamName) =>
      Effect.sync(() => {
        const rows = streams.get(streamName) ?? []
        return rows.length === 0 ? Option.none() : Option.some(rows.length - 1)
      }),
    findMessage: (streamName, id) =>
      Effect.sync(() => {
        const row = byId.get(id)
        return row?.streamName === streamName ? Option.some(record(row)) : Option.none()
      }),
    lastCategoryMessage: (category) =>
      Effect.sync(() => Option.map(Option.fromUndefinedOr(categories.get(category)?.at(-1)), record)),
    countCategory: (range) =>
      Effect.sync(() => {
        const rows = categories.get(range.category) ?? []
        return rows.slice(lowerBound(rows, range.from)).filter(selects(range)).length
      }),
    lease: makeLocalLeases()
  }
})

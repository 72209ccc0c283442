/**
 * A message store in memory: the smallest complete `StoreBackend`. `MessageStore.layerMemory` makes a service of it.
 *
 * It is meant for tests, and as an example for other backends.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { parseJson } from "./internal/runtime/parseJson.ts"
import { isBookkeeping } from "./internal/store/bookkeeping.ts"
import * as MemoryLog from "./internal/store/memoryLog.ts"
import type { Row } from "./internal/store/memoryLog.ts"
import * as MemoryTransactions from "./internal/store/memoryTransactions.ts"
import { type MessageId, nextId, type RecordedMessage } from "./Message.ts"
import { type AllRange, type CategoryRange, makeLocalLeases, messagePage, type StoreBackend } from "./StoreBackend.ts"
import * as StreamName from "./StreamName.ts"

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

const noRows: ReadonlyArray<Row> = []

/** The rows up to a global position, inclusive. */
const upTo = (rows: ReadonlyArray<Row> | undefined, through: number): ReadonlyArray<Row> => {
  if (rows === undefined) return noRows
  return (rows.at(-1)?.globalPosition ?? 0) <= through ? rows : rows.slice(0, lowerBound(rows, through + 1))
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
  const log = MemoryLog.make()
  const { reading, writing, ...transactions } = MemoryTransactions.make(log)

  return {
    append: (append) => writing("append", (time) => MemoryLog.append(log, append, time)),
    writeAll: (appends) => writing("writeAll", (time) => MemoryLog.appendAll(log, appends, time)),
    transactions,
    readStream: ({ direction, from, limit, streamName }) =>
      reading((through) => {
        const rows = upTo(log.streams.get(streamName), through)
        if (direction === "forwards") return messagePage(rows.slice(from ?? 0, (from ?? 0) + limit).map(record))
        const end = Math.min(from ?? rows.length, rows.length - 1) + 1
        return messagePage(rows.slice(Math.max(0, end - limit), end).toReversed().map(record))
      }),
    readCategory: (page) =>
      reading((through) => {
        const rows = upTo(log.categories.get(page.category), through)
        const selected = selects(page)
        const found: Array<RecordedMessage> = []
        for (let i = lowerBound(rows, page.from); i < rows.length && found.length < page.limit; i++) {
          const row = rows[i]
          if (row !== undefined && selected(row)) found.push(record(row))
        }
        return messagePage(found)
      }),
    readAll: ({ from, limit, ...filters }) =>
      reading((visible) => {
        const all = upTo(log.rows, visible)
        const selected = selectsOfAll(filters)
        const messages: Array<RecordedMessage> = []
        let through = from - 1
        for (let i = lowerBound(all, from); i < all.length && messages.length < limit; i++) {
          const row = all[i]
          if (row === undefined) break
          through = row.globalPosition
          if (selected(row)) messages.push(record(row))
        }
        return { messages, through, hasMore: through < (all.at(-1)?.globalPosition ?? 0), heldBack: Option.none() }
      }),
    positions: {
      get: (key, streamName) =>
        reading((through, isWithin) => {
          const position = MemoryLog.positionOf(log, key, isWithin)
          if (position !== undefined) return Option.some({ _tag: "Row", position })
          const last = upTo(log.streams.get(streamName), through).findLast(({ type }) => type === "Recorded")
          return last === undefined ? Option.none() : Option.some({ _tag: "Message", data: record(last).data })
        }),
      put: (key, position) =>
        writing("PositionStore.put", () => Result.succeed(MemoryLog.putPosition(log, key, position)))
    },
    heldBack: () => Effect.succeedNone,
    messageAt: (globalPosition) =>
      reading((through) => {
        const row = log.rows[lowerBound(log.rows, globalPosition)]
        return row?.globalPosition === globalPosition && globalPosition <= through
          ? Option.some(record(row))
          : Option.none()
      }),
    lastPosition: reading((through) => upTo(log.rows, through).at(-1)?.globalPosition ?? 0),
    countAll: (range) =>
      reading((through) => {
        const all = upTo(log.rows, through)
        const [selected, ofAll] = [selects(range), selectsOfAll(range)]
        return all.slice(lowerBound(all, range.from)).filter((row) =>
          ofAll(row) && selected(row) && (range.bookkeeping || !isBookkeeping(row.streamName))
        ).length
      }),
    identity: Effect.map(
      Effect.suspend(() => system === undefined ? nextId : Effect.succeed(system)),
      (id) => ({ system: system ??= id, database: "memory", databaseName: "memory", timeline: 1 })
    ),
    lastMessage: (streamName, type) =>
      reading((through) => {
        const rows = upTo(log.streams.get(streamName), through)
        const row = type === undefined ? rows.at(-1) : rows.findLast((row) => row.type === type)
        return Option.map(Option.fromUndefinedOr(row), record)
      }),
    streamVersion: (streamName) =>
      reading((through) => {
        const { length } = upTo(log.streams.get(streamName), through)
        return length === 0 ? Option.none() : Option.some(length - 1)
      }),
    findMessage: (streamName, id) =>
      reading((through) => {
        const row = log.byId.get(id)
        return row?.streamName === streamName && row.globalPosition <= through
          ? Option.some(record(row))
          : Option.none()
      }),
    lastCategoryMessage: (category) =>
      reading((through) =>
        Option.map(Option.fromUndefinedOr(upTo(log.categories.get(category), through).at(-1)), record)
      ),
    countCategory: (range) =>
      reading((through) => {
        const rows = upTo(log.categories.get(range.category), through)
        return rows.slice(lowerBound(rows, range.from)).filter(selects(range)).length
      }),
    lease: makeLocalLeases()
  }
})

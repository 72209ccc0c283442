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
import * as MemoryArchive from "./internal/store/memoryArchive.ts"
import * as MemoryListing from "./internal/store/memoryListing.ts"
import * as MemoryLog from "./internal/store/memoryLog.ts"
import { lowerBound, record, type Row, upTo } from "./internal/store/memoryLog.ts"
import * as MemoryStreams from "./internal/store/memoryStreams.ts"
import * as MemoryTrace from "./internal/store/memoryTrace.ts"
import * as MemoryTransactions from "./internal/store/memoryTransactions.ts"
import * as MemoryVerify from "./internal/store/memoryVerify.ts"
import { type MessageId, nextId, type RecordedMessage } from "./Message.ts"
import { type AllRange, type CategoryRange, makeLocalLeases, messagePage, type StoreBackend } from "./StoreBackend.ts"
import * as StreamName from "./StreamName.ts"

/** As Message DB's `category(metadata->>'correlationStreamName')`: a number or boolean counts as its text. */
const correlationCategory = ({ metadata }: Row): string | undefined => {
  const json = metadata === null ? null : parseJson(metadata)
  if (typeof json !== "object" || json === null || !("correlationStreamName" in json)) return undefined
  const name = json.correlationStreamName
  return name == null ? undefined : StreamName.category(typeof name === "string" ? name : JSON.stringify(name))
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
  const { changing, reading, writing, ...transactions } = MemoryTransactions.make(log)

  return {
    systemName: "memory",
    append: (append) => writing("append", (time) => MemoryLog.append(log, append, time)),
    writeAll: (appends) => writing("writeAll", (time) => MemoryLog.appendAll(log, appends, time)),
    transactions,
    readStream: ({ direction, from, limit, streamName }) =>
      reading((through, log) => {
        const rows = upTo(log.streams.get(streamName), through)
        // The rows of a stream that was deleted begin at a later position.
        const begin = rows[0]?.position ?? 0
        if (direction === "forwards") {
          const start = Math.max(0, (from ?? 0) - begin)
          return messagePage(rows.slice(start, start + limit).map(record))
        }
        const end = Math.max(0, Math.min((from ?? Number.POSITIVE_INFINITY) - begin + 1, rows.length))
        return messagePage(rows.slice(Math.max(0, end - limit), end).toReversed().map(record))
      }),
    readCategory: (page) =>
      reading((through, log) => {
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
      reading((visible, log) => {
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
        reading((through, { streams }, isWithin) => {
          const position = MemoryLog.positionOf(log, key, isWithin)
          if (position !== undefined) return Option.some({ _tag: "Row", position })
          const last = upTo(streams.get(streamName), through).findLast(({ type }) => type === "Recorded")
          return last === undefined ? Option.none() : Option.some({ _tag: "Message", data: record(last).data })
        }),
      put: (key, position) =>
        writing("PositionStore.put", (time) => Result.succeed(MemoryLog.putPosition(log, { key, position, time }))),
      list: (after, limit) => reading((_, __, isWithin) => MemoryLog.listPositions(log, after, limit, isWithin))
    },
    heldBack: () => Effect.succeedNone,
    messageAt: (globalPosition) =>
      reading((through, log) => {
        const row = log.rows[lowerBound(log.rows, globalPosition)]
        return row?.globalPosition === globalPosition && globalPosition <= through
          ? Option.some(record(row))
          : Option.none()
      }),
    lastPosition: reading((through, log) => upTo(log.rows, through).at(-1)?.globalPosition ?? 0),
    countAll: (range) =>
      reading((through, log) => {
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
      reading((through, log) => {
        const rows = upTo(log.streams.get(streamName), through)
        const row = type === undefined ? rows.at(-1) : rows.findLast((row) => row.type === type)
        return Option.map(Option.fromUndefinedOr(row), record)
      }),
    streamVersion: (streamName) =>
      reading((through, log) => {
        const last = upTo(log.streams.get(streamName), through).at(-1)
        return Option.fromUndefinedOr(last?.position)
      }),
    findMessage: (streamName, id) =>
      reading((through, log) => {
        const row = log.byId.get(id)
        return row?.streamName === streamName && row.globalPosition <= through
          ? Option.some(record(row))
          : Option.none()
      }),
    messageById: (id) =>
      reading((through, log) => {
        const row = log.byId.get(id)
        return row !== undefined && row.globalPosition <= through ? Option.some(record(row)) : Option.none()
      }),
    lastCategoryMessage: (category) =>
      reading((through, log) =>
        Option.map(Option.fromUndefinedOr(upTo(log.categories.get(category), through).at(-1)), record)
      ),
    countCategory: (range) =>
      reading((through, log) => {
        const rows = upTo(log.categories.get(range.category), through)
        return rows.slice(lowerBound(rows, range.from)).filter(selects(range)).length
      }),
    listing: MemoryListing.make({ reading }),
    trace: MemoryTrace.make({ reading }),
    streams: MemoryStreams.make({ changing, reading }),
    archive: MemoryArchive.make({ changing, reading }),
    verify: MemoryVerify.make({ reading }),
    lease: makeLocalLeases()
  }
})

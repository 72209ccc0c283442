/**
 * Several logs as one store: each category is in one of them.
 */
import type * as Arr from "effect/Array"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as PositionStore from "eventfold/PositionStore"
import type {
  AppendResult,
  EncodedAppend,
  PositionRow,
  Positions,
  StoreBackend,
  StoreIdentity,
  Transactions
} from "eventfold/StoreBackend"
import { isCheck } from "eventfold/StoreBackend"
import { DuplicateMessageId, StoreError, Unsupported } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import { mergeListings } from "./listings.ts"

export interface RoutedLog {
  readonly name: string
  readonly backend: StoreBackend
  /** Whether it is not on the client of the others, so that no transaction spans it and them. */
  readonly isApart: boolean
}

/** The logs of a store, and which category is in which. */
export interface Routes {
  readonly logs: Arr.NonEmptyReadonlyArray<RoutedLog>
  /** The name of the log of a category without types: of `cart` and of `cart:position` alike. */
  readonly of: (category: string) => string
  /** How long a write to several logs is repeated when it fails for a reason that passes. */
  readonly retry: Schedule.Schedule<unknown>
}

const final = (operation: string, reason: string) => new StoreError({ operation, reason, isRetryable: false })

/** Global positions are numbers of one log. */
const aboutOneLog = (operation: string) =>
  final(
    operation,
    "each log has its own global positions, and this is about those of one: do it in a log, by Routed.inLog or Routed.each, or name " +
      "categories that are in one log"
  )

const ofOneLog = (operation: string) => Effect.fail(aboutOneLog(operation))

/** What readers of several categories keep, such as what they have parked, is in the log that they read. */
const everything = "$all"

const noTransaction = (operation: string, log: string) =>
  final(
    operation,
    `the log ${log} is on another server than the caller's transaction, which could not undo it: do it before the transaction or after it`
  )

/** The log that a name of a stream or of a category is in. Its types, as in `cart:command`, are where the category itself is. */
const makeFind = ({ logs, of }: Routes) => {
  const byName = new Map(logs.map((log) => [log.name, log]))
  return (operation: string, name: string): RoutedLog | StoreError => {
    const [category = name] = StreamName.category(name).split(":")
    if (category === everything && logs.length > 1) return aboutOneLog(operation)
    const log = of(category)
    return byName.get(log) ?? final(
      operation,
      `the category ${category} is to be in the log ${
        JSON.stringify(log)
      }, and there is none of that name: the logs are ${[...byName.keys()].join(", ")}`
    )
  }
}

/** The appends of one log, with their places among all. */
interface Part {
  readonly log: RoutedLog
  readonly appends: Arr.NonEmptyArray<EncodedAppend>
  readonly places: Array<number>
}

/** By the names of their logs, so that two writes take their locks in one order. */
const partsOf = (find: ReturnType<typeof makeFind>, appends: ReadonlyArray<EncodedAppend>) => {
  const parts = new Map<string, Part>()
  for (const [place, append] of appends.entries()) {
    const log = find("writeAll", append.streamName)
    if (log instanceof StoreError) return log
    const part = parts.get(log.name)
    if (part === undefined) {
      parts.set(log.name, { log, appends: [append], places: [place] })
    } else {
      part.appends.push(append)
      part.places.push(place)
    }
  }
  return [...parts.values()].toSorted((a, b) => a.log.name < b.log.name ? -1 : 1)
}

/**
 * Which appends of a call are recorded already, by their first messages: an append is written whole. How many are not; and one that is.
 */
const recordedOf = Effect.fnUntraced(function*(parts: ReadonlyArray<Part>) {
  const written = parts.flatMap(({ appends, log: { backend } }) => appends.map((append) => ({ append, backend })))
    .flatMap(({ append: { messages: [first], streamName }, backend }) =>
      first === undefined ? [] : [{ backend, id: first.id, streamName }]
    )
  const found = yield* Effect.filter(
    written,
    ({ backend, id, streamName }) => Effect.map(backend.findMessage(streamName, id), Option.isSome)
  )
  return { missing: written.length - found.length, one: found[0] }
})

/** The version of each stream that a repeated call has checked: its check is not made again. */
const uncheckedResult = (backend: StoreBackend, { streamName }: EncodedAppend) =>
  Effect.map(
    backend.streamVersion(streamName),
    (version): AppendResult => ({ version: Option.getOrElse(version, () => -1), globalPosition: 0 })
  )

/**
 * Writes to several logs, by the rules of one: a call whose messages are all recorded is a repetition, whose checks are not made, and one
 * of which some are recorded is refused. The store of a log sees its own part alone. Runs in a transaction, which a refusal rolls back.
 */
const writeParts = Effect.fnUntraced(function*(parts: ReadonlyArray<Part>) {
  const { missing, one } = yield* recordedOf(parts)
  if (one === undefined || missing > 0) {
    const results = yield* Effect.forEach(parts, ({ appends, log: { backend } }) => backend.writeAll(appends))
    return one === undefined
      ? results
      : yield* new DuplicateMessageId({ id: one.id, streamName: one.streamName })
  }
  return yield* Effect.forEach(parts, ({ appends, log: { backend } }) =>
    Effect.gen(function*() {
      const written = appends.filter((append) => !isCheck(append))
      const results = written.length === 0 ? [] : [...yield* backend.writeAll(written)]
      return yield* Effect.forEach(appends, (append) => {
        const result = isCheck(append) ? undefined : results.shift()
        return result === undefined ? uncheckedResult(backend, append) : Effect.succeed(result)
      })
    }))
})

/** The transactions of the client that the logs share. */
const transactionsOf = (logs: Routes["logs"]) => logs.find(({ isApart }) => !isApart)?.backend.transactions

/** Those that the store takes part in. It makes none itself that would leave out the logs that are apart. */
const transactionsOfStore = (logs: Routes["logs"]): StoreBackend["transactions"] => {
  const transactions = transactionsOf(logs)
  return transactions !== undefined && logs.some(({ isApart }) => isApart)
    ? { ...transactions, run: undefined }
    : transactions
}

/** Does something in the log that the name of a stream or of a category is in. */
type In = <A, E>(
  operation: string,
  name: string,
  use: (backend: StoreBackend) => Effect.Effect<A, E>
) => Effect.Effect<A, E | StoreError>

/** The ways to the log of a name. */
interface Routing {
  readonly find: ReturnType<typeof makeFind>
  readonly at: In
  /** For writes: fails in a transaction of the caller that could not undo them. */
  readonly writeAt: In
}

const makeRouting = (routes: Routes): Routing => {
  const find = makeFind(routes)
  const transactions = transactionsOf(routes.logs)
  const at: In = (operation, name, use) => {
    const log = find(operation, name)
    return log instanceof StoreError ? Effect.fail(log) : use(log.backend)
  }
  return {
    find,
    at,
    writeAt: <A, E>(operation: string, name: string, use: (backend: StoreBackend) => Effect.Effect<A, E>) => {
      const log = find(operation, name)
      if (log instanceof StoreError) return Effect.fail(log)
      const write = use(log.backend)
      return log.isApart && transactions !== undefined
        ? Effect.contextWith((context: Context.Context<never>): Effect.Effect<A, E | StoreError> =>
          transactions.isActive(context) ? Effect.fail(noTransaction(operation, log.name)) : write
        )
        : write
    }
  }
}

const writesOf = (
  { logs, retry }: Routes,
  { find, writeAt }: Routing
): Pick<StoreBackend, "append" | "writeAll"> => {
  const transactions = transactionsOf(logs)

  const append: StoreBackend["append"] = (request) =>
    writeAt("append", request.streamName, (backend) => backend.append(request))

  /** In one transaction of the client. Its ids make it safe to send again. */
  const together = (
    parts: ReadonlyArray<Part>,
    { isActive, run }: { readonly isActive: Transactions["isActive"]; readonly run: NonNullable<Transactions["run"]> }
  ) => {
    const write = run(writeParts(parts)).pipe(
      // Another call with the same ids may have come first, which makes this one a repetition.
      Effect.catchTag(
        "WrongExpectedVersion",
        (refusal) =>
          Effect.flatMap(
            recordedOf(parts),
            ({ missing }) => missing === 0 ? run(writeParts(parts)) : Effect.fail(refusal)
          )
      )
    )
    return Effect.contextWith((context: Context.Context<never>) =>
      isActive(context)
        ? write
        : Effect.retry(write, { schedule: retry, while: (error) => error._tag === "StoreError" && error.isRetryable })
    )
  }

  const writeAll: StoreBackend["writeAll"] = (appends) => {
    const parts = partsOf(find, appends)
    if (parts instanceof StoreError) return Effect.fail(parts)
    const [first, ...others] = parts
    if (first === undefined) return Effect.succeed([])
    if (others.length === 0) {
      const [{ streamName }] = first.appends
      return writeAt("writeAll", streamName, (backend) => backend.writeAll(appends))
    }
    if (transactions?.run === undefined || parts.some(({ log: { isApart } }) => isApart)) {
      return Effect.fail(
        new Unsupported({
          operation: `writing to the logs ${parts.map(({ log: { name } }) => name).join(" and ")} at once`,
          remedy:
            "they are on different servers, which have no transaction in common: append to one after the other, with ids that " +
            "make it safe to do so again, or keep these categories in one log"
        })
      )
    }
    const { isActive, run } = transactions
    return Effect.map(together(parts, { isActive, run }), (written) => {
      const results: Array<AppendResult> = []
      for (const [index, { places }] of parts.entries()) {
        for (const [i, place] of places.entries()) {
          const result = written[index]?.[i]
          if (result !== undefined) results[place] = result
        }
      }
      return results
    })
  }

  return { append, writeAll }
}

/** The rows of all logs, those of one after those of another. */
const positionsOf = (logs: Routes["logs"], { at, find, writeAt }: Routing): Positions | undefined => {
  const all = logs.flatMap(({ backend: { positions }, name }) => positions === undefined ? [] : [{ name, positions }])
  if (all.length < logs.length) return undefined
  const get = "PositionStore.get"
  const put = "PositionStore.put"
  return {
    get: (key, streamName) =>
      at(get, key.category, ({ positions }) => positions?.get(key, streamName) ?? ofOneLog(get)),
    put: (key, position) =>
      writeAt(put, key.category, ({ positions }) => positions?.put(key, position) ?? ofOneLog(put)),
    list: Effect.fnUntraced(function*(after, limit) {
      const log = after === undefined ? undefined : find("PositionStore.list", after.category)
      if (log instanceof StoreError) return yield* log
      const rows: Array<PositionRow> = []
      const begin = log === undefined ? 0 : all.findIndex(({ name }) => name === log.name)
      for (const { name, positions } of all.slice(begin)) {
        if (rows.length === limit) break
        rows.push(...yield* positions.list(name === log?.name ? after : undefined, limit - rows.length))
      }
      return rows
    })
  }
}

/** One of the parts changes it. */
const identityOf = (identities: ReadonlyArray<StoreIdentity>): StoreIdentity => {
  const joined = (key: "system" | "database" | "databaseName") => {
    const values = identities.map((identity) => identity[key])
    return values.includes(undefined) ? undefined : [...new Set(values)].join("+")
  }
  const timelines = identities.flatMap(({ timeline }) => timeline === undefined ? [] : [timeline])
  return {
    system: joined("system"),
    database: joined("database"),
    databaseName: joined("databaseName"),
    // It rises when one of them does.
    timeline: timelines.length < identities.length ? undefined : timelines.reduce((sum, timeline) => sum + timeline, 0)
  }
}

const lineageOf = (logs: ReadonlyArray<RoutedLog>): StoreBackend["lineage"] => {
  const all = logs.flatMap(({ backend: { lineage } }) => lineage === undefined ? [] : [lineage])
  return all.length === 0 ? undefined : {
    isDue: () => all.some((lineage) => lineage.isDue()),
    generation: () => all.reduce((sum, lineage) => sum + lineage.generation(), 0),
    replacements: () => all.reduce((sum, lineage) => sum + lineage.replacements(), 0),
    look: Effect.forEach(all, ({ isDue, look }) => isDue() ? look : Effect.void, { discard: true })
  }
}

/** The operations on streams, each in the log of its category. */
const streamsOf = (logs: Routes["logs"], routing: Routing): StoreBackend["streams"] => {
  type Streams = NonNullable<StoreBackend["streams"]>
  const all = logs.flatMap(({ backend: { streams } }) => streams === undefined ? [] : [streams])
  if (all.length < logs.length) return undefined
  const by = (within: In) => <A, E>(operation: string, name: string, use: (streams: Streams) => Effect.Effect<A, E>) =>
    within(
      operation,
      name,
      ({ streams }): Effect.Effect<A, E | StoreError> => streams === undefined ? ofOneLog(operation) : use(streams)
    )
  const at = by(routing.at)
  const write = by(routing.writeAt)
  return {
    add: (stream, attributes, isNewId) =>
      write("Streams.add", stream.category, (streams) => streams.add(stream, attributes, isNewId)),
    set: (stream, attributes) => write("Streams.set", stream.category, (streams) => streams.set(stream, attributes)),
    get: (stream) => at("Streams.get", stream.category, (streams) => streams.get(stream)),
    list: (page) => at("Streams.list", page.category, (streams) => streams.list(page)),
    countStreams: (category) => at("Streams.countStreams", category, (streams) => streams.countStreams(category)),
    listMessages: (page) => at("Streams.listMessages", page.streamName, (streams) => streams.listMessages(page)),
    countMessages: (name) => at("Streams.countMessages", name, (streams) => streams.countMessages(name)),
    stats: (category) => at("Streams.stats", category, (streams) => streams.stats(category)),
    deleteMessage: (stream, id, request) =>
      write("Streams.deleteMessage", stream.category, (streams) => streams.deleteMessage(stream, id, request)),
    deleteStream: (stream, request) =>
      write("Streams.deleteStream", stream.category, (streams) => streams.deleteStream(stream, request)),
    purge: (category, request) => write("Streams.purge", category, (streams) => streams.purge(category, request)),
    // An id is of one message.
    wasDeleted: (globalPosition, id) =>
      Effect.map(
        Effect.forEach(all, (streams) => streams.wasDeleted(globalPosition, id)),
        (answers) => answers.includes(true)
      )
  }
}

/** The store of several logs. */
export const make = (routes: Routes): StoreBackend => {
  const { logs } = routes
  const [first] = logs
  const routing = makeRouting(routes)
  const { at, find } = routing
  const { append, writeAll } = writesOf(routes, routing)

  /** The only log of these categories, when they have one. */
  const onlyLog = (operation: string, categories: ReadonlyArray<string> | undefined): RoutedLog | undefined => {
    if (logs.length === 1) return first
    const found = new Set((categories ?? []).map((category) => find(operation, category)))
    const [log, ...others] = found
    return log === undefined || log instanceof StoreError || others.length > 0 ? undefined : log
  }

  return {
    systemName: first.backend.systemName,
    unreadable: (streamName, message) => {
      const log = find("append", streamName)
      return log instanceof StoreError ? undefined : log.backend.unreadable?.(streamName, message)
    },
    append,
    writeAll,
    readStream: (page) => at("readStream", page.streamName, (backend) => backend.readStream(page)),
    readForFold: (streamName, from) =>
      at("readStream", streamName, ({ readForFold }) => readForFold?.(streamName, from) ?? Effect.undefined),
    lastMessage: (name, type) => at("lastMessage", name, (backend) => backend.lastMessage(name, type)),
    streamVersion: (name) => at("streamVersion", name, (backend) => backend.streamVersion(name)),
    findMessage: (name, id) => at("findMessage", name, (backend) => backend.findMessage(name, id)),
    messageById: Effect.fnUntraced(function*(id) {
      for (const { backend } of logs) {
        const found = yield* backend.messageById(id)
        if (Option.isSome(found)) return found
      }
      return yield* Effect.succeedNone
    }),
    readCategory: (page) => at("readCategory", page.category, (backend) => backend.readCategory(page)),
    lastCategoryMessage: (category) =>
      at("lastCategoryMessage", category, (backend) => backend.lastCategoryMessage(category)),
    countCategory: (range) => at("countCategory", range.category, (backend) => backend.countCategory(range)),
    readAll: (page) => onlyLog("readAll", page.categories)?.backend.readAll(page) ?? ofOneLog("readAll"),
    countAll: (range) => onlyLog("countAll", range.categories)?.backend.countAll(range) ?? ofOneLog("countAll"),
    heldBack: (from) => onlyLog("heldBack", undefined)?.backend.heldBack(from) ?? ofOneLog("heldBack"),
    messageAt: (position) => onlyLog("messageAt", undefined)?.backend.messageAt(position) ?? ofOneLog("messageAt"),
    lastPosition: onlyLog("lastPosition", undefined)?.backend.lastPosition ?? ofOneLog("lastPosition"),
    transactions: transactionsOfStore(logs),
    positions: positionsOf(logs, routing),
    identity: Effect.map(Effect.forEach(logs, ({ backend }) => backend.identity), identityOf),
    lineage: lineageOf(logs),
    listing: mergeListings(logs, (category) => find("listing", category)),
    streams: streamsOf(logs, routing),
    // That of a consumer is where its position is, and where a program takes it that runs the consumer in the log by itself. Others have one
    // place for their names, whatever they are about.
    lease: (name) => {
      const log = Option.map(PositionStore.keyOfLease(name), ({ category }) => find("lease", category))
      const { backend } = Option.isSome(log) && !(log.value instanceof StoreError) ? log.value : first
      return backend.lease(name)
    },
    watch: (wake) => Effect.forEach(logs, ({ backend }) => backend.watch?.(wake) ?? Effect.void, { discard: true })
  }
}

/**
 * The metrics of a store: how long its operations take, what is written, and what is refused.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Tracer from "effect/Tracer"
import type { NamesPage, StreamNamesPage } from "../../Listing.ts"
import type { MessageId } from "../../Message.ts"
import type { CorrelatedRange, EffectsRange, EncodedAppend, StoreBackend } from "../../StoreBackend.ts"
import * as StreamName from "../../StreamName.ts"
import * as Meter from "../runtime/meter.ts"
import { messaging } from "../runtime/semantics.ts"

/** `db.system.name` of a backend that does not say what it is. */
export const unknownSystem = "_OTHER"

const systemOf = ({ systemName = unknownSystem }: Pick<StoreBackend, "systemName">) => ({
  "db.system.name": systemName
})

/** The options of the span of an operation that reads. */
export const readSpan = (
  backend: Pick<StoreBackend, "systemName">,
  operation: string
): { readonly kind: Tracer.SpanKind; readonly attributes: Meter.Attributes } => ({
  kind: "client",
  attributes: { ...systemOf(backend), "db.operation.name": operation }
})

/** Records how long operations take, one more of them, and with which error. */
const makeDuration = (meter: Meter.Meter, system: Meter.Attributes, operation: string) => {
  const definition = {
    name: "db.client.operation.duration",
    unit: "s",
    description: "how long an operation of the store takes",
    boundaries: Meter.durations
  }
  const attributes = { ...system, "db.operation.name": operation }
  const succeeded = meter.histogram(definition, attributes)
  const failed = Meter.forEachError(attributes, (all) => meter.histogram(definition, all))
  return (exit: Exit.Exit<unknown, unknown>, begun: bigint) => {
    const record = exit._tag === "Success" ? succeeded : failed(Meter.errorType(exit.cause))
    record(meter.since(begun))
  }
}

/** Counts what is written to each category. */
const makeWritten = (meter: Meter.Meter, operation: string) => {
  const sent = {
    name: "messaging.client.sent.messages",
    unit: "{message}",
    description: "messages that were to be appended; those that were not have an error.type"
  }
  const conflicts = {
    name: "eventfold.store.conflicts",
    unit: "{append}",
    description: "appends that were refused because of the version of their stream"
  }
  const ofCategory = Meter.forEach(Meter.maxCategories, (category) => {
    const destination = { "messaging.destination.name": category }
    const attributes = { ...messaging, "messaging.operation.name": operation, ...destination }
    return {
      sent: meter.counter(sent, attributes),
      failed: Meter.forEachError(attributes, (all) => meter.counter(sent, all)),
      refused: meter.counter(conflicts, destination)
    }
  })
  const countOne = ({ messages, streamName }: EncodedAppend, exit: Exit.Exit<unknown, unknown>) => {
    if (messages.length === 0) return
    const { failed, sent } = ofCategory(StreamName.category(streamName))
    const count = exit._tag === "Success" ? sent : failed(Meter.errorType(exit.cause))
    count(messages.length)
  }
  const countConflict = ({ cause }: Exit.Failure<unknown, unknown>) => {
    for (const reason of cause.reasons) {
      if (reason._tag === "Fail" && isConflict(reason.error)) {
        ofCategory(StreamName.category(reason.error.streamName)).refused(1)
      }
    }
  }
  return { countOne, countConflict }
}

const isConflict = (error: unknown): error is { readonly streamName: string } =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "WrongExpectedVersion" &&
  "streamName" in error

/** A backend of which each member is named, also the optional ones, so that none is forgotten. */
type AllMembers = { readonly [Member in keyof Required<StoreBackend>]: StoreBackend[Member] }

/** A backend whose operations are measured. */
export const make = (backend: StoreBackend, meter: Meter.Meter): AllMembers => {
  const system = systemOf(backend)
  const { listing, news, readForFold, trace } = backend
  const rowsOf = (operation: string) =>
    meter.histogram({
      name: "db.client.response.returned_rows",
      unit: "{row}",
      description: "how many messages a page has",
      boundaries: pageSizes
    }, { ...system, "db.operation.name": operation })

  /** Measures an operation, and then tells how it ended. */
  const measuring = (operation: string) => {
    const record = makeDuration(meter, system, operation)
    return <A, E, R>(effect: Effect.Effect<A, E, R>, ended?: (exit: Exit.Exit<A, E>) => void): Effect.Effect<A, E, R> =>
      Effect.suspend(() => {
        const begun = meter.now()
        return Effect.onExit(effect, (exit) => {
          record(exit, begun)
          ended?.(exit)
          return Effect.void
        })
      })
  }
  /** Measures an operation that gives a page. */
  const paging = (operation: string) => {
    const measured = measuring(operation)
    const rows = rowsOf(operation)
    return <A, E, R>(effect: Effect.Effect<A, E, R>, lengthOf: (page: A) => number): Effect.Effect<A, E, R> =>
      measured(effect, (exit) => {
        if (exit._tag === "Success") rows(lengthOf(exit.value))
      })
  }
  const measuringFunction = <A extends ReadonlyArray<unknown>, B, E, R>(
    operation: string,
    run: (...args: A) => Effect.Effect<B, E, R>
  ) => {
    const measured = measuring(operation)
    return (...args: A) => measured(run(...args))
  }

  const appendDuration = makeDuration(meter, system, "append")
  const appended = makeWritten(meter, "append")
  const writeAll = measuring("writeAll")
  const allWritten = makeWritten(meter, "writeAll")
  const readStream = paging("readStream")
  const readCategory = paging("readCategory")
  const readAll = paging("readAll")

  // Each member by its name: a backend may be an instance of a class, whose members a spread would leave out.
  return {
    systemName: backend.systemName,
    unreadable: backend.unreadable === undefined
      ? undefined
      : (streamName, message) => backend.unreadable?.(streamName, message),
    append: (request) => {
      // The time of the call and not of the effect's begin, because the service runs the effect at once: a step would take longer
      // than the rest.
      const begun = meter.now()
      return Effect.onExit(backend.append(request), (exit) => {
        appendDuration(exit, begun)
        appended.countOne(request, exit)
        if (exit._tag === "Failure") appended.countConflict(exit)
        return Effect.void
      })
    },
    writeAll: (requests) =>
      writeAll(backend.writeAll(requests), (exit) => {
        for (const request of requests) allWritten.countOne(request, exit)
        if (exit._tag === "Failure") allWritten.countConflict(exit)
      }),
    readStream: (page) => readStream(backend.readStream(page), ({ length }) => length),
    readForFold: readForFold === undefined
      ? undefined
      : (streamName, from) => readStream(readForFold(streamName, from), (page) => page?.messages.length ?? 0),
    readCategory: (page) => readCategory(backend.readCategory(page), ({ length }) => length),
    readAll: (page) => readAll(backend.readAll(page), ({ messages }) => messages.length),
    transactions: backend.transactions,
    positions: backend.positions,
    runners: backend.runners,
    heldBack: measuringFunction("heldBack", (from: number) => backend.heldBack(from)),
    messageAt: measuringFunction("messageAt", (globalPosition: number) => backend.messageAt(globalPosition)),
    lastPosition: measuring("lastPosition")(backend.lastPosition),
    news: news === undefined ? undefined : measuringFunction("news", (after: number) => news(after)),
    countAll: measuringFunction(
      "countAll",
      (range: Parameters<StoreBackend["countAll"]>[0]) => backend.countAll(range)
    ),
    identity: measuring("identity")(backend.identity),
    description: backend.description === undefined ? undefined : measuring("describe")(backend.description),
    lineage: backend.lineage,
    listing: listing === undefined ? undefined : {
      categories: measuringFunction("categories", (page: NamesPage) => listing.categories(page)),
      newest: measuringFunction(
        "changedStreams",
        (...args: Parameters<typeof listing.newest>) => listing.newest(...args)
      ),
      streams: measuringFunction("streams", (page: StreamNamesPage) => listing.streams(page))
    },
    trace: trace === undefined ? undefined : {
      effects: measuringFunction("effects", (range: EffectsRange) => trace.effects(range)),
      correlated: measuringFunction("correlated", (range: CorrelatedRange) => trace.correlated(range))
    },
    streams: backend.streams,
    archive: backend.archive,
    verify: backend.verify,
    lastMessage: measuringFunction(
      "lastMessage",
      (...args: Parameters<StoreBackend["lastMessage"]>) => backend.lastMessage(...args)
    ),
    streamVersion: measuringFunction(
      "streamVersion",
      (streamName: StreamName.StreamName) => backend.streamVersion(streamName)
    ),
    findMessage: measuringFunction(
      "findMessage",
      (...args: Parameters<StoreBackend["findMessage"]>) => backend.findMessage(...args)
    ),
    messageById: measuringFunction("messageById", (id: MessageId) => backend.messageById(id)),
    lastCategoryMessage: measuringFunction(
      "lastCategoryMessage",
      (category: StreamName.CategoryName) => backend.lastCategoryMessage(category)
    ),
    countCategory: measuringFunction(
      "countCategory",
      (range: Parameters<StoreBackend["countCategory"]>[0]) => backend.countCategory(range)
    ),
    lease: measuringFunction("lease", (name: string) => backend.lease(name)),
    watch: backend.watch === undefined ? undefined : (wake) => backend.watch?.(wake) ?? Effect.void
  }
}

/** Pages have up to 1,024 messages, unless an option says otherwise. */
const pageSizes = [0, 1, 4, 16, 64, 256, 1_024, 4_096]

/** Groups have up to 2,000 messages. */
const groupSizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048]

/**
 * The metrics that a backend updates by itself. The others are updated by the service that is made of it.
 *
 * @category metrics
 * @since 0.1.0
 */
export interface BackendMetrics {
  /** A group of this many appends is committed in one transaction. */
  readonly group: (appends: number) => void
  /** Something is tried again that has failed with an error of this type. The types must be few: tags, not messages. */
  readonly retried: (errorType: string) => void
}

/**
 * Makes the metrics that a backend updates by itself, in the registry of the context.
 *
 * **Details**
 *
 * Two backends of one `systemName` in a program share them.
 *
 * @category metrics
 * @since 0.1.0
 */
export const makeMetrics = (systemName: string): Effect.Effect<BackendMetrics> =>
  Effect.map(Meter.make, (meter) => {
    const system = systemOf({ systemName })
    const retries = {
      name: "eventfold.store.retries",
      unit: "{attempt}",
      description: "attempts after a failure that passes, by the error of the attempt before"
    }
    const group = meter.histogram({
      name: "eventfold.store.group.size",
      unit: "{append}",
      description: "how many appends are committed in one transaction",
      boundaries: groupSizes
    }, system)
    const retried = Meter.forEachError(system, (attributes) => meter.counter(retries, attributes))
    return { group, retried: (errorType) => retried(errorType)(1) }
  })

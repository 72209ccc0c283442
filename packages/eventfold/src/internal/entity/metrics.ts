/**
 * The metrics of entities, by category: where loads find a state, how long decisions take, and how often they are repeated.
 */
import type { MessageStore } from "../../MessageStore.ts"
import * as StreamName from "../../StreamName.ts"
import * as Meter from "../runtime/meter.ts"
import * as InProcess from "../store/inProcess.ts"

/**
 * Where a load has found the state. `hit`: in the cache, and nothing was read. `refreshed`: in the cache, and only what is new was
 * read. `miss`: not in the cache. `none`: there is no cache.
 */
export type CacheResult = "hit" | "refreshed" | "miss" | "none"

/** The metrics of one category, or of several that are decided on together. */
export interface EntityMetrics {
  readonly loaded: (result: CacheResult) => void
  readonly now: () => bigint
  /** `decide` began at a time of `now`, and has ended with a decision. */
  readonly decided: (begun: bigint) => void
  /** The same with an error of this type. */
  readonly refused: (begun: bigint, errorType: string) => void
  /** A transaction decides again after a conflict. */
  readonly retried: () => void
  /** A transaction has given up after its last conflict. */
  readonly gaveUp: () => void
}

/** Decisions are mostly without effects, and then take microseconds. */
const boundaries = [0.000_001, 0.000_005, 0.000_025, ...Meter.durations]

const make = (meter: Meter.Meter) => (category: string): EntityMetrics => {
  const attributes = { "messaging.destination.name": category }
  const counter = (name: string, unit: string, description: string) =>
    meter.counter({ name, unit, description }, attributes)
  const loads = (result: CacheResult) =>
    meter.counter({
      name: "eventfold.entity.loads",
      unit: "{load}",
      description: "loads of entities, by where they have found the state"
    }, { ...attributes, "eventfold.cache.result": result })
  const ofResult = { hit: loads("hit"), refreshed: loads("refreshed"), miss: loads("miss"), none: loads("none") }
  const duration = {
    name: "eventfold.entity.decide.duration",
    unit: "s",
    description: "how long decide takes, each attempt by itself",
    boundaries
  }
  const decided = meter.histogram(duration, attributes)
  const refused = Meter.forEachError(attributes, (all) => meter.histogram(duration, all))
  const retried = counter("eventfold.entity.retries", "{attempt}", "decisions after the first one of a transaction")
  const gaveUp = counter(
    "eventfold.entity.conflicts",
    "{transaction}",
    "transactions that used up their attempts because other writers were faster"
  )
  return {
    loaded: (result) => ofResult[result](1),
    now: meter.now,
    decided: (begun) => decided(meter.since(begun)),
    refused: (begun, errorType) => refused(errorType)(meter.since(begun)),
    retried: () => retried(1),
    gaveUp: () => gaveUp(1)
  }
}

const ofMeters = new WeakMap<Meter.Meter, (category: string) => EntityMetrics>()

/** The metrics of a store's entities, by category. */
const ofStore = (store: MessageStore["Service"]): (category: string) => EntityMetrics => {
  const { meter } = store[InProcess.TypeId]
  const found = ofMeters.get(meter)
  if (found !== undefined) return found
  const made = Meter.forEach(Meter.maxCategories, make(meter))
  ofMeters.set(meter, made)
  return made
}

/** The metrics of the entities of a category. */
export const ofCategory = (store: MessageStore["Service"], category: string): EntityMetrics => ofStore(store)(category)

/** The metrics of what is decided on some streams. Several categories are named together: `account,transfer`. */
export const ofStreams = (store: MessageStore["Service"], streamNames: ReadonlyArray<string>): EntityMetrics => {
  const [first, ...others] = streamNames
  if (first !== undefined && others.length === 0) return ofStore(store)(StreamName.category(first))
  const categories = new Set(streamNames.map(StreamName.category))
  return ofStore(store)([...categories].toSorted().join(","))
}

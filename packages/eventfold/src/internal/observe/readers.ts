import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Consumer from "../../Consumer.ts"
import type { MessageStore } from "../../MessageStore.ts"
import * as Parking from "../../Parking.ts"
import * as Process from "../../Process.ts"
import * as ReadModel from "../../ReadModel.ts"
import { ReadModelStore } from "../../ReadModelStore.ts"
import type { StoreError, Unsupported } from "../../StoreError.ts"
import type { ObservedConsumer, ObservedProcess, ObservedReadModel } from "./observedReaders.ts"

type AnyConsumer = Consumer.Consumer<unknown, unknown>

/** What a list gives; nothing where the store can't list, so that what is loaded is still known. */
const listed = <A>(list: Stream.Stream<A, StoreError | Unsupported, MessageStore>) =>
  Stream.runCollect(list).pipe(
    Effect.catchTag("Unsupported", () => Effect.succeed<ReadonlyArray<A>>([]))
  )

/** The positions of consumers in the store. */
export const storedConsumers = listed(Consumer.list)

const keyOf = (id: string, category: string): string => JSON.stringify([id, category])

/**
 * The consumers that are loaded here, with those of processes, and then those that only the store knows: all of them, or those with
 * an id.
 */
export const consumers = Effect.fnUntraced(function*(loaded: ReadonlyArray<AnyConsumer>, wanted?: string) {
  const stored = Map.groupBy(yield* storedConsumers, ({ category, consumer }) => keyOf(consumer, category))
  const parked = new Map(
    (yield* listed(Parking.owners)).map((owner) => [keyOf(owner.id, owner.category), owner])
  )
  const known = new Map(loaded.map((consumer) => [keyOf(consumer.id, consumer.category), consumer]))
  const names = new Map(
    [
      ...loaded.map(({ category, id }) => ({ id, category })),
      ...[...stored.values()].flat().map(({ category, consumer: id }) => ({ id, category })),
      ...parked.values()
    ].filter(({ id }) => wanted === undefined || id === wanted).map((
      { category, id }
    ) => [keyOf(id, category), { id, category }])
  )
  return yield* Effect.forEach(names, ([key, { category, id }]) => {
    const definition = known.get(key)
    const status = definition === undefined ? Effect.succeedNone : Effect.asSome(Consumer.status(definition))
    return Effect.map(status, (status): ObservedConsumer => ({
      consumer: id,
      category,
      status,
      stored: stored.get(key) ?? [],
      parked: Option.fromUndefinedOr(parked.get(key))
    }))
  })
})

/** How many deadlines an answer has. */
const shownDeadlines = 10

export const process = Effect.fnUntraced(function*(definition: Process.Process<unknown, unknown>) {
  const deadlines = yield* Process.deadlines(definition)
  const observed: ObservedProcess = {
    process: definition.name,
    status: yield* Process.status(definition),
    pending: deadlines.length,
    overdue: deadlines.filter(({ isOverdue }) => isOverdue).length,
    next: deadlines.slice(0, shownDeadlines)
  }
  return observed
})

type AnyReadModel = ReadModel.ReadModel<unknown, unknown>

/** The read models that are loaded here, and then those that only the store knows: all of them, or the one with a name. */
export const readModels = Effect.fnUntraced(function*(loaded: ReadonlyArray<AnyReadModel>, wanted?: string) {
  // A program without read models has no store for them.
  const store = yield* Effect.serviceOption(ReadModelStore)
  if (Option.isNone(store)) return []
  const stored = new Map(
    (yield* Effect.provideService(ReadModel.list, ReadModelStore, store.value)).map((
      { builds, readModel }
    ) => [readModel, builds])
  )
  const known = new Map(loaded.map((model) => [model.name, model]))
  const names = [...new Set([...known.keys(), ...stored.keys()])].filter((name) =>
    wanted === undefined || name === wanted
  )
  return yield* Effect.forEach(names, (name) => {
    const definition = known.get(name)
    const status = definition === undefined ? Effect.succeedNone : Effect.asSome(ReadModel.status(definition))
    return Effect.map(status, (status): ObservedReadModel => ({
      readModel: name,
      version: Option.fromUndefinedOr(definition?.version),
      status,
      stored: stored.get(name) ?? []
    }))
  }).pipe(Effect.provideService(ReadModelStore, store.value))
})

/** A read model by its name. */
export const readModel = (loaded: ReadonlyArray<AnyReadModel>, name: string) =>
  Effect.map(readModels(loaded, name), Arr.head)

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { MessageStore, type ReadCategoryError } from "../../MessageStore.ts"
import { retryOutages } from "../processor/outage.ts"
import { ofConsumer } from "../processor/subject.ts"
import * as InProcess from "../store/inProcess.ts"
import { type Consumer, readsAll } from "./definition.ts"
import { afterWhich, type Log } from "./firstSince.ts"

type AnyConsumer = Consumer<unknown, unknown>

/** What tells where a consumer starts. */
interface Starting extends Pick<AnyConsumer, "category"> {
  readonly options: Pick<AnyConsumer["options"], "start">
  readonly selection: Pick<AnyConsumer["selection"], "categories">
}

/** The global position up to which all messages that a consumer reads exist: what is written later comes after it. */
export const endOf = Effect.fnUntraced(function*(consumer: Pick<Starting, "category">) {
  const store = yield* MessageStore
  if (!readsAll(consumer)) {
    const last = yield* store.lastCategoryMessage(consumer.category)
    return Option.match(last, { onNone: () => 0, onSome: ({ globalPosition }) => globalPosition })
  }
  // In this order: a transaction that may still write before the last message is then among those that hold back.
  const last = yield* store.lastPosition
  const heldBack = yield* store.heldBack()
  return Option.match(heldBack, { onNone: () => last, onSome: ({ position }) => Math.min(last, position - 1) })
})

/** The global position after which a consumer without a recorded position starts; its end is where the end is now. */
export const startAfter = Effect.fnUntraced(function*(consumer: Starting) {
  const { category, options: { start = "beginning" }, selection: { categories } } = consumer
  const store = yield* MessageStore
  if (start === "beginning") return 0
  if (start === "end") return yield* endOf(consumer)
  if ("position" in start) return Math.max(0, start.position - 1)
  const log: Log<ReadCategoryError> = readsAll(consumer)
    ? {
      // The log is halved by messages of any category: to find the next one of a few would read what is between.
      firstFrom: (from) => Effect.map(store.readAllPage({ from, limit: 1 }), ({ messages: [first] }) => first),
      from: (from) => store.readAll({ from, categories })
    }
    : {
      firstFrom: (from) =>
        Effect.map(store.readCategoryPage(category, { from, limit: 1 }), ({ messages: [first] }) => first),
      from: (from) => store.readCategory(category, { from })
    }
  return yield* afterWhich(log, start.time, yield* endOf(consumer))
})

/** Gives the global position after which a consumer without a recorded position starts. */
export type StartAfter = Effect.Effect<number, ReadCategoryError, MessageStore>

/** Which history of the store this process knows. */
const generationOfStore = MessageStore.useSync((store) => store[InProcess.TypeId].lineage?.generation() ?? 0)

/**
 * Where a consumer starts, with its end fixed now: what is written from now on comes after it, however long the consumer
 * waits for its lease. While the store is away, this waits for it. Another failure is the consumer's.
 */
export const fix = Effect.fnUntraced(
  function*(consumer: AnyConsumer): Effect.fn.Return<StartAfter, never, MessageStore> {
    if (consumer.options.start !== "end") return startAfter(consumer)
    const generation = yield* generationOfStore
    const fixed = Effect.fromResult(yield* Effect.result(retryOutages(ofConsumer(consumer))(endOf(consumer))))
    return Effect.flatMap(generationOfStore, (now) =>
      now === generation
        ? fixed
        // Another server has taken over, and may lack what the end came after: what it writes next is before that end.
        : Effect.zipWith(fixed, endOf(consumer), Math.min))
  }
)

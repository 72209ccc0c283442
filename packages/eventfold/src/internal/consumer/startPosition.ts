import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { MessageStore } from "../../MessageStore.ts"
import { type Consumer, readsAll } from "./definition.ts"

type AnyConsumer = Consumer<unknown, unknown>

/** The global position up to which all messages that a consumer reads exist: what is written later comes after it. */
export const endOf = Effect.fnUntraced(function*(consumer: AnyConsumer) {
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

/** The global position after which a consumer without a recorded position starts. */
export const startAfter = Effect.fnUntraced(function*(consumer: AnyConsumer) {
  const { category, options: { start = "beginning" }, selection: { categories } } = consumer
  const store = yield* MessageStore
  if (start === "beginning") return 0
  if (start === "end") return yield* endOf(consumer)
  if ("position" in start) return Math.max(0, start.position - 1)
  let after = 0
  const messages = readsAll(consumer) ? store.readAll({ categories }) : store.readCategory(category)
  yield* messages.pipe(
    Stream.takeWhile(({ time }) => time.epochMilliseconds < start.time.epochMilliseconds),
    Stream.runForEachArray((rows) => Effect.sync(() => after = rows.at(-1)?.globalPosition ?? after))
  )
  return after
})

import * as Effect from "effect/Effect"
import { InvalidArgument } from "../../StoreError.ts"
import { nameOf } from "../processor/sources.ts"
import { checkTimeout } from "../processor/timeLimit.ts"
import { checkConsumerId, checkInt } from "../store/argumentChecks.ts"
import { allName } from "../store/bookkeeping.ts"
import { type Consumer, readsAll } from "./definition.ts"

type AnyConsumer = Consumer<unknown, unknown>

const refuse = (argument: string, value: string, expected: string) => new InvalidArgument({ argument, value, expected })

const checkSources = Effect.fnUntraced(function*(consumer: AnyConsumer) {
  const { options: { onFailure }, selection, sources } = consumer
  const names = sources.map(nameOf)
  if (sources.length === 0) {
    return yield* refuse("from", "none", "at least one source: add one with .on(source, handlers)")
  }
  if (names.includes(allName)) {
    return yield* refuse("from", allName, "the name of a category; use Consumer.all to read everything")
  }
  const repeated = names.find((name, index) => names.indexOf(name) !== index)
  if (new Set(names).size < names.length) {
    return yield* refuse("from", repeated ?? "all", "given once: handle all its messages in one place")
  }
  // Such a consumer would read what it parks, fail again, and park that.
  if (onFailure === "park" && readsAll(consumer) && selection.bookkeeping) {
    const expected = `"stop" or "skip" for a consumer that reads what consumers write about themselves`
    return yield* refuse("onFailure", "park", expected)
  }
})

const checkGroup = Effect.fnUntraced(function*({ options: { group } }: AnyConsumer) {
  if (group === undefined) return
  yield* checkInt("group.size", group.size, 1)
  for (const member of group.members) yield* checkInt("group.members", member, 0)
  const distinct = new Set(group.members.filter((member) => member < group.size))
  if (distinct.size === 0 || distinct.size < group.members.length) {
    const expected = `different integers from 0 to ${group.size - 1}, at least one`
    return yield* refuse("group.members", group.members.join(", ") || "none", expected)
  }
})

/** Fails unless a definition can run. */
export const check = Effect.fnUntraced(function*(consumer: AnyConsumer) {
  const { id, options: { batchSize, checkpoint, concurrency, start, timeout } } = consumer
  yield* checkConsumerId(id)
  yield* checkSources(consumer)
  yield* checkInt("concurrency", concurrency, 1)
  yield* checkInt("batchSize", batchSize, 1)
  yield* checkTimeout(timeout)
  yield* checkInt("checkpoint.every", checkpoint?.every, 1)
  if (typeof start === "object" && "position" in start) yield* checkInt("start.position", start.position, 0)
  yield* checkGroup(consumer)
})

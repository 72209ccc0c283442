import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Behind, StoredConsumer } from "../../ConsumerStatus.ts"
import { MessageStore } from "../../MessageStore.ts"
import { type Listed, PositionStore } from "../../PositionStore.ts"
import { Unsupported } from "../../StoreError.ts"
import { allName, isTimer } from "../store/bookkeeping.ts"

/** How far a position is behind its category: two look-ups. */
const behindCategory = Effect.fnUntraced(function*(category: string, position: number) {
  const store = yield* MessageStore
  const last = yield* store.lastCategoryMessage(category)
  const positions = Math.max(0, Option.match(last, { onNone: () => 0, onSome: (one) => one.globalPosition }) - position)
  const [next] = positions === 0
    ? []
    // Another client may have written a negative one. The first message is at 1.
    : (yield* store.readCategoryPage(category, { from: Math.max(0, position) + 1, limit: 1 })).messages
  const now = yield* Clock.currentTimeMillis
  const behind: Behind = {
    positions,
    age: Option.map(
      Option.fromUndefinedOr(next),
      ({ time }) => Duration.millis(Math.max(0, now - time.epochMilliseconds))
    )
  }
  return behind
})

/** What a consumer of several categories reads is not known here. */
const behindAll = Effect.fnUntraced(function*(position: number) {
  const last = yield* (yield* MessageStore).lastPosition
  const behind: Behind = { positions: Math.max(0, last - position), age: Option.none() }
  return behind
})

const stored = Effect.fnUntraced(function*({ key, place, position: { groupSize, position }, time }: Listed) {
  const { category, consumerId, member } = key
  const found: StoredConsumer = {
    consumer: consumerId,
    category,
    member: Option.fromUndefinedOr(member),
    groupSize: Option.fromUndefinedOr(groupSize),
    position,
    time,
    place,
    behind: yield* (category === allName ? behindAll(position) : behindCategory(category, position)).pipe(
      // The names are those of consumers, and the limits are right.
      Effect.catchTag(["InvalidArgument", "InvalidCategory"], (error) => Effect.die(error))
    )
  }
  return found
})

/** The consumers that have written a position. That of a process's timer ends in front of its oldest deadline, which is no lag. */
export const list = Stream.unwrap(Effect.gen(function*() {
  const { list } = yield* PositionStore
  if (list === undefined) {
    return yield* new Unsupported({
      operation: "listing consumers",
      remedy: "give the position store of the program the member `list`"
    })
  }
  return list.pipe(Stream.filter(({ key }) => !isTimer(key)), Stream.mapEffect(stored))
}))

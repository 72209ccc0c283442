import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { MemberStatus, Status } from "../ConsumerStatus.ts"
import { MessageStore } from "../MessageStore.ts"
import { type Key, PositionStore } from "../PositionStore.ts"
import type { Consumer } from "./consumer.ts"
import { ConsumerIsRunning } from "./consumerErrors.ts"
import { leaseName, startAfter } from "./shares.ts"

type AnyConsumer = Consumer<unknown, unknown>

/** One member of a consumer of so many; the whole of it when it has no group. */
interface Part {
  readonly key: Key
  /** Of its group; none when it has no group. */
  readonly size: number | undefined
}

/** All members of a consumer, whoever runs them. */
const partsOf = ({ category, id: consumerId }: AnyConsumer, size: number | undefined): ReadonlyArray<Part> =>
  size === undefined
    ? [{ key: { category, consumerId }, size }]
    : Array.from({ length: size }, (_, member) => ({ key: { category, consumerId, member }, size }))

const rangeOf = ({ options: { correlation } }: AnyConsumer, { key: { member }, size }: Part, after: number) => ({
  from: after + 1,
  correlation,
  consumerGroup: member === undefined || size === undefined ? undefined : { member, size }
})

/** Where a member is by its recorded position, or where it is to begin. */
const recorded = Effect.fnUntraced(function*({ category, options: { start } }: AnyConsumer, { key }: Part) {
  const positions = yield* PositionStore
  const found = yield* positions.get(key)
  const after = Option.isSome(found) ? found.value.position : yield* startAfter(category, start ?? "beginning")
  return { position: Option.map(found, ({ position }) => position), after }
})

/** The first message that a member has not handled. */
const nextOf = Effect.fnUntraced(function*(consumer: AnyConsumer, part: Part, after: number) {
  const store = yield* MessageStore
  return yield* Stream.runHead(store.readCategory(consumer.category, { ...rangeOf(consumer, part, after), limit: 1 }))
})

export const status = Effect.fnUntraced(function*(consumer: AnyConsumer) {
  const store = yield* MessageStore
  const now = yield* Clock.currentTimeMillis
  const members = yield* Effect.forEach(
    partsOf(consumer, consumer.options.group?.size),
    Effect.fnUntraced(function*(part) {
      const { after, position } = yield* recorded(consumer, part)
      const next = yield* nextOf(consumer, part, after)
      const messages = Option.isNone(next)
        ? 0
        : yield* store.countCategory(consumer.category, rangeOf(consumer, part, after))
      const since = Option.match(next, { onNone: () => now, onSome: ({ time }) => time.epochMilliseconds })
      const member: MemberStatus = {
        member: part.key.member,
        position,
        lag: { messages, age: Duration.millis(Math.max(0, now - since)) }
      }
      return member
    })
  )
  const last = yield* store.lastCategoryMessage(consumer.category)
  const found: Status = {
    consumer: consumer.id,
    category: consumer.category,
    members,
    lag: {
      messages: members.reduce((sum, { lag }) => sum + lag.messages, 0),
      age: members.reduce((most, { lag }) => Duration.max(most, lag.age), Duration.zero)
    },
    last: Option.map(last, ({ data: _data, metadata: _metadata, ...place }) => place)
  }
  return found
})

/** Whether all is handled up to a global position, as far as the recorded positions tell, by the members that are asked. */
export const isHandled = Effect.fnUntraced(function*(
  consumer: AnyConsumer,
  globalPosition: number,
  isAsked: (member: number | undefined) => boolean = () => true
) {
  for (const part of partsOf(consumer, consumer.options.group?.size)) {
    if (!isAsked(part.key.member)) continue
    const { after } = yield* recorded(consumer, part)
    if (after >= globalPosition) continue
    // A position is that of a message of the member's own, so that it need not come as far.
    const next = yield* nextOf(consumer, part, after)
    if (Option.isSome(next) && next.value.globalPosition <= globalPosition) return false
  }
  return true
})

/** The group's size by the position of member 0, which every group has; none when there has been no group. */
const recordedSize = Effect.fnUntraced(function*({ category, id: consumerId }: AnyConsumer) {
  const positions = yield* PositionStore
  const first = yield* positions.get({ category, consumerId, member: 0 })
  return Option.match(first, { onNone: () => undefined, onSome: ({ groupSize }) => groupSize })
})

export const regroup = Effect.fnUntraced(function*(consumer: AnyConsumer, size: number) {
  const { category, id } = consumer
  const store = yield* MessageStore
  const positions = yield* PositionStore
  const alone = partsOf(consumer, undefined)
  const take = (parts: ReadonlyArray<Part>) =>
    Effect.forEach(parts, ({ key }) =>
      Effect.flatMap(
        store.lease(leaseName(key)),
        Option.match({
          onNone: () => new ConsumerIsRunning({ consumer: id, category, member: Option.fromUndefinedOr(key.member) }),
          onSome: Effect.succeed
        })
      ), { discard: true })

  const oldSize = yield* recordedSize(consumer)
  const old = partsOf(consumer, oldSize)
  const widest = partsOf(consumer, Math.max(size, oldSize ?? 0))
  yield* take([...alone, ...widest])
  if ((yield* recordedSize(consumer)) !== oldSize) {
    return yield* new ConsumerIsRunning({ consumer: id, category, member: Option.some(0) })
  }

  // First, because what is written from now on comes after it, whoever's it is.
  const last = yield* store.lastCategoryMessage(category)
  const end = Option.match(last, { onNone: () => 0, onSome: ({ globalPosition }) => globalPosition })
  const found = yield* Effect.forEach(
    old,
    Effect.fnUntraced(function*(part) {
      const { after } = yield* recorded(consumer, part)
      const next = yield* nextOf(consumer, part, after)
      return { after, handled: Option.match(next, { onNone: () => undefined, onSome: (m) => m.globalPosition - 1 }) }
    })
  )
  const position = Math.min(
    Math.max(end, Math.min(...found.map(({ after }) => after))),
    ...found.flatMap(({ handled }) => handled ?? [])
  )
  // Member 0 tells the size of the group, so it is the last: what is interrupted can be done again.
  for (const { key } of partsOf(consumer, size).toReversed()) yield* positions.put(key, { position, groupSize: size })
  return position
}, Effect.scoped)

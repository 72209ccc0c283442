import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as Stream from "effect/Stream"
import type { MemberStatus, Status } from "../../ConsumerStatus.ts"
import type { HeldBack } from "../../HeldBack.ts"
import type { RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import { type Key, PositionStore } from "../../PositionStore.ts"
import * as StreamName from "../../StreamName.ts"
import { filtersOf } from "../processor/logReader.ts"
import { correlates } from "../processor/sources.ts"
import { isBookkeeping } from "../store/bookkeeping.ts"
import { type Consumer, readsAll } from "./definition.ts"
import { ConsumerIsRunning } from "./errors.ts"
import { endOf, leaseName, startAfter } from "./members.ts"

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

/** What the store selects for a member of a consumer of one category. */
const rangeOf = ({ options: { correlation } }: AnyConsumer, { key: { member }, size }: Part, after: number) => ({
  from: after + 1,
  correlation,
  consumerGroup: member === undefined || size === undefined ? undefined : { member, size }
})

/** Where a member is by its recorded position, or where it is to begin. */
const recorded = Effect.fnUntraced(function*(consumer: AnyConsumer, { key }: Part) {
  const positions = yield* PositionStore
  const found = yield* positions.get(key)
  const after = Option.isSome(found) ? found.value.position : yield* startAfter(consumer)
  return { position: Option.map(found, ({ position }) => position), after }
})

/** What a member has to handle next, and what keeps it from that. */
interface Next {
  readonly message: Option.Option<RecordedMessage>
  /** The global position up to which nothing comes before that message, inclusive. */
  readonly through: number
  readonly heldBack: Option.Option<HeldBack>
}

/** Of a consumer of more than one category, by pages; what consumers write about themselves does not count. */
const nextOfAll = Effect.fnUntraced(function*(consumer: AnyConsumer, { key: { member }, size }: Part, after: number) {
  const store = yield* MessageStore
  const filters = filtersOf(consumer.selection)
  const isIts = (message: RecordedMessage) =>
    !isBookkeeping(message.streamName) && correlates(consumer.options, message) &&
    (size === undefined || Option.getOrUndefined(StreamName.groupMember(message.streamName, size)) === member)
  let next: Next = { message: Option.none(), through: after, heldBack: Option.none() }
  let hasMore = filters !== undefined
  while (hasMore && Option.isNone(next.message)) {
    const page = yield* store.readAllPage({ ...filters, from: next.through + 1, limit: 100 })
    next = { ...page, message: Arr.findFirst(page.messages, isIts) }
    hasMore = page.hasMore
  }
  return next
})

/** The first message that a member has not handled. */
const nextOf = Effect.fnUntraced(function*(consumer: AnyConsumer, part: Part, after: number) {
  if (readsAll(consumer)) return yield* nextOfAll(consumer, part, after)
  const store = yield* MessageStore
  const { category } = consumer
  const message = yield* Stream.runHead(store.readCategory(category, { ...rangeOf(consumer, part, after), limit: 1 }))
  const next: Next = { message, through: after, heldBack: Option.none() }
  return next
})

/** How many messages a member has not handled, when there may be some. */
const countOf = Effect.fnUntraced(function*(consumer: AnyConsumer, part: Part, after: number) {
  const store = yield* MessageStore
  const range = rangeOf(consumer, part, after)
  if (!readsAll(consumer)) return yield* store.countCategory(consumer.category, range)
  const filters = filtersOf(consumer.selection)
  return filters === undefined ? 0 : yield* store.countAll({ ...filters, ...range, bookkeeping: false })
})

/** The last message of what a consumer reads. */
const lastOf = Effect.fnUntraced(function*({ category, selection, ...consumer }: AnyConsumer) {
  const store = yield* MessageStore
  const categories = readsAll({ ...consumer, category }) ? selection.categories : [category]
  if (categories === undefined) return yield* store.messageAt(yield* store.lastPosition)
  const found = yield* Effect.forEach(categories, (category) => store.lastCategoryMessage(category))
  return Arr.last(Arr.sortWith(Arr.getSomes(found), ({ globalPosition }) => globalPosition, Order.Number))
})

/** How far a member is, and after which position it goes on. */
const memberOf = Effect.fnUntraced(function*(consumer: AnyConsumer, part: Part) {
  const now = yield* Clock.currentTimeMillis
  const { after, position } = yield* recorded(consumer, part)
  const { heldBack, message } = yield* nextOf(consumer, part, after)
  const isDone = Option.isNone(message) && Option.isNone(heldBack)
  const messages = isDone ? 0 : yield* countOf(consumer, part, after)
  const age = Option.match(message, {
    onSome: ({ time }) => Duration.millis(Math.max(0, now - time.epochMilliseconds)),
    // What waits behind those who hold it up is not older than they are.
    onNone: () =>
      messages === 0 ? Duration.zero : Option.match(heldBack, { onNone: () => Duration.zero, onSome: ageOf })
  })
  const member: MemberStatus = { member: part.key.member, position, lag: { messages, age } }
  return { member, after }
})

const ageOf = ({ writers }: HeldBack): Duration.Duration =>
  writers.reduce((most, { age = Duration.zero }) => Duration.max(most, age), Duration.zero)

export const status = Effect.fnUntraced(function*(consumer: AnyConsumer) {
  const found = yield* Effect.forEach(
    partsOf(consumer, consumer.options.group?.size),
    (part) => memberOf(consumer, part)
  )
  const members = found.map(({ member }) => member)
  const last = yield* lastOf(consumer)
  const store = yield* MessageStore
  const heldBack = readsAll(consumer)
    ? yield* store.heldBack({ from: Math.min(...found.map(({ after }) => after)) + 1 })
    : Option.none()
  const status: Status = {
    consumer: consumer.id,
    category: consumer.category,
    members,
    lag: {
      messages: members.reduce((sum, { lag }) => sum + lag.messages, 0),
      age: members.reduce((most, { lag }) => Duration.max(most, lag.age), Duration.zero)
    },
    last: Option.map(last, ({ data: _data, metadata: _metadata, ...place }) => place),
    heldBack
  }
  return status
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
    // A position is not written because of messages that are not the member's, so that it need not come as far.
    const { heldBack, message, through } = yield* nextOf(consumer, part, after)
    const isOver = Option.match(message, {
      onNone: () => Option.isNone(heldBack) || through >= globalPosition,
      onSome: (message) => message.globalPosition > globalPosition
    })
    if (!isOver) return false
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
  const end = yield* endOf(consumer)
  const found = yield* Effect.forEach(
    old,
    Effect.fnUntraced(function*(part) {
      const { after } = yield* recorded(consumer, part)
      const { message } = yield* nextOf(consumer, part, after)
      return { after, handled: Option.match(message, { onNone: () => undefined, onSome: (m) => m.globalPosition - 1 }) }
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

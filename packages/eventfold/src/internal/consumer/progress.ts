import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import type { Lag, MemberStatus, Status } from "../../ConsumerStatus.ts"
import { ageOf, type HeldBack } from "../../HeldBack.ts"
import { placeOf, type RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import { type Key, PositionStore } from "../../PositionStore.ts"
import * as StreamName from "../../StreamName.ts"
import { filtersOf } from "../processor/logReader.ts"
import { correlates } from "../processor/sources.ts"
import { isBookkeeping } from "../store/bookkeeping.ts"
import { type Consumer, readsAll } from "./definition.ts"
import { type StartAfter, startAfter } from "./startPosition.ts"

type AnyConsumer = Consumer<unknown, unknown>

/** A member of a consumer's group, as the store knows it. A consumer without a group is its only member. */
export interface StoredMember {
  readonly key: Key
  /** Of the group; none without a group. */
  readonly size: number | undefined
}

/** All members, in whatever process they run. */
export const membersOf = (
  { category, id: consumerId }: Pick<AnyConsumer, "category" | "id">,
  size: number | undefined
): ReadonlyArray<StoredMember> =>
  size === undefined
    ? [{ key: { category, consumerId }, size }]
    : Array.from({ length: size }, (_, member) => ({ key: { category, consumerId, member }, size }))

/** The messages after a position that the store selects for a member of a consumer of a single category. */
const rangeOf = (
  { options: { correlation } }: AnyConsumer,
  { key: { member }, size }: StoredMember,
  after: number
) => ({
  from: after + 1,
  correlation,
  consumerGroup: member === undefined || size === undefined ? undefined : { member, size }
})

/** The recorded position of a member, and the position after which the member continues or starts. */
export const recorded = Effect.fnUntraced(function*(
  consumer: AnyConsumer,
  { key }: StoredMember,
  start: StartAfter = startAfter(consumer)
) {
  const positions = yield* PositionStore
  const found = yield* positions.get(key)
  const after = Option.isSome(found) ? found.value.position : yield* start
  return { position: Option.map(found, ({ position }) => position), after }
})

/** The next message that a member has to handle, and what holds it back. */
interface Next {
  readonly message: Option.Option<RecordedMessage>
  /** Up to this global position, inclusive, the member has no earlier message to handle. */
  readonly through: number
  readonly heldBack: Option.Option<HeldBack>
}

/** Messages that consumers write about themselves do not count. */
const nextOfAll = Effect.fnUntraced(function*(
  consumer: AnyConsumer,
  { key: { member }, size }: StoredMember,
  after: number
) {
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

/** The first message after a position that a member has not handled. */
export const nextOf = Effect.fnUntraced(function*(consumer: AnyConsumer, member: StoredMember, after: number) {
  if (readsAll(consumer)) return yield* nextOfAll(consumer, member, after)
  const store = yield* MessageStore
  const page = yield* store.readCategoryPage(consumer.category, { ...rangeOf(consumer, member, after), limit: 1 })
  const next: Next = { message: Arr.head(page.messages), through: after, heldBack: page.heldBack }
  return next
})

/** How many messages after a position a member has not handled. */
const countOf = Effect.fnUntraced(function*(consumer: AnyConsumer, member: StoredMember, after: number) {
  const store = yield* MessageStore
  const range = rangeOf(consumer, member, after)
  if (!readsAll(consumer)) return yield* store.countCategory(consumer.category, range)
  const filters = filtersOf(consumer.selection)
  return filters === undefined ? 0 : yield* store.countAll({ ...filters, ...range, bookkeeping: false })
})

/** The last message of all that a consumer reads. */
const lastOf = Effect.fnUntraced(function*({ category, selection, ...consumer }: AnyConsumer) {
  const store = yield* MessageStore
  const categories = readsAll({ ...consumer, category }) ? selection.categories : [category]
  if (categories === undefined) return yield* store.messageAt(yield* store.lastPosition)
  const found = yield* Effect.forEach(categories, (category) => store.lastCategoryMessage(category))
  return Arr.last(Arr.sortWith(Arr.getSomes(found), ({ globalPosition }) => globalPosition, Order.Number))
})

/** The status of a member, and the position after which it continues. */
const memberStatus = Effect.fnUntraced(function*(consumer: AnyConsumer, member: StoredMember) {
  const now = yield* Clock.currentTimeMillis
  const { after, position } = yield* recorded(consumer, member)
  const { heldBack, message } = yield* nextOf(consumer, member, after)
  const isDone = Option.isNone(message) && Option.isNone(heldBack)
  const messages = isDone ? 0 : yield* countOf(consumer, member, after)
  const age = Option.match(message, {
    onSome: ({ time }) => Duration.millis(Math.max(0, now - time.epochMilliseconds)),
    // Messages behind a gap are not older than the transactions that may fill it.
    onNone: () =>
      messages === 0 ? Duration.zero : Option.match(heldBack, { onNone: () => Duration.zero, onSome: ageOf })
  })
  const status: MemberStatus = { member: member.key.member, position, lag: { messages, age } }
  return { status, after }
})

const memberStatuses = (consumer: AnyConsumer) =>
  Effect.forEach(membersOf(consumer, consumer.options.group?.size), (member) => memberStatus(consumer, member))

const sumOf = (members: ReadonlyArray<MemberStatus>): Lag => ({
  messages: members.reduce((sum, { lag }) => sum + lag.messages, 0),
  age: members.reduce((most, { lag }) => Duration.max(most, lag.age), Duration.zero)
})

/** The lag of all members together. It takes two look-ups for each of them, and a count if it is behind. */
export const lag = (consumer: AnyConsumer) =>
  Effect.map(memberStatuses(consumer), (found) => sumOf(found.map(({ status }) => status)))

export const status = Effect.fnUntraced(function*(consumer: AnyConsumer) {
  const found = yield* memberStatuses(consumer)
  const members = found.map(({ status }) => status)
  const last = yield* lastOf(consumer)
  const store = yield* MessageStore
  const heldBack = readsAll(consumer)
    ? yield* store.heldBack({ from: Math.min(...found.map(({ after }) => after)) + 1 })
    : Option.none()
  const status: Status = {
    consumer: consumer.id,
    category: consumer.category,
    members,
    lag: sumOf(members),
    last: Option.map(last, placeOf),
    heldBack
  }
  return status
})

/**
 * Where a consumer starts, for one who waits for it in another process. Where its end was fixed is known only from the
 * positions that it writes: without one, it may have everything before it.
 */
export const startElsewhere = (consumer: AnyConsumer): StartAfter =>
  consumer.options.start === "end" ? Effect.succeed(0) : startAfter(consumer)

/** Whether the selected members have handled everything up to a global position, by their recorded positions. */
export const isHandled = Effect.fnUntraced(function*(
  consumer: AnyConsumer,
  globalPosition: number,
  start: StartAfter,
  isSelected: (member: number | undefined) => boolean = () => true
) {
  for (const member of membersOf(consumer, consumer.options.group?.size)) {
    if (!isSelected(member.key.member)) continue
    const { after } = yield* recorded(consumer, member, start)
    if (after >= globalPosition) continue
    // A member does not write its position for messages of other members, so it may stay below and still be done.
    const { heldBack, message, through } = yield* nextOf(consumer, member, after)
    const isDone = Option.match(message, {
      onNone: () => Option.isNone(heldBack) || through >= globalPosition,
      onSome: (message) => message.globalPosition > globalPosition
    })
    if (!isDone) return false
  }
  return true
})

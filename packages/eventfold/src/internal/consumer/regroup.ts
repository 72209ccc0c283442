import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { MessageStore } from "../../MessageStore.ts"
import { leaseName, PositionStore } from "../../PositionStore.ts"
import type { Consumer } from "./definition.ts"
import { ConsumerIsRunning } from "./errors.ts"
import { membersOf, nextOf, recorded, type StoredMember } from "./progress.ts"
import { endOf } from "./startPosition.ts"

type AnyConsumer = Consumer<unknown, unknown>

type Owner = Pick<AnyConsumer, "category" | "id">

/** The size of the group, which every position of a member carries, so also that of member 0; none without a group. */
export const recordedSize = Effect.fnUntraced(function*({ category, id: consumerId }: Owner) {
  const positions = yield* PositionStore
  const first = yield* positions.get({ category, consumerId, member: 0 })
  return Option.match(first, { onNone: () => undefined, onSome: ({ groupSize }) => groupSize })
})

/** Acquires the leases of members, so that none starts until the scope closes. Fails when one of them runs. */
export const keepStopped = Effect.fnUntraced(
  function*({ category, id: consumer }: Owner, members: ReadonlyArray<StoredMember>) {
    const store = yield* MessageStore
    for (const { key } of members) {
      const lease = yield* store.lease(leaseName(key))
      if (Option.isSome(lease)) continue
      return yield* new ConsumerIsRunning({ consumer, category, member: Option.fromUndefinedOr(key.member) })
    }
  }
)

/** The global position up to which all members have handled their messages; at most `end`, unless they all are further. */
const handledByAll = Effect.fnUntraced(
  function*(consumer: AnyConsumer, members: ReadonlyArray<StoredMember>, end: number) {
    const found = yield* Effect.forEach(
      members,
      Effect.fnUntraced(function*(member) {
        const { after } = yield* recorded(consumer, member)
        const { message } = yield* nextOf(consumer, member, after)
        return { after, next: Option.getOrUndefined(message) }
      })
    )
    return Math.min(
      Math.max(end, Math.min(...found.map(({ after }) => after))),
      ...found.flatMap(({ next }) => next === undefined ? [] : next.globalPosition - 1)
    )
  }
)

export const regroup = Effect.fnUntraced(function*(consumer: AnyConsumer, size: number) {
  const { category, id } = consumer
  const positions = yield* PositionStore
  const oldSize = yield* recordedSize(consumer)
  const widest = membersOf(consumer, Math.max(size, oldSize ?? 0))
  yield* keepStopped(consumer, [...membersOf(consumer, undefined), ...widest])
  if ((yield* recordedSize(consumer)) !== oldSize) {
    return yield* new ConsumerIsRunning({ consumer: id, category, member: Option.some(0) })
  }

  // Before the members' positions: what is written from now on comes after it, whichever member it belongs to.
  const end = yield* endOf(consumer)
  const position = yield* handledByAll(consumer, membersOf(consumer, oldSize), end)
  // Member 0, which tells the size, comes last: an interrupted regroup can be repeated.
  for (const { key } of membersOf(consumer, size).toReversed()) yield* positions.put(key, { position, groupSize: size })
  return position
}, Effect.scoped)

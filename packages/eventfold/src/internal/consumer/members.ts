import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { MessageStore } from "../../MessageStore.ts"
import { type Key, PositionStore } from "../../PositionStore.ts"
import { StoreError } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import * as InProcess from "../store/inProcess.ts"
import type { Consumer } from "./definition.ts"
import { GroupSizeChanged } from "./errors.ts"
import * as LowWaterMark from "./lowWaterMark.ts"
import type { StartAfter } from "./startPosition.ts"

type AnyConsumer = Consumer<unknown, unknown>

/** When a position needs writing: at the next checkpoint, or only when the consumer stops. */
export type Urgency = "soon" | "at the end"

/** A member of the consumer's group that runs here, with its position. A consumer without a group is its only member. */
export interface Member {
  /** From 0; `undefined` without a group. */
  readonly member: number | undefined
  readonly mark: LowWaterMark.LowWaterMark
  /** A message moves the position, so that it is due. */
  readonly touch: (urgency: Urgency) => void
  /**
   * Writes the position if it has moved and is due. A position that moves only past messages of others is written
   * rarely: it saves nothing but a read that is quick, and consumers that read everything would otherwise write positions
   * for ever because they read those of one another.
   */
  readonly flush: (urgency: Urgency) => Effect.Effect<void, StoreError, MessageStore>
}

/** A position that no message has made due is written when it has moved this far. */
const farBehind = 10_000

/** The members that run here. */
export interface Members {
  readonly all: ReadonlyArray<Member>
  /** The member that a message belongs to, if it runs here. */
  readonly of: (message: { readonly streamName: string }) => Member | undefined
  /** Their low-water marks. */
  readonly positions: () => ReadonlyArray<{ readonly member: number | undefined; readonly position: number }>
  /** The lowest of their low-water marks. */
  readonly lowest: () => number
  /** The first message that is being handled. */
  readonly oldest: () => LowWaterMark.Ticket | undefined
  /** Completes when a position can't be written, because the database has become another one. */
  readonly replaced: Effect.Effect<void>
}

/** The keys of the positions: in one order everywhere, so that two processes never wait for one another's leases. */
export const keysOf = (
  { category, id: consumerId, options: { group } }: AnyConsumer
): ReadonlyArray<Key> =>
  group === undefined
    ? [{ category, consumerId }]
    : group.members.toSorted((a, b) => a - b).map((member) => ({ category, consumerId, member }))

/** Member 0 is in every group, so it tells the size under which other processes run the group. */
const checkGroupSize = Effect.fnUntraced(
  function*({ category, id: consumer, options: { group } }: AnyConsumer) {
    if (group === undefined) return
    const positions = yield* PositionStore
    const recorded = yield* Effect.forEach(
      new Set([0, ...group.members]),
      (member) => positions.get({ category, consumerId: consumer, member })
    )
    for (const groupSize of recorded.map((one) => Option.getOrUndefined(one)?.groupSize)) {
      if (groupSize !== undefined && groupSize !== group.size) {
        return yield* new GroupSizeChanged({ consumer, category, recorded: groupSize, given: group.size })
      }
    }
  }
)

const isReplaced = new StoreError({
  operation: "PositionStore.put",
  reason: "the database has become another one, so the position is not written: it may be of messages that are lost",
  isRetryable: true
})

/** A member at its recorded position, or where the consumer starts. */
const loadMember = Effect.fnUntraced(function*(
  consumer: AnyConsumer,
  key: Key,
  startAfter: StartAfter,
  replaced: Deferred.Deferred<void>
) {
  const { options: { group, start = "beginning" } } = consumer
  const positions = yield* PositionStore
  const { lineage } = (yield* MessageStore)[InProcess.TypeId]
  if (lineage !== undefined) yield* lineage.look
  const replacements = lineage?.replacements() ?? 0
  const recorded = yield* positions.get(key)
  const after = Option.isSome(recorded) ? recorded.value.position : yield* startAfter
  const mark = LowWaterMark.make(after)
  let written = Option.isSome(recorded) || start === "beginning" ? after : undefined
  let isDueSoon = false
  let isDueAtTheEnd = false

  const isOfThisDatabase = lineage === undefined ? Effect.void : Effect.andThen(
    lineage.look,
    Effect.suspend(() =>
      lineage.replacements() === replacements
        ? Effect.void
        : Effect.andThen(Deferred.succeed(replaced, undefined), Effect.fail(isReplaced))
    )
  )

  const write = (position: number) =>
    Effect.andThen(
      isOfThisDatabase,
      positions.put(key, group === undefined ? { position } : { position, groupSize: group.size })
    ).pipe(
      Effect.tap(() => Effect.sync(() => written = position)),
      Effect.onError(() => Effect.sync(() => isDueSoon = true))
    )

  const member: Member = {
    mark,
    member: key.member,
    touch: (urgency) => {
      if (urgency === "soon") isDueSoon = true
      else isDueAtTheEnd = true
    },
    flush: (urgency) =>
      Effect.suspend(() => {
        const position = mark.position()
        if (position === written) return Effect.void
        const isDue = isDueSoon || (isDueAtTheEnd && urgency === "at the end") || written === undefined ||
          position - written >= farBehind
        if (!isDue) return Effect.void
        // Before the write: messages that are handled during it make the next position due.
        isDueSoon = false
        isDueAtTheEnd = false
        return write(position)
      })
  }
  return member
})

export const load = Effect.fnUntraced(function*(consumer: AnyConsumer, startAfter: StartAfter) {
  const { options: { group } } = consumer
  yield* checkGroupSize(consumer)
  const replaced = yield* Deferred.make<void>()
  const all = yield* Effect.forEach(keysOf(consumer), (key) => loadMember(consumer, key, startAfter, replaced))
  const byMember = new Map(all.map((member) => [member.member, member]))
  const members: Members = {
    all,
    of: group === undefined
      ? () => byMember.get(undefined)
      : ({ streamName }) => byMember.get(Option.getOrUndefined(StreamName.groupMember(streamName, group.size)) ?? -1),
    positions: () => all.map(({ mark, member }) => ({ member, position: mark.position() })),
    lowest: () => Math.min(...all.map(({ mark }) => mark.position())),
    oldest: () => {
      let oldest: LowWaterMark.Ticket | undefined
      for (const { mark } of all) {
        const first = mark.oldest()
        if (first !== undefined && first.position < (oldest?.position ?? Number.POSITIVE_INFINITY)) oldest = first
      }
      return oldest
    },
    replaced: Deferred.await(replaced)
  }
  return members
})

import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { PositionStore } from "../../PositionStore.ts"
import { InvalidArgument } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { checkConsumerId, checkInt } from "../store/argumentChecks.ts"
import type { Consumer, Start } from "./definition.ts"
import { ConsumerMoved, ConsumerUnknown } from "./errors.ts"
import { membersOf, type StoredMember } from "./progress.ts"
import { keepStopped, recordedSize } from "./regroup.ts"
import { startAfter } from "./startPosition.ts"

/** A position that was set back. */
export interface Rewound {
  /** The member of the consumer's group, from 0; `undefined` without a group. */
  readonly member: number | undefined
  /** The global position, inclusive, up to which everything had been handled. */
  readonly from: number
  /** The one from which the member continues: everything after it is handled. */
  readonly position: number
}

export interface RewindOptions {
  /**
   * The first message to handle again: the first of all, the one at a global position (inclusive), or the first one written at a time
   * or later. A time costs a read of what was written before it.
   */
  readonly to: Exclude<Start, "end">
  /**
   * The position that was looked at; of a group the lowest of its members. When the consumer has moved since, nothing is changed, and
   * the rewind fails with `ConsumerMoved`. Defaults to none: wherever it is.
   */
  readonly expected?: number | undefined
}

type Owner = Pick<Consumer<unknown, unknown>, "category" | "id">

const checked = Effect.fnUntraced(function*({ category, id }: Owner, { expected, to }: RewindOptions) {
  yield* checkConsumerId(id)
  yield* StreamName.parseCategory(category)
  yield* checkInt("expected", expected, 0)
  if (typeof to === "object" && "position" in to) yield* checkInt("to.position", to.position, 0)
})

const describe = (to: RewindOptions["to"]): string =>
  to === "beginning" ? to : "position" in to ? String(to.position) : DateTime.formatIso(to.time)

/** The size of the group, also when its first member has not written a position yet. Then all positions are looked through. */
const sizeOf = Effect.fnUntraced(function*(consumer: Owner) {
  const { category, id: consumerId } = consumer
  const { get, list } = yield* PositionStore
  const size = yield* recordedSize(consumer)
  if (size !== undefined || list === undefined || Option.isSome(yield* get({ category, consumerId }))) return size
  const other = yield* list.pipe(
    Stream.filter(({ key, position: { groupSize } }) =>
      key.category === category && key.consumerId === consumerId && groupSize !== undefined
    ),
    Stream.runHead,
    // Not every store can list.
    Effect.catchTag("Unsupported", () => Effect.succeedNone)
  )
  return Option.getOrUndefined(other)?.position.groupSize
})

/** What a rewind will change. */
export interface Plan {
  readonly back: ReadonlyArray<{ readonly member: StoredMember; readonly from: number }>
  /** The position to set. */
  readonly after: number
}

/** Finds out what a rewind will change, and keeps all members stopped until the scope closes. */
export const plan = Effect.fnUntraced(function*(consumer: Owner, options: RewindOptions) {
  yield* checked(consumer, options)
  const { category, id } = consumer
  const positions = yield* PositionStore
  const size = yield* sizeOf(consumer)
  const members = membersOf(consumer, size)
  yield* keepStopped(consumer, members)
  const recorded: Array<Plan["back"][number]> = []
  for (const member of members) {
    const found = yield* positions.get(member.key)
    // A member that has written none starts where the consumer starts, which only its definition says.
    if (Option.isSome(found)) recorded.push({ member, from: found.value.position })
  }
  if (recorded.length === 0) return yield* new ConsumerUnknown({ consumer: id, category })
  const lowest = Math.min(...recorded.map(({ from }) => from))
  if (options.expected !== undefined && options.expected !== lowest) {
    return yield* new ConsumerMoved({ consumer: id, category, expected: options.expected, actual: lowest })
  }
  const after = yield* startAfter({ category, options: { start: options.to }, selection: { categories: undefined } })
  const back = recorded.filter(({ from }) => from > after)
  if (back.length === 0) {
    return yield* new InvalidArgument({
      argument: "to",
      value: describe(options.to),
      expected: `before the consumer's position, ${
        Math.max(...recorded.map(({ from }) => from))
      }: a rewind skips nothing`
    })
  }
  const found: Plan = { back, after }
  return found
})

/** Sets the positions back. */
export const apply = Effect.fnUntraced(function*({ after, back }: Plan) {
  const positions = yield* PositionStore
  // Member 0, which tells the size, comes last, as when a group is divided again.
  for (const { member: { key, size } } of back.toReversed()) {
    yield* positions.put(key, size === undefined ? { position: after } : { position: after, groupSize: size })
  }
  return back.map(({ from, member }): Rewound => ({ member: member.key.member, from, position: after }))
})

export const rewind = (consumer: Owner, options: RewindOptions) =>
  Effect.scoped(Effect.flatMap(plan(consumer, options), apply))

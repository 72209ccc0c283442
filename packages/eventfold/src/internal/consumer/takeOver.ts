import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { PositionStore } from "../../PositionStore.ts"
import type { Consumer } from "./definition.ts"
import { GroupSizeChanged } from "./errors.ts"
import { membersOf } from "./progress.ts"
import { keepStopped } from "./regroup.ts"

/** A position that was taken over. */
export interface TakenOver {
  /** The member of the consumer's group, from 0; `undefined` without a group. */
  readonly member: number | undefined
  /** The global position, inclusive, up to which everything has been handled. */
  readonly position: number
}

export const takeOver = Effect.fnUntraced(function*(consumer: Consumer<unknown, unknown>) {
  const { category, id, options: { group } } = consumer
  const positions = yield* PositionStore
  const members = membersOf(consumer, group?.size)
  yield* keepStopped(consumer, members)
  const found: Array<readonly [(typeof members)[number], number]> = []
  for (const member of members) {
    const position = Option.getOrUndefined(yield* positions.elsewhere?.(member.key) ?? Effect.succeedNone)
    if (position === undefined) continue
    const { groupSize } = position
    if (group !== undefined && groupSize !== undefined && groupSize !== group.size) {
      return yield* new GroupSizeChanged({ consumer: id, category, recorded: groupSize, given: group.size })
    }
    found.push([member, position.position])
  }
  // Member 0, which tells the size, comes last, as when a group is divided again.
  for (const [{ key, size }, position] of found.toReversed()) {
    yield* positions.put(key, size === undefined ? { position } : { position, groupSize: size })
  }
  return found.map(([{ key }, position]): TakenOver => ({ member: key.member, position }))
}, Effect.scoped)

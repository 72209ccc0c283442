import * as Effect from "effect/Effect"
import type { Build } from "../../ReadModelStore.ts"
import type * as Lifecycle from "../processor/lifecycle.ts"
import type { ReadModel } from "./definition.ts"
import * as Filling from "./filling.ts"
import { verifyCheckpoint } from "./verifyCheckpoint.ts"

/** A build that is being filled. */
export interface Work<E, R> extends Lifecycle.Work {
  readonly filling: Filling.Filling<E, R>
}

export const makeWork = Effect.fnUntraced(function*<E, R>(
  model: ReadModel<E, R>,
  build: Build,
  options: Filling.Options
) {
  const filling = yield* Filling.make(model, yield* verifyCheckpoint(build), options)
  const { lastRead, pending, position } = filling
  const work: Work<E, R> = {
    filling,
    positions: () => [{ member: undefined, position: position() }],
    lastRead,
    heldBack: options.reader.heldBack,
    counts: () => {
      const { length } = pending()
      return { running: length === 0 ? 0 : 1, pending: length }
    },
    oldest: () => {
      const [first] = pending()
      return first === undefined ? undefined : { position: first.globalPosition, time: first.time.epochMilliseconds }
    }
  }
  return work
})

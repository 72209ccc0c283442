import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ReadModelStore } from "../../ReadModelStore.ts"
import { liveOf } from "./builds.ts"
import { checkFingerprint } from "./checkDefinition.ts"
import type { ReadModel } from "./definition.ts"
import { isHandled } from "./lag.ts"
import * as LiveProgress from "./liveProgress.ts"

/**
 * Waits until the live build has handled everything up to a global position. When this process runs the read model, the
 * runner's report ends the wait; otherwise the checkpoint that is stored does, looked at once per interval.
 */
export const waitFor = Effect.fnUntraced(function*(
  model: ReadModel<unknown, unknown>,
  globalPosition: number,
  interval: Duration.Input
) {
  const store = yield* ReadModelStore
  const progress = LiveProgress.of(store, model.name)
  const isHandledHere = Effect.whileLoop({
    while: () => progress.position() < globalPosition,
    body: () => progress.changed,
    step: () => {}
  })
  do {
    const live = liveOf(yield* store.builds(model.name))
    if (live !== undefined) {
      yield* checkFingerprint(model, live)
      if (yield* isHandled(model, live.checkpoint.position, globalPosition)) return
    }
    yield* progress.poke
    yield* Effect.timeoutOption(isHandledHere, interval)
  } while (progress.position() < globalPosition)
})

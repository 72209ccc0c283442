import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** Completes when the server begins to stop: live answers end then, because they would hold it up. Defaults to never. */
export const Closing = Context.Reference<Effect.Effect<void>>("@eventfold/http/Closing", {
  defaultValue: () => Effect.never
})

import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { layer as layerOf, Observe } from "eventfold/Observe"

/** The definitions of the program; none when it has loaded none, so that what the store knows is answered all the same. */
export const layer = Layer.unwrap(Effect.map(
  Effect.serviceOption(Observe),
  Option.match({
    // Without definitions there is nothing to refuse.
    onNone: () => Layer.orDie(layerOf({})),
    onSome: (loaded) => Layer.succeed(Observe, loaded)
  })
))

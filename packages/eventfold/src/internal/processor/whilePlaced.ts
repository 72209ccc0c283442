import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Placement } from "../../Placement.ts"

/** Runs an effect as long as a reader of one part is placed here: waits until it is, and interrupts it when it is no longer. */
export const whilePlaced = (reader: string) => <E, R>(run: Effect.Effect<void, E, R>): Effect.Effect<void, E, R> =>
  Effect.flatMap(
    Placement,
    Option.match({
      onNone: () => run,
      onSome: ({ changedFrom, view }) => {
        const isHere = () => view().here(reader, 1).length > 0
        const until = (wanted: boolean): Effect.Effect<void> =>
          Effect.suspend(() => {
            const seen = view()
            return isHere() === wanted ? Effect.void : Effect.andThen(changedFrom(seen), until(wanted))
          })
        return Effect.andThen(until(true), Effect.raceFirst(run, until(false)))
      }
    })
  )

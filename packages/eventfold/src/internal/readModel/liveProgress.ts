/**
 * Lets the runner of a read model and `waitFor` talk when both are in one process: the runner reports the position that it
 * has handled, and `waitFor` has it read at once.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

/** The progress of a read model's live build, as this process sees it. */
export interface LiveProgress {
  /** The last position that the runner of this process has reported; 0 before the first. */
  readonly position: () => number
  /** Reports that the live build has handled everything up to a global position, inclusive. Wakes `changed`. */
  readonly handled: (position: number) => Effect.Effect<void>
  /** Waits for the next report. */
  readonly changed: Effect.Effect<void>
  /** Asks the runner to read now. */
  readonly poke: Effect.Effect<void>
  /** Waits for a `poke`; returns at once when one has come since the last time. */
  readonly poked: Effect.Effect<void>
}

const make = (): LiveProgress => {
  let position = 0
  const changed = Latch.makeUnsafe()
  const poked = Latch.makeUnsafe()
  return {
    position: () => position,
    handled: (next) =>
      Effect.suspend(() => {
        position = next
        return changed.release
      }),
    changed: changed.await,
    poke: poked.open,
    poked: Effect.andThen(poked.await, poked.close)
  }
}

/** The key under which a read-model store keeps it. A string, as in `store/inProcess.ts`. */
export const TypeId = "~eventfold/ReadModelStore/InProcess"

/**
 * The progress of the read models of one store, by name, as the fibers of this process share it. Only eventfold's own modules
 * use it.
 *
 * @since 0.1.0
 * @category models
 */
export interface InProcess {
  readonly progress: Map<string, LiveProgress>
}

export const makeInProcess = (): InProcess => ({ progress: new Map() })

/** The progress of a read model on a store. */
export const of = (
  { [TypeId]: { progress } }: { readonly [TypeId]: InProcess },
  readModel: string
): LiveProgress => {
  const found = progress.get(readModel)
  if (found !== undefined) return found
  const made = make()
  progress.set(readModel, made)
  return made
}

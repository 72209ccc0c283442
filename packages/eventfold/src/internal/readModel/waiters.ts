import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { ReadModelStore } from "../../ReadModelStore.ts"

/** What those who wait for a read model, and who runs it in this process, tell one another. */
export interface Hub {
  /** The global position up to which the live build has handled everything, as far as this process has seen it do so. */
  readonly position: () => number
  /** Sets it, and wakes who waits. */
  readonly handled: (position: number) => Effect.Effect<void>
  /** Waits until it is set. */
  readonly changed: Effect.Effect<void>
  /** Has who runs it look for messages now. */
  readonly poke: Effect.Effect<void>
  readonly poked: Effect.Effect<void>
}

const make = (): Hub => {
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

const hubs = new WeakMap<ReadModelStore["Service"], Map<string, Hub>>()

/** The hub of a read model on a store. */
export const hubOf = (store: ReadModelStore["Service"], readModel: string): Hub => {
  const found = hubs.get(store) ?? new Map<string, Hub>()
  hubs.set(store, found)
  const hub = found.get(readModel) ?? make()
  found.set(readModel, hub)
  return hub
}

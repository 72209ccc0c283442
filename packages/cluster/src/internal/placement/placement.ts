import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Placement from "eventfold/Placement"
import { ownersOf } from "./even.ts"

/** A placement by the machines that are there, as far as this one knows. */
export interface Placed extends Placement.Service {
  /** Says which machines there are now. */
  readonly set: (machines: ReadonlyArray<string>) => Effect.Effect<void>
}

/** What a machine runs while the machines are these. */
const viewOf = (self: string, machines: ReadonlyArray<string>): Placement.View => {
  const found = new Map<string, ReadonlyArray<number>>()
  return {
    here: (reader, parts) => {
      const key = `${parts} ${reader}`
      const known = found.get(key)
      if (known !== undefined) return known
      const own = ownersOf(reader, parts, machines).flatMap((owner, part) => owner === self ? [part] : [])
      found.set(key, own)
      return own
    }
  }
}

/** A machine runs nothing before it is one of those that are there. */
export const make = (self: string): Placed => {
  const changed = Latch.makeUnsafe()
  let known: ReadonlyArray<string> = []
  let view = viewOf(self, known)
  return {
    view: () => view,
    changedFrom: (seen) => Effect.whileLoop({ while: () => view === seen, body: () => changed.await, step: () => {} }),
    set: (machines) =>
      Effect.suspend(() => {
        const sorted = machines.toSorted()
        if (sorted.join() === known.join()) return Effect.void
        known = sorted
        view = viewOf(self, sorted)
        return changed.release
      })
  }
}

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StoreBackend } from "../StoreBackend.ts"

/** Leases for a store that is all in this process, where nothing can take one away. */
export const make = (): StoreBackend["lease"] => {
  const held = new Set<string>()
  return (name) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        if (held.has(name)) return Option.none()
        held.add(name)
        return Option.some({ lost: Effect.never })
      }),
      (lease) => Effect.sync(() => Option.isSome(lease) && held.delete(name))
    )
}

import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { nextId } from "eventfold/Message"
import {
  type EncodedAppend,
  type StoreBackend,
  type Wake,
  wakeUnlessRefused,
  writtenCategories
} from "eventfold/StoreBackend"
import type { Bounded } from "../client/bound.ts"
import { isInProcess } from "../client/connections.ts"
import { logOf } from "../client/log.ts"
import { makeAnnouncer } from "./announcements.ts"
import type { Listener } from "./listener.ts"

/** Wakes the readers of a backend: of its own writes, and of those that other processes announce. */
export interface WakeUps {
  /** Wakes the readers of a category, here and in other processes, because messages may have been written to it. */
  readonly written: (category: string) => Effect.Effect<void>
  /** Runs a write, and wakes the readers of its categories unless the write was refused. */
  readonly waking: <A, E extends { readonly _tag: string }>(
    appends: ReadonlyArray<EncodedAppend>,
    write: Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
  /** Runs a write in a transaction of the caller, and wakes the readers of its categories when that commits. */
  readonly wakingAfterCommit: <A, E>(
    appends: ReadonlyArray<EncodedAppend>,
    write: Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
  readonly watch: NonNullable<StoreBackend["watch"]>
}

/** Announces until the scope closes, and hears by the listener. */
export const make = Effect.fnUntraced(function*(
  { bound, sql }: Bounded,
  listener: Listener,
  options: { readonly announce: boolean }
): Effect.fn.Return<WakeUps, never, Scope.Scope> {
  const hasOtherProcesses = !isInProcess(sql)
  const self = yield* nextId
  const announce = options.announce && hasOtherProcesses ? yield* makeAnnouncer({ bound, sql }, self) : undefined
  // Those of the services on this store. They are kept after their last reader stops waiting: each gives the same function the next time.
  const wakes = new Set<Wake>()

  const written = Effect.fnUntraced(function*(category: string) {
    for (const wake of wakes) yield* wake(category)
    if (announce !== undefined) yield* announce(category)
  })

  return {
    written,
    waking: (appends, write) => wakeUnlessRefused(appends, write, written),
    // A write that failed is rolled back, so it wakes no reader.
    wakingAfterCommit: (appends, write) =>
      Effect.tap(write, () => sql.afterCommit(Effect.forEach(writtenCategories(appends), written, { discard: true }))),
    watch: (given) =>
      Effect.suspend(() => {
        wakes.add(given)
        return hasOtherProcesses ? listener.add({ log: logOf(sql), self, wake: given }) : Effect.void
      })
  }
})

import type * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { type Build, BuildMoved, type Checkpoint, type Service } from "../../ReadModelStore.ts"
import type { StoreError } from "../../StoreError.ts"
import { isOutage } from "../processor/outage.ts"
import * as SideEffects from "./sideEffects.ts"

/** An error of the store or of the build, so that the messages being handled are not to blame. */
export class Broken extends Data.Error<{ readonly error: BuildMoved | StoreError }> {}

/** Moves the checkpoint of a build, and changes its tables with it. */
export interface BuildWriter<in out E, in out R> {
  /** The build, as its last transaction left it. */
  readonly build: () => Build
  /** The global position up to which everything is handled; the stored checkpoint may be behind. */
  readonly position: () => number
  /** Runs handlers and moves the checkpoint in one transaction, and the side effects of the handlers after it. */
  readonly advance: (to: Checkpoint, handle: Effect.Effect<void, E, R>) => Effect.Effect<void, E | Broken, R>
  /**
   * Moves the position over messages that no handler takes. That needs no transaction each time: after a crash they are read
   * again. The checkpoint follows when it has not moved for five seconds.
   */
  readonly skipTo: (position: number) => Effect.Effect<void, E | Broken, R>
}

/** How long the checkpoint may stay behind messages that no handler takes, in milliseconds. */
const checkpointInterval = 5_000

export const make = <E, R>(
  store: Service,
  clock: Clock.Clock,
  first: Build,
  { sideEffects }: { readonly sideEffects: boolean }
): BuildWriter<E, R> => {
  const { history, position: begin } = first.checkpoint
  let build = first
  let position = begin
  let movedAt = clock.currentTimeMillisUnsafe()

  const advance = (to: Checkpoint, handle: Effect.Effect<void, E, R>): Effect.Effect<void, E | Broken, R> =>
    Effect.suspend(() => {
      let isHandlers = false
      const isReplay = !sideEffects && (build.state !== "live" || to.position <= history)
      const inTransaction = SideEffects.inTransaction(build.readModel, handle)
      const noted = Effect.tapCause(inTransaction, () => Effect.sync(() => isHandlers = true))
      const transaction = Effect.tap(store.advance(build, to, noted), (next) =>
        Effect.sync(() => {
          build = next
          position = to.position
          movedAt = clock.currentTimeMillisUnsafe()
        }))
      return Effect.asVoid(Effect.mapError(SideEffects.runningSideEffects(transaction, isReplay), (error) =>
        // A store that is away can surface as a failure of the handlers' own statements.
        !isHandlers || error instanceof BuildMoved || isOutage(error)
          ? new Broken({ error: error as BuildMoved | StoreError })
          : error as E))
    })

  return {
    build: () => build,
    position: () => position,
    advance,
    skipTo: (to) =>
      Effect.suspend(() => {
        if (to <= build.checkpoint.position) return Effect.void
        position = to
        return clock.currentTimeMillisUnsafe() - movedAt < checkpointInterval
          ? Effect.void
          : advance({ ...build.checkpoint, position: to }, Effect.void)
      })
  }
}

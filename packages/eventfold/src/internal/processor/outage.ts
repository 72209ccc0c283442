import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { StoreError } from "../../StoreError.ts"
import { log } from "../runtime/log.ts"
import type { Subject } from "./subject.ts"

/** Whether it is the store that failed, and it may be back later. */
export const isPassing = (error: unknown): boolean => error instanceof StoreError && error.isRetryable

/** How long to wait for a store that is away. */
export const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])

export const tellAway = ({ kind, logged }: Subject, error: unknown): Effect.Effect<void> =>
  log("Warn", `the store failed; the ${kind} goes on when it is back`, { ...logged, error })

/** Goes on with an effect when the store is back. */
export const untilBack = (subject: Subject) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    Effect.tapError((error) => isPassing(error) ? tellAway(subject, error) : Effect.void),
    Effect.retry({ schedule: backoff, while: isPassing })
  )

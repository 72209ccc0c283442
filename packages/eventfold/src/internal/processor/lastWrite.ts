import * as Effect from "effect/Effect"
import { log } from "../runtime/log.ts"

/** How long a last write may take: a store that is away is not waited for. */
const limit = "5 seconds"

/** What is written when a scope closes. When it can't be, that is a warning with what follows from it. */
export const lastWrite = <E, R>(
  write: Effect.Effect<void, E, R>,
  consumer: string,
  consequence: string
): Effect.Effect<void, never, R> =>
  write.pipe(
    Effect.interruptible,
    Effect.timeout(limit),
    Effect.catch((error) => log("Warn", `the last position could not be written; ${consequence}`, { consumer, error }))
  )

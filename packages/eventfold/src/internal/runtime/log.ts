import * as Effect from "effect/Effect"
import type * as LogLevel from "effect/LogLevel"

/** A line of the log, with what it is about as its annotations. */
export const log = (
  level: LogLevel.Severity,
  message: string,
  about: Readonly<Record<string, unknown>>
): Effect.Effect<void> => Effect.annotateLogs(Effect.logWithLevel(level)(message), about)

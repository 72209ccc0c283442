import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as LogLevel from "effect/LogLevel"

/** Logs a message with structured fields, as annotations of this line alone. */
export const log = (
  level: LogLevel.Severity,
  message: string,
  about: Readonly<Record<string, unknown>>,
  ...cause: readonly [] | readonly [Cause.Cause<unknown>]
): Effect.Effect<void> => Effect.annotateLogs(Effect.logWithLevel(level)(message, ...cause), about)

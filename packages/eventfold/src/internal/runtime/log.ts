import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as LogLevel from "effect/LogLevel"
import * as FailureReport from "../../FailureReport.ts"

/** Logs a message with structured fields, as annotations of this line alone. */
export const log = (
  level: LogLevel.Severity,
  message: string,
  about: Readonly<Record<string, unknown>>
): Effect.Effect<void> => Effect.annotateLogs(Effect.logWithLevel(level)(message), about)

/** Logs a message about a failure, with its report as the field `error`. */
export const logFailure = (
  level: LogLevel.Severity,
  message: string,
  about: Readonly<Record<string, unknown>>,
  cause: Cause.Cause<unknown>
): Effect.Effect<void> =>
  Effect.flatMap(FailureReport.fromCause(cause), (error) => log(level, message, { ...about, error }))

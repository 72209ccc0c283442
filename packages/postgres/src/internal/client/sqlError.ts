import type { SqlError } from "effect/sql/SqlError"
import { StoreError } from "eventfold/StoreError"

/** The fields of a server's error, which `SqlError` keeps as the cause of its reason. */
interface ServerError {
  readonly code?: unknown
  readonly message?: unknown
  readonly detail?: unknown
  readonly hint?: unknown
}

const serverError = (error: SqlError): ServerError => {
  const cause: unknown = error.reason.cause
  return typeof cause === "object" && cause !== null ? cause : {}
}

/** The SQLSTATE, or the code of a failed system call such as `ECONNREFUSED`. */
export const errorCode = (error: SqlError): string | undefined => {
  const { code } = serverError(error)
  return typeof code === "string" ? code : undefined
}

/** The message and detail of the server, or the message of the operating system. */
export const errorText = (error: SqlError): string => {
  const { detail, message } = serverError(error)
  const text = typeof message === "string" && message !== "" ? message : error.message
  return typeof detail === "string" ? `${text} (${detail})` : text
}

/** The hint of the server, or of a script of `@eventfold/sql`. */
export const errorHint = (error: SqlError): string | undefined => {
  const { hint } = serverError(error)
  return typeof hint === "string" ? hint : undefined
}

/** The server is shutting down, starting, or full: states that pass. */
const passing = new Set(["57P01", "57P02", "57P03", "53300"])

/** Whether the same statement may succeed later. */
export const isPassing = (error: SqlError): boolean => error.isRetryable || passing.has(errorCode(error) ?? "")

/** Whether a statement has waited for a lock for as long as it may. */
export const isLockTimeout = (error: SqlError): boolean => error.reason._tag === "LockTimeoutError"

/** Whether an id or a position is already taken. */
export const isUniqueViolation = (error: SqlError): boolean => error.reason._tag === "UniqueViolation"

/** The only place where a failure of SQL becomes a `StoreError`. */
export const storeError = (operation: string) => (error: SqlError): StoreError => {
  const code = errorCode(error)
  return new StoreError({
    operation,
    reason: code === undefined ? errorText(error) : `${errorText(error)} [${code}]`,
    isRetryable: isPassing(error),
    cause: error
  })
}

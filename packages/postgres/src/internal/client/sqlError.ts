import { ParseError } from "@effect/sql-pg/PgProtocol"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { StoreError } from "eventfold/StoreError"
import { type State, stateOf } from "./sqlStates.ts"

/** The fields of a server's error, which `SqlError` keeps as the cause of its reason. */
interface ServerError {
  readonly code?: unknown
  readonly message?: unknown
  readonly detail?: unknown
  readonly hint?: unknown
  readonly routine?: unknown
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
  const long = tooLong(error)
  if (long !== undefined) {
    return `the server has given a row of ${long.size} bytes, and the client takes ${long.most} at most: give the client that ` +
      "this store has a larger maxMessageSize"
  }
  const { detail, message } = serverError(error)
  const text = typeof message === "string" && message !== "" ? message : error.message
  return typeof detail === "string" ? `${text} (${detail})` : text
}

/** The hint of the server, or of a script of `@eventfold/sql`. */
export const errorHint = (error: SqlError): string | undefined => {
  const { hint } = serverError(error)
  return typeof hint === "string" ? hint : undefined
}

/** What a client says that has got a longer message than it takes. It has given its connection up. */
const longMessage = /^Message length (\d+) exceeds maxMessageSize (\d+)$/

/** The size of a message that was too long for the client, and the longest that it takes. */
const tooLong = ({ reason: { cause } }: SqlError) => {
  const [, size, most] = cause instanceof ParseError ? longMessage.exec(cause.message) ?? [] : []
  return size === undefined || most === undefined ? undefined : { size, most }
}

/** Whether the client has got a longer message than it takes. */
export const isTooLong = (error: SqlError): boolean => tooLong(error) !== undefined

/** Our functions report by this text that a standby can't give what the primary can. It is never translated. */
const onStandby = /^A replica does not see the transactions that may still fill a gap/

const isOnStandby = (error: SqlError): boolean => {
  const { message } = serverError(error)
  return typeof message === "string" && onStandby.test(message)
}

const sqlState = /^[0-9A-Z]{5}$/

/**
 * What a failure of SQL is. One without an SQLSTATE is that of a connection, which passes whatever has failed it, or of the client,
 * which does not.
 */
export const stateOfError = (error: SqlError): State => {
  const { code, routine } = serverError(error)
  // The connection has failed, and would fail again.
  if (isTooLong(error)) return "final"
  // Node's codes are longer, except for some such as `EPIPE`, whose errors are those of connections.
  if (typeof code !== "string" || !sqlState.test(code) || /^E[A-Z]+$/.test(code)) {
    return error.reason._tag === "ConnectionError" ? "passes" : "final"
  }
  // An application that reads a standby on purpose learns of it at once.
  if (code === "55000" && isOnStandby(error)) return "later"
  return stateOf(code, typeof routine === "string" ? routine : undefined)
}

/** Whether the same statement may succeed later. */
export const isPassing = (error: SqlError): boolean => stateOfError(error) !== "final"

/** Whether the store repeats a statement that failed so. */
export const isWorthRepeating = (error: SqlError): boolean => {
  const state = stateOfError(error)
  return state === "passes" || state === "elsewhere"
}

/** Whether a failure, of a statement or of an operation, says that its session is that of a standby or takes no writes. */
export const isOfReadOnlySession = (error: unknown): boolean => {
  const failure = error instanceof StoreError ? error.cause : error
  return isSqlError(failure) && (stateOfError(failure) === "elsewhere" || isOnStandby(failure))
}

/** Whether a statement has waited for a lock for as long as it may. */
export const isLockTimeout = (error: SqlError): boolean => error.reason._tag === "LockTimeoutError"

/**
 * Whether a session no longer takes a statement that the client has prepared on it: the session has lost it, or the statement has
 * another result since a table was changed. The client prepares it again next time. In a transaction that is the next one, because
 * the server has failed this one.
 */
export const isStaleStatement = (error: SqlError): boolean => {
  const { code, routine } = serverError(error)
  return code === "26000" || (code === "0A000" && routine === "RevalidateCachedQuery")
}

/** Whether the server is a standby, and the table one that it does not have: what is unlogged is not in the write-ahead log. */
export const isUnloggedOnStandby = (error: SqlError): boolean => {
  const { code, routine } = serverError(error)
  return code === "0A000" && routine === "get_relation_info"
}

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

/**
 * The problems of the failures of a store. What a failure says of SQL, servers or messages stays in the log.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AppendError, ReadAllError, ReadCategoryError, ReadStreamError } from "eventfold/MessageStore"
import type * as StoreError from "eventfold/StoreError"
import * as Problem from "../../Problem.ts"

/** One part of the request is wrong. */
export const invalid = (path: ReadonlyArray<string | number>, message: string): Problem.InvalidRequest =>
  new Problem.InvalidRequest({ detail: `${path.join(".")}: ${message}`, errors: [{ path, message }] })

/** The store is away for now, or the failure is one that only the log may tell. */
export const ofStoreError = (error: StoreError.StoreError): Problem.Unavailable | Problem.InternalError =>
  error.isRetryable
    ? new Problem.Unavailable({ detail: "the store did not answer; send the request again" })
    : new Problem.InternalError({ detail: "the store failed" })

const ofWrongVersion = (error: StoreError.WrongExpectedVersion) => ({
  detail: error.message,
  streamName: error.streamName,
  expected: error.expected,
  actual: Option.getOrNull(error.actual)
})

/** Where the parts of an append are in the request. */
export interface Places {
  readonly streamName: ReadonlyArray<string | number>
  /** Whether a header has said which version is expected. */
  readonly byHeader: boolean
}

/** The problem of a failed append to one stream. */
export const ofAppend = (places: Places) => (error: AppendError) => {
  if (error._tag !== "WrongExpectedVersion") return ofRefusal(places.streamName, error)
  return places.byHeader
    ? new Problem.PreconditionFailed(ofWrongVersion(error))
    : new Problem.WrongExpectedVersion(ofWrongVersion(error))
}

/** Where a value is nested deeper, its path would fill the answer. */
const maxPath = 30

/** The problem of an append that was refused for another reason than the version of its stream. */
export const ofRefusal = (
  place: ReadonlyArray<string | number>,
  error: Exclude<AppendError, StoreError.WrongExpectedVersion>
): Problem.DuplicateMessageId | Problem.InvalidRequest | Problem.InvalidMessage | ReturnType<typeof ofStoreError> => {
  switch (error._tag) {
    case "DuplicateMessageId":
      return new Problem.DuplicateMessageId({ detail: error.message, streamName: error.streamName, id: error.id })
    case "InvalidStreamName":
      return invalid(place, error.message)
    case "InvalidMessage": {
      const { index, reason, streamName } = error
      const path = error.path.slice(0, maxPath)
      const where = error.path.length > maxPath ? [...path, "..."] : path
      const detail = `message ${index} to ${streamName}: ${
        [where.join("."), reason].filter((part) => part !== "").join(" ")
      }`
      return new Problem.InvalidMessage({ detail, streamName, index, path })
    }
    case "StoreError":
      return ofStoreError(error)
  }
}

/** The problem of a failed append to several streams. */
export const ofAppends = (
  error: AppendError | StoreError.Unsupported
): Exclude<ReturnType<ReturnType<typeof ofAppend>>, Problem.PreconditionFailed> | Problem.Unsupported => {
  if (error._tag === "Unsupported") return new Problem.Unsupported({ detail: error.message })
  if (error._tag === "WrongExpectedVersion") return new Problem.WrongExpectedVersion(ofWrongVersion(error))
  return ofRefusal(["payload"], error)
}

/** The names by which a request gives the arguments of a read. */
const queryNames: Readonly<Record<string, string>> = { types: "type", categories: "category" }

/** The problem of a failed read, whose request has its categories in these places. */
export const ofReadWith = (placeOf: (category: string) => ReadonlyArray<string>) =>
(
  error: Exclude<ReadStreamError | ReadCategoryError | ReadAllError, StoreError.Unsupported>
): Problem.InvalidRequest | Problem.Unavailable | Problem.InternalError => {
  switch (error._tag) {
    case "InvalidStreamName":
      return invalid(["params", "streamName"], error.message)
    case "InvalidCategory":
      return invalid(placeOf(error.category), error.message)
    case "InvalidArgument":
      return invalid(["query", queryNames[error.argument] ?? error.argument], `must be ${error.expected}`)
    case "StoreError":
      return ofStoreError(error)
  }
}

/** The problem of a failed read. */
export const ofRead = ofReadWith(() => ["params", "category"])

/** The problem of a failed read that the store may not support. */
export const ofReadStream = (
  error: ReadStreamError | ReadCategoryError
): ReturnType<typeof ofRead> | Problem.Unsupported =>
  error._tag === "Unsupported" ? new Problem.Unsupported({ detail: error.message }) : ofRead(error)

/**
 * Answers the failures of a store with problems. What a problem does not tell of a store that failed goes to the log: as an error, or
 * as a warning when the store is away, since that is no fault of this program.
 */
export const orProblem = <Failure extends { readonly _tag: string; readonly message: string }, Found>(
  problemOf: (failure: Failure) => Found
) =>
<A, E extends Failure, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, Found, R> =>
  Effect.catch(self, (failure) => {
    const problem = problemOf(failure)
    if (
      failure._tag !== "StoreError" && failure._tag !== "NotPermitted" && !(problem instanceof Problem.InternalError)
    ) {
      return Effect.fail(problem)
    }
    // Many requests meet an outage: a line each says enough.
    const log = problem instanceof Problem.Unavailable
      ? Effect.annotateLogs(Effect.logWarning("store is away"), { reason: failure.message })
      : Effect.logError("store failed", failure)
    return Effect.andThen(log, Effect.fail(problem))
  })

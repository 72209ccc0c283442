/**
 * The problems of the failures of streams.
 */
import type { AppendError } from "eventfold/MessageStore"
import type { InvalidArgument } from "eventfold/StoreError"
import type { InvalidCategory } from "eventfold/StreamName"
import type * as Streams from "eventfold/Streams"
import * as Problem from "../../Problem.ts"
import { invalid, ofRefusal, ofStoreError } from "../problems/failures.ts"

type Path = ReadonlyArray<string | number>

/** Where most requests have the id of a stream. */
export const inParams = { id: ["params", "id"] } as const

/** Where the parts of the request are. */
interface Places {
  readonly id: Path
  readonly attributes?: Path
}

const inRequest: Readonly<Record<string, Path>> = {
  base: ["query", "base"],
  limit: ["query", "limit"],
  after: ["query", "after"],
  reason: ["query", "reason"]
}

/** What a role lacks is for the log alone: it names tables. */
const notPermitted = "the store does not let this server do so: its log says why"

const failed = new Problem.InternalError({ detail: "the log of the server says why" })

const ofArgument = ({ argument, expected }: InvalidArgument): Problem.InvalidRequest | Problem.InternalError => {
  if (argument === "at") return invalid(["payload", "at"], "must be a time of the years 0 to 9999")
  const place = inRequest[argument]
  return place === undefined ? failed : invalid(place, `must be ${expected}`)
}

/**
 * The problem of a failed operation on streams, of its record included. What no request can be the reason of is the server's: a
 * category with a wrong name, stored attributes that don't fit their schema, a sender whose name can't be stored.
 */
export const ofStreams = ({ attributes, id }: Places) =>
(
  error:
    | Streams.NameError
    | Streams.StreamsError
    | Streams.InvalidAttributes
    | InvalidArgument
    | AppendError
):
  | Problem.InvalidRequest
  | Problem.Unsupported
  | ReturnType<typeof ofStoreError> =>
{
  switch (error._tag) {
    case "InvalidStreamName":
      return invalid(id, error.message)
    case "InvalidArgument":
      return ofArgument(error)
    case "InvalidAttributes":
      return attributes === undefined ? failed : invalid([...attributes, ...error.path], error.reason)
    case "Unsupported":
      return new Problem.Unsupported({ detail: error.message })
    case "NotPermitted":
      return new Problem.Unsupported({ detail: notPermitted })
    case "StoreError":
      return ofStoreError(error)
    case "InvalidCategory":
    case "InvalidMessage":
    case "DuplicateMessageId":
    case "WrongExpectedVersion":
      return failed
  }
}

/** The problem of a failed count, which takes nothing of the request. */
export const ofStats = (
  error: Streams.NameError | Streams.StreamsError
): Problem.Unsupported | ReturnType<typeof ofStoreError> => {
  switch (error._tag) {
    case "InvalidStreamName":
    case "InvalidCategory":
      return failed
    case "Unsupported":
      return new Problem.Unsupported({ detail: error.message })
    case "NotPermitted":
      return new Problem.Unsupported({ detail: notPermitted })
    case "StoreError":
      return ofStoreError(error)
  }
}

/** The problem of a change that depends on what the attributes are. */
export const ofGuarded = (places: Places) => {
  const ofOthers = ofStreams(places)
  return (error: Problem.AttributesChanged | Parameters<typeof ofOthers>[0]) =>
    error._tag === "AttributesChanged" ? error : ofOthers(error)
}

/** The problem of a stream that was not added. */
export const ofAdd = (
  error: Streams.StreamExists | Streams.NameError | Streams.StreamsError | Streams.InvalidAttributes
) =>
  error._tag === "StreamExists"
    ? new Problem.StreamExists({ detail: error.message, id: error.id })
    : ofStreams({ id: ["payload", "id"], attributes: ["payload", "attrs"] })(error)

/** The problem of a message that was not added. No version is expected of its stream. */
export const ofAddMessage = (error: AppendError | InvalidArgument | InvalidCategory) => {
  switch (error._tag) {
    case "InvalidArgument":
      return ofArgument(error)
    case "InvalidCategory":
    case "WrongExpectedVersion":
      return failed
    default:
      return ofRefusal(inParams.id, error)
  }
}

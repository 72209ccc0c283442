/**
 * The problems of what is asked of an application.
 */
import type * as Category from "eventfold/Category"
import type { ConsumerIsRunning, ConsumerUnknown } from "eventfold/Consumer"
import type { ReadCategoryError, ReadStreamError } from "eventfold/MessageStore"
import type { CommandError, DefinitionNotLoaded, EntityError, ReaderError, RebuildFailed } from "eventfold/Observe"
import type { ParkingError } from "eventfold/Parking"
import type * as ReadModel from "eventfold/ReadModel"
import type { SteeringError } from "eventfold/Steering"
import type { InvalidArgument, StoreError, Unsupported } from "eventfold/StoreError"
import type { InvalidCategory } from "eventfold/StreamName"
import * as Problem from "../../Problem.ts"
import { ofIssues } from "../problems/answers.ts"
import { invalid, ofRead, ofReadStream, ofRefusal, ofStoreError } from "../problems/failures.ts"

const failed = new Problem.InternalError({ detail: "the log of the server says why" })

export const ofNotLoaded = ({ definition, kind }: DefinitionNotLoaded): Problem.DefinitionNotLoaded =>
  new Problem.DefinitionNotLoaded({
    // The names of the others may be of categories that the sender may not read.
    detail: `definition not loaded here: ${kind} ${definition}`,
    kind,
    definition
  })

/** The message has said nothing of its data: only where it is wrong, and what the schema expects there. */
export const ofDecodeError = (error: Category.DecodeError): Problem.UndecodableMessage => {
  const { globalPosition, message, path, position, streamName } = error
  return new Problem.UndecodableMessage({ detail: message, streamName, position, globalPosition, path })
}

/** The problem of an entity that can't be shown. A state that does not fit its own schema is a mistake of the program. */
export const ofEntity = (error: EntityError) => {
  switch (error._tag) {
    case "DefinitionNotLoaded":
      return ofNotLoaded(error)
    case "InvalidStreamName":
      return invalid(["params", "id"], error.message)
    case "InvalidArgument":
      return invalid(["query", error.argument], `must be ${error.expected}`)
    case "DecodeError":
      return ofDecodeError(error)
    case "UnshowableState":
      return failed
    case "StoreError":
      return ofStoreError(error)
  }
}

/** The problem of a command that was neither accepted nor refused. */
export const ofCommand = (entity: string) => (error: CommandError) => {
  switch (error._tag) {
    case "DefinitionNotLoaded":
      return ofNotLoaded(error)
    case "UnknownCommand":
      return new Problem.CommandNotFound({ detail: error.message, command: error.command, known: error.known })
    case "InvalidPayload":
      return ofIssues(error.issues.map(({ message, path }) => ({ path: ["payload", ...path], message })))
    case "CommandIdTaken": {
      const detail =
        `the Idempotency-Key is that of another command on ${error.streamName}: use a new one; nothing was written`
      return new Problem.CommandIdTaken({ detail, entity, command: error.command })
    }
    case "DecodeError":
      return ofDecodeError(error)
    case "WrongExpectedVersion":
      return new Problem.Unavailable({ detail: "others were faster to write to the stream; send the command again" })
    case "InvalidAnswer":
    case "InvalidArgument":
    case "Unsupported":
      return failed
    default:
      return ofRefusal(["params", "id"], error)
  }
}

/** The problem of readers that can't be shown. What a definition has wrong is a mistake of the program. */
export const ofReaders = (error: ReaderError) => error._tag === "StoreError" ? ofStoreError(error) : failed

/** The problem of a process that can't be shown. */
export const ofProcess = (error: DefinitionNotLoaded | ReaderError) =>
  error._tag === "DefinitionNotLoaded" ? ofNotLoaded(error) : ofReaders(error)

/** The problem of the history of a process, whose id is the only part of the path that can be wrong beside its name. */
export const ofProcessHistory = (error: StoreError | Unsupported | InvalidArgument | InvalidCategory) => {
  switch (error._tag) {
    case "InvalidCategory":
      return invalid(["params", "process"], error.message)
    case "InvalidArgument":
      return invalid([error.argument === "id" ? "params" : "query", error.argument], `must be ${error.expected}`)
    case "Unsupported":
      return new Problem.Unsupported({ detail: error.message })
    case "StoreError":
      return ofStoreError(error)
  }
}

/** The problem of a check of stored messages. */
export const ofStoredTypes = (error: DefinitionNotLoaded | ReadCategoryError) =>
  error._tag === "DefinitionNotLoaded" ? ofNotLoaded(error) : ofRead(error)

/** The problem of the records of administrators. */
export const ofRecords = (error: Category.DecodeError | ReadStreamError) =>
  error._tag === "DecodeError" ? ofDecodeError(error) : ofReadStream(error)

/** The problem of what is asked of the store by a name and a page that the request gives. */
export const ofNamed = (place: ReadonlyArray<string>) => (error: ParkingError) => {
  switch (error._tag) {
    case "InvalidCategory":
      return invalid(place, error.message)
    case "InvalidArgument":
      // The id of a consumer is the only argument of these that is not in the query.
      return error.argument === "after" || error.argument === "limit"
        ? invalid(["query", error.argument], `must be ${error.expected}`)
        : invalid(["params", "consumer"], `must be ${error.expected}`)
    case "StoreError":
      return ofStoreError(error)
  }
}

/**
 * The problem of what was not steered: by the part of the request that has the arguments, and the names that they have there. An author
 * that can't be recorded is one of the server.
 */
const ofSteeringIn =
  (part: "payload" | "query", names: Readonly<Record<string, string>> = {}) => (error: SteeringError) => {
    switch (error._tag) {
      case "NotAsSeen": {
        const { actual, change, expected, message } = error
        return new Problem.NotAsSeen({ detail: message, expected, actual, change })
      }
      case "InvalidArgument":
        return error.argument === "by" || error.argument === "token"
          ? failed
          : invalid([part, ...(names[error.argument] ?? error.argument).split(".")], `must be ${error.expected}`)
      case "InvalidCategory":
        return invalid(["query", "category"], error.message)
      case "Unsupported":
        return new Problem.Unsupported({ detail: error.message })
      case "StoreError":
        return ofStoreError(error)
      case "InvalidStreamName":
      case "InvalidMessage":
      case "DuplicateMessageId":
      case "WrongExpectedVersion":
        return failed
    }
  }

/** The problem of what a body asks for and was not steered. */
export const ofSteering = ofSteeringIn("payload")

/** The problem of a read model that was not rewound. */
export const ofRewindReadModel = ofSteeringIn("payload", { position: "to" })

/** The problem of a build that was not dropped. */
export const ofDropBuild = ofSteeringIn("query", { "expected.state": "state" })

/** The problem of a consumer that was not rewound. */
export const ofRewind = (error: SteeringError | ConsumerIsRunning | ConsumerUnknown) => {
  switch (error._tag) {
    case "ConsumerIsRunning": {
      const { category, consumer, message } = error
      return new Problem.ConsumerIsRunning({ detail: message, consumer, category })
    }
    case "ConsumerUnknown":
      return new Problem.ConsumerNotFound({ detail: error.message, consumer: error.consumer })
    default:
      return ofSteering(error)
  }
}

/** The problem of a build that was not accepted. */
export const ofAccept = (error: SteeringError | DefinitionNotLoaded | ReadModel.BuildNotFound) => {
  switch (error._tag) {
    case "DefinitionNotLoaded":
      return ofNotLoaded(error)
    case "BuildNotFound":
      return new Problem.BuildNotFound({ detail: error.message, readModel: error.readModel })
    default:
      return ofSteering(error)
  }
}

/** The problem of a rebuild. What a handler has failed with can be anything: the record of the rebuild has it. */
export const ofRebuild = (error: SteeringError | DefinitionNotLoaded | RebuildFailed) => {
  switch (error._tag) {
    case "DefinitionNotLoaded":
      return ofNotLoaded(error)
    case "RebuildFailed": {
      const { failure: { tag: failure }, readModel } = error
      return failure === "ReadModelIsBuilding"
        ? new Problem.ReadModelIsBuilding({ detail: `another build of ${readModel} is being filled`, readModel })
        : new Problem.RebuildFailed({
          detail: `it has failed with ${failure}: the record says why`,
          readModel,
          failure
        })
    }
    default:
      return ofSteering(error)
  }
}

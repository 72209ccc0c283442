import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Category from "../../Category.ts"
import * as FailureReport from "../../FailureReport.ts"
import { deriveId, type MessageId } from "../../Message.ts"
import { InvalidArgument } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { boundedText } from "../runtime/boundedJson.ts"
import { checkConsumerId } from "../store/argumentChecks.ts"
import { allName } from "../store/bookkeeping.ts"

/** Refers to a parked message, which stays in its stream. */
const reference = { streamName: Schema.String, position: Schema.Int, globalPosition: Schema.Int }

/**
 * Why a message failed: as text, which all versions of eventfold read, and as data, which the first ones did not write. So
 * programs of both versions can work on the same parked streams.
 */
const reason = { error: Schema.String, failure: Schema.optionalKey(FailureReport.FailureReport) }

const events = {
  /** The message failed. Without a reason, it waits behind a message that did. */
  Parked: {
    ...reference,
    messageId: Schema.String,
    type: Schema.String,
    error: Schema.optionalKey(reason.error),
    failure: reason.failure,
    attempts: Schema.Int
  },
  ReplayRequested: { streamName: Schema.String, limit: Schema.optionalKey(Schema.Int) },
  Replayed: reference,
  /** The message failed again when it was replayed, which ends the replay. */
  Failed: { ...reference, ...reason, attempts: Schema.Int },
  /** One message was dropped. Without a global position, all that waited were. */
  Dropped: { streamName: Schema.String, globalPosition: Schema.optionalKey(Schema.Int), reason: Schema.String }
}

export type Event = Category.Event<Category.Category<typeof events>>

export type RecordedEvent = Category.RecordedEvent<Category.Category<typeof events>>

/** The consumer whose messages are parked. */
export interface Owner {
  readonly id: string
  readonly category: string
}

/** The category of a consumer's parked streams, and the ids in it. */
export interface ParkingCategory {
  readonly category: Category.Category<typeof events>
  /** The id of the parked stream that messages of a stream are parked in. */
  readonly idOf: (streamName: string) => string
  /** The id of a parked stream, by its name. None when the stream is another consumer's. */
  readonly ownId: (parkedName: string) => Option.Option<string>
  /** The message id of an event about a message: the same event is recorded once, however often it is written. */
  readonly eventId: (messageId: string, ...outcome: ReadonlyArray<string>) => MessageId
}

const isName = Schema.is(StreamName.StreamName)

/** Shortens a text, and replaces what some store could not keep. */
export const storableText = (text: string): string => boundedText(text, { left: 8_000 }, 8_000)

/** The reason of a failure, as it is recorded. */
export const recordedReason = (failure: FailureReport.FailureReport) => ({
  error: storableText(FailureReport.format(failure)),
  failure
})

/** Reads a recorded reason. None when the message only waits. */
export const readReason = (
  { error, failure }: { readonly error?: string; readonly failure?: FailureReport.FailureReport }
): FailureReport.FailureReport | undefined => failure ?? (error === undefined ? undefined : reportOfText(error))

/** A reason of the first versions, which wrote the text of a cause: `Refused: too much`, and its stack. */
const reportOfText = (error: string): FailureReport.FailureReport => {
  const [, tag = "Error"] = /^([\p{L}_$][\w$./-]*): /u.exec(error) ?? []
  return { kind: "error", tag, message: error, fields: {} }
}

/** The category and the cardinal id: `account-123` of `account-123+456`. */
export const cardinalStream = (streamName: string): string =>
  Option.match(StreamName.cardinalId(streamName), {
    onNone: () => streamName,
    onSome: (cardinal) => `${StreamName.category(streamName)}-${cardinal}`
  })

/** The category of the parked streams of all consumers that read a category. */
export const parkedCategory = (name: string): Category.Category<typeof events> => Category.make(name, events)

/**
 * The parking of a consumer. Messages of `account-123` and `account-123+456` are parked for `notifier` in the stream
 * `account:parked-notifier+123`, those of a stream without an id in `account:parked-notifier`, and those of a consumer of
 * several categories in `$all:parked-notifier+account-123`. When that makes the name too long, a hash of the cardinal id
 * takes its place, after `++`: no cardinal id has a `+`.
 */
export const make = Effect.fnUntraced(function*(
  owner: Owner
): Effect.fn.Return<ParkingCategory, InvalidArgument | StreamName.InvalidCategory> {
  yield* checkConsumerId(owner.id)
  yield* StreamName.parseCategory(owner.category)
  const name = StreamName.withType(owner.category, "parked")

  const hashed = (cardinal: string) => `${owner.id}++${deriveId(cardinal)}`
  yield* Effect.mapError(StreamName.make(name, hashed("")), ({ reason }) =>
    new InvalidArgument({
      argument: "id",
      value: owner.id,
      expected: `shorter or simpler: the name of its parked stream ${reason}`
    }))

  /** A consumer of several categories parks each of them by itself, even when their ids are the same. */
  const cardinalOf = owner.category === allName
    ? (streamName: string) => Option.some(cardinalStream(streamName))
    : StreamName.cardinalId

  return {
    category: parkedCategory(name),
    idOf: (streamName) =>
      Option.match(cardinalOf(streamName), {
        onNone: () => owner.id,
        onSome: (cardinal) => {
          const id = `${owner.id}+${cardinal}`
          return isName(`${name}-${id}`) ? id : hashed(cardinal)
        }
      }),
    ownId: (parkedName) =>
      Option.filter(StreamName.id(parkedName), (id) => id === owner.id || id.startsWith(`${owner.id}+`)),
    eventId: (messageId, ...outcome) => deriveId(owner.id, name, messageId, ...outcome)
  }
})

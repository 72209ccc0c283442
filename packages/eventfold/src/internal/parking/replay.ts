import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as FailureReport from "../../FailureReport.ts"
import { deletion, type RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import type { Fold } from "../entity/fold.ts"
import type { Activity } from "../processor/activity.ts"
import type { Attempt, Failure as LastAttempt } from "../processor/handleMessages.ts"
import type { RetryOutages } from "../processor/outage.ts"
import type { Subject } from "../processor/subject.ts"
import { log } from "../runtime/log.ts"
import { type Event, type ParkingCategory, recordedReason } from "./category.ts"
import type { KnownStreams, Named } from "./knownStreams.ts"
import * as ParkedStreams from "./parkedStreams.ts"
import * as States from "./states.ts"

type Failure = Omit<LastAttempt, "cause">

export interface Options<R> {
  readonly activity: Pick<Activity, "failed">
  readonly attempt: Attempt<R>
  readonly isStopping: () => boolean
  readonly known: KnownStreams
  readonly parking: ParkingCategory
  readonly persist: RetryOutages
  readonly subject: Subject
}

/** The replay of one parked stream. */
export interface Replay extends Named {
  contents: Fold<States.Contents>
  /** The messages still to replay of those that were waiting when this was last empty: the oldest is the last. */
  remaining: Array<States.WaitingMessage>
}

/** How many messages a replay handles before other streams of its lane continue. */
const pageSize = 100

export const start = ({ id, streamName }: Named): Replay => ({
  id,
  streamName,
  contents: ParkedStreams.unread(States.contents),
  remaining: []
})

/** The next message to replay. Messages that were parked since the replay started are behind all of the others. */
const takeNext = (replay: Replay): States.WaitingMessage | undefined => {
  if (replay.remaining.length === 0) replay.remaining = States.oldestFirst(replay.contents.state).toReversed()
  return replay.remaining.pop()
}

/** What is recorded of a replayed message. `version` tells its failures apart, of which there may be many. */
const outcomeOf = (
  { category: { events }, eventId }: ParkingCategory,
  { globalPosition, messageId, position, streamName }: States.WaitingMessage,
  failure: Option.Option<Failure>,
  version: number
): Event => {
  const reference = { streamName, position, globalPosition }
  return Option.match(failure, {
    onNone: () => events.Replayed(reference, { id: eventId(messageId, "replayed") }),
    onSome: ({ attempts, report }) =>
      events.Failed({ ...reference, ...recordedReason(report), attempts }, {
        id: eventId(messageId, "failed", String(version))
      })
  })
}

const reportFailure = <R>(
  { activity, subject }: Options<R>,
  { globalPosition, messageId, position, streamName, type }: States.WaitingMessage,
  recorded: RecordedMessage | undefined,
  { attempts, report }: Failure
) =>
  Effect.suspend(() => {
    activity.failed(recorded, attempts, report)
    return log("Warn", "parked message failed again; its stream stays parked", {
      ...subject.logged,
      streamName,
      position,
      globalPosition,
      type,
      id: messageId,
      attempts,
      error: report
    })
  })

/** A parked message is no longer in its stream: the table was emptied, say. */
class MessageNotFound extends Data.TaggedError("MessageNotFound")<{ readonly message: string }> {}

const notFound = Effect.map(
  FailureReport.fromCause(Cause.fail(new MessageNotFound({ message: "the message is no longer in the store" }))),
  (report) => Option.some({ report, attempts: 0 })
)

/** Whether the stream of a message was deleted since the message was written to it: its first row says so. */
const isDeletedStream = (store: MessageStore["Service"], { position, streamName }: States.WaitingMessage) =>
  Stream.runHead(store.readStream(streamName, { limit: 1 })).pipe(
    Effect.map((first) =>
      Option.exists(Option.flatMap(first, deletion), ({ through }) => through !== undefined && through >= position)
    ),
    // The name and the limit are ours, and every store reads forwards: these failures would be bugs.
    Effect.catchTag(["InvalidStreamName", "InvalidArgument", "Unsupported"], Effect.die)
  )

/** Handles a parked message with the consumer's retries. Gives the failure, if it fails. */
const handleParked = Effect.fnUntraced(function*<R>(options: Options<R>, message: States.WaitingMessage) {
  const { attempt, persist } = options
  const { messageId, streamName } = message
  const store = yield* MessageStore
  const found = yield* store.findMessage(streamName, messageId).pipe(
    // The store gave both.
    Effect.catchTag(["InvalidStreamName", "InvalidArgument"], Effect.die),
    persist
  )
  // Nothing is left to handle of a message that went with its stream.
  if (Option.isNone(found) && (yield* persist(isDeletedStream(store, message)))) return Option.none()
  const failure: Option.Option<Failure> = Option.isNone(found) ? yield* notFound : yield* attempt([found.value])
  if (Option.isSome(failure)) {
    yield* reportFailure(options, message, Option.getOrUndefined(found), failure.value)
  }
  return failure
})

/** Handles a parked message and records the outcome, unless the message was dropped meanwhile. */
const replayMessage = Effect.fnUntraced(function*<R>(
  options: Options<R>,
  replay: Replay,
  message: States.WaitingMessage
) {
  const { parking, persist } = options
  const failure = yield* handleParked(options, message)
  const outcome = outcomeOf(parking, message, failure, replay.contents.version)
  replay.contents = yield* persist(ParkedStreams.advance(
    parking,
    States.contents,
    replay.id,
    replay.contents,
    ({ messages }) => HashMap.has(messages, message.globalPosition) ? [outcome] : []
  ))
})

/**
 * Replays up to a page of the messages that were requested, in the lane of their stream. Gives whether more are left to
 * replay.
 */
export const replayPage = Effect.fnUntraced(function*<R>(options: Options<R>, replay: Replay) {
  const { isStopping, known, parking, persist } = options
  const { id, streamName } = replay
  const isRequested = () => {
    const { requested, waiting } = replay.contents.state.summary
    return requested > 0 && waiting > 0 && !isStopping()
  }
  replay.contents = yield* persist(ParkedStreams.catchUp(parking, States.contents, id, replay.contents))
  for (let count = 0; count < pageSize && isRequested(); count++) {
    const message = takeNext(replay)
    if (message === undefined) break
    const isWaiting = HashMap.has(replay.contents.state.messages, message.globalPosition)
    if (isWaiting) yield* replayMessage(options, replay, message)
  }
  known.set(id, { streamName, fold: { ...replay.contents, state: replay.contents.state.summary } })
  return isRequested()
})

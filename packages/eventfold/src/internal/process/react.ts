import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { deriveId, type Message, type MessageId, type RecordedMessage } from "../../Message.ts"
import { type Append, type AppendError, MessageStore } from "../../MessageStore.ts"
import type { Unsupported, WrongExpectedVersion } from "../../StoreError.ts"
import { handledType } from "../category/messageCodec.ts"
import { oneStream } from "../entity/boundary.ts"
import type { AnyRecorded, EntityStream, ReadError } from "../entity/entityStream.ts"
import * as Transaction from "../entity/transact.ts"

/** What a reaction writes: events to the process's own stream, and messages to other streams. */
export interface Writes<Event> {
  readonly events: ReadonlyArray<Event>
  readonly messages: ReadonlyArray<Append>
}

/** Recorded in the process's own stream by a reaction without events, so that the stream tells which messages were handled. */
const handledMarker = { type: handledType, data: {} } as const

type HandledMarker = typeof handledMarker

const isHandledMarker = (event: unknown): event is HandledMarker => event === handledMarker

/** A process stream that also takes markers. A marker is not an event, and does not change the state. */
const withHandledMarkers = <S, Event, Recorded, R>(
  stream: EntityStream<S, Event, Recorded, R>
): EntityStream<S, Event | HandledMarker, Recorded, R> => ({
  ...stream,
  evolve: (state, event) => isHandledMarker(event) ? state : stream.evolve(state, event),
  encode: (events) => {
    const own = events.filter((event): event is Event => !isHandledMarker(event))
    return own.length === 0
      ? Effect.succeed({ messages: [handledMarker], events: [handledMarker] })
      : stream.encode(own)
  }
})

/** The id of a message that a process writes in reaction to a trigger, by its place among those for one stream. */
export const reactionId = (process: string, trigger: RecordedMessage, streamName: string, index: number): MessageId =>
  deriveId("process", process, trigger.id, streamName, String(index))

/** Gives messages the ids that follow from the trigger. Their metadata does without a word, as in any handler. */
const withIds = (
  process: string,
  trigger: RecordedMessage,
  appends: ReadonlyArray<Append>
): ReadonlyArray<Append> => {
  const counts = new Map<string, number>()
  const withId = (streamName: string) => (message: Message): Message => {
    const index = counts.get(streamName) ?? 0
    counts.set(streamName, index + 1)
    return { ...message, id: reactionId(process, trigger, streamName, index) }
  }
  return appends.map(({ expectedVersion, messages, streamName }) => ({
    streamName,
    expectedVersion,
    messages: Arr.ensure(messages).map(withId(streamName))
  }))
}

/**
 * Decides on the state of a process and writes the outcome, in one transaction, at the version of the process's stream that
 * it decided on.
 *
 * It writes once for each trigger. The first message of a reaction is always in the process's own stream, under an id that
 * follows from the trigger. The store refuses a second reaction because of that id, and the id then shows that the trigger
 * was handled.
 *
 * Gives the highest global position of what it wrote, none when it wrote nothing. For a trigger that was handled before, that
 * is the position of the reaction's first message, unless the process reacts as it did then.
 */
export const react = Effect.fnUntraced(function*<S, Event, Recorded extends AnyRecorded, R, E, RDecide>(
  process: string,
  trigger: RecordedMessage,
  stream: EntityStream<S, Event, Recorded, R>,
  decide: (state: S) => Effect.Effect<Writes<Event>, E, RDecide>,
  retry: Transaction.Options["retry"]
): Effect.fn.Return<
  Option.Option<number>,
  E | ReadError | Exclude<AppendError, WrongExpectedVersion> | Unsupported | Transaction.Conflict,
  R | RDecide | MessageStore
> {
  const store = yield* MessageStore
  let messages: ReadonlyArray<Append> = []
  let written: Option.Option<number> = Option.none()

  /** Writes the process's own events first, so that the first result is theirs. */
  const writeAll = (own: Append) =>
    Effect.flatMap(
      store.writeAll(withIds(process, trigger, [own, ...messages])),
      (results) => {
        written = Option.some(Math.max(...results.map(({ globalPosition }) => globalPosition)))
        // A store that gives no result for an append is broken.
        return Effect.orDie(Effect.fromNullishOr(results[0]))
      }
    )
  const reaction = Transaction.transact(
    store,
    oneStream(store, withHandledMarkers(stream), writeAll),
    Effect.fnUntraced(function*({ state }) {
      const writes = yield* decide(state)
      messages = writes.messages
      const events = writes.events.length === 0 && messages.length > 0 ? [handledMarker] : writes.events
      return { events, reply: undefined }
    }),
    { retry, freshness: "latest", mayBeProven: false, alwaysCheck: false, commandId: undefined }
  )

  const wasHandled = store.findMessage(stream.streamName, reactionId(process, trigger, stream.streamName, 0)).pipe(
    // A derived id is a UUID.
    Effect.catchTag("InvalidArgument", Effect.die)
  )
  // A handled trigger is no failure, even when the process would refuse it in the state that it is in now.
  return yield* Effect.catch(
    Effect.map(reaction, () => written),
    (error) =>
      Effect.flatMap(
        wasHandled,
        Option.match({
          onNone: () => Effect.fail(error),
          onSome: ({ globalPosition }) => Effect.succeedSome(globalPosition)
        })
      )
  )
})

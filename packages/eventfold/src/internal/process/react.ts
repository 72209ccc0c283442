import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { deriveId, type Message, type MessageId, type RecordedMessage } from "../../Message.ts"
import { type Append, type AppendError, MessageStore } from "../../MessageStore.ts"
import * as Metadata from "../../Metadata.ts"
import type { Unsupported, WrongExpectedVersion } from "../../StoreError.ts"
import { handledType } from "../category/messageCodec.ts"
import { oneStream } from "../entity/boundary.ts"
import type { AnyRecorded, EntityStream, ReadError } from "../entity/entityStream.ts"
import * as Transaction from "../entity/transact.ts"

/** What a process has decided to write: events to its own stream, and messages to others. */
export interface PlannedWrites<Event> {
  readonly events: ReadonlyArray<Event>
  readonly others: ReadonlyArray<Append>
}

/** What is written to the own stream when there is no event, so that it says which messages were handled. */
const marker = { type: handledType, data: {} } as const

type Marker = typeof marker

const isMarker = (event: unknown): event is Marker => event === marker

/** The own stream with markers, which are no events and change no state. */
const withMarkers = <S, Event, Recorded, R>(
  own: EntityStream<S, Event, Recorded, R>
): EntityStream<S, Event | Marker, Recorded, R> => ({
  ...own,
  evolve: (state, event) => isMarker(event) ? state : own.evolve(state, event),
  encode: (events) => {
    const real = events.filter((event): event is Event => !isMarker(event))
    return real.length === 0 ? Effect.succeed([marker]) : own.encode(real)
  }
})

/** The id of a message that a process writes because of another, by its place among those for a stream. */
const writtenId = (process: string, trigger: RecordedMessage, streamName: string, index: number): MessageId =>
  deriveId("process", process, trigger.id, streamName, String(index))

/** Messages with their ids, which say what they were written for, as does their metadata. */
const following = (
  process: string,
  trigger: RecordedMessage,
  appends: ReadonlyArray<Append>
): ReadonlyArray<Append> => {
  const counts = new Map<string, number>()
  const follow = (streamName: string) => (message: Message): Message => {
    const index = counts.get(streamName) ?? 0
    counts.set(streamName, index + 1)
    const id = writtenId(process, trigger, streamName, index)
    return { ...message, id, metadata: Metadata.follow(trigger, message.metadata) }
  }
  return appends.map(({ expectedVersion, messages, streamName }) => ({
    streamName,
    expectedVersion,
    messages: Arr.ensure(messages).map(follow(streamName))
  }))
}

/**
 * Decides on the state of a process and writes the outcome, in one transaction, at the version of its stream that was
 * decided on. Once for each trigger: whatever was written for it has its first message in the process's own stream, under
 * an id that is the trigger's, so that the store refuses to write a second outcome and another look tells why.
 */
export const react = Effect.fnUntraced(function*<S, Event, Recorded extends AnyRecorded, R, E, RDecide>(
  process: string,
  trigger: RecordedMessage,
  own: EntityStream<S, Event, Recorded, R>,
  decide: (state: S) => Effect.Effect<PlannedWrites<Event>, E, RDecide>,
  retry: Transaction.Options["retry"]
): Effect.fn.Return<
  void,
  E | ReadError | Exclude<AppendError, WrongExpectedVersion> | Unsupported | Transaction.Conflict<Recorded>,
  R | RDecide | MessageStore
> {
  const store = yield* MessageStore
  let others: ReadonlyArray<Append> = []

  // One transaction: the process's own events first, so that the first result is theirs.
  const appendAll = (append: Append) =>
    Effect.flatMap(
      store.writeAll(following(process, trigger, [append, ...others])),
      // A store that gives no result for an append is broken.
      ([result]) => Effect.orDie(Effect.fromNullishOr(result))
    )
  const reaction = Transaction.transact(
    store,
    oneStream(store, withMarkers(own), appendAll),
    Effect.fnUntraced(function*({ state }) {
      const planned = yield* decide(state)
      others = planned.others
      const events = planned.events.length === 0 && others.length > 0 ? [marker] : planned.events
      return { events, reply: undefined }
    }),
    { retry, freshness: "latest", alwaysCheck: false, commandId: undefined }
  )

  const wasHandled = store.findMessage(own.streamName, writtenId(process, trigger, own.streamName, 0)).pipe(
    Effect.map(Option.isSome),
    // A derived id is a UUID.
    Effect.catchTag("InvalidArgument", Effect.die)
  )
  // A process that has reacted may have come to a state in which it would refuse to.
  return yield* Effect.catch(
    Effect.asVoid(reaction),
    (error) => Effect.flatMap(wasHandled, (handled) => handled ? Effect.void : Effect.fail(error))
  )
})

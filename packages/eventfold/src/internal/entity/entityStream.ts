import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DecodeError } from "../../Category.ts"
import type { Message, RecordedMessage } from "../../Message.ts"
import type { MessageStore } from "../../MessageStore.ts"
import type { InvalidMessage, StoreError } from "../../StoreError.ts"
import type { InvalidStreamName, StreamName } from "../../StreamName.ts"
import type { Fold } from "./fold.ts"
import type { Freshness } from "./stateCache.ts"

export type ReadError = InvalidStreamName | DecodeError | StoreError

/** An event as it was read, whatever its category. */
export interface AnyRecorded {
  readonly recorded: RecordedMessage
}

/** A stream that a transaction is about, with what its entity can do with it. */
export interface Participant<S, Event, Recorded, R> {
  readonly streamName: StreamName
  /** The state of a stream that does not exist. */
  readonly empty: Fold<S>
  readonly load: (freshness: Freshness) => Effect.Effect<Fold<S>, ReadError, MessageStore | R>
  /** The latest state, when an older one is known. */
  readonly loadSince: (known: Fold<S>) => Effect.Effect<Fold<S>, ReadError, MessageStore | R>
  /** The latest state by the events alone, when what was known of the stream has turned out to be wrong. */
  readonly reload: Effect.Effect<Fold<S>, ReadError, MessageStore | R>
  /** The state before the first message that `until` refuses. */
  readonly loadUntil: (
    until: (recorded: RecordedMessage) => boolean
  ) => Effect.Effect<Fold<S>, ReadError, MessageStore | R>
  /** At most `limit` events from a position on. */
  readonly events: (from: number, limit: number) => Effect.Effect<ReadonlyArray<Recorded>, ReadError, MessageStore | R>
  /** An event as it was before it was recorded. */
  readonly unrecorded: (event: Recorded) => Event
  readonly encode: (events: ReadonlyArray<Event>) => Effect.Effect<ReadonlyArray<Message>, InvalidMessage, R>
  readonly evolve: (state: S, event: Event) => S
  /** To be told of a state whose events have just been written. */
  readonly written: (fold: Fold<S>) => Effect.Effect<void, never, MessageStore>
  /** To be told that an append failed: whether it was written may be unknown. */
  readonly failed: Effect.Effect<void>
}

/** A participant, the state it was found in, and the events decided for it. */
export interface Part<S, Event, Recorded, R> {
  readonly participant: Participant<S, Event, Recorded, R>
  readonly fold: Fold<S>
  readonly events: ReadonlyArray<Event>
}

/** A decision on the states of the participants: the events for each, in their order, and a reply. */
export type Decide<S, Event, Reply, Refusal, R> = (
  folds: ReadonlyArray<Fold<S>>
) => Effect.Effect<
  { readonly events: ReadonlyArray<ReadonlyArray<Event>>; readonly reply: Reply },
  Refusal,
  R
>

/** The state after the events of a part. */
export const foldAfter = <S, Event, Recorded, R>(
  { events, fold, participant: { evolve } }: Part<S, Event, Recorded, R>
): Fold<S> => ({ ...fold, state: events.reduce(evolve, fold.state), version: fold.version + events.length })

/** A version as users see it. */
export const versionOption = (version: number): Option.Option<number> =>
  version === -1 ? Option.none() : Option.some(version)

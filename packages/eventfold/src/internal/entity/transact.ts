import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { type Append, MessageStore } from "../../MessageStore.ts"
import type { AppendResult } from "../../StoreBackend.ts"
import { WrongExpectedVersion } from "../../StoreError.ts"
import { log } from "../runtime/log.ts"
import * as InProcess from "../store/inProcess.ts"
import { type AnyRecorded, type Decide, foldAfter, type Part, type Participant } from "./entityStream.ts"
import type { Fold } from "./fold.ts"
import { eventId, handledBefore } from "./repeatedCommand.ts"
import type { Freshness } from "./stateCache.ts"

export interface Options {
  readonly retry: Schedule.Schedule<unknown>
  readonly freshness: Freshness | "assumeEmpty"
  readonly alwaysCheck: boolean
  readonly commandId: string | undefined
}

/** What has been decided and is in the store, and the states after it. */
export interface Completed<S, Event, Reply> {
  readonly events: ReadonlyArray<ReadonlyArray<Event>>
  readonly folds: ReadonlyArray<Fold<S>>
  readonly reply: Reply
}

/** The conflict that a transaction ended with. */
export interface Conflict<Recorded> extends WrongExpectedVersion {
  readonly attempts: number
  readonly missed: ReadonlyArray<Recorded>
}

class ConflictError extends WrongExpectedVersion.extend<ConflictError>("eventfold/Entity/Conflict")({
  attempts: Schema.Int,
  missed: Schema.Array(Schema.Unknown)
}) {
  override get message(): string {
    return `${super.message} (after ${this.attempts} ${this.attempts === 1 ? "attempt" : "attempts"})`
  }
}

/** How many of the events that were missed a conflict carries at the most. */
export const maxMissed = 100

const concurrency = "unbounded"

const expectedVersion = ({ version }: Fold<unknown>) => version === -1 ? "noStream" : version

const isConflict = (cause: Cause.Cause<unknown>): cause is Cause.Cause<WrongExpectedVersion> =>
  Option.exists(Cause.findErrorOption(cause), (error) => error instanceof WrongExpectedVersion)

/**
 * Loads, decides and writes, and does so again after a conflict: what `Entity.transact` promises. `write` appends to the
 * streams that have events, one at least, all or nothing.
 */
export const transact = Effect.fnUntraced(function*<
  S,
  Event,
  Recorded extends AnyRecorded,
  R,
  Reply,
  Refusal,
  RDecide,
  WriteError
>(
  participants: ReadonlyArray<Participant<S, Event, Recorded, R>>,
  decide: Decide<S, Event, Reply, Refusal, RDecide>,
  write: (
    appends: ReadonlyArray<Append>
  ) => Effect.Effect<ReadonlyArray<AppendResult>, WriteError | WrongExpectedVersion, MessageStore>,
  { alwaysCheck, commandId, freshness, retry }: Options
) {
  type AnyPart = Part<S, Event, Recorded, R>
  const store = yield* MessageStore
  let known: ReadonlyArray<AnyPart> | undefined
  let conflict: WrongExpectedVersion | undefined
  let attempts = 0

  const part = (participant: Participant<S, Event, Recorded, R>) => (fold: Fold<S>): AnyPart => ({
    participant,
    fold,
    events: []
  })

  const loadFirst = Effect.forEach(participants, (participant) =>
    Effect.map(
      freshness === "assumeEmpty" ? Effect.succeed(participant.empty) : participant.load(freshness),
      part(participant)
    ), { concurrency })

  const loadAgain = (parts: ReadonlyArray<AnyPart>) =>
    Effect.forEach(parts, ({ fold, participant }) => {
      // A stream that is behind what was read of it has been rewound, by a restored backup say.
      const isRewound = conflict?.streamName === participant.streamName &&
        Option.getOrElse(conflict.actual, () => -1) < fold.version
      const again = isRewound
        ? participant.reload
        : fold.version === -1
        ? participant.load("latest")
        : participant.loadSince(fold)
      return Effect.map(again, part(participant))
    }, { concurrency })

  const completed = (parts: ReadonlyArray<AnyPart>, reply: Reply): Completed<S, Event, Reply> => ({
    events: parts.map(({ events }) => events),
    folds: parts.map(foldAfter),
    reply
  })

  const repeated = Effect.suspend(() =>
    commandId === undefined ? Effect.succeedNone : Effect.map(
      handledBefore(commandId, participants, decide),
      Option.map(({ parts, reply }) => completed(parts, reply))
    )
  )

  const check = Effect.fnUntraced(function*(parts: ReadonlyArray<AnyPart>) {
    const versions = yield* Effect.forEach(
      parts,
      ({ fold, participant: { streamName } }) =>
        Effect.map(store.streamVersion(streamName), (actual) => ({ streamName, fold, actual })),
      { concurrency }
    )
    const wrong = versions.find(({ actual, fold }) => Option.getOrElse(actual, () => -1) !== fold.version)
    if (wrong === undefined) return
    const { actual, fold, streamName } = wrong
    conflict = new WrongExpectedVersion({ streamName, expected: expectedVersion(fold), actual })
    return yield* conflict
  })

  const toAppend = Effect.fnUntraced(function*({ events, fold, participant: { encode, streamName } }: AnyPart) {
    const messages = yield* encode(events)
    return {
      streamName,
      expectedVersion: expectedVersion(fold),
      messages: commandId === undefined
        ? messages
        : messages.map(({ data, metadata, type }, index) => ({
          id: eventId(commandId, streamName, index),
          type,
          data,
          metadata
        }))
    } satisfies Append
  })

  const attempt = Effect.gen(function*() {
    attempts += 1
    const found = known === undefined ? yield* loadFirst : yield* loadAgain(known)
    known = found
    conflict = undefined
    const { events, reply } = yield* Effect.tapError(
      decide(found.map(({ fold }) => fold)),
      () => alwaysCheck ? check(found) : Effect.void
    )
    const parts = Arr.zipWith(found, events, (part, events) => ({ ...part, events }))
    const writing = parts.filter(({ events }) => events.length > 0)

    if (writing.length < parts.length) {
      // The ids of events recognise a repeated command in the streams that are written, and only there.
      const before = yield* repeated
      if (Option.isSome(before)) return before.value
    }
    if (writing.length === 0) {
      if (alwaysCheck) yield* check(parts)
      return completed(parts, reply)
    }

    const written = yield* Effect.onError(write(yield* Effect.forEach(writing, toAppend)), (cause) => {
      if (!isConflict(cause)) return Effect.forEach(writing, ({ participant }) => participant.failed)
      conflict = Option.getOrUndefined(Cause.findErrorOption(cause))
      return Effect.void
    })

    const outcomes = Arr.zipWith(writing, written, (part, { version }) => ({ part, after: foldAfter(part), version }))
    if (outcomes.some(({ after, version }) => after.version !== version)) {
      // They had been recorded before, under the same ids. The streams have them already, and fold them once.
      const before = yield* repeated
      if (Option.isSome(before)) return before.value
      const now = yield* loadAgain(parts)
      return { events, folds: now.map(({ fold }) => fold), reply }
    }
    yield* Effect.forEach(outcomes, ({ after, part }) => part.participant.written(after), { concurrency })
    return completed(parts, reply)
  })

  const orRepeated = commandId === undefined ? attempt : Effect.catchIf(
    attempt,
    (error) => error !== conflict,
    // A refusal may be the command's own doing.
    (error) => Effect.flatMap(repeated, Option.match({ onNone: () => Effect.fail(error), onSome: Effect.succeed }))
  )

  const missedBy = (streamName: string) =>
    Effect.suspend(() => {
      const own = known?.find(({ participant }) => participant.streamName === streamName)
      return own === undefined ? Effect.succeed([]) : own.participant.events(own.fold.version + 1, maxMissed)
    }).pipe(
      Effect.catch((error) =>
        Effect.as(log("Warn", "the events that a decision missed could not be read", { streamName, error }), [])
      )
    )

  const streamNames = participants.map(({ streamName }) => streamName)
  // At first everybody goes ahead. Who has met a conflict queues up with the others of this process, and so does who finds
  // a queue: otherwise those who came later would overtake them again and again.
  const { inTurn, isQueued } = store[InProcess.TypeId].streamQueues
  const attemptInTurn = Effect.suspend(() =>
    attempts > 0 || isQueued(streamNames) ? inTurn(streamNames, orRepeated) : orRepeated
  )

  return yield* Effect.retry(attemptInTurn, {
    schedule: retry,
    // Only this transaction's own conflict: `decide` may fail with another's.
    while: (error) => error === conflict
  }).pipe(
    Effect.catchIf(
      (error): error is typeof error & WrongExpectedVersion => error === conflict,
      Effect.fnUntraced(function*({ actual, expected, streamName }) {
        const before = yield* repeated
        if (Option.isSome(before)) return before.value
        const missed = yield* missedBy(streamName)
        const error = new ConflictError({ streamName, expected, actual, attempts, missed })
        return yield* error as ConflictError & Conflict<Recorded>
      })
    )
  )
})

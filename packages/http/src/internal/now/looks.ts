/**
 * Looks at the store, for all who ask what happens now. A look has a pulse, which is cheap: the end of the log and what runs where. Lags,
 * deadlines and what is parked cost a few statements for each reader, so they are looked at less often.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type MessagePlace, placeOf } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import { Observe, type ObservedConsumer, type ObservedProcess, type ObservedReadModel } from "eventfold/Observe"
import * as Parking from "eventfold/Parking"
import * as Runners from "eventfold/Runners"
import { ofReaders } from "../observe/failures.ts"
import { ofStoreError, orProblem } from "../problems/failures.ts"

/** A parked message whose handler has failed, and for whom it waits. */
export interface ParkedFailure {
  readonly owner: Parking.OwnerSummary
  readonly message: Parking.ParkedMessage
}

/** What costs a few statements for each reader. */
export interface Survey {
  readonly at: number
  readonly consumers: ReadonlyArray<ObservedConsumer>
  readonly processes: ReadonlyArray<ObservedProcess>
  readonly readModels: ReadonlyArray<ObservedReadModel>
  readonly parked: ReadonlyArray<ParkedFailure>
}

/** What was seen at one moment. */
export interface Look {
  /** In milliseconds since 1970. */
  readonly at: number
  readonly end: number
  readonly newest: MessagePlace | undefined
  readonly runners: ReadonlyArray<Runners.Runner>
  readonly survey: Survey
}

/** The least pause between two surveys, in milliseconds. */
const surveyPause = 2_000

/** A survey takes at most this part of the time: where it takes long, it is made less often. */
const surveyShare = 10

/** How many parked streams of each owner are looked at for their failures: more would not be shown. */
const shownStreams = 20

/** The failures of what is parked for an owner, of the streams that were parked last. */
const parkedFailures = Effect.fnUntraced(function*(owner: Parking.OwnerSummary) {
  const streams = yield* Stream.runCollect(Stream.takeRight(Parking.list(owner), shownStreams)).pipe(
    // The owner is one that the store knows.
    Effect.catchTag(["InvalidArgument", "InvalidCategory"], () => Effect.succeed([]))
  )
  return streams.flatMap(({ messages }) =>
    messages.filter(({ failure }) => Option.isSome(failure)).map((message): ParkedFailure => ({ owner, message }))
  )
})

const isSameOwner = (a: Parking.OwnerSummary, b: Parking.OwnerSummary): boolean =>
  a.id === b.id && a.category === b.category && a.streams === b.streams && a.messages === b.messages &&
  DateTime.Equivalence(a.since, b.since)

const survey = Effect.fnUntraced(function*(before: Survey | undefined) {
  const observe = yield* Observe
  const at = yield* Clock.currentTimeMillis
  const consumers = yield* observe.consumers
  const owners = consumers.flatMap(({ parked }) => Option.toArray(parked))
  const parked = yield* Effect.forEach(owners, (owner) => {
    // What is parked for it has not changed, so neither have the failures, but those of a replay: they come with the next change.
    const known = before?.parked.filter((one) => isSameOwner(one.owner, owner)) ?? []
    return known.length > 0 ? Effect.succeed(known) : parkedFailures(owner)
  })
  const found: Survey = {
    at,
    consumers,
    processes: yield* observe.processes,
    readModels: yield* observe.readModels,
    parked: parked.flat()
  }
  return { found, took: (yield* Clock.currentTimeMillis) - at }
})

/** Makes looks. One is made at a time. */
export const make = Effect.gen(function*() {
  const store = yield* MessageStore
  const observe = yield* Observe
  let surveyed: Survey | undefined
  let nextSurvey = 0
  let newest: MessagePlace | undefined

  const surveyNow = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    if (surveyed !== undefined && now < nextSurvey) return surveyed
    const { found, took } = yield* survey(surveyed)
    surveyed = found
    nextSurvey = now + Math.max(surveyPause, took * surveyShare)
    return found
  }).pipe(orProblem(ofReaders))

  const pulse = Effect.gen(function*() {
    const end = yield* store.lastPosition
    if (end !== newest?.globalPosition) {
      const message = end === 0 ? Option.none() : yield* store.messageAt(end)
      newest = Option.getOrUndefined(Option.map(message, placeOf))
    }
    return { end, newest, runners: yield* Runners.list }
  }).pipe(
    Effect.catchTag("InvalidArgument", Effect.die),
    orProblem(ofStoreError)
  )

  return Effect.gen(function*() {
    const { end, newest, runners } = yield* pulse
    const survey = yield* surveyNow
    const look: Look = { at: yield* Clock.currentTimeMillis, end, newest, runners, survey }
    return look
  }).pipe(Effect.provideService(MessageStore, store), Effect.provideService(Observe, observe))
})

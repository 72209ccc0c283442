/**
 * Rebuilds whose progress is the answer: they run as long as the answer does.
 */
import type { Done } from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type * as ReadModel from "eventfold/ReadModel"
import { Limits } from "../../Limits.ts"
import { Principal } from "../../Principal.ts"
import type { Progress, RebuildEvent } from "../../ReadersApi.ts"
import { Closing } from "../limits/closing.ts"
import { OpenAnswers } from "../limits/openAnswers.ts"
import { orProblem } from "../problems/failures.ts"
import { ofRebuild } from "./failures.ts"

type Event = typeof RebuildEvent.Type

type Failure = Parameters<typeof ofRebuild>[0]

/** How long an answer waits for what refuses a rebuild, which can have a status of its own until then. */
const patience = "1 second"

/** How many events may wait for a slow client. Older progress is of no interest. */
const queued = 16

const progressOf = ({ remaining, ...progress }: ReadModel.Progress): typeof Progress.Type => ({
  ...progress,
  remaining: Option.getOrNull(Option.map(remaining, Duration.toMillis))
})

const textOf = ({ data, event }: Event): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

const beat: Event = { event: "heartbeat", data: {} }

/** Gives what runs a rebuild and answers with its progress. They count as live answers, and end when the server begins to stop. */
export const make = Effect.gen(function*() {
  const count = yield* OpenAnswers
  const closing = yield* Closing
  const { heartbeat } = yield* Limits

  return Effect.fnUntraced(function*<R>(rebuild: Stream.Stream<ReadModel.Progress, Failure, R>) {
    const { name } = yield* Principal
    yield* count(name)
    const events = yield* Queue.sliding<Event, Done>(queued)
    const isAccepted = yield* Deferred.make<void, ReturnType<typeof ofRebuild>>()
    const run = Stream.runForEach(rebuild, (progress) =>
      Effect.andThen(
        Queue.offer(events, { event: "progress", data: progressOf(progress) }),
        Deferred.succeed(isAccepted, undefined)
      )).pipe(
        orProblem(ofRebuild),
        Effect.tapError((problem) =>
          Effect.flatMap(Deferred.fail(isAccepted, problem), () => {
            const { detail, status, title, type } = problem
            return Queue.offer(events, { event: "failed", data: { type, title, status, ...(detail && { detail }) } })
          })
        ),
        Effect.ignore,
        Effect.raceFirst(closing),
        // An empty rebuild is accepted too.
        Effect.ensuring(Effect.andThen(Deferred.succeed(isAccepted, undefined), Queue.end(events)))
      )
    yield* Effect.forkScoped(run)
    yield* Effect.timeoutOption(Deferred.await(isAccepted), patience)
    const beats = Stream.fromSchedule(Schedule.spaced(heartbeat)).pipe(Stream.as(beat))
    const bytes = Stream.fromQueue(events).pipe(
      Stream.merge(beats, { haltStrategy: "left" }),
      Stream.map(textOf),
      Stream.encodeText
    )
    // Proxies hold back what they buffer; nginx asks this header.
    return HttpServerResponse.stream(bytes, {
      contentType: "text/event-stream",
      headers: { "x-accel-buffering": "no" }
    })
  })
})

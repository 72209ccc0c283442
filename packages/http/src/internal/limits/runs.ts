/**
 * Answers that tell of something as it runs: it runs as long as the answer does.
 */
import type { Done } from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Limits } from "../../Limits.ts"
import { Principal } from "../../Principal.ts"
import { orProblem } from "../problems/failures.ts"
import { Closing } from "./closing.ts"
import { OpenAnswers } from "./openAnswers.ts"

/** What is told, as server-sent events have it. */
export interface RunEvent {
  readonly event: string
  readonly data: unknown
}

interface AnyFailure {
  readonly _tag: string
  readonly message: string
}

interface AnyProblem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail?: string | undefined
}

/** How long an answer waits for what refuses to run, which can have a status of its own until then. */
const patience = "1 second"

/** How many events may wait for a slow client. */
const queued = 16

const queues = {
  /** What is old is of no interest: the client gets the newest. */
  newest: Queue.sliding<RunEvent, Done>(queued),
  /** Everything counts: what runs waits for the client. */
  all: Queue.bounded<RunEvent, Done>(queued)
} as const

const textOf = ({ data, event }: RunEvent): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

const beat: RunEvent = { event: "heartbeat", data: {} }

/** Gives what runs something and answers with its events. They count as live answers, and end when the server begins to stop. */
export const make = Effect.gen(function*() {
  const count = yield* OpenAnswers
  const closing = yield* Closing
  const { heartbeat } = yield* Limits

  return Effect.fnUntraced(function*<E extends AnyFailure, P extends AnyProblem, R>(
    told: Stream.Stream<RunEvent, E, R>,
    { keeps, problemOf }: { readonly keeps: keyof typeof queues; readonly problemOf: (failure: E) => P }
  ) {
    const { name } = yield* Principal
    yield* count(name)
    const events = yield* queues[keeps]
    const isAccepted = yield* Deferred.make<void, P>()
    const run = Stream.runForEach(
      told,
      (event) => Effect.andThen(Deferred.succeed(isAccepted, undefined), Queue.offer(events, event))
    ).pipe(
      orProblem(problemOf),
      Effect.tapError((problem) =>
        Effect.flatMap(Deferred.fail(isAccepted, problem), () => {
          const { detail, status, title, type } = problem
          return Queue.offer(events, {
            event: "failed",
            data: { type, title, status, ...(detail && { detail }) }
          })
        })
      ),
      Effect.ignore,
      Effect.raceFirst(closing),
      // What has nothing to tell is accepted too.
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

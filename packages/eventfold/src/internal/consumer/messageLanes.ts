import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { RecordedMessage } from "../../Message.ts"
import * as StreamName from "../../StreamName.ts"
import type { Messages } from "../processor/activity.ts"
import * as JobLanes from "../runtime/jobLanes.ts"
import type { Stopping } from "../runtime/stopping.ts"
import type { Consumer } from "./definition.ts"

/** Work for a lane: a message to handle, or a task that waits for the messages before it. */
type Job<E, R> =
  | { readonly _tag: "Message"; readonly message: RecordedMessage; readonly done: () => void }
  | { readonly _tag: "Task"; readonly task: Effect.Effect<void, E, R> }

/** The lanes in which a consumer handles messages: one lane for each cardinal id, or a single one without concurrency. */
export interface MessageLanes<E, R>
  extends Pick<JobLanes.Lanes<unknown, E>, "awaitRoom" | "abandon" | "failure" | "counts">
{
  /** Handles a message after those before it in its lane; then calls `done`. */
  readonly offer: (message: RecordedMessage, done: () => void) => void
  /** Runs a task after the messages before it in the lane of a stream. */
  readonly offerTask: (streamName: string, task: Effect.Effect<void, E, R>) => void
}

/** Messages of one cardinal id are handled in their order. */
const laneOf = (streamName: string): string => Option.getOrElse(StreamName.cardinalId(streamName), () => streamName)

export const make = Effect.fnUntraced(function*<E, R>(
  { handlesAtOnce, options: { concurrency = 1, grace = "10 seconds" } }: Consumer<unknown, unknown>,
  handle: (messages: Messages) => Effect.Effect<void, E, R>,
  stopping: Stopping
): Effect.fn.Return<MessageLanes<E, R>, never, R | Scope.Scope> {
  type AnyJob = Job<E, R>

  const runMessages = (jobs: Arr.NonEmptyReadonlyArray<Extract<AnyJob, { readonly _tag: "Message" }>>) =>
    Effect.map(handle(Arr.map(jobs, ({ message }) => message)), () => jobs.forEach(({ done }) => done()))

  const runMixed = Effect.fnUntraced(function*(jobs: Arr.NonEmptyReadonlyArray<AnyJob>) {
    for (const group of Arr.groupWith(jobs, (a, b) => a._tag === "Message" && b._tag === "Message")) {
      const messages = group.flatMap((job) => job._tag === "Message" ? [job] : [])
      // What is left of the batch is delivered again.
      if (stopping.isStopping()) return yield* Effect.interrupt
      if (Arr.isArrayNonEmpty(messages)) yield* runMessages(messages)
      for (const job of group) if (job._tag === "Task") yield* job.task
    }
  })

  /** Most consumers handle one message at a time, so that case is short. */
  const run = (jobs: Arr.NonEmptyReadonlyArray<AnyJob>): Effect.Effect<void, E, R> => {
    const [job] = jobs
    if (jobs.length > 1) return runMixed(jobs)
    return job._tag === "Task" ? job.task : Effect.map(handle([job.message]), job.done)
  }

  const { abandon, awaitRoom, counts, failure, offer } = yield* JobLanes.make({
    run,
    batchSize: handlesAtOnce,
    concurrency,
    grace,
    stopping
  })
  const laneFor = concurrency === 1 ? () => "" : laneOf
  return {
    offer: (message, done) => offer(laneFor(message.streamName), { _tag: "Message", message, done }),
    offerTask: (streamName, task) => offer(laneFor(streamName), { _tag: "Task", task }),
    abandon,
    awaitRoom,
    counts,
    failure
  }
})

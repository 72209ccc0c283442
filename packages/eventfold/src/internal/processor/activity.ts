import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { RecordedMessage } from "../../Message.ts"
import * as HandlingMetrics from "./metrics.ts"
import type { Subject } from "./subject.ts"

export type Messages = Arr.NonEmptyReadonlyArray<RecordedMessage>

/** Messages whose handler has failed, and runs again. */
export interface Retrying {
  readonly attempts: number
  /** In milliseconds. */
  readonly since: number
  /** Why it failed last. */
  readonly error: unknown
}

/** How many messages, since it was started in this process. */
export interface Counts {
  readonly handled: number
  readonly failed: number
  readonly retried: number
  readonly skipped: number
  readonly parked: number
}

/** What a consumer or read model does in this process, for its status and its metrics. */
export interface Activity {
  readonly metrics: HandlingMetrics.HandlingMetrics
  readonly counts: () => Counts
  readonly retrying: ReadonlyMap<Messages, Retrying>
  /** Messages handled per second, by the last samples. */
  readonly rate: () => number
  readonly sample: () => void
  /** The time to give to `handled` and `attemptFailed`. */
  readonly now: () => bigint
  readonly handled: (messages: Messages, begun: bigint) => void
  readonly attemptFailed: (begun: bigint) => void
  readonly willRetry: (messages: Messages, attempts: number, error: unknown) => void
  /** The messages are not tried again. */
  readonly settled: (messages: Messages) => void
  readonly failed: () => void
  readonly skipped: () => void
  readonly parked: () => void
  /** Nothing is tried any more, by handlers that were interrupted. */
  readonly stopped: () => void
}

/** How far back the rate looks. */
const rateMillis = 10_000

const secondsOf = (nanos: bigint): number => Number(nanos) / 1e9

export const make = Effect.fnUntraced(function*(subject: Subject): Effect.fn.Return<Activity> {
  const clock = yield* Clock.Clock
  const metrics = yield* HandlingMetrics.make(subject)
  const counts = { handled: 0, failed: 0, retried: 0, skipped: 0, parked: 0 }
  const retrying = new Map<Messages, Retrying>()
  const millis = () => clock.currentTimeMillisUnsafe()
  const samples = [{ at: millis(), handled: 0 }]

  const count = (key: keyof Counts & keyof HandlingMetrics.HandlingMetrics) => () => {
    counts[key] += 1
    metrics[key](1)
  }

  return {
    metrics,
    counts: () => ({ ...counts }),
    retrying,
    rate: () => {
      const [first] = samples
      const elapsed = first === undefined ? 0 : millis() - first.at
      return first === undefined || elapsed <= 0 ? 0 : (counts.handled - first.handled) / elapsed * 1_000
    },
    sample: () => {
      const at = millis()
      const last = samples.at(-1)
      if (last !== undefined && at - last.at < rateMillis / 10) return
      samples.push({ at, handled: counts.handled })
      if (samples.length > 2 && at - (samples[0]?.at ?? at) > rateMillis) samples.shift()
    },
    now: () => clock.monotonicTimeNanosUnsafe(),
    handled: ({ length }, begun) => {
      counts.handled += length
      metrics.handled(length)
      metrics.duration(secondsOf(clock.monotonicTimeNanosUnsafe() - begun))
    },
    attemptFailed: (begun) => metrics.duration(secondsOf(clock.monotonicTimeNanosUnsafe() - begun)),
    willRetry: (messages, attempts, error) => {
      count("retried")()
      retrying.set(messages, { attempts, since: retrying.get(messages)?.since ?? millis(), error })
    },
    settled: (messages) => {
      if (retrying.size > 0) retrying.delete(messages)
    },
    failed: count("failed"),
    skipped: count("skipped"),
    parked: count("parked"),
    stopped: () => retrying.clear()
  }
})

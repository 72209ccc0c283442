import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Stuck } from "../../ConsumerStatus.ts"
import type { RecordedMessage } from "../../Message.ts"
import * as Metrics from "./metrics.ts"
import type { Subject } from "./subject.ts"

export type Messages = Arr.NonEmptyReadonlyArray<RecordedMessage>

/** Messages whose handler has failed and runs again. */
interface Retrying {
  readonly attempts: number
  /** When the handler first failed, in milliseconds. */
  readonly since: number
  /** The last failure. */
  readonly error: unknown
}

/** How many messages this process has handled, and so on, since the consumer or read model started. */
export interface Counts {
  readonly handled: number
  readonly failed: number
  readonly retried: number
  readonly skipped: number
  readonly parked: number
}

/** What a consumer or read model does in this process, for its status and its metrics. */
export interface Activity {
  readonly counts: () => Counts
  /** The messages whose handler has failed and runs again. */
  readonly stuck: () => ReadonlyArray<Stuck>
  /** Messages handled per second, by the last samples. */
  readonly rate: () => number
  readonly sample: () => void
  /** The time that `handled` and `attemptFailed` take as `begun`. */
  readonly now: () => bigint
  readonly handled: (messages: Messages, begun: bigint) => void
  readonly attemptFailed: (begun: bigint) => void
  readonly willRetry: (messages: Messages, attempts: number, error: unknown) => void
  /** The handler has succeeded, or failed for the last time. */
  readonly settled: (messages: Messages) => void
  readonly failed: () => void
  readonly skipped: () => void
  readonly parked: () => void
  /** Handlers were interrupted: nothing is stuck any longer. */
  readonly stopped: () => void
  /** Shows gauges until the effect that it gives is run. */
  readonly show: (gauges: Metrics.Gauges) => Effect.Effect<Effect.Effect<void>>
}

/** The rate is a mean over this time. */
const rateMillis = 10_000

const secondsOf = (nanos: bigint): number => Number(nanos) / 1e9

const toStuck = ([[first, ...others], { attempts, error, since }]: readonly [Messages, Retrying]): Stuck => {
  const { data: _data, metadata: _metadata, ...message } = first
  return { message, messages: others.length + 1, attempts, since: DateTime.makeUnsafe(since), error }
}

export const make = Effect.fnUntraced(function*(subject: Subject): Effect.fn.Return<Activity> {
  const clock = yield* Clock.Clock
  const metrics = yield* Metrics.make(subject)
  const counts = { handled: 0, failed: 0, retried: 0, skipped: 0, parked: 0 }
  const retrying = new Map<Messages, Retrying>()
  const millis = () => clock.currentTimeMillisUnsafe()
  const samples = [{ at: millis(), handled: 0 }]

  const count = (key: keyof Counts) => () => {
    counts[key] += 1
    metrics[key](1)
  }
  const countRetry = count("retried")

  return {
    counts: () => ({ ...counts }),
    stuck: () => Array.from(retrying, toStuck),
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
      countRetry()
      retrying.set(messages, { attempts, since: retrying.get(messages)?.since ?? millis(), error })
    },
    settled: (messages) => {
      if (retrying.size > 0) retrying.delete(messages)
    },
    failed: count("failed"),
    skipped: count("skipped"),
    parked: count("parked"),
    stopped: () => retrying.clear(),
    show: (gauges) => Effect.sync(() => Effect.sync(metrics.show(gauges)))
  }
})

import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { LastFailure, MessagePlace, Stuck } from "../../ConsumerStatus.ts"
import type { FailureReport } from "../../FailureReport.ts"
import { placeOf } from "../../Message.ts"
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
  readonly failure: FailureReport
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
  /** The last message whose handler failed on its last attempt. */
  readonly lastFailure: () => Option.Option<LastFailure>
  /** Messages handled per second, by the last samples. */
  readonly rate: () => number
  readonly sample: () => void
  /** The time that `handled` and `attemptFailed` take as `begun`. */
  readonly now: () => bigint
  readonly handled: (messages: Messages, begun: bigint) => void
  readonly attemptFailed: (begun: bigint, errorType: string) => void
  readonly willRetry: (messages: Messages, attempts: number, failure: FailureReport) => void
  /** The handler has succeeded, or failed for the last time. */
  readonly settled: (messages: Messages) => void
  /** A handler failed on its last attempt. Without a message when the message is no longer in the store. */
  readonly failed: (message: MessagePlace | undefined, attempts: number, failure: FailureReport) => void
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

const toStuck = ([[first, ...others], { attempts, failure, since }]: readonly [Messages, Retrying]): Stuck => ({
  message: placeOf(first),
  messages: others.length + 1,
  attempts,
  since: DateTime.makeUnsafe(since),
  failure
})

export const make = Effect.fnUntraced(function*(subject: Subject): Effect.fn.Return<Activity> {
  const clock = yield* Clock.Clock
  const metrics = yield* Metrics.make(subject)
  const counts = { handled: 0, failed: 0, retried: 0, skipped: 0, parked: 0 }
  const retrying = new Map<Messages, Retrying>()
  const millis = () => clock.currentTimeMillisUnsafe()
  const samples = [{ at: millis(), handled: 0 }]

  const count = (key: "retried" | "skipped" | "parked") => () => {
    counts[key] += 1
    metrics[key]()
  }
  const countRetry = count("retried")
  let lastFailure: Option.Option<LastFailure> = Option.none()

  return {
    counts: () => ({ ...counts }),
    stuck: () => Array.from(retrying, toStuck),
    lastFailure: () => lastFailure,
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
    attemptFailed: (begun, errorType) =>
      metrics.duration(secondsOf(clock.monotonicTimeNanosUnsafe() - begun), errorType),
    willRetry: (messages, attempts, failure) => {
      countRetry()
      retrying.set(messages, { attempts, since: retrying.get(messages)?.since ?? millis(), failure })
    },
    settled: (messages) => {
      if (retrying.size > 0) retrying.delete(messages)
    },
    failed: (message, attempts, failure) => {
      counts.failed += 1
      metrics.failed(failure.tag)
      if (message === undefined) return
      lastFailure = Option.some({
        message: placeOf(message),
        attempts,
        time: DateTime.makeUnsafe(millis()),
        failure
      })
    },
    skipped: count("skipped"),
    parked: count("parked"),
    stopped: () => retrying.clear(),
    show: (gauges) => Effect.sync(() => Effect.sync(metrics.show(gauges)))
  }
})

import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Subject } from "./subject.ts"

/** The gauges of a consumer or read model, read when a snapshot of the metrics is taken. */
export interface Gauges {
  readonly inFlight: () => number
  readonly pending: () => number
  /** Global positions from the oldest message that is not handled to the last one that was read. */
  readonly lagPositions: () => number
  readonly lagSeconds: () => number
}

/** The metrics of a consumer or read model. Updates are plain calls, because there is one for each message. */
export interface Metrics {
  readonly handled: (messages: number) => void
  readonly failed: (messages: number) => void
  readonly retried: (messages: number) => void
  readonly skipped: (messages: number) => void
  readonly parked: (messages: number) => void
  readonly duration: (seconds: number) => void
  /** Registers gauges; the function that it gives removes them. */
  readonly show: (gauges: Gauges) => () => void
}

/** From a tenth of a millisecond to 26 seconds. */
const boundaries = Metric.exponentialBoundaries({ start: 0.000_1, factor: 4, count: 10 })

export const make = Effect.fnUntraced(function*(
  { metrics: { attributes, prefix } }: Subject
): Effect.fn.Return<Metrics> {
  const context = yield* Effect.context<never>()
  const counter = (name: string, description: string) => {
    const metric = Metric.counter(`${prefix}_${name}_total`, { description, attributes, incremental: true })
    return (count: number) => metric.updateUnsafe(count, context)
  }
  const gauge = (name: string, description: string, get: () => number) =>
    Metric.registerUnsafe(Metric.gauge(`${prefix}_${name}`, { description, attributes }), context, {
      get: () => ({ value: get() }),
      update: () => {},
      modify: () => {}
    })
  const handled = counter("handled", "messages whose handler succeeded")
  const failed = counter("failed", "messages whose handler failed on its last attempt")
  const retried = counter("retried", "attempts after a failure")
  const skipped = counter("skipped", "messages that failed and were skipped")
  const parked = counter("parked", "messages that were parked")
  const duration = Metric.histogram(`${prefix}_handler_duration_seconds`, {
    description: "how long a handler takes, each attempt by itself",
    attributes,
    boundaries
  })
  return {
    handled,
    failed,
    retried,
    skipped,
    parked,
    duration: (seconds) => duration.updateUnsafe(seconds, context),
    show: ({ inFlight, lagPositions, lagSeconds, pending }) => {
      const shown = [
        gauge("in_flight", "handlers that run", inFlight),
        gauge("pending", "messages that are read and not handled", pending),
        gauge(
          "lag_positions",
          "global positions from the oldest message that is not handled to the last one that was read",
          lagPositions
        ),
        gauge("lag_seconds", "the age of the oldest message that is read and not handled", lagSeconds)
      ]
      return () => shown.forEach(({ remove }) => remove())
    }
  }
})

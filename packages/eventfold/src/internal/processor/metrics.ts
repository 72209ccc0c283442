import * as Effect from "effect/Effect"
import * as Meter from "../runtime/meter.ts"
import { messaging } from "../runtime/semantics.ts"
import type { Subject } from "./subject.ts"

/** The gauges of a consumer or read model, read when a snapshot of the metrics is taken. */
export interface Gauges {
  readonly inFlight: () => number
  readonly pending: () => number
  /** Global positions from the oldest message that is not handled to the last one that was read. */
  readonly pendingPositions: () => number
  readonly pendingAge: () => number
}

/** The metrics of a consumer or read model. Updates are plain calls, because there is one for each message. */
export interface Metrics {
  readonly handled: (messages: number) => void
  /** A message has failed for the last time, with an error of this type. */
  readonly failed: (errorType: string) => void
  readonly retried: () => void
  readonly skipped: () => void
  readonly parked: () => void
  /** How long an attempt took, in seconds; and the type of its error, if it failed. */
  readonly duration: (seconds: number, errorType?: string) => void
  /** Registers gauges; the function that it gives removes them. */
  readonly show: (gauges: Gauges) => () => void
}

export const make = Effect.fnUntraced(function*({ kind, metrics, span }: Subject): Effect.fn.Return<Metrics> {
  const meter = yield* Meter.make
  const { attributes, prefix } = metrics
  const conventional = { ...messaging, "messaging.operation.name": span.name, ...attributes }

  const consumed = {
    name: "messaging.client.consumed.messages",
    unit: "{message}",
    description: "messages whose handler has ended, for good; those that failed have an error.type"
  }
  const processed = {
    name: "messaging.process.duration",
    unit: "s",
    description: "how long a handler takes, each attempt by itself",
    boundaries: Meter.durations
  }
  const handled = meter.counter(consumed, conventional)
  const failed = Meter.forEachError(conventional, (all) => meter.counter(consumed, all))
  const duration = meter.histogram(processed, conventional)
  const failedDuration = Meter.forEachError(conventional, (all) => meter.histogram(processed, all))

  const counter = (name: string, unit: string, description: string) => {
    const count = meter.counter({ name: `${prefix}.${name}`, unit, description }, attributes)
    return () => count(1)
  }
  const gauge = (name: string, unit: string, description: string, get: () => number) =>
    meter.gauge({ name: `${prefix}.${name}`, unit, description }, attributes, get)

  return {
    handled,
    failed: (errorType) => failed(errorType)(1),
    retried: counter("retries", "{attempt}", "attempts after a failure"),
    skipped: counter("skips", "{message}", "messages that failed and were skipped"),
    // A read model parks nothing.
    parked: kind === "consumer"
      ? counter("parkings", "{message}", "messages that were parked: those that failed, and those behind them")
      : () => {},
    duration: (seconds, errorType) => {
      const record = errorType === undefined ? duration : failedDuration(errorType)
      record(seconds)
    },
    show: ({ inFlight, pending, pendingAge, pendingPositions }) => {
      const hide = [
        gauge("in_flight", "{handler}", "handlers that run", inFlight),
        gauge("pending.messages", "{message}", "messages that are read and not handled", pending),
        gauge(
          "pending.positions",
          "{position}",
          "global positions from the oldest message that is not handled to the last one that was read",
          pendingPositions
        ),
        gauge("pending.age", "s", "the age of the oldest message that is read and not handled", pendingAge)
      ]
      return () => hide.forEach((one) => one())
    }
  }
})

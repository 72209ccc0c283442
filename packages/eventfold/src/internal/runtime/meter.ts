/**
 * Makes metrics whose updates are plain calls. Names, units and attributes are those of OpenTelemetry's conventions where there is
 * one; the documentation on observability lists all of them.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

export type Attributes = Readonly<Record<string, string>>

/** What a metric is, without its attributes. */
export interface Definition {
  readonly name: string
  /** In UCUM, with annotations for what is counted: `s`, `{message}`. */
  readonly unit: string
  readonly description: string
}

/** Adds to a counter, or records a value in a histogram. */
export type Recorder = (value: number) => void

/** Makes the metrics of one registry. Metrics with the same name and attributes are one, whoever makes them. */
export interface Meter {
  /** A counter that is at 0 from now on, so that its first rise is seen. */
  readonly counter: (definition: Definition, attributes: Attributes) => Recorder
  readonly histogram: (
    definition: Definition & { readonly boundaries: ReadonlyArray<number> },
    attributes: Attributes
  ) => Recorder
  /** A gauge that is read when a snapshot is taken, until the function that this gives is called. */
  readonly gauge: (definition: Definition, attributes: Attributes, get: () => number) => () => void
  /** The time of a clock that never goes back, in nanoseconds. */
  readonly now: () => bigint
  /** The seconds since a time of `now`. */
  readonly since: (begun: bigint) => number
}

/** The `unit` is an attribute, because that is where Effect's exporters look for it. */
const optionsOf = ({ description, unit }: Definition, attributes: Attributes) => ({
  description,
  attributes: { ...attributes, unit }
})

/** The metrics of the registry of the context, with the attributes that the context adds. */
export const make: Effect.Effect<Meter> = Effect.contextWith((all: Context.Context<never>) => {
  // What a metric looks up at each update, and nothing else: in a small context that takes less time.
  const context = Context.make(Metric.MetricRegistry, Context.get(all, Metric.MetricRegistry)).pipe(
    Context.add(Metric.CurrentMetricAttributes, Context.get(all, Metric.CurrentMetricAttributes))
  )
  const clock = Context.get(all, Clock.Clock)
  const now = () => clock.monotonicTimeNanosUnsafe()
  const meter: Meter = {
    counter: (definition, attributes) => {
      const metric = Metric.counter(definition.name, { ...optionsOf(definition, attributes), incremental: true })
      metric.updateUnsafe(0, context)
      return (count) => metric.updateUnsafe(count, context)
    },
    histogram: (definition, attributes) => {
      const { boundaries } = definition
      const metric = Metric.histogram(definition.name, { ...optionsOf(definition, attributes), boundaries })
      return (value) => metric.updateUnsafe(value, context)
    },
    gauge: (definition, attributes, get) =>
      Metric.registerUnsafe(Metric.gauge(definition.name, optionsOf(definition, attributes)), context, {
        get: () => ({ value: get() }),
        update: () => {},
        modify: () => {}
      }).remove,
    now,
    since: (begun) => Number(now() - begun) / 1e9
  }
  return Effect.succeed(meter)
})

/** The value of an attribute when there are too many values of it, as OpenTelemetry's conventions have it. */
const other = "_OTHER"

/**
 * Something for each value of an attribute, made when the value first occurs. The first `limit` values have something of their
 * own, and all others share that of `_OTHER`: so no program has more series than that.
 */
export const forEach = <A>(limit: number, make: (value: string) => A): (value: string) => A => {
  const made = new Map<string, A>()
  let shared: A | undefined
  return (value) => {
    const found = made.get(value)
    if (found !== undefined) return found
    if (made.size >= limit) return shared ??= make(other)
    const one = make(value)
    made.set(value, one)
    return one
  }
}

/** How many categories have series of their own. */
export const maxCategories = 100

/** How many types of error have series of their own. */
const maxErrorTypes = 32

/** The series of failures, by `error.type`. */
export const forEachError = <A>(attributes: Attributes, make: (attributes: Attributes) => A): (type: string) => A =>
  forEach(maxErrorTypes, (type) => make({ ...attributes, "error.type": type }))

const typeOf = (error: unknown): string => {
  if (typeof error !== "object" || error === null) return other
  if ("_tag" in error && typeof error._tag === "string") return error._tag
  return error instanceof Error ? error.name : other
}

/** The `error.type` of a failure: the tag of the error, the name of the defect, or `interrupted`. */
export const errorType = ({ reasons }: Cause.Cause<unknown>): string => {
  const failure = reasons.find(Cause.isFailReason) ?? reasons.find(Cause.isDieReason)
  if (failure === undefined) return "interrupted"
  return typeOf(Cause.isFailReason(failure) ? failure.error : failure.defect)
}

/** The boundaries of durations, in seconds: those of OpenTelemetry's `db.client.operation.duration`, and finer ones below. */
export const durations: ReadonlyArray<number> = [
  0.000_1,
  0.000_25,
  0.000_5,
  0.001,
  0.002_5,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30
]

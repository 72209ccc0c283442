import { Effect, Metric } from "effect"

/** A series of a metric: its name, its attributes without the unit, and its state. */
export interface Series {
  readonly name: string
  readonly unit: string | undefined
  readonly attributes: Readonly<Record<string, string>>
  readonly state: object
}

/** All series in the registry of the context. */
export const series: Effect.Effect<ReadonlyArray<Series>> = Effect.map(
  Metric.snapshot,
  (all) => all.map(({ attributes: { unit, ...attributes } = {}, id, state }) => ({ name: id, unit, attributes, state }))
)

/** The state of the only series with this name and exactly these attributes; `undefined` when there is none. */
export const stateOf = (
  all: ReadonlyArray<Series>,
  name: string,
  attributes: Readonly<Record<string, string>>
): object | undefined => {
  const wanted = Object.entries(attributes)
  return all.find((one) =>
    one.name === name && Object.keys(one.attributes).length === wanted.length &&
    wanted.every(([key, value]) => one.attributes[key] === value)
  )?.state
}

/** Runs an effect with metrics of its own. */
export const withOwnMetrics = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, Metric.MetricRegistry, new Map())

export const counted = (count: number) => ({ count, incremental: true })

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"

/** What a request is counted by: not its path, which would give each stream a series of its own. */
interface Kind {
  readonly method: string
  readonly route: string
  readonly status: number
}

/** From half a millisecond to 8 seconds. */
const boundaries = Metric.exponentialBoundaries({ start: 0.000_5, factor: 4, count: 8 })

const makeKind = ({ method, route, status }: Kind, context: Context.Context<never>) => {
  const requests = Metric.counter("eventfold_http_requests_total", {
    description: "requests that were answered",
    attributes: { method, route, status: String(status) },
    incremental: true
  })
  const duration = Metric.histogram("eventfold_http_request_duration_seconds", {
    description: "how long a request takes until its answer begins",
    attributes: { method, route },
    boundaries
  })
  return (seconds: number): void => {
    requests.updateUnsafe(1, context)
    duration.updateUnsafe(seconds, context)
  }
}

/** Counts the answers of the routes. A plain call, because there is one for each request. */
export class Meter extends Context.Service<Meter, (kind: Kind, seconds: number) => void>()("@eventfold/http/Meter") {}

export const layer = Layer.effect(
  Meter,
  Effect.contextWith((context: Context.Context<never>) => {
    const kinds = new Map<string, (seconds: number) => void>()
    return Effect.succeed((kind: Kind, seconds: number): void => {
      const key = `${kind.method} ${kind.route} ${kind.status}`
      let count = kinds.get(key)
      if (count === undefined) {
        count = makeKind(kind, context)
        kinds.set(key, count)
      }
      count(seconds)
    })
  })
)

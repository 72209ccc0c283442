/**
 * emmett on PostgreSQL, as its documentation sets it up.
 */
import type { Event } from "@event-driven-io/emmett"
import { getPostgreSQLEventStore, type PostgresEventStore } from "@event-driven-io/emmett-postgresql"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type PeerError, promise } from "./BenchError.ts"
import { dataOf, type Dataset, metadataOf, streamNameOf, typeOf } from "./Messages.ts"

export const version = "0.42.0"

export const name = `emmett ${version}`

export type PaymentEvent = Event<ReturnType<typeof typeOf>, ReturnType<typeof dataOf>, ReturnType<typeof metadataOf>>

/** The event of that number. */
export const eventOf = (n: number): PaymentEvent => ({ type: typeOf(n), data: dataOf(n), metadata: metadataOf(n) })

export interface Emmett {
  readonly url: string
  readonly store: PostgresEventStore
  readonly load: (dataset: Dataset) => Effect.Effect<void, PeerError>
}

const openStore = (url: string): Effect.Effect<PostgresEventStore, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => getPostgreSQLEventStore(url)),
    (store) => Effect.promise(() => store.close())
  )

/** Appends what a data set has in the beginning. To wait for each commit would take longer than all that is measured. */
const fill = (url: string, dataset: Dataset): Effect.Effect<void, PeerError> =>
  Effect.scoped(Effect.flatMap(openStore(`${url}?options=-c%20synchronous_commit%3Doff`), (store) =>
    Effect.forEach(
      Array.from({ length: dataset.streams }, (_, stream) => stream),
      (stream) =>
        promise(() =>
          store.appendToStream(
            streamNameOf(dataset, stream),
            Array.from({ length: dataset.messagesPerStream }, (_, i) => eventOf(stream + i * dataset.streams))
          )
        ),
      { concurrency: 8, discard: true }
    )))

export const open = Effect.fnUntraced(function*(url: string): Effect.fn.Return<Emmett, PeerError, Scope.Scope> {
  const store = yield* openStore(url)
  yield* promise(() => store.schema.migrate())
  const loaded = new Set<Dataset>()
  return {
    url,
    store,
    load: (dataset) =>
      Effect.suspend(() => {
        if (loaded.has(dataset)) return Effect.void
        loaded.add(dataset)
        return fill(url, dataset)
      })
  }
})

/**
 * emmett on PostgreSQL, set up as its documentation describes.
 */
import type { Event } from "@event-driven-io/emmett"
import { getPostgreSQLEventStore, type PostgresEventStore } from "@event-driven-io/emmett-postgresql"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type PeerError, promise } from "./BenchError.ts"
import * as Copy from "./Copy.ts"
import { dataOf, type Dataset, metadataOf, typeOf } from "./Messages.ts"

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

/** Loads the messages that a data set starts with. emmett's own function writes the same rows, but takes too long. */
const fill = (url: string, dataset: Dataset): Effect.Effect<void, PeerError> =>
  Effect.scoped(Effect.gen(function*() {
    const client = yield* Copy.connect(url)
    const run = (statement: string) => promise(() => client.query(statement))
    yield* run(`CREATE TEMP TABLE loaded (
      ordinal serial, id text, stream_name text, type text, position bigint, data jsonb, metadata jsonb)`)
    yield* Copy.copyIn(client, Copy.initialLines(dataset), "loaded")
    yield* run(`INSERT INTO emt_streams (stream_id, stream_position, stream_type, stream_metadata)
      SELECT stream_name, max(position) + 1, split_part(stream_name, '-', 1), '{}' FROM loaded GROUP BY stream_name`)
    // Its positions begin with 1.
    yield* run(
      `INSERT INTO emt_messages (stream_id, stream_position, transaction_id, message_schema_version, message_id,
        message_type, message_data, message_metadata)
      SELECT stream_name, position + 1, pg_current_xact_id(), '1', id, type, data, metadata FROM loaded ORDER BY ordinal`
    )
    yield* run("VACUUM ANALYZE emt_messages, emt_streams")
    yield* run("CHECKPOINT")
  }))

export const open = Effect.fnUntraced(function*(url: string): Effect.fn.Return<Emmett, PeerError, Scope.Scope> {
  const store = yield* Effect.acquireRelease(
    Effect.sync(() => getPostgreSQLEventStore(url)),
    (store) => Effect.promise(() => store.close())
  )
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

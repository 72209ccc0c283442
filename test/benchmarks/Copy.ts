/**
 * The limit: COPY into the table of messages, with its indexes, and out of it. Nothing goes faster through SQL.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { Client } from "pg"
import { from, to } from "pg-copy-streams"
import { type PeerError, promise } from "./BenchError.ts"
import { copyColumns, copyLine, type Dataset } from "./Messages.ts"

export interface Copy {
  readonly load: (dataset: Dataset) => Effect.Effect<void, PeerError>
  /**
   * Makes the next lines of a data set's streams, which take turns, then copies them, so many in a statement: messages a
   * second. The lines are there before the time begins.
   */
  readonly write: (dataset: Dataset, messages: number, perStatement: number) => Effect.Effect<Work, PeerError>
  /** Copies the messages of a category out, in their order, and does not look at them: how many bytes. */
  readonly read: (category: string) => Effect.Effect<number, PeerError>
}

/** Something that is ready to be done, and timed. */
export interface Work {
  readonly run: Effect.Effect<number, PeerError>
}

const connect = (url: string): Effect.Effect<Client, PeerError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const client = new Client({ connectionString: url })
      return Effect.as(promise(() => client.connect()), client)
    }),
    (client) => Effect.promise(() => client.end())
  )

const copyIn = (client: Client, lines: Iterable<string>) =>
  promise(() =>
    pipeline(Readable.from(lines), client.query(from(`COPY message_store.messages (${copyColumns}) FROM STDIN`)))
  )

/** The lines of the messages of these numbers, many in a string: a write each would be most of the work. */
function* blocks(dataset: Dataset, begin: number, end: number, positionOf: (n: number) => number): Generator<string> {
  const size = 250
  for (let n = begin; n < end; n += size) {
    const numbers = Array.from({ length: Math.min(size, end - n) }, (_, i) => n + i)
    yield numbers.map((number) => copyLine(dataset, number, positionOf(number))).join("")
  }
}

const turnOf = ({ streams }: Dataset) => (n: number): number => Math.floor(n / streams)

/** Fills a database with what a data set has in the beginning, once, and leaves the server nothing to catch up on. */
const loaderOf = (client: Client) => {
  const loaded = new Set<Dataset>()
  return (dataset: Dataset): Effect.Effect<void, PeerError> =>
    Effect.suspend(() => {
      if (loaded.has(dataset)) return Effect.void
      loaded.add(dataset)
      return Effect.andThen(
        copyIn(client, blocks(dataset, 0, dataset.messages, turnOf(dataset))),
        promise(async () => {
          await client.query("VACUUM ANALYZE message_store.messages")
          await client.query("CHECKPOINT")
        })
      )
    })
}

export const loader = (url: string) => Effect.map(connect(url), loaderOf)

export const open = Effect.fnUntraced(function*(url: string): Effect.fn.Return<Copy, PeerError, Scope.Scope> {
  const client = yield* connect(url)
  const written = new Map<Dataset, number>()
  return {
    load: loaderOf(client),
    write: (dataset, messages, perStatement) =>
      Effect.sync(() => {
        const begin = written.get(dataset) ?? dataset.messages
        const end = begin + messages
        written.set(dataset, end)
        const statements = Array.from(
          { length: Math.ceil(messages / perStatement) },
          (_, i) => [
            ...blocks(dataset, begin + i * perStatement, Math.min(begin + (i + 1) * perStatement, end), turnOf(dataset))
          ]
        )
        return {
          run: Effect.as(Effect.forEach(statements, (lines) => copyIn(client, lines), { discard: true }), messages)
        }
      }),
    read: (category) =>
      promise(async () => {
        const rows = client.query(to(`COPY (
          SELECT id, stream_name, type, position, global_position, data, metadata, time
          FROM message_store.messages
          WHERE message_store.category(stream_name) = '${category}'
          ORDER BY message_store.category(stream_name), global_position
        ) TO STDOUT`))
        let bytes = 0
        for await (const chunk of rows) bytes += chunk.length
        return bytes
      })
  }
})

/**
 * The limit: COPY into the table of messages, with its indexes, and out of it. No SQL is faster.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { Client } from "pg"
import { from, to } from "pg-copy-streams"
import { type PeerError, promise } from "./BenchError.ts"
import { copyColumns, copyLine, dataOf, type Dataset, metadataOf, streamNameOf, typeOf } from "./Messages.ts"

export interface Copy {
  readonly load: (dataset: Dataset) => Effect.Effect<void, PeerError>
  /**
   * Makes the next lines for a data set's streams, in turn. The work copies them, `perStatement` in a statement, and gives
   * the number of messages: the time for making the lines does not count.
   */
  readonly write: (dataset: Dataset, messages: number, perStatement: number) => Effect.Effect<Work, PeerError>
  /** Inserts the next message, without a lock and without reading the stream: most of the time is the commit. */
  readonly insert: (dataset: Dataset) => Promise<unknown>
  /** Copies the messages of a category out, in their order, without decoding them: the number of bytes. */
  readonly read: (category: string) => Effect.Effect<number, PeerError>
}

/** Prepared work, to be timed. */
export interface Work {
  readonly run: Effect.Effect<number, PeerError>
}

export const connect = (url: string): Effect.Effect<Client, PeerError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const client = new Client({ connectionString: url })
      return Effect.as(promise(() => client.connect()), client)
    }),
    (client) => Effect.promise(() => client.end())
  )

/** Copies lines of messages into a table. */
export const copyIn = (
  client: Client,
  lines: Iterable<string>,
  table = "message_store.messages"
): Effect.Effect<void, PeerError> =>
  promise(() => pipeline(Readable.from(lines), client.query(from(`COPY ${table} (${copyColumns}) FROM STDIN`))))

/** Copies what COPY has given into the table of messages, with these columns. */
export const copyAll = (
  client: Client,
  chunks: Iterable<Uint8Array>,
  columns: string
): Effect.Effect<void, PeerError> =>
  promise(() =>
    pipeline(Readable.from(chunks), client.query(from(`COPY message_store.messages (${columns}) FROM STDIN`)))
  )

/** The lines of these numbers, many in a string: writing them one by one would take most of the time. */
export function* blocks(begin: number, end: number, lineOf: (n: number) => string): Generator<string> {
  const size = 250
  for (let n = begin; n < end; n += size) {
    yield Array.from({ length: Math.min(size, end - n) }, (_, i) => lineOf(n + i)).join("")
  }
}

const turnOf = ({ streams }: Dataset) => (n: number): number => Math.floor(n / streams)

/** The line of the message of that number, at the next position of the stream whose turn it is. */
const nextLine = (dataset: Dataset) => (n: number) => copyLine(dataset, n, turnOf(dataset)(n))

/** The lines of the messages that a data set starts with. */
export const initialLines = (dataset: Dataset): Iterable<string> => blocks(0, dataset.messages, nextLine(dataset))

/** Loads the messages that a data set starts with, once, and leaves no vacuum or checkpoint for the server to do later. */
const loaderOf = (client: Client) => {
  const loaded = new Set<Dataset>()
  return (dataset: Dataset): Effect.Effect<void, PeerError> =>
    Effect.suspend(() => {
      if (loaded.has(dataset)) return Effect.void
      loaded.add(dataset)
      return Effect.andThen(
        copyIn(client, initialLines(dataset)),
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
  /** Takes the numbers of that many messages, and returns the first. */
  const take = (dataset: Dataset, messages: number) => {
    const begin = written.get(dataset) ?? dataset.messages
    written.set(dataset, begin + messages)
    return begin
  }
  return {
    load: loaderOf(client),
    write: (dataset, messages, perStatement) =>
      Effect.sync(() => {
        const begin = take(dataset, messages)
        const end = begin + messages
        const statements = Array.from(
          { length: Math.ceil(messages / perStatement) },
          (_, i) => [
            ...blocks(begin + i * perStatement, Math.min(begin + (i + 1) * perStatement, end), nextLine(dataset))
          ]
        )
        return {
          run: Effect.as(Effect.forEach(statements, (lines) => copyIn(client, lines), { discard: true }), messages)
        }
      }),
    insert: (dataset) => {
      const n = take(dataset, 1)
      return client.query({
        name: "insert",
        text: `INSERT INTO message_store.messages (${copyColumns}) VALUES ($1, $2, $3, $4, $5, $6)`,
        values: [
          randomUUID(),
          streamNameOf(dataset, n),
          typeOf(n),
          turnOf(dataset)(n),
          JSON.stringify(dataOf(n)),
          JSON.stringify(metadataOf(n))
        ]
      })
    },
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

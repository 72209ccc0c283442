/**
 * Stock Message DB as an application calls it from Node: `pg`, a pool of its default size, prepared statements, and
 * JSON.parse.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { Pool } from "pg"
import type { PeerError } from "./BenchError.ts"
import * as Copy from "./Copy.ts"
import { dataOf, type Dataset, metadataOf, streamNameOf, typeOf } from "./Messages.ts"

export const name = "Message DB 1.3.0"

export interface Message {
  readonly streamName: string
  readonly type: string
  readonly position: number
  readonly globalPosition: number
  readonly data: ReturnType<typeof dataOf>
  readonly metadata: unknown
}

export interface MessageDbClient {
  readonly url: string
  readonly load: (dataset: Dataset) => Effect.Effect<void, PeerError>
  /** Writes the message of that number to the stream whose turn it is. */
  readonly write: (dataset: Dataset, n: number) => Promise<unknown>
  /** Writes a message with an id of its own. Gives its position. */
  readonly writeMessage: (streamName: string, type: string, data: unknown, metadata: unknown) => Promise<number>
  /** Writes the message of that number to a stream, at an expected version. */
  readonly writeAt: (streamName: string, n: number, expected: number) => Promise<unknown>
  /** Writes a small message to a stream. */
  readonly writeTo: (streamName: string) => Promise<unknown>
  /** Writes the position of a consumer of the category, in the stream where Eventide writes it. */
  readonly writePosition: (category: string, position: number) => Promise<unknown>
  /** A page of a category, from a global position on: of {@link pageSize} messages unless it says otherwise. */
  readonly readCategory: (category: string, from: number, limit?: number) => Promise<ReadonlyArray<Message>>
  readonly readStream: (streamName: string) => Promise<ReadonlyArray<Message>>
  /** Runs statements in a transaction. */
  readonly inTransaction: (statements: (query: Query) => Promise<void>) => Promise<void>
}

export type Query = (text: string, values?: ReadonlyArray<unknown>) => Promise<unknown>

export const pageSize = 1_000

interface MessageRow {
  readonly stream_name: string
  readonly type: string
  readonly position: string
  readonly global_position: string
  readonly data: string
  readonly metadata: string
}

const message = (row: MessageRow): Message => ({
  streamName: row.stream_name,
  type: row.type,
  position: Number(row.position),
  globalPosition: Number(row.global_position),
  data: JSON.parse(row.data),
  metadata: JSON.parse(row.metadata)
})

export const open = Effect.fnUntraced(
  function*(url: string): Effect.fn.Return<MessageDbClient, PeerError, Scope.Scope> {
    const pool = yield* Effect.acquireRelease(
      // Its functions find each other by the search path.
      Effect.sync(() => new Pool({ connectionString: url, options: "-c search_path=message_store,public" })),
      (pool) => Effect.promise(() => pool.end())
    )
    const read = async (name: string, text: string, values: ReadonlyArray<unknown>) => {
      const { rows } = await pool.query<MessageRow>({ name, text, values: [...values] })
      return rows.map(message)
    }
    const write = (streamName: string, type: string, data: unknown, metadata: unknown) =>
      pool.query<{ readonly write_message: string }>({
        name: "write",
        text: "SELECT message_store.write_message($1, $2, $3, $4, $5)",
        values: [randomUUID(), streamName, type, JSON.stringify(data), JSON.stringify(metadata)]
      })
    return {
      url,
      load: yield* Copy.loader(url),
      writeMessage: async (streamName, type, data, metadata) => {
        const { rows: [row] } = await write(streamName, type, data, metadata)
        return Number(row?.write_message)
      },
      writeAt: (streamName, n, expected) =>
        pool.query({
          name: "writeAt",
          text: "SELECT message_store.write_message($1, $2, $3, $4, $5, $6)",
          values: [
            randomUUID(),
            streamName,
            typeOf(n),
            JSON.stringify(dataOf(n)),
            JSON.stringify(metadataOf(n)),
            expected
          ]
        }),
      write: (dataset, n) => write(streamNameOf(dataset, n), typeOf(n), dataOf(n), metadataOf(n)),
      writeTo: (streamName) => write(streamName, "Deposited", { amount: 1 }, {}),
      writePosition: (category, position) => write(`${category}:position-test`, "Recorded", { position }, {}),
      readCategory: (category, from, limit = pageSize) =>
        read("category", "SELECT * FROM message_store.get_category_messages($1, $2, $3)", [category, from, limit]),
      readStream: (streamName) =>
        read("stream", "SELECT * FROM message_store.get_stream_messages($1, $2, $3)", [streamName, 0, pageSize]),
      inTransaction: async (statements) => {
        const client = await pool.connect()
        try {
          await client.query("BEGIN")
          await statements((text, values = []) => client.query(text, [...values]))
          await client.query("COMMIT")
        } finally {
          client.release()
        }
      }
    }
  }
)

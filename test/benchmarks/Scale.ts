/**
 * A small and a large table of messages: the same categories and streams, with fewer or more messages each.
 */
import * as Effect from "effect/Effect"
import type { Client } from "pg"
import { type PeerError, promise } from "./BenchError.ts"
import { blocks, connect, copyIn } from "./Copy.ts"
import { copyLine, type Dataset, of, savings } from "./Messages.ts"

export const sizes = { small: 100_000, large: 10_000_000 }

/** Nine categories, 9,000 streams. The messages take turns between them. */
const categories = ["account", ...Array.from({ length: 8 }, (_, i) => `other${i}`)].map((name) => of(name, 1_000, 0))

/** The data set for appends and reads. */
export const account: Dataset = categories[0] ?? savings

/** The lines by their numbers: as many for each category, with the savings spread evenly between them. */
const lines = (messages: number) => {
  const every = messages / savings.messages
  const turns = categories.map(() => 0)
  let saving = 0
  return (n: number): string => {
    if (n % every === 0) {
      const line = copyLine(savings, saving, Math.floor(saving / savings.streams))
      saving++
      return line
    }
    const i = n % categories.length
    const turn = turns[i] ?? 0
    turns[i] = turn + 1
    return copyLine(categories[i] ?? account, turn, Math.floor(turn / account.streams))
  }
}

/** Statements that drop an index of the table, or its primary key, and create it again. */
interface Index {
  readonly drop: string
  readonly create: string
}

const indexes = async (client: Client) => {
  const { rows } = await client.query<Index>(`
    SELECT
      CASE WHEN conname IS NULL THEN 'DROP INDEX ' || indexrelid::regclass
        ELSE 'ALTER TABLE message_store.messages DROP CONSTRAINT ' || conname END AS drop,
      CASE WHEN conname IS NULL THEN pg_get_indexdef(indexrelid)
        ELSE 'ALTER TABLE message_store.messages ADD CONSTRAINT ' || conname || ' ' || pg_get_constraintdef(c.oid) END AS create
    FROM pg_index LEFT JOIN pg_constraint AS c ON conindid = indexrelid
    WHERE indrelid = 'message_store.messages'::regclass`)
  return rows
}

/**
 * Copies that many messages into an empty database, and creates the indexes afterwards: the index pages of random ids do not
 * fit into the default `shared_buffers`, and copying with the indexes takes several times as long.
 */
export const fill = Effect.fnUntraced(function*(url: string, messages: number): Effect.fn.Return<void, PeerError> {
  yield* Effect.scoped(Effect.gen(function*() {
    const client = yield* connect(url)
    const all = yield* promise(() => indexes(client))
    const run = (statements: ReadonlyArray<string>) =>
      Effect.forEach(statements, (statement) => promise(() => client.query(statement)), { discard: true })
    yield* run(all.map(({ drop }) => drop))
    yield* copyIn(client, blocks(0, messages, lines(messages)))
    yield* run([
      "SET maintenance_work_mem = '1GB'",
      ...all.map(({ create }) => create),
      "VACUUM ANALYZE message_store.messages",
      "CHECKPOINT"
    ])
  }))
})

/**
 * A read model whose tables show any message that was skipped, handled twice or handled too early: what it stores for a
 * message depends on all earlier messages of the stream.
 */
import { assert } from "@effect/vitest"
import { SqlReadModel } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import { BeginTransaction, SqlClient } from "effect/sql/SqlClient"
import type { RecordedMessage } from "eventfold/Message"
import type * as ReadModel from "eventfold/ReadModel"
import { createHash } from "node:crypto"

export type Kind = "one by one" | "batch"

export const kinds: ReadonlyArray<Kind> = ["one by one", "batch"]

export interface Options extends Partial<Omit<ReadModel.Options, "tables">> {
  /** Further columns of its table. */
  readonly columns?: string
}

const textOf = ({ data, position }: Pick<RecordedMessage, "data" | "position">) => `${position}:${JSON.stringify(data)}`

/** A row for each stream, with a digest of its messages. */
const oneByOne = (category: string, { columns = "", ...options }: Options) =>
  SqlReadModel.make("digests", {
    version: 1,
    atOnce: 20,
    ...options,
    tables: [`CREATE TABLE digests (stream text PRIMARY KEY, digest text NOT NULL${columns})`]
  }).on(category, {
    Numbered: Effect.fnUntraced(function*(message) {
      const sql = yield* SqlClient
      yield* sql`INSERT INTO digests (stream, digest) VALUES (${message.streamName}, md5(${textOf(message)}))
        ON CONFLICT (stream) DO UPDATE SET digest = md5(digests.digest || ${textOf(message)})`
    })
  })

/** A row for each message, in the order of handling. */
const batch = (category: string, { columns = "", ...options }: Options) =>
  SqlReadModel.batch("digests", {
    version: 1,
    atOnce: 50,
    ...options,
    tables: [`CREATE TABLE handled (ordinal bigint GENERATED ALWAYS AS IDENTITY, stream text, text text${columns})`],
    from: category,
    handle: Effect.fnUntraced(function*(messages: ReadonlyArray<RecordedMessage>) {
      const sql = yield* SqlClient
      yield* sql`INSERT INTO handled (stream, text) SELECT * FROM unnest(
        ${messages.map(({ streamName }) => streamName)}::text[],
        ${messages.map(textOf)}::text[]
      )`
    })
  })

/** The read model `digests` of a category. */
export const define = (kind: Kind, category: string, options: Options = {}) =>
  kind === "batch" ? batch(category, options) : oneByOne(category, options)

type Chains = Map<string, string>

const add = (chains: Chains, stream: string, text: string) =>
  chains.set(stream, createHash("md5").update((chains.get(stream) ?? "") + text).digest("hex"))

const found = {
  "one by one": Effect.gen(function*() {
    const sql = yield* SqlClient
    const rows = yield* sql<
      { readonly stream: string; readonly digest: string }
    >`SELECT stream, digest FROM digests.digests`
    return new Map(rows.map(({ digest, stream }) => [stream, digest]))
  }),
  batch: Effect.gen(function*() {
    const sql = yield* SqlClient
    const rows = yield* sql<{ readonly stream: string; readonly text: string }>`SELECT stream, text FROM digests.handled
      ORDER BY ordinal`
    const chains: Chains = new Map()
    for (const { stream, text } of rows) add(chains, stream, text)
    return chains
  })
}

/**
 * Asserts, in one snapshot, that the tables are exactly what the log makes of them up to the checkpoint; returns that
 * position. The read model and the log are in the client's database.
 */
export const assertExact = (kind: Kind, category: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const [row] = yield* sql<{ readonly position: bigint }>`SELECT position FROM eventfold.read_models
      WHERE read_model = 'digests' AND state = 'live'`
    const position = row?.position ?? 0n
    const tables = row === undefined ? new Map() : yield* found[kind]
    const log = yield* sql<{ readonly stream_name: string; readonly position: bigint; readonly data: unknown }>`SELECT *
      FROM message_store.messages
      WHERE message_store.category(stream_name) = ${category} AND global_position <= ${position}
      ORDER BY global_position`
    const expected: Chains = new Map()
    for (const { data, position, stream_name } of log) {
      add(expected, stream_name, textOf({ data: JSON.parse(JSON.stringify(data)), position: Number(position) }))
    }
    assert.deepStrictEqual(Object.fromEntries(tables), Object.fromEntries(expected), `at ${position}`)
    return Number(position)
  }).pipe(
    (statements) => Effect.flatMap(SqlClient, (sql) => sql.withTransaction(statements)),
    Effect.provideService(BeginTransaction, "BEGIN ISOLATION LEVEL REPEATABLE READ")
  )

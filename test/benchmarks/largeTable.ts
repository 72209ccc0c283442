/**
 * Measures what helps a large table, for the advice in docs/performance.md: `node test/benchmarks/largeTable.ts 10000000`.
 * Each change is measured beside the table as it is installed.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { PgClient } from "@effect/sql-pg"
import * as Main from "@eventfold/example-command-line/Main"
import { install } from "@eventfold/test/support/Installer"
import * as PostgresServer from "@eventfold/test/support/PostgresServer"
import { Argument, Command } from "effect/cli"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { totalmem } from "node:os"
import type { Client } from "pg"
import { type BenchError, promise } from "./BenchError.ts"
import { blocks, connect, copyIn } from "./Copy.ts"
import { copyLine, idOf, savings, streamNameOf } from "./Messages.ts"
import * as Report from "./Report.ts"
import * as Rounds from "./Rounds.ts"
import * as Scale from "./Scale.ts"

const installed = "message_store.messages"

/** Messages in a round. */
const copied = 20_000

const effort = { rounds: 7, millis: 0, warmUp: 0 }

/** A UUID that begins with the time, as version 7 does, so that new ids are at one end of the index. */
const timeOrdered = (): string => {
  const time = Math.trunc(performance.timeOrigin + performance.now()).toString(16).padStart(12, "0")
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

const query = (client: Client, text: string, values: ReadonlyArray<unknown> = []) =>
  promise(() => client.query({ name: text.slice(0, 60), text, values: [...values] }))

const run = (client: Client, statements: ReadonlyArray<string>) =>
  Effect.forEach(statements, (statement) => promise(() => client.query(statement)), { discard: true })

/** The number of the next message. It only grows, so that no position of a stream is taken twice. */
let written = 1_000_000_000

/** Copies messages into a table, to its streams in turn: messages a second. */
const write = (client: Client, table: string, id: () => string = randomUUID): Rounds.Round => () => {
  const begin = written
  written += copied
  const lines = [
    ...blocks(begin, written, (n) => copyLine(Scale.account, n, Math.floor(n / Scale.account.streams), id()))
  ]
  return Rounds.rate(Effect.as(copyIn(client, lines, table), copied))
}

/** The same after a checkpoint, when the first change of a page logs the whole page. */
const writeAfterCheckpoint = (client: Client): Rounds.Round => {
  const round = write(client, installed, timeOrdered)
  return (millis) => Effect.andThen(run(client, ["CHECKPOINT"]), round(millis))
}

/** Makes `count` calls one after the other: calls a second. */
const calls = (count: number, call: (n: number) => Effect.Effect<unknown, BenchError>): Rounds.Round => {
  let n = 0
  return () =>
    Rounds.rate(Effect.as(
      Effect.forEach(Array.from({ length: count }), () => call(n++), { discard: true }),
      count
    ))
}

const reads = (client: Client, messages: number): Readonly<Record<string, Rounds.Round>> => ({
  pages: calls(
    10,
    (n) =>
      query(client, "SELECT count(data) FROM message_store.get_category_messages('account', $1, 1000)", [
        messages / 4 + n * 9_000 % (messages / 2)
      ])
  ),
  streams: calls(
    100,
    (n) =>
      query(client, "SELECT count(data) FROM message_store.get_stream_messages($1, 0, 1000)", [
        streamNameOf(savings, n)
      ])
  ),
  versions: calls(
    500,
    (n) => query(client, "SELECT message_store.stream_version($1)", [`account-${idOf(Scale.account, n * 13)}`])
  )
})

/** Copies the table with the same indexes, except that they are not unique: those of a partitioned table can't be. */
const copyTable = (
  client: Client,
  name: string,
  options: { readonly fillfactor: number; readonly partitions: number }
) =>
  run(client, [
    `CREATE TABLE ${name} (LIKE ${installed} INCLUDING DEFAULTS)${
      options.partitions > 1 ? " PARTITION BY HASH (stream_name)" : ""
    }`,
    ...Array.from({ length: options.partitions > 1 ? options.partitions : 0 }, (_, i) =>
      `CREATE TABLE ${name}_${i} PARTITION OF ${name} FOR VALUES WITH (MODULUS ${options.partitions}, REMAINDER ${i})`),
    `INSERT INTO ${name} SELECT * FROM ${installed}`,
    ...[
      "(global_position)",
      "(id)",
      "(stream_name, position)",
      `(message_store.category(stream_name), global_position,
        message_store.category(metadata ->> 'correlationStreamName'))`
    ].map((columns) =>
      `CREATE INDEX ON ${name} ${columns} WITH (fillfactor = ${options.fillfactor})`
    ),
    `VACUUM ANALYZE ${name}`,
    "CHECKPOINT"
  ])

const beside = (name: string, description: string, ours: Rounds.Round, peer: Rounds.Round) =>
  Rounds.measure({
    name,
    description,
    unit: "messages/s",
    ours: Effect.succeed(ours),
    peers: [{ name: "as installed", side: Effect.succeed(peer) }]
  }, effort)

/** Prints the sizes of the table and its indexes. */
const saySizes = (client: Client) =>
  Effect.flatMap(
    promise(() =>
      client.query<{ readonly name: string; readonly mb: number }>(`
        SELECT relname AS name, (pg_relation_size(oid) / 1048576)::integer AS mb FROM pg_class
        WHERE oid = '${installed}'::regclass OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = '${installed}'::regclass)
        ORDER BY 2 DESC`)
    ),
    ({ rows }) => Console.log(rows.map(({ mb, name }) => `${name} ${mb.toLocaleString("en")} MB`).join(", "))
  )

const number = (measured: number | ReadonlyArray<number>): ReadonlyArray<number> => [measured].flat()

/** Measures all reads, for some rounds. */
const measureReads = (client: Client, messages: number) =>
  Effect.forEach(
    Object.entries(reads(client, messages)),
    ([name, round]) =>
      Effect.map(Effect.forEach(Array.from({ length: effort.rounds }), () => round(0)), (rounds) => ({ name, rounds }))
  )

type Measured = Effect.Success<ReturnType<typeof measureReads>>

/** Compares measurements that can't take turns. */
const compare = (what: string, peer: string, after: Measured, before: Measured) =>
  after.flatMap(({ name, rounds }, i) =>
    Rounds.results(
      { name: `${what}-${name}`, description: what, unit: "calls/s", peers: [{ name: peer }] },
      rounds.map((measured, n) => [number(measured), number(before[i]?.rounds[n] ?? [])])
    )
  )

const report = (results: ReadonlyArray<Rounds.Result>) => Console.log(Report.table(Report.rows(results)))

const measure = Effect.fnUntraced(function*(messages: number): Effect.fn.Return<void, BenchError, Scope.Scope> {
  const server = yield* PostgresServer.start()
  const url = server.url
  yield* Effect.provide(install, PgClient.layer({ url: Redacted.make(url) }))
  yield* Console.log(`Copying ${messages.toLocaleString("en")} messages ...`)
  yield* Scale.fill(url, messages)

  const [vacuumed, unvacuumed] = yield* Effect.scoped(Effect.gen(function*() {
    const client = yield* connect(url)
    yield* run(client, ["SET maintenance_work_mem = '1GB'"])
    yield* saySizes(client)
    const before = yield* measureReads(client, messages)
    const ids = yield* beside(
      "ids-in-order",
      "message ids that begin with the time",
      write(client, installed, timeOrdered),
      write(client, installed)
    )
    yield* report(ids)
    const compressing = yield* connect(url)
    yield* run(compressing, ["SET wal_compression = on"])
    yield* report(
      yield* beside(
        "wal-compression",
        "the first messages after a checkpoint, with wal_compression",
        writeAfterCheckpoint(compressing),
        writeAfterCheckpoint(client)
      )
    )
    yield* report(compare("many-new-rows", "vacuumed", yield* measureReads(client, messages), before))
    yield* copyTable(client, "plain", { fillfactor: 90, partitions: 1 })
    yield* copyTable(client, "loose", { fillfactor: 70, partitions: 1 })
    yield* report(
      yield* beside("fillfactor-70", "indexes with a fillfactor of 70", write(client, "loose"), write(client, "plain"))
    )
    yield* run(client, ["DROP TABLE loose"])
    yield* copyTable(client, "parts", { fillfactor: 90, partitions: 16 })
    yield* report(
      yield* beside("partitions-16", "16 partitions by stream", write(client, "parts"), write(client, "plain"))
    )
    const unvacuumed = yield* measureReads(client, messages)
    yield* run(client, ["DROP TABLE parts", "DROP TABLE plain", `VACUUM ${installed}`, "CHECKPOINT"])
    return [yield* measureReads(client, messages), unvacuumed] as const
  }))
  yield* report(compare("vacuumed", "before", vacuumed, unvacuumed))

  const small = yield* Effect.scoped(Effect.flatMap(connect(url), (client) => settled(client, messages)))
  const quarter = Math.floor(totalmem() / 2 ** 20 / 4)
  yield* Effect.scoped(Effect.flatMap(connect(url), (client) =>
    run(client, [
      `ALTER SYSTEM SET shared_buffers = '${quarter}MB'`,
      "ALTER SYSTEM SET max_wal_size = '16GB'",
      "CHECKPOINT"
    ])))
  yield* server.restart
  const large = yield* Effect.scoped(Effect.flatMap(connect(url), (client) => settled(client, messages)))
  yield* report(compare(`shared-buffers-${quarter}MB`, "128 MB", large, small))
})

/** Measures reads of what is in memory already, and writes. */
const settled = Effect.fnUntraced(function*(client: Client, messages: number) {
  yield* measureReads(client, messages)
  const measured = yield* measureReads(client, messages)
  const round = write(client, installed, timeOrdered)
  const rounds = yield* Effect.forEach(Array.from({ length: effort.rounds }), () => round(0))
  return [...measured, { name: "writes", rounds }]
})

const command = Command.make("largeTable", {
  messages: Argument.Int("messages").pipe(
    Argument.withDescription("How many messages the table has, a multiple of 10,000"),
    Argument.withDefault(10_000_000)
  )
}, ({ messages }) => Effect.scoped(measure(messages))).pipe(
  Command.withDescription("Measures what helps a large table")
)

Command.run(command, { version: "0.1.0" }).pipe(
  Effect.provide(NodeServices.layer),
  Main.run
)

/**
 * The functions of Message DB's interface, through a client and inside the server.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { randomUUID } from "node:crypto"
import { type Contender, Databases, poolSize } from "./Databases.ts"
import * as MessageDbClient from "./MessageDbClient.ts"
import { dataOf, metadataOf } from "./Messages.ts"
import { repeatedly, type Round, type Row } from "./Rounds.ts"
import { messagesPerStream, shares, streamName, streamSample, type Table } from "./Table.ts"

/** A call as a client makes it. `n` goes up by one from call to call. */
type Call = (sql: SqlClient, n: number) => Effect.Effect<unknown, SqlError>

/** Measures one of the two for a while: calls a second. */
type Measure = (contender: Contender, millis: number) => Effect.Effect<number, SqlError>

interface FunctionRow {
  readonly name: string
  readonly description: string
  readonly budget?: number | undefined
  readonly ours: Measure
  readonly peer: Measure
}

/** One client that makes one call after the other. */
const byClient = (call: Call): Measure => ({ sql }, millis) => repeatedly(millis, (n) => call(sql, n))

/**
 * The call in a loop inside the server, without the client and the transfer of the rows, which both contenders share. In
 * the statement, `n` goes up by one from call to call, and `names` are streams of the table.
 */
const byServer = (table: Table, statement: string): Measure => ({ sql }, millis) =>
  Effect.gen(function*() {
    yield* sql.unsafe(`
      CREATE OR REPLACE FUNCTION pg_temp.calls_per_second(millis integer) RETURNS float8 LANGUAGE plpgsql AS $$
      DECLARE
        names CONSTANT varchar[] := ARRAY(SELECT ${streamName("i", table.categories)} FROM generate_series(0, ${
      streamSample - 1
    }) AS i);
        began CONSTANT timestamptz := clock_timestamp();
        n integer := 0;
        ignored bigint;
      BEGIN
        WHILE clock_timestamp() < began + make_interval(secs => millis / 1000.0) LOOP
          n := n + 1;
          ${statement};
        END LOOP;
        RETURN n / extract(epoch FROM clock_timestamp() - began);
      END $$`)
    const rows = yield* sql<{ readonly rate: number }>`SELECT pg_temp.calls_per_second(${millis}) AS rate`
    return rows[0]?.rate ?? 0
  })

/** A row that measures both contenders in the same way. */
const row = (name: string, description: string, budget: number | undefined, round: Measure): FunctionRow => ({
  name,
  description,
  budget,
  ours: round,
  peer: round
})

const count = (call: string) => `SELECT count(*) INTO ignored FROM message_store.${call}`

const data = JSON.stringify(dataOf(815))

const metadata = JSON.stringify(metadataOf(815))

const write: Call = (sql, n) =>
  sql`SELECT message_store.write_message(
    ${randomUUID()}, ${`written-${n % 100}`}, ${"Deposited"}, ${data}::jsonb, ${metadata}::jsonb)`

const writeRows = (table: Table): ReadonlyArray<FunctionRow> => [
  row("write", "write_message, one client, one call after the other", 1, byClient(write)),
  row(
    "write-8",
    `write_message, ${poolSize} connections, one category`,
    1,
    ({ pool }, millis) => repeatedly(millis, (n) => write(pool, n), poolSize)
  ),
  row(
    "write-server",
    "write_message, in the server, many in a transaction",
    1,
    byServer(
      table,
      `ignored := message_store.write_message(
        gen_random_uuid()::varchar, 'written-' || n % 100, 'Deposited', '${data}', '${metadata}')`
    )
  )
]

/** Pages of a category. The categories take turns. */
const categoryRows = (table: Table): ReadonlyArray<FunctionRow> => {
  const pages = [
    { name: "start", description: "1,000 from the start", from: 1 },
    { name: "middle", description: "1,000 from the middle", from: table.messages / 2 + 1 },
    { name: "idle", description: "nothing new", from: table.messages + 1 },
    { name: "correlation", description: `1,000 of a correlation, 1 in ${shares}`, from: 1, correlation: "process1" },
    { name: "group", description: `1,000 of a member of a group of ${shares}`, from: 1, member: 1, size: shares }
  ]
  return pages.flatMap(({ correlation = null, description, from, member = null, name, size = null }) => {
    const call: Call = (sql, n) =>
      sql`SELECT * FROM message_store.get_category_messages(
        ${`category${n % table.categories}`}, ${from}, 1000, ${correlation}, ${member}, ${size})`
    const correlationLiteral = correlation === null ? null : `'${correlation}'`
    const statement = count(
      `get_category_messages('category' || n % ${table.categories}, ${from}, 1000, ${correlationLiteral}, ${member}, ${size})`
    )
    return [
      row(`category-${name}`, `get_category_messages, ${description}`, 2, byClient(call)),
      row(`category-${name}-server`, "the same, in the server", 2, byServer(table, statement))
    ]
  })
}

/** Converts the JSON of some rows to text, and does nothing else. */
const jsonOf = (rows: number) =>
  `SELECT sum(length(data::varchar) + length(metadata::varchar)) INTO ignored
  FROM (SELECT data, metadata FROM message_store.messages WHERE global_position <= ${rows} OFFSET 0) AS page`

/**
 * The limits of a function of this interface, beside the peer's function. Through a client: the rows of the page by a SELECT
 * of ours, without a function. In the server: only the text of each row's JSON, which the interface promises.
 */
const limitRows = (table: Table): ReadonlyArray<FunctionRow> => {
  const columns = `id::varchar, stream_name::varchar, type::varchar, position, global_position,
    data::varchar, metadata::varchar, time`
  const limit = (
    name: string,
    rows: number,
    select: (sql: SqlClient, n: number) => Effect.Effect<unknown, SqlError>,
    call: (sql: SqlClient, n: number) => Effect.Effect<unknown, SqlError>,
    statement: string
  ): ReadonlyArray<FunctionRow> => [
    {
      name: `limit-${name}`,
      description:
        `the limit of ${name}: a SELECT of ours without a function; in the server, the text of the JSON alone`,
      ours: byClient(select),
      peer: byClient(call)
    },
    {
      name: `limit-${name}-server`,
      description: "the same, in the server",
      ours: byServer(table, jsonOf(rows)),
      peer: byServer(table, statement)
    }
  ]
  const category = (n: number) => `category${n % table.categories}`
  const stream = (n: number) => table.names[n % table.names.length] ?? ""
  return [
    ...limit(
      "category-start",
      1000,
      (sql, n) =>
        sql`SELECT ${sql.literal(columns)} FROM message_store.messages
          WHERE (message_store.category(stream_name), global_position) >= (${category(n)}, 1)
            AND message_store.category(stream_name) <= ${category(n)}
          ORDER BY message_store.category(stream_name), global_position LIMIT 1000`,
      (sql, n) => sql`SELECT * FROM message_store.get_category_messages(${category(n)}, 1, 1000)`,
      count(`get_category_messages('category' || n % ${table.categories}, 1, 1000)`)
    ),
    ...limit(
      "stream-whole",
      messagesPerStream,
      (sql, n) =>
        sql`SELECT ${sql.literal(columns)} FROM message_store.messages
          WHERE stream_name = ${stream(n)} AND position >= 0 ORDER BY position LIMIT 1000`,
      (sql, n) => sql`SELECT * FROM message_store.get_stream_messages(${stream(n)})`,
      count(`get_stream_messages(names[1 + n % cardinality(names)])`)
    )
  ]
}

/** Calls about one stream. The streams take turns. */
const streamRows = (table: Table): ReadonlyArray<FunctionRow> => {
  const both = (
    name: string,
    description: string,
    budget: number | undefined,
    call: (sql: SqlClient, streamName: string) => Effect.Effect<unknown, SqlError>,
    statement: string
  ): ReadonlyArray<FunctionRow> => [
    row(name, description, budget, byClient((sql, n) => call(sql, table.names[n % table.names.length] ?? ""))),
    row(`${name}-server`, "the same, in the server", budget, byServer(table, statement))
  ]
  const streamName = "names[1 + n % cardinality(names)]"
  const end = messagesPerStream
  return [
    ...both(
      "stream-whole",
      `get_stream_messages, a stream of ${messagesPerStream}`,
      2,
      (sql, name) => sql`SELECT * FROM message_store.get_stream_messages(${name})`,
      count(`get_stream_messages(${streamName})`)
    ),
    ...both(
      "stream-page",
      "get_stream_messages, 10 from a position",
      2,
      (sql, name) => sql`SELECT * FROM message_store.get_stream_messages(${name}, 50, 10)`,
      count(`get_stream_messages(${streamName}, 50, 10)`)
    ),
    ...both(
      "stream-idle",
      "get_stream_messages, nothing new",
      2,
      (sql, name) => sql`SELECT * FROM message_store.get_stream_messages(${name}, ${end})`,
      count(`get_stream_messages(${streamName}, ${end})`)
    ),
    ...both(
      "last-message",
      "get_last_stream_message",
      undefined,
      (sql, name) => sql`SELECT * FROM message_store.get_last_stream_message(${name})`,
      count(`get_last_stream_message(${streamName})`)
    ),
    ...both(
      "stream-version",
      "stream_version",
      undefined,
      (sql, name) => sql`SELECT message_store.stream_version(${name})`,
      `ignored := message_store.stream_version(${streamName})`
    )
  ]
}

/** All rows. The writes come last, so that their messages slow down no other row. */
const make = (table: Table): ReadonlyArray<FunctionRow> => [
  ...categoryRows(table),
  ...streamRows(table),
  ...limitRows(table),
  ...writeRows(table)
]

/** The same rows without a table, for their names. */
const known = make({ messages: 0, categories: 0, streams: 0, names: [] })

/** A side of the row with that number. */
const side = (i: number, of: "ours" | "peer") =>
  Effect.gen(function*() {
    const { contender, table } = yield* (yield* Databases).functions[of]
    const measure = make(table)[i]?.[of] ?? (yield* Effect.die(`No row ${i} for this table`))
    const round: Round = (millis) => measure(contender, millis)
    return round
  })

export const rows: ReadonlyArray<Row<Databases>> = known.map(({ budget, description, name }, i) => ({
  name,
  description,
  unit: "calls/s",
  group: "functions",
  ofServer: name.startsWith("limit-"),
  // What PostgreSQL alone can do differs from one release of it to another, and not from one run to another.
  slow: name.startsWith("limit-"),
  ours: side(i, "ours"),
  peers: [{ name: MessageDbClient.name, budget, side: side(i, "peer") }]
}))

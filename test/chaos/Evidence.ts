/**
 * Collects what the oracle judges: from the journals, and from the database at rest and now and then in between.
 */
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { BeginTransaction, SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import * as Consumer from "eventfold/Consumer"
import { MessageStore } from "eventfold/MessageStore"
import * as Parking from "eventfold/Parking"
import * as Process from "eventfold/Process"
import * as ReadModel from "eventfold/ReadModel"
import { createHash } from "node:crypto"
import type * as Journal from "./Journal.ts"
import * as Oracle from "./Oracle.ts"
import * as Workload from "./Workload.ts"

/** The database. */
export const client = (url: string) =>
  Postgres.layerPool({ url: Redacted.make(url), applicationName: "harness", maxConnections: 4 })

/** The store and its read models. */
export const stores = (url: string) =>
  Layer.merge(Postgres.layerClient(), SqlReadModel.layer()).pipe(Layer.provideMerge(client(url)))

/** Whether a stream belongs to a round: each has streams of its own. */
export const isOf = (round: number) => {
  const mark = `-r${round}x`
  return ({ stream }: { readonly stream: string }) => stream.includes(mark)
}

const pattern = (round: number) => `%-r${round}x%`

interface Row {
  readonly id: string
  readonly stream: string
  readonly type: string
  readonly position: number
  readonly global_position: string
  readonly data: string | null
}

const parse = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Json))

/** The log after a global position, and up to another one. */
export const log = (after: number, upTo = Number.MAX_SAFE_INTEGER): Effect.Effect<
  ReadonlyArray<Oracle.Recorded>,
  SqlError,
  SqlClient
> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const rows = yield* sql<
      Row
    >`SELECT id::text AS id, stream_name::text AS stream, type::text AS type, position::int AS position,
        global_position::text AS global_position, data::text AS data
      FROM message_store.messages WHERE global_position > ${after} AND global_position <= ${upTo}
      ORDER BY messages.global_position`
    return rows.map(({ data, global_position, id, position, stream, type }) => ({
      id,
      stream,
      type,
      position,
      globalPosition: Number(global_position),
      data: data === null ? null : parse(data)
    }))
  })

/** What all messages up to a global position are: it never changes. */
export const digest = (after: number, upTo: number): Effect.Effect<bigint, SqlError, SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const [row] = yield* sql<
      { readonly sum: string }
    >`SELECT coalesce(sum(hashtextextended(concat_ws(' ', global_position, id,
        stream_name, position, type, data, metadata), 0)::numeric), 0)::text AS sum
      FROM message_store.messages WHERE global_position > ${after} AND global_position <= ${upTo}`
    return BigInt(row?.sum ?? 0)
  })

const chains = (log: ReadonlyArray<Oracle.Recorded>, category: string): ReadonlyArray<string> => {
  const found = new Map<string, string>()
  for (const { data, position, stream } of log) {
    if (Oracle.categoryOf(stream) !== category) continue
    const text = (found.get(stream) ?? "") + Workload.link(position, data)
    found.set(stream, createHash("md5").update(text).digest("hex"))
  }
  return [...found].map(([stream, digest]) => `${stream} ${digest}`).toSorted()
}

const chainRows = (model: string, round: number) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const rows = yield* sql<{ readonly stream: string; readonly digest: string }>`SELECT stream, digest
      FROM ${sql(`${model}.chains`)} WHERE stream LIKE ${pattern(round)}`
    return rows.map(({ digest, stream }) => `${stream} ${digest}`).toSorted()
  })

/** The tables of the read models for a round, and what the log makes of them. */
const tables = (round: number, recorded: ReadonlyArray<Oracle.Recorded>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const ofRound = recorded.filter(isOf(round))
    const chained = yield* Effect.forEach(Workload.chained, ({ category, model }) =>
      Effect.map(chainRows(model, round), (rows): Oracle.Table => ({
        name: model,
        rows,
        expected: chains(ofRound, category)
      })))
    const lines = yield* sql<{ readonly line: string }>`SELECT stream || '/' || position AS line FROM lines.lines
      WHERE stream LIKE ${pattern(round)} ORDER BY ordinal`
    const batch: Oracle.Table = {
      name: "lines",
      rows: lines.map(({ line }) =>
        line
      ),
      expected: ofRound.filter(({ stream }) => Workload.written.includes(Oracle.categoryOf(stream)))
        .map(({ position, stream }) => `${stream}/${position}`)
    }
    return [...chained, batch]
  })

/**
 * Looks at the read models while they are at work, in one snapshot: an inline one is as far as the log, the others are what the log
 * makes of them up to their checkpoints.
 */
export const glance = (round: number, after: number) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const recorded = (yield* log(after)).filter(isOf(round))
    const [row] = yield* sql<{ readonly position: string }>`SELECT position::text AS position FROM eventfold.read_models
      WHERE read_model = 'notes' AND state = 'live'`
    const checkpoint = Number(row?.position ?? 0)
    return yield* Effect.forEach(Workload.chained, ({ category, model }) =>
      Effect.map(chainRows(model, round), (rows): Oracle.Table => ({
        name: `${model}, while it was at work`,
        rows,
        expected: chains(
          model === "inline" ? recorded : recorded.filter(({ globalPosition }) =>
            globalPosition <= checkpoint
          ),
          category
        )
      })))
  }).pipe(
    (statements) => Effect.flatMap(SqlClient, (sql) => sql.withTransaction(statements)),
    Effect.provideService(BeginTransaction, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
  )

const operationOf = ({ data }: Oracle.Given) => Workload.isOperation(data) ? Workload.nameOf(data) : "none"

const fieldOf = (data: unknown, field: string): unknown =>
  typeof data === "object" && data !== null ? Object.entries(data).find(([key]) => key === field)?.[1] : undefined

/** By the stream of the reaction, which has the id of the account. */
const by = (
  category: string,
  messages: ReadonlyArray<Oracle.Recorded>,
  name: (message: Oracle.Recorded) => string
) => {
  const found = new Map<string, Array<string>>()
  for (const message of messages) {
    const stream = `${category}${message.stream.slice(message.stream.indexOf("-"))}`
    found.set(stream, [...found.get(stream) ?? [], name(message)])
  }
  return found
}

const cause = ({ data }: Oracle.Recorded) => String(fieldOf(data, "of"))

const reminder = () => "reminder"

/** What the process has to have made of the deposits. */
export const reactions = (log: ReadonlyArray<Oracle.Recorded>): ReadonlyArray<Oracle.Reaction> => {
  const deposits = log.filter(({ stream }) => Oracle.categoryOf(stream) === "account")
  const of = (category: string, type: string, name: (message: Oracle.Recorded) => string) =>
    by(category, log.filter((one) => Oracle.categoryOf(one.stream) === category && one.type === type), name)
  const due = deposits.filter(({ data }) => fieldOf(data, "due") === true)
  return [
    { name: "Billed", causes: by("billing", deposits, operationOf), effects: of("billing", "Billed", cause) },
    { name: "Charged", causes: by("payment", deposits, operationOf), effects: of("payment", "Charged", cause) },
    { name: "Reminded", causes: by("billing", due, reminder), effects: of("billing", "Reminded", reminder) }
  ]
}

const { everything, pair, parker, reader } = Workload.consumers({ handled: () => undefined, isMended: () => true })

/** Waits until everything is handled: nothing is parked, no reaction is missing, no transaction is open. */
export const settled = (after: number) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const { lastPosition } = yield* MessageStore
    const look = Effect.gen(function*() {
      yield* Parking.replay(parker)
      const last = yield* lastPosition
      yield* Effect.forEach([reader, pair, everything, parker], (consumer) => Consumer.waitFor(consumer, last), {
        concurrency: "unbounded"
      })
      yield* Process.waitFor(Workload.biller, last)
      yield* ReadModel.waitFor(Workload.Notes, last)
      yield* ReadModel.waitFor(Workload.Lines, last)
      const parked = yield* Stream.runCollect(Parking.list(parker))
      const open = yield* sql`SELECT FROM pg_stat_activity
        WHERE state <> 'idle' AND (backend_xid IS NOT NULL OR wait_event_type = 'Lock') AND pid <> pg_backend_pid()`
      const complete = Oracle.reactionsOf(reactions(yield* log(after))).length === 0
      return parked.length === 0 && open.length === 0 && complete && (yield* lastPosition) === last
    })
    while (!(yield* look)) yield* Effect.sleep("200 millis")
  })

/** What the journals say. */
export interface Told {
  readonly planned: ReadonlyArray<Oracle.Planned>
  readonly acknowledged: ReadonlyArray<Oracle.Acknowledged>
  readonly handled: ReadonlyArray<Oracle.Handled>
  readonly refused: ReadonlyArray<string>
}

export const told = (lines: ReadonlyArray<Journal.Line>, round: number): Told => {
  const ofRound = isOf(round)
  return {
    planned: lines.flatMap((line) => line.what === "planned" ? [line] : []),
    acknowledged: lines.flatMap((line) => line.what === "acknowledged" ? [line] : []),
    handled: lines.flatMap((line) =>
      // A consumer of everything handles what others keep in the store too, and one that goes back what was judged before.
      line.what === "handled" && ofRound(line) && Workload.categories.includes(Oracle.categoryOf(line.stream))
        ? [{ ...line, at: BigInt(line.at) }]
        : []
    ),
    refused: lines.flatMap((line) => line.what === "refused" ? [`${line.op} was refused: ${line.why}`] : [])
  }
}

/** The evidence of a round that has settled, or has not in time. */
export const collect = Effect.fnUntraced(function*(options: {
  readonly round: number
  /** The global positions of the round: after the one, and up to the other. */
  readonly after: number
  readonly last: number
  readonly before: ReadonlyMap<string, number>
  readonly lines: ReadonlyArray<Journal.Line>
  readonly glances: ReadonlyArray<Oracle.Table>
  readonly unexpected: ReadonlyArray<string>
}) {
  const { after, before, glances, last, lines, round, unexpected } = options
  const recorded = yield* log(after, last)
  const parked = yield* Stream.runCollect(Parking.list(parker))
  const { refused, ...facts } = told(lines, round)
  const evidence: Oracle.Evidence = {
    ...facts,
    written: Workload.written,
    log: recorded,
    before,
    consumers: Workload.handling,
    reactions: reactions(recorded),
    parked: parked.map(({ stream }) => stream),
    tables: [...glances, ...yield* tables(round, recorded)],
    unexpected: [...unexpected, ...refused]
  }
  return evidence
})

/** The highest global position. */
export const lastPosition = MessageStore.use((store) => store.lastPosition)

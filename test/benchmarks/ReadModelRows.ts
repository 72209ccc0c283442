/**
 * A read model in SQL, which moves its checkpoint in the transactions of its handlers. Message DB has none, so a loop does
 * what you would write by hand: it reads a page, and writes the same rows and its position in a transaction.
 */
import { PgClient } from "@effect/sql-pg"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { MessageStore } from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import { counter } from "./AppendRows.ts"
import { PeerError, promise } from "./BenchError.ts"
import { Databases } from "./Databases.ts"
import * as MessageDbClient from "./MessageDbClient.ts"
import { consumed } from "./Messages.ts"
import { rate, type Round, type Row } from "./Rounds.ts"

const { category } = consumed

const columns = "stream text PRIMARY KEY, count bigint NOT NULL, amount bigint NOT NULL"

/** Adds a page to the table: all its streams in one statement. */
const add = `INSERT INTO sums
  SELECT stream, count(*), sum(amount) FROM unnest($1::text[], $2::bigint[]) AS added (stream, amount) GROUP BY stream
  ON CONFLICT (stream) DO UPDATE SET count = sums.count + excluded.count, amount = sums.amount + excluded.amount`

/** A new read model, with empty tables. */
const define = (name: string) =>
  SqlReadModel.batch(name, {
    version: 1,
    tables: [`CREATE TABLE sums (${columns})`],
    from: category,
    handle: (events) =>
      Effect.flatMap(SqlClient, (sql) =>
        sql.unsafe(add, [
          events.map(({ recorded }) => recorded.streamName),
          events.map(({ data }) => data.amount)
        ]))
  })

const fill = Effect.fnUntraced(function*(url: string): Effect.fn.Return<Round, PeerError, Scope.Scope> {
  const client = PgClient.layer({ url: Redacted.make(url) })
  const stores = Layer.merge(Postgres.layerClient(), SqlReadModel.layer()).pipe(Layer.provideMerge(client))
  const context = yield* Effect.mapError(
    Layer.build(stores),
    (cause) => new PeerError({ message: "The stores of the read models can't be opened", cause })
  )
  const next = counter()
  return () => {
    const model = define(`sums${next()}`)
    const filled = Effect.gen(function*() {
      const store = yield* MessageStore
      const last = yield* store.lastPosition
      yield* Effect.raceFirst(ReadModel.run(model), ReadModel.waitFor(model, last))
      return consumed.messages
    })
    return rate(filled).pipe(
      Effect.mapError((cause) => new PeerError({ message: "The read model was not filled", cause })),
      Effect.provideContext(context),
      Effect.provideService(References.MinimumLogLevel, "Warn")
    )
  }
})

const loop = (peer: MessageDbClient.MessageDbClient, pageSize?: number): Round => () =>
  rate(promise(async () => {
    await peer.inTransaction(async (query) => {
      await query("CREATE SCHEMA read_model")
      await query(`CREATE TABLE read_model.sums (${columns})`)
      await query("CREATE TABLE read_model.checkpoint (position bigint NOT NULL)")
      await query("INSERT INTO read_model.checkpoint VALUES (0)")
    })
    let [count, from] = [0, 1]
    for (;;) {
      const page = await peer.readCategory(category.name, from, pageSize)
      const last = page.at(-1)
      if (last === undefined) break
      await peer.inTransaction(async (query) => {
        await query("SET LOCAL search_path = read_model")
        await query("UPDATE checkpoint SET position = $1", [last.globalPosition])
        await query(add, [page.map(({ streamName }) => streamName), page.map(({ data }) => data.amount)])
      })
      count += page.length
      from = last.globalPosition + 1
    }
    await peer.inTransaction(async (query) => void await query("DROP SCHEMA read_model CASCADE"))
    return count
  }))

export const rows: ReadonlyArray<Row<Databases>> = [
  {
    name: "read-model",
    description: `a read model in SQL, ${
      consumed.messages.toLocaleString("en")
    } messages in transactions with its checkpoint`,
    unit: "messages/s",
    goal: 20_000,
    ours: Effect.gen(function*() {
      const { load, url } = yield* (yield* Databases).ours
      yield* load(consumed)
      return yield* fill(url)
    }),
    peers: [1_000, 4_000].map((pageSize) => ({
      name: `${MessageDbClient.name} through pg, by hand, ${pageSize.toLocaleString("en")} a transaction`,
      budget: pageSize === 1_000 ? 1.25 : undefined,
      side: Effect.gen(function*() {
        const messageDb = yield* (yield* Databases).messageDb
        yield* messageDb.load(consumed)
        return loop(messageDb, pageSize)
      })
    }))
  }
]

/**
 * Not a test: a process of its own, which a test gives little memory. `longReadModelChild.ts URL` runs a read model until it
 * has handled all that is there, and says how long that took.
 */
import { PgClient } from "@effect/sql-pg"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Category from "eventfold/Category"
import { MessageStore } from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"

const Counter = Category.make("counter", { Added: { n: Schema.Int, note: Schema.String } })

const Sums = SqlReadModel.batch("sums", {
  version: 1,
  tables: ["CREATE TABLE sums (stream text PRIMARY KEY, count bigint, sum bigint, letters bigint)"],
  from: Counter,
  handle: Effect.fnUntraced(function*(events) {
    const sql = yield* SqlClient
    yield* sql`INSERT INTO sums
      SELECT stream, count(*), sum(n), sum(letters) FROM unnest(
        ${events.map(({ recorded }) => recorded.streamName)}::text[],
        ${events.map(({ data }) => data.n)}::bigint[],
        ${events.map(({ data }) => data.note.length)}::bigint[]
      ) AS added (stream, n, letters) GROUP BY stream
      ON CONFLICT (stream) DO UPDATE SET count = sums.count + excluded.count, sum = sums.sum + excluded.sum,
        letters = sums.letters + excluded.letters`
  })
})

const client = PgClient.layer({ url: Redacted.make(process.argv[2] ?? "") })
const stores = Layer.merge(Postgres.layerClient(), SqlReadModel.layer()).pipe(Layer.provideMerge(client))

const program = Effect.gen(function*() {
  const store = yield* MessageStore
  const last = yield* store.lastPosition
  const before = yield* Clock.currentTimeMillis
  const running = yield* Effect.forkChild(ReadModel.run(Sums))
  yield* Effect.raceFirst(ReadModel.waitFor(Sums, last), Fiber.join(running))
  const millis = (yield* Clock.currentTimeMillis) - before
  yield* Fiber.interrupt(running)
  return { millis, cpu: process.cpuUsage(), heap: process.memoryUsage().heapUsed }
})

process.stdout.write(JSON.stringify(await Effect.runPromise(Effect.provide(program, stores))))

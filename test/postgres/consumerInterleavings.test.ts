/**
 * Writers in several sessions, stepped through their transactions in generated orders, with polling consumers as the oracle.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Consumer from "eventfold/Consumer"
import type { RecordedMessage } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import * as PositionStore from "eventfold/PositionStore"
import * as Database from "../support/Database.ts"
import { shortOrLong } from "../support/Form.ts"
import * as Player from "../support/Player.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"

const below = (end: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: end - 1 }))

/** What a session does: the messages of one category, by which streams they are, and how it ends. */
const Transaction = Schema.Struct({
  category: below(2),
  streams: Schema.Array(below(3)).check(Schema.isMinLength(1), Schema.isMaxLength(3)),
  /** By Message DB's function, or by hand: the lock, the number from the sequence, the row. */
  by: Schema.Literals(["function", "hand"]),
  end: Schema.Literals(["COMMIT", "COMMIT", "ROLLBACK"])
})

const Case = {
  sessions: Schema.Array(Schema.Array(Transaction).check(Schema.isMinLength(1), Schema.isMaxLength(3))).check(
    Schema.isMinLength(2),
    Schema.isMaxLength(4)
  ),
  /** Whose turn it is. */
  turns: Schema.Array(below(4)).check(Schema.isMinLength(10), Schema.isMaxLength(40))
}

type Step = Effect.Effect<unknown, SqlError>

/** The statements of a transaction. */
const stepsOf = (
  sql: SqlClient,
  name: (category: number) => string,
  { by, category, end, streams }: typeof Transaction.Type
): ReadonlyArray<Step> => {
  const write = (stream: string): ReadonlyArray<Step> => {
    if (by === "function") {
      return [sql`SELECT message_store.write_message(gen_random_uuid()::text, ${stream}, 'Numbered', '0')`]
    }
    let globalPosition = 0n
    return [
      sql`SELECT message_store.acquire_lock(${stream})`,
      Effect.tap(
        sql<{ readonly n: bigint }>`SELECT nextval('message_store.messages_global_position_seq') AS n`,
        ([row]) => Effect.sync(() => globalPosition = row?.n ?? 0n)
      ),
      Effect.suspend(() =>
        sql`INSERT INTO message_store.messages (global_position, stream_name, position, type, data)
          SELECT ${globalPosition}, ${stream}, coalesce(max(position), -1) + 1, 'Numbered', '0'
          FROM message_store.messages WHERE stream_name = ${stream}`
      )
    ]
  }
  return [
    sql`BEGIN`,
    ...streams.flatMap((stream) => write(`${name(category)}-${stream}`)),
    sql.unsafe(end)
  ]
}

let cases = 0

for (const server of Database.serversOfForm()) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`interleavings on ${server.name}`, (it) => {
    it.effect.prop(
      "consumers get each message once, in the order of its category, and miss none",
      Case,
      ({ sessions, turns }) =>
        Effect.gen(function*() {
          const { url } = yield* Database.Database
          const admin = yield* SqlClient
          const store = yield* Store.open(url)
          const number = ++cases
          const name = (category: number) => `case${number}x${category}`

          const seen = [0, 1].map((): Array<RecordedMessage> => [])
          const polls = [0, 0]
          yield* Effect.forEach([0, 1], (category) =>
            Consumer.run(
              Consumer.make("test", { batchSize: 2, poll: { min: "2 millis", max: "2 millis" } }).on(name(category), {
                Numbered: (message) => Effect.sync(() => seen[category]?.push(message))
              })
            ).pipe(
              Effect.provideService(MessageStore, {
                ...store,
                readCategoryPage: (...args) => {
                  polls[category] = (polls[category] ?? 0) + 1
                  return store.readCategoryPage(...args)
                }
              }),
              Effect.provide(PositionStore.layerMemory),
              Effect.forkScoped
            ))
          /** Every consumer has read since: it began one poll or more after this, and ended one. */
          const polled = Effect.suspend(() => {
            const before = [...polls]
            return until(
              "they have polled",
              Effect.sync(() => polls.every((n, i) => n > (before[i] ?? 0) + 1))
            )
          })

          const players = yield* Effect.forEach(sessions, (transactions) =>
            Effect.gen(function*() {
              const sql = yield* Database.session(url)
              const [row] = yield* sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`
              const steps = transactions.flatMap((transaction) => stepsOf(sql, name, transaction))
              return Player.make(admin, row?.pid ?? 0, steps)
            }))

          for (const turn of turns) {
            const player = players[turn % players.length]
            if (player !== undefined) yield* player.step
            yield* polled
          }
          while (!players.every(({ isDone }) => isDone())) {
            yield* Effect.forEach(players, ({ step }) => step)
            yield* polled
          }
          yield* polled
          for (const category of [0, 1]) {
            const recorded = yield* Store.readCategory(store, name(category))
            assert.deepStrictEqual(seen[category], recorded)
            for (const own of Map.groupBy(recorded, ({ streamName }) => streamName).values()) {
              assert.deepStrictEqual(Store.positions(own), Store.upTo(own.length))
            }
          }
        }).pipe(Effect.scoped),
      { arbitrary: { runs: shortOrLong(10, 20) } }
    )
  })
}

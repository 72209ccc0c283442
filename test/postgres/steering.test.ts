/**
 * Steering a consumer that runs in another process: the operator has only the store. What is done waits for the records of other
 * operators, and keeps nobody waiting meanwhile but those who would change the same.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import * as Administration from "eventfold/Administration"
import * as Consumer from "eventfold/Consumer"
import { MessageStore } from "eventfold/MessageStore"
import * as Parking from "eventfold/Parking"
import * as PositionStore from "eventfold/PositionStore"
import * as Steering from "eventfold/Steering"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"
import * as Child from "../support/Child.ts"
import * as Database from "../support/Database.ts"
import * as Store from "../support/Store.ts"
import { until, untilSome } from "../support/Until.ts"
import { Settings } from "./consumerProcess.ts"

const script = fileURLToPath(new URL("consumerProcess.ts", import.meta.url))

const makeTables = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS handled (
    n serial PRIMARY KEY, worker text, phase text, stream text, position integer, global_position integer
  )`
  yield* sql`CREATE TABLE IF NOT EXISTS refused (stream text)`
})

/** The messages that were handled to their ends, in order. */
const handledIn = (stream: string) =>
  Effect.flatMap(SqlClient, (sql) =>
    Effect.map(
      sql<
        { readonly position: number }
      >`SELECT position FROM handled WHERE stream = ${stream} AND phase = 'end' ORDER BY n`,
      (rows) => rows.map(({ position }) => position)
    ))

const untilHandled = (stream: string, positions: ReadonlyArray<number>) =>
  until(
    `${stream} is handled`,
    Effect.map(handledIn(stream), (found) => JSON.stringify(found) === JSON.stringify(positions))
  )

const start = Effect.fnUntraced(function*(worker: string, category: string) {
  const { url } = yield* Database.Database
  const settings = { url, worker, category, concurrency: 4, every: 1, interval: 100, millis: 0, parks: true }
  return yield* Child.start(script, [yield* Effect.orDie(Schema.encodeEffect(Settings)(settings))])
})

/** Keeps records from being written, as the operation of another operator does, until the effect has ended. */
const whileOthersRecord = Effect.fnUntraced(function*<A, E, R>(
  effect: (untilWaiting: Effect.Effect<void, SqlError>) => Effect.Effect<A, E, R>
): Effect.fn.Return<A, E | SqlError, R | Database.Database | Scope.Scope> {
  const { url } = yield* Database.Database
  const watcher = yield* Database.session(url)
  const other = yield* Database.session(url)
  return yield* other.withTransaction(Effect.andThen(
    other`SELECT message_store.acquire_lock(${Administration.streamName})`,
    effect(until(
      "a record waits",
      Effect.map(
        watcher`SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
          WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()`,
        ({ length }) => length > 0
      )
    ))
  ))
})

const actionsOn = (category: string) =>
  Effect.map(
    Stream.runCollect(Administration.history()),
    (all) => all.flatMap(({ data: { action, details } }) => details?.["category"] === category ? [action] : [])
  )

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`steering on ${server.name}`, (it) => {
    it.effect("a replay reaches a consumer in another process, which runs on while the operator waits", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const sql = yield* SqlClient
        yield* makeTables
        const store = yield* Store.open(url)
        const owner: Parking.Owner = { id: "test", category: "replayed" }
        yield* sql`INSERT INTO refused VALUES ('replayed-1')`
        yield* start("one", "replayed")
        yield* store.append("replayed-1", Store.numbered(2))
        yield* Effect.gen(function*() {
          const seen = yield* untilSome(
            "both are parked",
            Effect.map(
              Stream.runCollect(Parking.list(owner)),
              ([parked]) => parked?.messages.length === 2 ? Option.some(Steering.seen(parked)) : Option.none()
            )
          )
          const replay = (by: string) => Steering.replay(owner, { stream: "replayed-1", expected: seen, by })
          yield* sql`DELETE FROM refused`
          const operator = yield* whileOthersRecord(Effect.fnUntraced(function*(untilWaiting) {
            const operator = yield* Effect.forkChild(replay("ann"))
            yield* untilWaiting
            yield* store.append("replayed-2", Store.numbered(3))
            yield* untilHandled("replayed-2", [0, 1, 2])
            assert.deepStrictEqual(yield* handledIn("replayed-1"), [])
            return operator
          }))
          yield* Fiber.join(operator)
          yield* untilHandled("replayed-1", [0, 1])
          yield* until(
            "nothing waits",
            Effect.map(Stream.runCollect(Parking.list(owner)), ({ length }) => length === 0)
          )
          const late = yield* Effect.flip(replay("bob"))
          assert.instanceOf(late, Steering.NotAsSeen)
          assert.include(late.message, "2 were settled since")
          assert.deepStrictEqual(yield* actionsOn("replayed"), ["Parking.replay"])
        }).pipe(Effect.provideService(MessageStore, store))
      }))

    it.effect("a rewind of a consumer of another process is refused while it runs, and keeps it stopped to the commit", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        yield* makeTables
        const [store, otherStore] = [yield* Store.open(url), yield* Store.open(url)]
        const owner: Parking.Owner = { id: "test", category: "rewound" }
        const { globalPosition } = yield* store.append("rewound-1", Store.numbered(3))
        const child = yield* start("one", "rewound")
        yield* Effect.gen(function*() {
          const { get } = yield* PositionStore.PositionStore
          const position = Effect.map(
            get({ category: "rewound", consumerId: "test" }),
            Option.map(({ position }) => position)
          )
          yield* until("it is at the end", Effect.map(position, Option.contains(globalPosition)))
          const rewind = (by: string) =>
            Steering.rewind(owner, {
              to: { position: globalPosition },
              expected: globalPosition,
              by,
              reason: "the third mail was lost"
            })
          assert.instanceOf(yield* Effect.flip(rewind("ann")), Consumer.ConsumerIsRunning)
          yield* child.terminate
          yield* until("it has ended", child.ended)

          const ann = yield* whileOthersRecord(Effect.fnUntraced(function*(untilWaiting) {
            const interrupted = yield* Effect.forkChild(rewind("ann"))
            yield* untilWaiting
            yield* Fiber.interrupt(interrupted)
            assert.deepStrictEqual(yield* position, Option.some(globalPosition))
            const ann = yield* Effect.forkChild(rewind("ann"))
            yield* untilWaiting
            // Set, and not committed: nobody else can have the consumer now.
            assert.instanceOf(
              yield* Effect.flip(Effect.provideService(rewind("bob"), MessageStore, otherStore)),
              Consumer.ConsumerIsRunning
            )
            return ann
          }))
          assert.deepStrictEqual(yield* Fiber.join(ann), [{
            member: undefined,
            from: globalPosition,
            position: globalPosition - 1
          }])
          const late = yield* Effect.flip(Effect.provideService(rewind("bob"), MessageStore, otherStore))
          assert.instanceOf(late, Steering.NotAsSeen)
          assert.deepStrictEqual([late.expected, late.actual], [globalPosition, globalPosition - 1])
          yield* start("two", "rewound")
          yield* untilHandled("rewound-1", [0, 1, 2, 2])
          assert.deepStrictEqual(yield* actionsOn("rewound"), ["Consumer.rewind"])
        }).pipe(Effect.provideService(MessageStore, store))
      }))
  })
}

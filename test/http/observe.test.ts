/**
 * What an application is, by the typed client over loopback, on PostgreSQL: commands are run here, and a consumer in another process,
 * which the server sees and steers without its definition.
 */
import { assert, layer } from "@effect/vitest"
import { Authentication, Client, Problem, Server } from "@eventfold/http"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Category from "eventfold/Category"
import * as Commands from "eventfold/Commands"
import * as Entity from "eventfold/Entity"
import * as Observe from "eventfold/Observe"
import { Settings } from "../postgres/consumerProcess.ts"
import * as Child from "../support/Child.ts"
import * as Database from "../support/Database.ts"
import { untilSome } from "../support/Until.ts"

const script = new URL("../postgres/consumerProcess.ts", import.meta.url).pathname

const Counter = Category.make("counter", { Numbered: { number: Schema.Int } })

const Sum = Entity.make(Counter, {
  state: Schema.Int,
  initial: 0,
  evolve: { Numbered: (sum, { number }) => sum + number }
})

class TooMuch extends Schema.TaggedError<TooMuch>()("TooMuch", { limit: Schema.Int }) {}

const SumCommands = Commands.make(Sum, {
  Add: {
    payload: { number: Schema.Int },
    error: TooMuch,
    success: Schema.Int,
    decide: (sum, { number }) =>
      sum + number > 100
        ? Effect.fail(new TooMuch({ limit: 100 }))
        : Effect.succeed(Entity.reply(Counter.events.Numbered({ number }), sum + number))
  }
})

const served = (url: string) =>
  Server.layer({ port: 0, accessLog: false }).pipe(
    Layer.provide(Authentication.layerOpen),
    Layer.provide(Observe.layer({ entities: { sum: Sum }, commands: { sum: SumCommands } })),
    Layer.provide(Postgres.layer({ url: Redacted.make(url) })),
    Layer.merge(FetchHttpClient.layer)
  )

const client = Effect.flatMap(
  HttpServer.HttpServer,
  ({ address }) => Client.make({ baseUrl: HttpServer.formatAddress(address) })
)

for (const server of Database.serversOfForm()) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`An application on ${server.name}`, (it) => {
    it.effect("runs commands once, whoever sends them at a time, and steers a consumer of another process", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const sql = yield* SqlClient
        yield* sql`CREATE TABLE handled (id serial, worker text, phase text, stream text, position int, global_position int)`
        yield* Effect.gen(function*() {
          const { consumers, entities } = yield* client
          const add = (number: number, key: string) =>
            entities.run({
              params: { entity: "sum", id: "1", command: "Add" },
              headers: { "idempotency-key": key },
              payload: { number }
            })
          // Each key twice, all at a time.
          const keys = Array.from({ length: 12 }, (_, index) => String(index % 6))
          const answers = yield* Effect.forEach(keys, (key) => add(7, key), { concurrency: "unbounded" })
          assert.deepStrictEqual(
            new Set(answers.map(({ body: { reply } }) => reply)),
            new Set([7, 14, 21, 28, 35, 42])
          )
          const { state, version } = yield* entities.state({ params: { entity: "sum", id: "1" }, query: {} })
          assert.deepStrictEqual([state, version], [42, Option.some(5)])
          const refused = yield* Effect.flip(add(99, "much"))
          assert.instanceOf(refused, Problem.CommandRefused)
          assert.deepStrictEqual(refused.refusal, { _tag: "TooMuch", limit: 100 })
          assert.instanceOf(yield* Effect.flip(add(8, "0")), Problem.CommandIdTaken)

          const settings = {
            url,
            worker: "one",
            category: "counter",
            concurrency: 1,
            every: 1,
            interval: 10,
            millis: 1
          }
          const child = yield* Child.start(script, [yield* Schema.encodeEffect(Settings)(settings)])
          const params = { consumer: "test" }
          const position = Effect.map(
            consumers.one({ params, query: {} }),
            ({ status, stored }) => {
              assert.deepStrictEqual(status, Option.none())
              return stored[0]?.position
            }
          )
          const run = yield* untilSome(
            "it has handled everything there",
            Effect.map(
              consumers.runners(),
              ({ runners }) =>
                Option.fromUndefinedOr(runners.find(({ runs }) => runs.some(({ status }) => status.handled === 6)))
            )
          )
          assert.notStrictEqual(run.pid, process.pid)
          const at = yield* untilSome(
            "its position is stored",
            Effect.map(
              Effect.catchTag(position, "ConsumerNotFound", () => Effect.undefined),
              (found) => Option.filter(Option.fromUndefinedOr(found), (position) => position >= 6)
            )
          )
          const rewind = consumers.rewind({
            params,
            query: {},
            payload: { to: { position: 4 }, expected: at, reason: "once more" }
          })
          assert.instanceOf(yield* Effect.flip(rewind), Problem.ConsumerIsRunning)
          yield* child.kill
          const { rewound } = yield* untilSome(
            "its lease has gone with it",
            Effect.map(
              Effect.catchTag(rewind, "ConsumerIsRunning", () => Effect.undefined),
              Option.fromUndefinedOr
            )
          )
          assert.deepStrictEqual(rewound, [{ member: null, from: at, position: 3 }])
          assert.strictEqual(yield* position, 3)
        }).pipe(Effect.provide(served(url)))
      }))
  })
}

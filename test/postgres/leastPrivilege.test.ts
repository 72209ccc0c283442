/**
 * The roles that SECURITY.md describes, made by its own statements.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import * as Entity from "eventfold/Entity"
import * as MessageStore from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import * as Runners from "eventfold/Runners"
import { readFileSync } from "node:fs"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import { refusal } from "../support/PostgresError.ts"
import * as Role from "../support/Role.ts"

const security = readFileSync(new URL("../../SECURITY.md", import.meta.url), "utf8")

/** The statements of SECURITY.md about a role, for a role and a database of the test. */
const statementsFor = (role: string, names: { readonly role: string; readonly database: string }) => {
  const blocks = Array.from(security.matchAll(/^```sql\n(.*?)^```$/gms), ([, text = ""]) => text)
  const block = blocks.find((text) => text.includes(`CREATE ROLE ${role} `)) ?? ""
  return block
    .split(";")
    .map((statement) => statement.replace(/^\s*--.*$/gm, "").trim())
    .filter((statement) => statement !== "" && !statement.startsWith("CREATE ROLE"))
    .map((statement) =>
      statement
        .replace(/ON DATABASE \w+/, `ON DATABASE ${names.database}`)
        .replace(/ TO \w+$/, ` TO ${names.role}`)
    )
}

const Order = Category.make("order", { Placed: { total: Schema.Int } })

const OrderState = Entity.make(Order, {
  state: Schema.Struct({ total: Schema.Int }),
  initial: { total: 0 },
  evolve: { Placed: (state, { total }) => ({ total: state.total + total }) }
})

const Orders = SqlReadModel.make("orders", {
  version: 1,
  tables: ["CREATE TABLE orders (id text PRIMARY KEY, total integer NOT NULL)"]
}).on(Order, {
  Placed: Effect.fnUntraced(function*({ data, id }) {
    const sql = yield* SqlClient
    yield* sql`INSERT INTO orders (id, total) VALUES (${id}, ${data.total})
      ON CONFLICT (id) DO UPDATE SET total = orders.total + excluded.total`
  })
})

const stores = (url: string) =>
  Layer.merge(Postgres.layerClient(), SqlReadModel.layer()).pipe(
    Layer.provideMerge(PgClient.layer({ url: Redacted.make(url), maxConnections: 4 }))
  )

const denied = (name: string) => ({ code: "42501", message: `permission denied for ${name}` })

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(
    `roles of least privilege on ${server.name}`,
    (it) => {
      /** A role made by the statements of SECURITY.md, and the URL for it. */
      const makeRole = Effect.fnUntraced(function*(role: string, count: number) {
        const { name, url } = yield* Database.Database
        const sql = yield* SqlClient
        const made = yield* Role.make()
        const statements = statementsFor(role, { role: made.name, database: name })
        assert.lengthOf(statements, count)
        yield* Effect.forEach(statements, (statement) => sql.unsafe(statement))
        return made.url(url)
      })

      it.effect("an application appends, decides, consumes and keeps read models, and a report reads all of that", () =>
        Effect.gen(function*() {
          yield* Effect.gen(function*() {
            const store = yield* MessageStore.MessageStore
            yield* store.append("order-1", [{ type: "Placed", data: { total: 1 } }], { expectedVersion: "noStream" })
            yield* OrderState.transact("1", () => Effect.succeed(Order.events.Placed({ total: 2 })))
            yield* MessageStore.transaction(
              OrderState.transact("2", () => Effect.succeed(Order.events.Placed({ total: 3 })))
            )
            const last = yield* store.lastPosition
            const consumer = yield* Consumer.start(Consumer.make("mailer").on(Order, { Placed: () => Effect.void }))
            yield* consumer.waitFor(last)
            const worker = yield* ReadModel.start(Orders)
            yield* worker.waitFor(last)
            yield* Stream.runDrain(ReadModel.rebuild(Orders))
            const sql = yield* SqlClient
            assert.deepStrictEqual(yield* sql`SELECT id, total FROM orders.orders ORDER BY id`.values, [["1", 3], [
              "2",
              3
            ]])
          }).pipe(Effect.scoped, Effect.provide(stores(yield* makeRole("shop", 2))))

          const report = yield* makeRole("report", 5)
          yield* Effect.gen(function*() {
            const store = yield* MessageStore.MessageStore
            assert.lengthOf(yield* Stream.runCollect(store.readStream("order-1")), 2)
            assert.lengthOf(yield* Stream.runCollect(store.readCategory("order")), 3)
            assert.isAbove((yield* Stream.runCollect(store.readAll())).length, 2)
            assert.deepStrictEqual((yield* OrderState.load("1")).state, { total: 3 })
            const sql = yield* SqlClient
            assert.deepStrictEqual(yield* sql`SELECT id, total FROM orders.orders ORDER BY id`.values, [["1", 3], [
              "2",
              3
            ]])
            const status = yield* Consumer.status(Consumer.make("mailer").on(Order, { Placed: () => Effect.void }))
            assert.isTrue(Option.isSome(status.members[0]?.position ?? Option.none()))
            assert.strictEqual(status.lag.messages, 0)
            assert.deepStrictEqual((yield* Runners.list).flatMap(({ runs }) => runs.map(({ id }) => id)), [])
            const refused = yield* Effect.flip(store.append("order-1", [{ type: "Placed", data: { total: 1 } }]))
            assert.deepInclude(refused, { _tag: "StoreError", isRetryable: false })
            assert.include(refused.message, "permission denied for table messages")
          }).pipe(Effect.scoped, Effect.provide(stores(report)))
          const session = yield* Database.session(report)
          for (
            const [statement, error] of [
              [
                "INSERT INTO message_store.messages (stream_name, position, type) VALUES ('a-1', 0, 'T')",
                denied("table messages")
              ],
              [
                "SELECT nextval('message_store.messages_global_position_seq')",
                denied("sequence messages_global_position_seq")
              ],
              ["UPDATE eventfold.read_models SET position = 0", denied("table read_models")],
              ["UPDATE eventfold.positions SET position = 0", denied("table positions")],
              ["DELETE FROM eventfold.runners", denied("table runners")],
              ["DELETE FROM orders.orders", denied("table orders")]
            ] as const
          ) {
            assert.deepStrictEqual(yield* refusal(session.unsafe(statement)), error)
          }
        }))

      it.effect("an application can change and delete nothing of the store, and a stranger does not get in", () =>
        Effect.gen(function*() {
          const { url } = yield* Database.Database
          const application = yield* Database.session(yield* makeRole("shop", 2))
          for (
            const [statement, error] of [
              ["UPDATE message_store.messages SET type = 'T'", denied("table messages")],
              ["DELETE FROM message_store.messages", denied("table messages")],
              ["TRUNCATE message_store.messages", denied("table messages")],
              [
                "SELECT setval('message_store.messages_global_position_seq', 5)",
                denied("sequence messages_global_position_seq")
              ],
              ["CREATE TABLE message_store.mine ()", denied("schema message_store")],
              ["CREATE FUNCTION eventfold.mine() RETURNS integer RETURN 1", denied("schema eventfold")],
              ["DROP TABLE message_store.messages", { code: "42501", message: "must be owner of table messages" }]
            ] as const
          ) {
            assert.deepStrictEqual(yield* refusal(application.unsafe(statement)), error)
          }
          const stranger = yield* Database.session((yield* Role.make()).url(url))
          for (const schema of ["message_store", "eventfold"]) {
            const table = schema === "eventfold" ? "installations" : "messages"
            assert.deepStrictEqual(
              yield* refusal(stranger.unsafe(`SELECT * FROM ${schema}.${table}`)),
              denied(`schema ${schema}`)
            )
          }
          const error = yield* Effect.flip(Layer.build(stores((yield* Role.make()).url(url))))
          assert.isTrue("reason" in error)
        }))
    }
  )
}

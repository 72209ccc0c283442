/**
 * The store of read models in PostgreSQL and PGlite, step by step.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it as test, layer } from "@effect/vitest"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"
import { type Build, BuildMoved, ReadModelStore } from "eventfold/ReadModelStore"
import { StoreError, Unsupported } from "eventfold/StoreError"
import { clients } from "../support/Clients.ts"
import * as Database from "../support/Database.ts"
import { at, define, identity, newName, summary } from "../support/ReadModels.ts"

const rows = (statement: string) => Effect.flatMap(SqlClient, (sql) => sql.unsafe(statement).values)

const insert = (id: number) => Effect.flatMap(SqlClient, (sql) => sql`INSERT INTO items (id) VALUES (${id})`)

const items = "CREATE TABLE items (id integer PRIMARY KEY, note text)"

/** A fresh live build with a table, and its store. */
const fresh = Effect.fnUntraced(function*(tables: ReadonlyArray<string> = [items]) {
  const store = yield* ReadModelStore
  const name = yield* newName
  const definition = define(name, tables)
  return { store, name, definition, build: yield* store.create(definition, { after: 0, checkpoint: at(0) }) }
})

for (const { client, name: on } of clients) {
  const stores = SqlReadModel.layer({ install: true }).pipe(Layer.provideMerge(client))

  layer(stores, { excludeTestServices: true })(`the store of read models on ${on}`, (it) => {
    it.effect("makes the first build live, with its tables in a schema of the read model's name", () =>
      Effect.gen(function*() {
        const { build, name, store } = yield* fresh()
        assert.deepInclude(build, {
          readModel: name,
          number: 1,
          version: 1,
          fingerprint: `${name} 1`,
          state: "live",
          checkpoint: at(0)
        })
        assert.deepStrictEqual(yield* store.builds(name), [build])
        assert.deepStrictEqual(yield* rows(`SELECT * FROM ${name}.items`), [])
        assert.deepStrictEqual(yield* store.builds("nobody"), [])
      }))

    it.effect("makes further builds beside it, in schemas of their own", () =>
      Effect.gen(function*() {
        const { build, name, store } = yield* fresh()
        const second = yield* store.create(define(name, ["CREATE TABLE other ()"], 2), { after: 1, checkpoint: at(0) })
        assert.deepStrictEqual([second.number, second.version, second.state], [2, 2, "building"])
        assert.deepStrictEqual(yield* store.builds(name), [build, second])
        assert.deepStrictEqual(yield* rows(`SELECT * FROM ${name}_2.other`), [])
        for (const after of [0, 1, 3]) {
          const error = yield* Effect.flip(store.create(define(name, []), { after, checkpoint: at(0) }))
          assert.instanceOf(error, BuildMoved)
        }
        assert.lengthOf(yield* store.builds(name), 2)
      }))

    it.effect("takes several statements in one text, and leaves nothing behind when one is wrong", () =>
      Effect.gen(function*() {
        const store = yield* ReadModelStore
        const name = yield* newName
        const wrong = define(name, [`${items}; CREATE INDEX ON items (note)`, "CREATE TABLE wrong (id nonsense)"])
        const error = yield* Effect.flip(store.create(wrong, { after: 0, checkpoint: at(0) }))
        assert(error instanceof StoreError)
        assert.isFalse(error.isRetryable)
        assert.include(error.message, `making the tables of the read model ${name}: type "nonsense" does not exist`)
        assert.include(error.message, "CREATE TABLE wrong (id nonsense)")
        assert.deepStrictEqual(yield* store.builds(name), [])
        assert.deepStrictEqual(yield* rows(`SELECT to_regnamespace('${name}')::text`), [[null]])
        yield* store.create({ ...wrong, tables: wrong.tables.slice(0, 1) }, { after: 0, checkpoint: at(0) })
        assert.deepStrictEqual(yield* rows(`SELECT count(*) FROM pg_indexes WHERE schemaname = '${name}'`), [[2n]])
      }))

    it.effect("refuses a schema that is there and not the read model's, and says what to do", () =>
      Effect.gen(function*() {
        const store = yield* ReadModelStore
        const name = yield* newName
        yield* rows(`CREATE SCHEMA ${name}`)
        const error = yield* Effect.flip(store.create(define(name, [items]), { after: 0, checkpoint: at(0) }))
        assert(error instanceof Unsupported)
        assert.include(error.message, `the schema ${name} exists and is not this read model's`)
        assert.include(error.message, "another name")
        assert.notMatch(error.message, /drop/i)
        assert.deepStrictEqual(yield* store.builds(name), [])
        assert.deepStrictEqual(yield* rows(`SELECT to_regnamespace('${name}')::text`), [[name]])
      }))

    it.effect("refuses the names of schemas that are never a read model's, and never advises to drop one", () =>
      Effect.gen(function*() {
        const store = yield* ReadModelStore
        for (const name of ["message_store", "eventfold", "public", "information_schema", "pg_catalog", "pg_orders"]) {
          const error = yield* Effect.flip(store.create(define(name, [items]), { after: 0, checkpoint: at(0) }))
          assert(error instanceof Unsupported, name)
          assert.include(
            error.message,
            name.startsWith("pg_") ? "PostgreSQL's" : `the schema ${name} is not a read model's`
          )
          assert.notMatch(error.message, /drop/i)
          assert.deepStrictEqual(yield* store.builds(name), [])
        }
        const numbered = yield* Effect.flip(
          store.create(define("orders_2", [items]), { after: 0, checkpoint: at(0) })
        )
        assert(numbered instanceof Unsupported)
        assert.include(numbered.message, "does not end in _ and a number")
      }))

    it.effect("moves the checkpoint with what the handler does, to tables by their bare names before all others", () =>
      Effect.gen(function*() {
        const { build, name, store } = yield* fresh()
        yield* rows(`CREATE TABLE IF NOT EXISTS public.items (id integer)`)
        yield* rows(`CREATE TABLE public.${name}_own (id integer)`)
        const next = yield* store.advance(
          build,
          at(7),
          Effect.gen(function*() {
            yield* insert(1)
            yield* rows(`INSERT INTO ${name}_own VALUES (1)`)
          })
        )
        assert.deepStrictEqual(next, { ...build, checkpoint: at(7) })
        assert.deepStrictEqual(yield* store.builds(name), [next])
        assert.deepStrictEqual(yield* rows(`SELECT id FROM ${name}.items`), [[1]])
        assert.deepStrictEqual(yield* rows(`SELECT id FROM public.${name}_own`), [[1]])
        assert.deepStrictEqual(yield* rows("SELECT id FROM public.items"), [])
        assert.notInclude(String(yield* rows("SHOW search_path")), name)
        const second = yield* store.create(define(name, [items], 2), { after: 1, checkpoint: at(0) })
        yield* store.advance(second, at(3), insert(2))
        assert.deepStrictEqual(yield* rows(`SELECT id FROM ${name}_2.items`), [[2]])
        assert.deepStrictEqual(yield* rows(`SELECT id FROM ${name}.items`), [[1]])
      }))

    it.effect("moves none that is not as it was", () =>
      Effect.gen(function*() {
        const { build, name, store } = yield* fresh()
        const next = yield* store.advance(build, at(5), insert(1))
        const stale: ReadonlyArray<Build> = [
          build,
          { ...next, state: "building" },
          { ...next, number: 2 },
          { ...next, version: 2 },
          { ...next, fingerprint: "other" },
          { ...next, checkpoint: { ...next.checkpoint, last: Option.some({ globalPosition: 5, id: "other" }) } },
          { ...next, checkpoint: { ...next.checkpoint, last: Option.none() } }
        ]
        let ran = 0
        for (const old of stale) {
          const error = yield* Effect.flip(store.advance(old, at(9), Effect.sync(() => ran += 1)))
          assert.deepStrictEqual(error, new BuildMoved({ readModel: name, number: old.number }))
        }
        assert.strictEqual(ran, 0)
        assert.deepStrictEqual(yield* store.builds(name), [next])
      }))

    it.effect("stores nothing when the handler fails, which comes out as it is, or is interrupted", () =>
      Effect.gen(function*() {
        const { build, name, store } = yield* fresh()
        assert.strictEqual(
          yield* Effect.flip(store.advance(build, at(1), Effect.andThen(insert(1), Effect.fail("mine")))),
          "mine"
        )
        const error = yield* Effect.flip(store.advance(build, at(1), rows("INSERT INTO items VALUES (1), (1)")))
        assert(isSqlError(error))
        assert.strictEqual(error.reason._tag, "UniqueViolation")
        const exit = yield* Effect.exit(store.advance(build, at(1), Effect.andThen(insert(1), Effect.die("defect"))))
        assert(Exit.isFailure(exit))
        assert.deepInclude(exit.cause.reasons[0], { _tag: "Die", defect: "defect" })

        const started = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(store.advance(
          build,
          at(1),
          insert(1).pipe(Effect.andThen(Deferred.succeed(started, undefined)), Effect.andThen(Effect.never))
        ))
        yield* Deferred.await(started)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* store.builds(name), [build])
        assert.deepStrictEqual(yield* rows(`SELECT * FROM ${name}.items`), [])
      }))

    it.effect("stores nothing when a handler swallows the failure of a statement, and does when that was in a savepoint", () =>
      Effect.gen(function*() {
        const { build, name, store } = yield* fresh()
        const sql = yield* SqlClient
        const failing = rows("INSERT INTO items VALUES (2), (2)")
        const error = yield* Effect.flip(store.advance(build, at(1), Effect.andThen(insert(1), Effect.ignore(failing))))
        assert(error instanceof StoreError)
        assert.isFalse(error.isRetryable)
        assert.include(error.message, "aborted transaction")
        assert.deepStrictEqual(yield* store.builds(name), [build])
        yield* store.advance(
          build,
          at(1),
          Effect.andThen(insert(1), Effect.ignore(sql.withTransaction(failing)))
        )
        assert.deepStrictEqual(yield* rows(`SELECT id FROM ${name}.items`), [[1]])
      }))

    it.effect("takes what a handler leaves for the commit to refuse for a failure that stays", () =>
      Effect.gen(function*() {
        const { build, name, store } = yield* fresh([
          "CREATE TABLE items (id integer, UNIQUE (id) DEFERRABLE INITIALLY DEFERRED)"
        ])
        const error = yield* Effect.flip(store.advance(build, at(1), Effect.andThen(insert(1), insert(1))))
        assert(error instanceof StoreError)
        assert.isFalse(error.isRetryable)
        assert.include(error.message, "23505")
        assert.deepStrictEqual(yield* store.builds(name), [build])
      }))

    it.effect("puts a build in the place of the live one, as far as that and with what is needed for it", () =>
      Effect.gen(function*() {
        const { build, name, store } = yield* fresh()
        const live = yield* store.advance(build, at(9), insert(1))
        const created = yield* store.create(define(name, [items], 2), { after: 1, checkpoint: at(0) })
        const behind = yield* Effect.flip(store.switchTo(created, () => Effect.succeed(created)))
        assert.instanceOf(behind, BuildMoved)
        const second = yield* store.advance(created, at(8), insert(2))
        assert.instanceOf(yield* Effect.flip(store.switchTo(created, () => Effect.succeed(created))), BuildMoved)
        assert.strictEqual(
          yield* Effect.flip(store.switchTo(second, () => Effect.andThen(insertInto(second), Effect.fail("not yet")))),
          "not yet"
        )
        assert.deepStrictEqual(yield* store.builds(name), [live, second])

        const switched = yield* store.switchTo(second, (found) => {
          assert.deepStrictEqual(found, Option.some(live))
          return store.advance(second, at(9), insert(3))
        })
        assert.deepStrictEqual(switched, { ...second, state: "live", checkpoint: at(9) })
        assert.deepStrictEqual(yield* store.builds(name), [{ ...live, state: "retired" }, switched])
        assert.deepStrictEqual(yield* rows(`SELECT id FROM ${name}.items`), [[2], [3]])
        assert.deepStrictEqual(yield* rows(`SELECT id FROM ${name}_1.items`), [[1]])
        assert.instanceOf(yield* Effect.flip(store.advance(live, at(10), insert(4))), BuildMoved)
        assert.instanceOf(yield* Effect.flip(store.advance(second, at(10), insert(4))), BuildMoved)
        yield* store.advance(switched, at(10), insert(4))
        assert.deepStrictEqual(yield* rows(`SELECT id FROM ${name}.items`), [[2], [3], [4]])
      }))

    it.effect("drops those that were retired before, and any other that is not live", () =>
      Effect.gen(function*() {
        const { name, store } = yield* fresh()
        const next = (number: number) =>
          Effect.gen(function*() {
            const build = yield* store.create(define(name, [items], number), { after: number - 1, checkpoint: at(0) })
            return yield* store.switchTo(build, () => Effect.succeed(build))
          })
        yield* next(2)
        const third = yield* next(3)
        assert.deepStrictEqual(summary(yield* store.builds(name)), [[2, "retired", 0], [3, "live", 0]])
        const schemas = rows(`SELECT nspname FROM pg_namespace WHERE nspname ~ '^${name}(_|$)' ORDER BY nspname`)
        assert.deepStrictEqual(yield* schemas, [[name], [`${name}_2`]])
        const fourth = yield* store.create(define(name, [items], 4), { after: 3, checkpoint: at(0) })
        yield* store.drop(fourth)
        for (const build of [fourth, third, { ...third, state: "retired" } as const]) {
          assert.instanceOf(yield* Effect.flip(store.drop(build)), BuildMoved)
        }
        assert.deepStrictEqual(summary(yield* store.builds(name)), [[2, "retired", 0], [3, "live", 0]])
        assert.deepStrictEqual(yield* schemas, [[name], [`${name}_2`]])
      }))

    it.effect("puts a retired build back", () =>
      Effect.gen(function*() {
        const { build, name, store } = yield* fresh()
        yield* store.advance(build, at(1), insert(1))
        const created = yield* store.create(define(name, [items], 2), { after: 1, checkpoint: at(1) })
        yield* store.switchTo(created, () => Effect.succeed(created))
        const [retired] = yield* store.builds(name)
        assert(retired !== undefined)
        yield* store.switchTo(retired, () => Effect.succeed(retired))
        assert.deepStrictEqual(summary(yield* store.builds(name)), [[1, "live", 1], [2, "retired", 1]])
        assert.deepStrictEqual(yield* rows(`SELECT id FROM ${name}.items`), [[1]])
      }))

    it.effect("tells how two builds differ, table by table, in the columns that both have", () =>
      Effect.gen(function*() {
        const { build, name, store } = yield* fresh([
          "CREATE TABLE same (id integer, data json)",
          "CREATE TABLE changed (id integer, gone text, amount integer)",
          "CREATE TABLE only_old (id integer)",
          "CREATE TABLE disjoint (a integer)"
        ])
        yield* store.advance(
          build,
          at(1),
          rows(`WITH a AS (INSERT INTO same VALUES (1, '{"a":1}'), (1, '{"a":1}'), (2, '{}')),
            b AS (INSERT INTO changed VALUES (1, 'x', 10), (2, 'y', 20), (3, 'z', 30)),
            c AS (INSERT INTO disjoint VALUES (1), (2))
            INSERT INTO only_old VALUES (1), (2)`)
        )
        const created = yield* store.create(
          define(name, [
            "CREATE TABLE same (id integer, data json)",
            "CREATE TABLE changed (amount bigint, id integer, added text)",
            "CREATE TABLE only_new (id integer)",
            "CREATE TABLE disjoint (b integer)"
          ], 2),
          { after: 1, checkpoint: at(0) }
        )
        const second = yield* store.advance(
          created,
          at(1),
          rows(`WITH a AS (INSERT INTO same VALUES (1, '{"a":1}'), (2, '{}')),
            b AS (INSERT INTO changed VALUES (10, 1, 'x'), (21, 2, 'y'), (30, 3, 'z'), (40, 4, NULL)),
            c AS (INSERT INTO disjoint VALUES (1))
            INSERT INTO only_new VALUES (1)`)
        )
        let told: unknown
        yield* store.switchTo(second, (_, differences) =>
          Effect.gen(function*() {
            told = yield* differences
            return second
          }))
        assert.deepStrictEqual(told, [
          { table: "changed", onlyLive: 1, onlyNew: 2, columns: ["gone", "added"] },
          { table: "disjoint", onlyLive: 1, onlyNew: 0, columns: ["a", "b"] },
          { table: "only_new", onlyLive: undefined, onlyNew: 1, columns: ["id"] },
          { table: "only_old", onlyLive: 2, onlyNew: undefined, columns: ["id"] },
          { table: "same", onlyLive: 1, onlyNew: 0, columns: [] }
        ])
      }))

    it.effect("sets a checkpoint or a fingerprint alone, of a build that is what it was", () =>
      Effect.gen(function*() {
        const { build, name, store } = yield* fresh()
        const moved = yield* store.advance(build, at(9), insert(1))
        const nowhere = { system: undefined, database: undefined, databaseName: undefined, timeline: undefined }
        yield* store.rewind(build, { ...at(4), store: nowhere })
        assert.deepStrictEqual((yield* store.builds(name))[0]?.checkpoint.store, nowhere)
        const elsewhere = { ...at(4), store: { ...identity, timeline: 2 } }
        const rewound = yield* store.rewind(build, elsewhere)
        assert.deepStrictEqual(rewound, { ...moved, checkpoint: elsewhere })
        const accepted = yield* store.accept(rewound, "other")
        assert.deepStrictEqual(accepted, { ...rewound, fingerprint: "other" })
        assert.deepStrictEqual(yield* store.builds(name), [accepted])
        assert.deepStrictEqual(yield* rows(`SELECT id FROM ${name}.items`), [[1]])
        for (const other of [{ ...build, number: 2 }, { ...build, state: "retired" } as const]) {
          assert.instanceOf(yield* Effect.flip(store.rewind(other, at(1))), BuildMoved)
          assert.instanceOf(yield* Effect.flip(store.accept(other, "x")), BuildMoved)
        }
      }))

    it.effect("keeps who was granted what when a build takes the place of another", () =>
      Effect.gen(function*() {
        const tables = [
          "CREATE TABLE items (id integer GENERATED BY DEFAULT AS IDENTITY, note text)",
          "CREATE VIEW notes AS SELECT note FROM items"
        ]
        const { name, store } = yield* fresh(tables)
        const role = `reader_of_${name}`
        yield* rows(`CREATE ROLE ${role}`)
        yield* rows(`GRANT USAGE ON SCHEMA ${name} TO ${role} WITH GRANT OPTION`)
        yield* rows(`GRANT SELECT ON ${name}.notes TO ${role}`)
        yield* rows(`GRANT INSERT (note), UPDATE (id) ON ${name}.items TO ${role}`)
        yield* rows(`GRANT SELECT ON ${name}.items TO PUBLIC`)
        yield* rows(`GRANT USAGE ON ${name}.items_id_seq TO ${role}`)
        const granted = rows(`SELECT
          has_schema_privilege('${role}', '${name}', 'USAGE WITH GRANT OPTION'),
          has_table_privilege('${role}', '${name}.notes', 'SELECT'),
          has_table_privilege('${role}', '${name}.items', 'SELECT'),
          has_table_privilege('${role}', '${name}.items', 'DELETE'),
          has_column_privilege('${role}', '${name}.items', 'note', 'INSERT'),
          has_column_privilege('${role}', '${name}.items', 'note', 'UPDATE'),
          has_sequence_privilege('${role}', '${name}.items_id_seq', 'USAGE')`)
        const expected = [[true, true, true, false, true, false, true]]
        assert.deepStrictEqual(yield* granted, expected)
        const second = yield* store.create(
          define(
            name,
            tables.map((table) => table.replace("id integer", "number integer")).map((t) =>
              t.replace("AS IDENTITY", "AS IDENTITY (SEQUENCE NAME items_id_seq)")
            ),
            2
          ),
          { after: 1, checkpoint: at(0) }
        )
        yield* store.switchTo(second, () => Effect.succeed(second))
        assert.deepStrictEqual(yield* granted, expected)
        yield* rows(`DROP OWNED BY ${role}`)
        yield* rows(`DROP ROLE ${role}`)
      }))

    it.effect.each<readonly [string, (name: string) => string, string]>([
      ["a view", (name) => `CREATE VIEW public.${name}_v AS SELECT id FROM ${name}.items`, "view"],
      [
        "a foreign key",
        (name) => `CREATE TABLE public.${name}_v (id integer REFERENCES ${name}.items)`,
        "foreign key"
      ],
      [
        "a function",
        (name) =>
          `CREATE FUNCTION public.${name}_v() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM ${name}.items; END`,
        "function"
      ]
    ])(
      "refuses to leave %s of the application with the tables that are replaced",
      ([, statement, kind]) =>
        Effect.gen(function*() {
          const { name, store } = yield* fresh()
          const second = yield* store.create(define(name, [items], 2), { after: 1, checkpoint: at(0) })
          yield* rows(statement(name))
          const atCreation = yield* Effect.flip(
            store.create(define(name, [items], 3), { after: 2, checkpoint: at(0) })
          )
          assert(atCreation instanceof Unsupported)
          const atSwitch = yield* Effect.flip(store.switchTo(second, () => Effect.succeed(second)))
          assert(atSwitch instanceof StoreError)
          assert.isFalse(atSwitch.isRetryable)
          for (const { message } of [atCreation, atSwitch]) assert.match(message, new RegExp(`${kind} .*${name}_v`))
          assert.deepStrictEqual(summary(yield* store.builds(name)), [[1, "live", 0], [2, "building", 0]])
        })
    )
  })
}

const insertInto = (build: Build) =>
  rows(
    `INSERT INTO ${build.state === "live" ? build.readModel : `${build.readModel}_${build.number}`}.items VALUES (9)`
  )

const refusal = (url: string) =>
  Effect.scoped(Effect.flip(Layer.build(
    SqlReadModel.layer().pipe(Layer.provide(PgClient.layer({ url: Redacted.make(url) })))
  )))

describe("the layer", () => {
  test.live("says which schema is missing and what to run, and installs it on request", () =>
    Effect.gen(function*() {
      const { name, url } = yield* Database.make({ empty: true })
      const error = yield* refusal(url)
      assert(error instanceof Postgres.OpenError)
      assert.include(error.message, name)
      assert.include(
        error.message,
        "the database has no schema eventfold: install it with `npx @eventfold/cli install`"
      )
      const client = PgClient.layer({ url: Redacted.make(url) })
      const stores = (options: SqlReadModel.Options) => SqlReadModel.layer(options).pipe(Layer.provideMerge(client))
      yield* Effect.scoped(Layer.build(stores({ install: { role: false } })))
      yield* Effect.scoped(Layer.build(stores({})))
      yield* rows("CREATE OR REPLACE FUNCTION eventfold.schema_version() RETURNS integer LANGUAGE sql RETURN 1").pipe(
        Effect.provide(client)
      )
      const { message } = yield* refusal(url)
      assert.include(message, `is at version 1, and version ${Postgres.schemaVersion} is needed`)
    }))
})

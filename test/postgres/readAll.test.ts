/**
 * Reading everything beside writers that are slow to commit, seen session by session.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as HeldBack from "eventfold/HeldBack"
import { MessageStore, type ReadAllOptions } from "eventfold/MessageStore"
import { randomBytes } from "node:crypto"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import * as Role from "../support/Role.ts"
import * as Store from "../support/Store.ts"
import { within } from "../support/Until.ts"
import { withoutPauses } from "../support/WithoutPauses.ts"

/** A database and a store on it. */
class Opened extends Context.Service<Opened, { readonly url: string; readonly store: Store.Store }>()(
  "@eventfold/test/Opened"
) {
  static readonly layer = <E, R>(database: Effect.Effect<Database.Database["Service"], E, R>) =>
    Layer.effect(
      Opened,
      Effect.gen(function*() {
        const { url } = yield* database
        return { url, store: yield* Store.open(url) }
      })
    )
}

/** A session that writes by Message DB's own function, step by step. */
const makeSession = (sql: SqlClient) => ({
  begin: sql`BEGIN`,
  write: (stream: string) => sql`SELECT message_store.write_message(gen_random_uuid()::text, ${stream}, 'T', '0')`,
  run: (statement: string) => sql.unsafe(statement),
  commit: sql`COMMIT`,
  rollback: sql`ROLLBACK`
})

const session = Effect.gen(function*() {
  const sql = yield* Database.session((yield* Opened).url)
  // The functions of a stock Message DB need it.
  yield* sql`SET search_path = message_store, public`
  return makeSession(sql)
})

/** The streams of all messages from a global position on. */
const namesOf = (store: Store.Store, from: number) =>
  Effect.map(
    Stream.runCollect(store.readAll({ from })),
    (messages) => messages.map(({ streamName }) => streamName as string)
  )

/** Where a test begins: behind everything that is there, and how it reads on. */
const fromHere = Effect.gen(function*() {
  const { store } = yield* Opened
  const { globalPosition } = yield* store.append("here-1", Store.numbered(1))
  const from = globalPosition + 1
  const readPatiently = namesOf(store, from)
  return {
    from,
    readPatiently,
    read: withoutPauses(readPatiently),
    page: (options?: ReadAllOptions) => withoutPauses(store.readAllPage({ from, ...options }))
  }
})

const foreignInsert = (stream: string) =>
  `INSERT INTO message_store.messages (stream_name, position, type) VALUES ('${stream}', 0, 'T')`

const nextval = "SELECT nextval('message_store.messages_global_position_seq')"

/** The name of a prepared transaction, which belongs to the whole server; it is rolled back if it is still there. */
const prepared = Effect.gen(function*() {
  const { url } = yield* Opened
  const name = `eventfold ${randomBytes(6).toString("hex")}`
  const sql = yield* Database.session(url)
  return yield* Effect.acquireRelease(
    Effect.succeed(name),
    () => Effect.ignore(sql.unsafe(`ROLLBACK PREPARED '${name}'`))
  )
})

const canPrepare = Effect.gen(function*() {
  const sql = yield* Database.session((yield* Opened).url)
  const [row] = yield* sql<
    { readonly count: number }
  >`SELECT current_setting('max_prepared_transactions')::int AS count`
  return (row?.count ?? 0) > 0
})

for (const server of inject("postgres")) {
  for (const kind of ["our", "a stock"] as const) {
    const opened = Opened.layer(kind === "our" ? Database.make({ server }) : MessageDb.makeDatabase({ server }))

    layer(opened, { excludeTestServices: true })(`reading everything on ${kind} schema of ${server.name}`, (it) => {
      it.effect("ends before a position that is still to be committed, and gives it in its place", () =>
        Effect.gen(function*() {
          const [slow, quick, { read }] = [yield* session, yield* session, yield* fromHere]
          yield* slow.begin
          yield* slow.write("slow-1")
          yield* quick.write("quick-1")
          assert.deepStrictEqual(yield* read, [])
          yield* slow.write("slow-2")
          assert.deepStrictEqual(yield* read, [])
          yield* slow.commit
          assert.deepStrictEqual(yield* read, ["slow-1", "quick-1", "slow-2"])
        }))

      it.effect("gives what is before the gap, and says that there is more, though none that can be read", () =>
        Effect.gen(function*() {
          const [slow, quick, { from, page, read }] = [yield* session, yield* session, yield* fromHere]
          yield* quick.write("quick-1")
          yield* slow.begin
          yield* slow.write("slow-1")
          yield* quick.write("quick-2")
          assert.deepStrictEqual(yield* read, ["quick-1"])
          const before = yield* page()
          assert.deepStrictEqual([before.messages.length, before.through, before.hasMore], [1, from, true])
          const held = yield* page({ from: from + 1 })
          assert.deepStrictEqual([held.messages, held.through, held.hasMore], [[], from, false])
          assert.isTrue(Option.isSome(held.heldBack))
          yield* slow.rollback
          assert.deepStrictEqual(yield* read, ["quick-1", "quick-2"])
        }))

      it.effect("waits a moment for a writer that is quick enough", () =>
        Effect.gen(function*() {
          const [slow, quick, { readPatiently }] = [yield* session, yield* session, yield* fromHere]
          yield* slow.begin
          yield* slow.write("slow-1")
          yield* quick.write("quick-1")
          const reading = yield* Effect.forkChild(readPatiently, { startImmediately: true })
          yield* slow.commit
          assert.deepStrictEqual(yield* Fiber.join(reading), ["slow-1", "quick-1"])
        }))

      it.effect("waits for those who were there first, not for those who began to write later", () =>
        Effect.gen(function*() {
          const [first, second, third, quick] = [yield* session, yield* session, yield* session, yield* session]
          const { read } = yield* fromHere
          yield* first.begin
          yield* first.write("never-1")
          yield* quick.write("quick-1")
          assert.deepStrictEqual(yield* read, [])
          yield* second.begin
          yield* second.write("second-1")
          yield* first.rollback
          // There has always been somebody.
          assert.deepStrictEqual(yield* read, ["quick-1"])
          yield* quick.write("quick-2")
          assert.deepStrictEqual(yield* read, ["quick-1"])
          yield* third.begin
          yield* third.write("third-1")
          yield* second.rollback
          assert.deepStrictEqual(yield* read, ["quick-1", "quick-2"])
          yield* third.commit
          assert.deepStrictEqual(yield* read, ["quick-1", "quick-2", "third-1"])
        }))

      it.effect("is not held back by a transaction that has taken no position", () =>
        Effect.gen(function*() {
          const [idle, failed, { page, read }] = [yield* session, yield* session, yield* fromHere]
          yield* idle.run("CREATE TABLE other (id int)")
          yield* idle.begin
          yield* idle.run("INSERT INTO other VALUES (1)")
          yield* idle.run(
            "SELECT count(*), (SELECT last_value FROM message_store.messages_global_position_seq) " +
              "FROM message_store.messages"
          )
          yield* idle.run("LOCK message_store.messages IN ROW EXCLUSIVE MODE")
          yield* failed.begin
          yield* failed.write("failed-1")
          yield* failed.rollback
          yield* failed.write("after-1")
          assert.deepStrictEqual(yield* read, ["after-1"])
          assert.deepStrictEqual((yield* page()).heldBack, Option.none())
          assert.deepStrictEqual(yield* (yield* Opened).store.heldBack(), Option.none())
          yield* idle.rollback
        }))

      it.effect("sees a writer that inserts by itself, or has only taken a number so far", () =>
        Effect.gen(function*() {
          const [inserting, taking, quick] = [yield* session, yield* session, yield* session]
          const { from, read } = yield* fromHere
          yield* taking.begin
          yield* taking.run(nextval)
          yield* inserting.begin
          yield* inserting.run(foreignInsert("inserted-1"))
          yield* quick.write("quick-9")
          assert.deepStrictEqual(yield* read, [])
          yield* inserting.commit
          assert.deepStrictEqual(yield* read, [])
          yield* taking.run(
            `INSERT INTO message_store.messages (global_position, stream_name, position, type) VALUES (${from}, 'taken-1', 0, 'T')`
          )
          yield* taking.commit
          assert.deepStrictEqual(yield* read, ["taken-1", "inserted-1", "quick-9"])
        }))

      it.effect("waits for the transaction, not for a part of it that is rolled back", () =>
        Effect.gen(function*() {
          const [slow, quick, { from, read }] = [yield* session, yield* session, yield* fromHere]
          yield* slow.begin
          yield* slow.run(nextval)
          yield* slow.run("SAVEPOINT before")
          yield* slow.run(foreignInsert("undone-1"))
          yield* slow.run("ROLLBACK TO before")
          yield* quick.write("quick-1")
          assert.deepStrictEqual(yield* read, [])
          yield* slow.run(
            `INSERT INTO message_store.messages (global_position, stream_name, position, type) VALUES (${from}, 'slow-8', 0, 'T')`
          )
          yield* slow.commit
          assert.deepStrictEqual(yield* read, ["slow-8", "quick-1"])
        }))

      it.effect("waits for a prepared transaction, whoever prepares it and however it ends", () =>
        Effect.gen(function*() {
          if (!(yield* canPrepare)) return
          const [slow, quick, ending] = [yield* session, yield* session, yield* session]
          for (const end of ["COMMIT", "ROLLBACK"]) {
            const { from, read, page } = yield* fromHere
            const name = yield* prepared
            yield* slow.begin
            yield* slow.write("slow-1")
            yield* quick.write("quick-1")
            // It is noted before it is prepared.
            assert.deepStrictEqual(yield* read, [])
            yield* slow.run(`PREPARE TRANSACTION '${name}'`)
            assert.deepStrictEqual(yield* read, [])
            const heldBack = Option.getOrThrow((yield* page()).heldBack)
            assert.strictEqual(heldBack.position, from)
            assert.lengthOf(heldBack.writers, 1)
            const [writer] = heldBack.writers
            assert.deepStrictEqual([writer?.pid, writer?.preparedAs, writer?.state], [undefined, name, "prepared"])
            assert.isDefined(writer?.since)
            assert.isDefined(writer?.user)
            assert.include(HeldBack.format(heldBack), `prepared transaction "${name}"`)
            yield* ending.run(`${end} PREPARED '${name}'`)
            assert.deepStrictEqual(yield* read, end === "COMMIT" ? ["slow-1", "quick-1"] : ["quick-1"])
          }
        }))

      it.effect("says which session holds it back, in what state and for how long", () =>
        Effect.gen(function*() {
          const { store, url } = yield* Opened
          const sql = yield* Effect.map(
            Layer.build(PgClient.layer({ url: Redacted.make(url), maxConnections: 1, applicationName: "forgetful" })),
            Context.get(PgClient.PgClient)
          )
          const [forgetful, bystander, quick] = [makeSession(sql), yield* session, yield* session]
          const { from, page } = yield* fromHere
          const [who] = yield* sql<{ readonly pid: number; readonly user: string }>`
            SELECT pg_backend_pid() AS pid, current_user::text AS "user"`
          yield* bystander.begin
          yield* bystander.run("SELECT count(*) FROM message_store.messages")
          yield* quick.write("quick-1")
          yield* forgetful.begin
          yield* forgetful.run(foreignInsert("forgetful-1"))
          yield* quick.write("quick-2")
          // Who comes later can't be who has the first gap.
          const held = Option.getOrThrow((yield* page({ from: from + 1, categories: ["quick"] })).heldBack)
          yield* bystander.write("bystander-1")
          const now = Option.getOrThrow(yield* store.heldBack({ from }))
          for (const { position, writers: [writer, ...others] } of [held, now]) {
            assert.lengthOf(others, 0)
            assert.strictEqual(position, from + 1)
            assert(writer !== undefined)
            assert.deepStrictEqual(
              [writer.pid, writer.preparedAs, writer.applicationName, writer.state, writer.user],
              [who?.pid, undefined, "forgetful", "idle in transaction", who?.user]
            )
            assert.include(writer.query, "INSERT INTO message_store.messages")
            assert(writer.since !== undefined && writer.age !== undefined)
            assert.isTrue(Duration.toMillis(writer.age) >= 0 && Duration.toMinutes(writer.age) < 1)
          }
          assert.match(
            HeldBack.format(now),
            new RegExp(
              `^global position ${from + 1} is held back by process \\d+ \\(forgetful, user .*, idle in transaction`
            )
          )
          yield* forgetful.commit
          yield* bystander.commit
          assert.deepStrictEqual(yield* store.heldBack({ from }), Option.none())
        }))

      it.effect("reads up to what is final with a filter, too, and its position moves on", () =>
        Effect.gen(function*() {
          const [slow, quick, { from, page }] = [yield* session, yield* session, yield* fromHere]
          for (const stream of ["seen-1", "other-1", "seen-1", "other-1"]) yield* quick.write(stream)
          yield* slow.begin
          yield* slow.write("slow-1")
          yield* quick.write("seen-1")
          const options = { categories: ["seen"] }
          const found = yield* page({ ...options, limit: 9 })
          assert.deepStrictEqual([found.messages.length, found.through, found.hasMore], [2, from + 3, true])
          const held = yield* page({ ...options, from: from + 4 })
          assert.deepStrictEqual([held.messages, held.through], [[], from + 3])
          assert.strictEqual(Option.getOrThrow(held.heldBack).position, from + 4)
          yield* slow.commit
          const rest = yield* page({ ...options, from: from + 4 })
          assert.deepStrictEqual([rest.messages.length, rest.through, rest.hasMore], [1, from + 5, false])
          const nothing = yield* page({ categories: ["seen"], types: ["U"] })
          assert.deepStrictEqual([nothing.messages, nothing.through, nothing.hasMore], [[], from + 5, false])
        }))

      it.effect("keeps no connection while it waits", () =>
        Effect.gen(function*() {
          const { url } = yield* Opened
          const [slow, quick, { from }] = [yield* session, yield* session, yield* fromHere]
          const store = yield* Store.open(url, { maxConnections: 1, announce: false })
          yield* slow.begin
          yield* slow.write("slow-1")
          yield* quick.write("quick-1")
          const reading = yield* Effect.forkChild(store.readAllPage({ from }), { startImmediately: true })
          yield* store.append("own-1", Store.numbered(1))
          assert.isUndefined(reading.pollUnsafe())
          yield* within("for a reader to be interrupted")(Fiber.interrupt(reading))
          yield* store.append("own-1", Store.numbered(1))
          yield* slow.rollback
        }))

      it.effect("knows nothing any more when the table was emptied and begins anew", () =>
        Effect.gen(function*() {
          const { store } = yield* Opened
          const [slow, quick, { from, read }] = [yield* session, yield* session, yield* fromHere]
          assert.isAbove(from, 10)
          // What is there now is known to be final.
          yield* quick.begin
          yield* quick.write("never-1")
          yield* quick.rollback
          yield* quick.write("quick-1")
          assert.deepStrictEqual(yield* read, ["quick-1"])
          yield* quick.run("TRUNCATE message_store.messages RESTART IDENTITY")
          yield* slow.begin
          yield* slow.run(foreignInsert("slow-1"))
          for (const _ of Store.upTo(from + 5)) yield* quick.write("quick-1")
          for (const options of [{}, { categories: ["quick"] }]) {
            assert.deepStrictEqual((yield* withoutPauses(store.readAllPage(options))).messages, [])
          }
          yield* slow.commit
          const { messages } = yield* store.readAllPage()
          assert.strictEqual(messages[0]?.streamName as string, "slow-1")
          assert.lengthOf(messages, from + 6)
        }))
    })
  }
}

/** A store on a client that is shared with the statements of a test. */
const shared = (url: string) =>
  Effect.gen(function*() {
    const pool = yield* Layer.build(PgClient.layer({ url: Redacted.make(url), maxConnections: 4 }))
    const store = Context.get(
      yield* Layer.build(Layer.provide(Postgres.layerClient({ announce: false }), Layer.succeedContext(pool))),
      MessageStore
    )
    return { sql: Context.get(pool, PgClient.PgClient), store }
  })

/** Runs an effect outside of the transaction that its caller is in. */
const withoutTransaction = <A, E, R>(sql: PgClient.PgClient, effect: Effect.Effect<A, E, R>) =>
  Effect.updateContext(
    effect,
    (context: Context.Context<R>) => Context.omit(sql.transactionService)(context) as Context.Context<R>
  )

const [server] = inject("postgres")

for (const kind of ["our", "a stock"] as const) {
  const opened = Opened.layer(kind === "our" ? Database.make({ server }) : MessageDb.makeDatabase({ server }))

  layer(opened, { excludeTestServices: true })(`reading everything in transactions, on ${kind} schema`, (it) => {
    it.effect("what a transaction sees of its own is not taken for final by others", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* shared((yield* Opened).url)
        const { globalPosition } = yield* store.append("here-1", Store.numbered(1))
        const from = globalPosition + 1
        const quick = yield* session
        const names = withoutPauses(namesOf(store, from))
        const isSeen = yield* Latch.make()
        const other = yield* Effect.forkChild(Effect.andThen(isSeen.await, names))
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* sql.unsafe(nextval)
          yield* sql.unsafe(foreignInsert("own-1"))
          yield* quick.write("quick-1")
          assert.deepStrictEqual(yield* names, ["own-1", "quick-1"])
          yield* isSeen.open
          assert.deepStrictEqual(yield* Fiber.join(other), [])
        }))
        assert.deepStrictEqual(yield* names, ["own-1", "quick-1"])
      }))

    it.effect("a transaction shares no page with other fibers that read the same one in the same moment", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* shared((yield* Opened).url)
        const { globalPosition } = yield* store.append("here-1", Store.numbered(1))
        const from = globalPosition + 1
        const category = `mine${globalPosition}`
        for (const read of [store.readCategoryPage(category, { from }), store.readAllPage({ from })]) {
          const names = Effect.map(read, ({ messages }) => messages.map(({ streamName }) => streamName as string))
          const isWritten = yield* Latch.make()
          const before = yield* Effect.forkChild(Effect.andThen(isWritten.await, names))
          yield* sql.withTransaction(Effect.gen(function*() {
            yield* sql.unsafe(foreignInsert(`${category}-1`))
            const after = yield* Effect.forkChild(Effect.andThen(isWritten.await, withoutTransaction(sql, names)))
            yield* isWritten.open
            assert.deepStrictEqual(yield* names, [`${category}-1`])
            assert.deepStrictEqual(yield* Fiber.join(before), [])
            assert.deepStrictEqual(yield* Fiber.join(after), [])
            return yield* Effect.fail("undo")
          })).pipe(Effect.ignore)
        }
      }))

    it.effect("with one snapshot for all of it, a transaction passes no gap", () =>
      Effect.gen(function*() {
        const { sql, store } = yield* shared((yield* Opened).url)
        const { globalPosition } = yield* store.append("here-1", Store.numbered(1))
        const from = globalPosition + 1
        const [slow, quick] = [yield* session, yield* session]
        yield* slow.begin
        yield* slow.write("slow-1")
        yield* quick.write("quick-1")
        for (const options of [{ from }, { from, categories: ["quick"] }]) {
          yield* sql.withTransaction(Effect.gen(function*() {
            yield* sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
            yield* sql`SELECT count(*) FROM message_store.messages`
            if (!("categories" in options)) yield* slow.commit
            const page = yield* withoutPauses(store.readAllPage(options))
            // The second one has a snapshot that is new enough.
            assert.lengthOf(page.messages, "categories" in options ? 1 : 0)
            assert.strictEqual(page.through, "categories" in options ? from + 1 : from - 1)
          }))
        }
      }))

    it.effect("who has a higher isolation level by default reads everything, too", () =>
      Effect.gen(function*() {
        const { url } = yield* Opened
        const startupParameters = { default_transaction_isolation: "serializable" }
        const store = yield* Store.open(url, { startupParameters, announce: false })
        const { globalPosition } = yield* store.append("here-1", Store.numbered(1))
        const [slow, quick] = [yield* session, yield* session]
        const read = withoutPauses(namesOf(store, globalPosition + 1))
        yield* slow.begin
        yield* slow.write("never-1")
        yield* slow.rollback
        yield* slow.begin
        yield* slow.write("slow-1")
        yield* quick.write("quick-1")
        assert.deepStrictEqual(yield* read, [])
        yield* slow.commit
        assert.deepStrictEqual(yield* read, ["slow-1", "quick-1"])
      }))
  })
}

layer(Opened.layer(Database.make()), { excludeTestServices: true })("what holds a reader back", (it) => {
  it.effect("is told as far as a role may know it", () =>
    Effect.gen(function*() {
      const { url } = yield* Opened
      const admin = yield* Database.session(url)
      const role = yield* Effect.provideService(Role.make(), SqlClient, admin)
      yield* admin.unsafe(`GRANT USAGE ON SCHEMA message_store, eventfold TO ${role.name}`)
      yield* admin.unsafe(`GRANT SELECT ON message_store.messages TO ${role.name}`)
      const store = yield* Store.open(role.url(url), { announce: false })
      const [slow, quick, { from }] = [yield* session, yield* session, yield* fromHere]
      yield* slow.begin
      yield* slow.write("slow-1")
      yield* quick.write("quick-1")
      const { position, writers: [writer, ...others] } = Option.getOrThrow(
        (yield* store.readAllPage({ from })).heldBack
      )
      assert.lengthOf(others, 0)
      assert.strictEqual(position, from)
      assert(writer !== undefined)
      assert.isDefined(writer.pid)
      for (const part of [writer.state, writer.since, writer.age, writer.query]) assert.isUndefined(part)
      yield* slow.commit
    }))
})

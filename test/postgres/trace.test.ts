/**
 * Traces on PostgreSQL: what they cost with the indexes and without, how far they look, and how the indexes come and go.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { SqlClient } from "effect/sql/SqlClient"
import { MessageStore } from "eventfold/MessageStore"
import * as Trace from "eventfold/Trace"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import * as PageCosts from "../support/PageCosts.ts"
import * as Psql from "../support/Psql.ts"
import * as Store from "../support/Store.ts"

/** Runs an effect that may look at fewer pages than this. */
const below = <A, E, R>(most: number, effect: Effect.Effect<A, E, R>) =>
  Effect.map(PageCosts.measured(effect), ({ pages, result }) => {
    assert.isBelow(pages, most)
    return result
  })

/** 40,000 messages of 40 correlations, each with the one 40 before as its cause. They take about 1,300 pages. */
const fill = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* PageCosts.withoutAutovacuum
  yield* sql`INSERT INTO message_store.messages (stream_name, position, type, data, metadata)
    SELECT 'work-' || i % 40, (i - 1) / 40, 'T', 'null', jsonb_build_object(
      'correlationStreamName', 'work-' || i % 40,
      'causationMessageStreamName', 'work-' || i % 40,
      'causationMessagePosition', (i - 1) / 40 - 1,
      'causationMessageGlobalPosition', i - 40
    )
    FROM generate_series(1, 40000) AS i`
})

const positionsOf = (found: ReadonlyArray<{ readonly message: { readonly globalPosition: number } }>) =>
  found.map(({ message }) => message.globalPosition)

const lookedAt = ({ isComplete, lookedFrom, lookedThrough }: Omit<Trace.EffectsPage, "effects">) => ({
  lookedFrom,
  lookedThrough,
  isComplete
})

for (const server of inject("postgres")) {
  for (const kind of PageCosts.kinds) {
    layer(PageCosts.filled(kind, server, fill), { excludeTestServices: true })(
      `traces on ${kind} schema of ${server.name}`,
      (it) => {
        it.effect("look through a window without the indexes, and say how far", () =>
          Effect.gen(function*() {
            const page = yield* below(200, Trace.effects(20_000, { window: 1_000 }))
            assert.deepStrictEqual(positionsOf(page.effects), [20_040])
            assert.deepStrictEqual(lookedAt(page), { lookedFrom: 20_001, lookedThrough: 21_000, isComplete: false })
            const short = yield* Trace.effects(20_000, { window: 39 })
            assert.deepStrictEqual(short.effects, [])
            assert.deepStrictEqual(lookedAt(short), { lookedFrom: 20_001, lookedThrough: 20_039, isComplete: false })
            const further = yield* Trace.effects(20_000, { window: 39, after: short.lookedThrough })
            assert.deepStrictEqual(positionsOf(further.effects), [20_040])
            const end = yield* Trace.effects(39_990)
            assert.deepStrictEqual(lookedAt(end), { lookedFrom: 39_991, lookedThrough: 40_000, isComplete: true })

            const first = yield* below(200, Trace.correlated("work-7", { window: 400 }))
            assert.deepStrictEqual(positionsOf(first.messages), [7, 47, 87, 127, 167, 207, 247, 287, 327, 367])
            assert.deepStrictEqual(lookedAt(first), { lookedFrom: 1, lookedThrough: 400, isComplete: false })
            const around = yield* below(200, Trace.correlated("work-7", { window: 400, around: 20_000 }))
            assert.deepStrictEqual(lookedAt(around), { lookedFrom: 19_800, lookedThrough: 20_199, isComplete: false })
            assert.lengthOf(around.messages, 10)
            const last = yield* below(200, Trace.correlated("nothing-1", { window: 400 }))
            assert.deepStrictEqual(last.messages, [])
            assert.deepStrictEqual(lookedAt(last), { lookedFrom: 39_601, lookedThrough: 40_000, isComplete: false })
            const all = yield* Trace.correlated("work-7", { window: 40_000, limit: 2_000 })
            assert.deepStrictEqual([all.messages.length, all.isComplete], [1_000, true])
            const tree = yield* Trace.tree(20_000, { window: 100 })
            assert.deepStrictEqual(positionsOf(tree.nodes), [20_000, 20_040, 20_080])
            assert.deepStrictEqual([tree.isCut, tree.isComplete, tree.lookedThrough], [false, false, 20_100])
          }))

        it.effect("cost a few pages with the indexes, before there are statistics and after", () =>
          Effect.gen(function*() {
            const sql = yield* SqlClient
            const { traceIndexes } = yield* Postgres.install({ traceIndexes: true })
            assert.deepStrictEqual(traceIndexes, { areReady: true, statements: [] })
            const look = Effect.gen(function*() {
              const page = yield* below(40, Trace.effects(20_000, { window: 1 }))
              assert.deepStrictEqual(positionsOf(page.effects), [20_040])
              assert.deepStrictEqual(lookedAt(page), { lookedFrom: 20_001, lookedThrough: 40_000, isComplete: true })
              const ten = yield* below(100, Trace.correlated("work-7", { after: 30_000, limit: 10, window: 1 }))
              assert.strictEqual(ten.messages.length, 10)
              assert.deepStrictEqual(lookedAt(ten), { lookedFrom: 30_001, lookedThrough: 30_367, isComplete: false })
              const none = yield* below(40, Trace.correlated("nothing-1", { window: 1 }))
              assert.deepStrictEqual([none.messages, none.isComplete], [[], true])
              const tree = yield* below(250, Trace.tree(20_000, { depth: 5, window: 1 }))
              assert.deepStrictEqual(positionsOf(tree.nodes), Store.upTo(6).map((i) => 20_000 + 40 * i))
              assert.isTrue(tree.isCut)
            })
            yield* look
            yield* sql`ANALYZE message_store.messages`
            yield* look
          }))
      }
    )
  }
}

describe("the indexes for traces", () => {
  it.live("stay as they are unless an installation is told otherwise, and take texts of any length", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make()
      const install = (options: Postgres.InstallOptions) =>
        Effect.map(Effect.provide(Postgres.install(options), Database.client(url)), ({ traceIndexes }) => traceIndexes)
      const there = { areReady: true, statements: [] }
      const gone = { areReady: false, statements: [] }
      const store = yield* Store.open(url, { install: { traceIndexes: true } })
      assert.deepStrictEqual(yield* install({}), there)
      const long = `work-${Array.from({ length: 4_000 }, (_, i) => i.toString(36)).join("")}`
      yield* store.append("long-1", {
        type: "T",
        data: null,
        metadata: { correlationStreamName: long, causationMessageGlobalPosition: 1e300 }
      })
      yield* Store.open(url, { install: { traceIndexes: false } })
      assert.deepStrictEqual(yield* install({}), gone)
      if (!Psql.isInstalled) return
      assert.deepStrictEqual(yield* Psql.run(url, "install.sql", { trace_indexes: "on" }), Psql.silence)
      assert.deepStrictEqual(yield* install({}), there)
    }))

  it.live("leave a table in use as it is, and tell what to run beside its writers", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make()
      const sql = yield* Database.session(url)
      const writer = yield* Database.session(url)
      const install = (traceIndexes: boolean) =>
        Effect.map(
          Effect.provide(Postgres.install({ traceIndexes }), Database.client(url)),
          (installed) => installed.traceIndexes
        )
      const definitions = sql`SELECT indexdef FROM pg_indexes
        WHERE indexname IN ('messages_correlation', 'messages_causation') ORDER BY indexname`.values
      const inUse = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        writer.withTransaction(Effect.andThen(
          writer`SELECT message_store.write_message(gen_random_uuid()::varchar, 'open-1', 'T', '{}')`,
          effect
        ))
      const left = yield* inUse(install(true))
      assert.isFalse(left.areReady)
      assert.deepStrictEqual(left.statements.map((statement) => statement.slice(0, 45)), [
        "CREATE INDEX CONCURRENTLY messages_correlatio",
        "CREATE INDEX CONCURRENTLY messages_causation "
      ])
      yield* Effect.forEach(left.statements, (statement) => sql.unsafe(statement))
      assert.lengthOf(yield* definitions, 2)

      // An index whose making was cut off is not used, and not taken for one that is there.
      yield* sql`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'message_store.messages_causation'::regclass`
      const mend = yield* install(true)
      assert.deepStrictEqual(mend, {
        areReady: false,
        statements: ["REINDEX INDEX CONCURRENTLY message_store.messages_causation"]
      })
      const store = yield* Store.open(url)
      const page = yield* Effect.provideService(Trace.effects(1, { window: 1 }), MessageStore, store)
      assert.isTrue(page.isComplete)
      yield* Effect.forEach(mend.statements, (statement) => sql.unsafe(statement))
      assert.deepStrictEqual(yield* install(true), { areReady: true, statements: [] })

      const kept = yield* inUse(install(false))
      assert.deepStrictEqual(kept.statements, [
        "DROP INDEX CONCURRENTLY message_store.messages_correlation",
        "DROP INDEX CONCURRENTLY message_store.messages_causation"
      ])
      assert.deepStrictEqual(yield* install(false), { areReady: false, statements: [] })
      assert.deepStrictEqual(yield* definitions, [])
    }))

  it.live("no wait between a cause and its effect is negative, and a clock that differs is told", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make()
      const sql = yield* Database.session(url)
      yield* sql`INSERT INTO message_store.messages (stream_name, position, type, time, metadata) VALUES
        ('a-1', 0, 'Cause', '2026-01-01 12:00:00', NULL),
        ('a-2', 0, 'Later', '2026-01-01 12:00:01.5', '{"causationMessageGlobalPosition": 1}'),
        ('a-3', 0, 'Earlier', '2026-01-01 11:00:00', '{"causationMessageGlobalPosition": "1"}')`
      const store = Context.make(MessageStore, yield* Store.open(url))
      const { effects } = yield* Effect.provide(Trace.effects(1), store)
      const waits = [{ millis: 1_500, clockDiffers: false }, { millis: 0, clockDiffers: true }]
      assert.deepStrictEqual(effects.map(({ wait }) => wait), waits)
      const { nodes } = yield* Effect.provide(Trace.tree(1), store)
      assert.deepStrictEqual(nodes.map(({ wait }) => Option.getOrNull(wait)), [null, ...waits])
    }))
})

/**
 * Consumers in processes of their own that are killed, or lose their lease, in the middle of their work.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import { fileURLToPath } from "node:url"
import * as Child from "../support/Child.ts"
import * as Database from "../support/Database.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"
import { Settings } from "./consumerProcess.ts"

const script = fileURLToPath(new URL("consumerProcess.ts", import.meta.url))

/** What a handler did, in the order of the table. */
interface Handled {
  readonly worker: string
  readonly phase: "begin" | "end" | "interrupted"
  readonly stream: string
  readonly position: number
  readonly global_position: number
}

const makeTable = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS handled (
    n serial PRIMARY KEY, worker text, phase text, stream text, position integer, global_position integer
  )`
  // A position replaces the one before, so the table keeps what has been written.
  yield* sql`CREATE TABLE IF NOT EXISTS written (n serial PRIMARY KEY, category text, position bigint)`
  yield* sql`CREATE OR REPLACE FUNCTION log_position() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO public.written (category, position) VALUES (NEW.category, NEW.position);
      RETURN NULL;
    END
  $$`
  yield* sql`CREATE OR REPLACE TRIGGER log_position AFTER INSERT OR UPDATE ON eventfold.positions
    FOR EACH ROW EXECUTE FUNCTION log_position()`
})

const handled = (category: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    return yield* sql<Handled>`SELECT * FROM handled WHERE stream LIKE ${`${category}-%`} ORDER BY n`
  })

const endedAtLeast = (count: number, category: string) =>
  until(
    `${count} messages are handled`,
    Effect.map(handled(category), (rows) =>
      new Set(
        rows.filter(({ phase }) => phase === "end").map(({ global_position }) => global_position)
      ).size >= count)
  )

const start = Effect.fnUntraced(function*(worker: string, category: string, options: {
  readonly concurrency: number
  readonly every: number
  readonly interval: number
  readonly millis: number
}) {
  const { url } = yield* Database.Database
  const settings = yield* Effect.orDie(Schema.encodeEffect(Settings)({ url, worker, category, ...options }))
  return yield* Child.start(script, [settings])
})

/** The sessions whose advisory locks are leases, and the applications that they are of. */
const leases = Effect.gen(function*() {
  const sql = yield* SqlClient
  return yield* sql<{ readonly pid: number; readonly worker: string }>`SELECT pid, application_name AS worker
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND objsubid = 2 AND granted AND datname = current_database()`
})

const hasNoSession = (worker: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const rows = yield* sql`SELECT FROM pg_stat_activity
      WHERE application_name = ${worker} AND datname = current_database()`
    return rows.length === 0
  })

/** All positions that were ever written. */
const positionsOf = Effect.fnUntraced(function*(category: string) {
  const sql = yield* SqlClient
  const rows = yield* sql<{ readonly position: number }>`SELECT position::integer AS position
    FROM written WHERE category = ${category} ORDER BY n`
  return rows.map(({ position }) => position)
})

const globalPositions = Effect.fnUntraced(function*(category: string) {
  const sql = yield* SqlClient
  const rows = yield* sql<{ readonly position: number }>`SELECT global_position::integer AS position
    FROM message_store.messages WHERE message_store.category(stream_name) = ${category} ORDER BY global_position`
  return rows.map(({ position }) => position)
})

/** Appends to six streams in turns, and gives the last global position. */
const write = Effect.fnUntraced(function*(category: string, count: number) {
  const store = yield* Store.open((yield* Database.Database).url)
  const results = yield* Effect.forEach(
    Store.upTo(count),
    (i) => store.append(`${category}-${i % 6}`, Store.numbered(1, i))
  )
  return results.at(-1)?.globalPosition ?? 0
})

/**
 * In each stream every worker handles one message at a time, no worker begins a message before the one ahead of it is
 * handled, and all of them together leave none out. A stream may go from one worker to the other and back.
 */
const assertOrder = (rows: ReadonlyArray<Handled>, count: number) => {
  const streams = Map.groupBy(rows, ({ stream }) => stream)
  let total = 0
  for (const [stream, own] of streams) {
    let highest = -1
    for (const { phase, position, worker } of own) {
      assert.isAtMost(position, highest + 1, `${worker} skips in ${stream}`)
      if (phase === "end") highest = Math.max(highest, position)
    }
    total += highest + 1
    for (const [worker, steps] of Map.groupBy(own, ({ worker }) => worker)) {
      for (const [i, step] of steps.entries()) {
        const before = steps[i - 1]
        // A handler that is interrupted may have come to its end, and not know.
        const isInOrder = step.phase === "interrupted" ||
          (step.phase === "end"
            ? before?.phase === "begin" && before.position === step.position
            : before?.phase !== "begin")
        assert.isTrue(isInOrder, `${worker} in ${stream}: ${JSON.stringify([before, step])}`)
      }
    }
  }
  assert.strictEqual(total, count)
}

let categories = 0
const newCategory = Effect.sync(() => `process${++categories}`)

for (const server of Database.serversOfForm()) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`processes on ${server.name}`, (it) => {
    it.effect("one that is killed between handler and checkpoint: another goes on from the low-water mark", () =>
      Effect.gen(function*() {
        yield* makeTable
        const category = yield* newCategory
        // However late this test is, the last position is not that of the last message.
        yield* write(category, 250)
        const options = { concurrency: 4, every: 40, interval: 3_600_000, millis: 10 }
        const first = yield* start("first", category, options)
        yield* endedAtLeast(1, category)
        const second = yield* start("second", category, options)
        yield* endedAtLeast(100, category)
        yield* second.freeze
        yield* first.kill
        yield* until("the sessions of the first one have ended", hasNoSession("first"))
        const killed = yield* handled(category)
        assert.deepStrictEqual([...new Set(killed.map(({ worker }) => worker))], ["first"])
        const position = (yield* positionsOf(category)).at(-1) ?? 0
        const ends = killed.filter(({ phase }) => phase === "end").map(({ global_position }) => global_position)
        assert.isAbove(ends.filter((end) => end > position).length, 0, "something was done after the last position")

        yield* second.thaw
        const hasSuccessor = Effect.map(handled(category), (rows) => rows.some(({ worker }) => worker === "second"))
        yield* until("another process takes over", hasSuccessor)
        yield* endedAtLeast(250, category)
        const rows = yield* handled(category)
        const successors = rows.filter(({ phase, worker }) => phase === "begin" && worker === "second")
        assert.deepStrictEqual(
          successors.map(({ global_position }) => global_position).toSorted((a, b) => a - b),
          (yield* globalPositions(category)).filter((i) => i > position)
        )
        assertOrder(rows, 250)
        assert.isFalse(yield* second.ended)
      }))

    it.effect("two of one id: one works; it loses its lease, ends its handlers, and one of them goes on", () =>
      Effect.gen(function*() {
        yield* makeTable
        const sql = yield* SqlClient
        const category = yield* newCategory
        yield* write(category, 120)
        const options = { concurrency: 3, every: 10, interval: 200, millis: 30 }
        const children = yield* Effect.forEach(["one", "two"], (worker) => start(worker, category, options))
        for (const round of [1, 2, 3]) {
          yield* endedAtLeast(round * 25, category)
          yield* until("one of them has the lease", Effect.map(leases, (before) => before.length === 1))
          for (const { pid, worker } of yield* leases) {
            const interruptions = Effect.map(
              handled(category),
              (rows) => rows.filter((row) => row.phase === "interrupted" && row.worker === worker).length
            )
            const earlier = yield* interruptions
            yield* sql`SELECT pg_terminate_backend(${pid})`
            yield* until("its handlers are interrupted", Effect.map(interruptions, (count) => count > earlier))
          }
          yield* until("one of them has a lease again", Effect.map(leases, (after) => after.length === 1))
        }
        const last = yield* write(category, 60)
        yield* endedAtLeast(180, category)
        const rows = yield* handled(category)
        assertOrder(rows, 180)
        // Only whoever has the lease works.
        const since = rows.slice(rows.findLastIndex(({ phase }) => phase === "interrupted") + 1)
        assert.lengthOf([...new Set(since.map(({ worker }) => worker))], 1)
        yield* until(
          "the position is that of the last message",
          Effect.map(positionsOf(category), (positions) => positions.at(-1) === last)
        )
        const positions = yield* positionsOf(category)
        assert.deepStrictEqual(positions, positions.toSorted((a, b) => a - b))
        for (const child of children) assert.isFalse(yield* child.ended)
      }))
  })
}

import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { SqlClient } from "effect/sql/SqlClient"
import { randomUUID } from "node:crypto"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import { refusal } from "../support/PostgresError.ts"
import { until } from "../support/Until.ts"

const any = -3n
const existing = -2n
const none = -1n

interface Given {
  readonly id?: string
  readonly type?: string
  readonly data?: string
  readonly metadata?: string
}

interface Append {
  readonly stream: string
  readonly expected?: bigint
  readonly messages: ReadonlyArray<Given>
}

interface Mode {
  readonly atomic?: boolean
  readonly careful?: boolean
}

interface Outcome {
  readonly outcome: string
  readonly stream_version: bigint | null
  readonly last_global_position: bigint | null
  readonly taken_id: string | null
}

const call = (sql: SqlClient, appends: ReadonlyArray<Append>, { atomic = false, careful = false }: Mode = {}) => {
  const messages = appends.flatMap((append) => append.messages)
  return sql<Outcome>`SELECT * FROM eventfold.append(
    ${appends.map((append) => append.stream)}::text[],
    ${appends.map((append) => append.expected ?? any)}::bigint[],
    ${appends.map((append) => append.messages.length)}::integer[],
    ${messages.map((message) => message.id ?? randomUUID())}::uuid[],
    ${messages.map((message) => message.type ?? "T")}::text[],
    ${messages.map((message) => message.data ?? "{}")}::text[],
    ${messages.map((message) => message.metadata ?? "")}::text[],
    ${atomic}, ${careful})`
}

const callMessage = (sql: SqlClient, { expected, messages: [message], stream }: Append) =>
  sql<Outcome>`SELECT * FROM eventfold.append_message(${stream}, ${expected ?? any}, ${message?.id ?? randomUUID()},
    ${message?.type ?? "T"}, ${message?.data ?? "{}"}, ${message?.metadata ?? null})`

const append = (appends: ReadonlyArray<Append>, mode?: Mode) =>
  Effect.flatMap(SqlClient, (sql) => call(sql, appends, mode))

const appendMessage = (append: Append) => Effect.flatMap(SqlClient, (sql) => callMessage(sql, append))

const outcomes = (rows: ReadonlyArray<Outcome>) =>
  rows.map((row) => [row.outcome, row.stream_version === null ? null : Number(row.stream_version)])

const many = (count: number): ReadonlyArray<Given> => Array.from({ length: count }, (_, i) => ({ data: String(i) }))

const withIds = (count: number): ReadonlyArray<Given & { readonly id: string }> =>
  Array.from({ length: count }, (_, i) => ({ id: randomUUID(), data: String(i) }))

const rowsOf = (stream: string) =>
  Effect.flatMap(
    SqlClient,
    (sql) =>
      sql<{ readonly position: bigint; readonly global_position: bigint; readonly data: unknown }>`
      SELECT position, global_position, data FROM message_store.messages
      WHERE stream_name = ${stream} ORDER BY position`
  )

const dataOf = (stream: string) => Effect.map(rowsOf(stream), (rows) => rows.map((row) => row.data))

let streams = 0
/** A stream in a category of its own. */
const newStream = Effect.sync(() => `call${++streams}-1`)

const modes: ReadonlyArray<Mode> = [
  { atomic: false, careful: false },
  { atomic: false, careful: true },
  { atomic: true, careful: false },
  { atomic: true, careful: true }
]

const session = Effect.flatMap(Database.Database, ({ url }) => Database.session(url))

const waits = Effect.gen(function*() {
  const sql = yield* SqlClient
  const rows = yield* sql`SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE NOT granted AND locktype = 'advisory' AND datname = current_database()`
  return rows.length > 0
})

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`eventfold.append on ${server.name}`, (it) => {
    describe("written", () => {
      it.effect.each(modes)("%o: several streams, and several times one", (mode) =>
        Effect.gen(function*() {
          const [a, b] = [yield* newStream, yield* newStream]
          yield* append([{ stream: b, messages: many(1) }], mode)
          const rows = yield* append([
            { stream: a, expected: none, messages: many(2) },
            { stream: b, expected: 0n, messages: [{ data: "\"b\"" }] },
            { stream: a, expected: 1n, messages: [{ data: "2" }] },
            { stream: a, expected: existing, messages: [{ data: "3" }] },
            { stream: b, messages: [{ data: "\"c\"" }] }
          ], mode)
          assert.deepStrictEqual(outcomes(rows), [
            ["written", 1],
            ["written", 1],
            ["written", 2],
            ["written", 3],
            ["written", 2]
          ])
          assert.deepStrictEqual(yield* dataOf(a), [0, 1, 2, 3])
          assert.deepStrictEqual(yield* dataOf(b), [0, "b", "c"])
          const [inA, inB] = [yield* rowsOf(a), yield* rowsOf(b)]
          assert.deepStrictEqual<unknown>(
            rows.map((row) => row.last_global_position),
            [inA[1], inB[1], inA[2], inA[3], inB[2]].map((row) => row?.global_position)
          )
          // In the order of the call, without gaps.
          const first = inA[0]?.global_position ?? 0n
          assert.deepStrictEqual(
            [inA[0], inA[1], inB[1], inA[2], inA[3], inB[2]].map((row) => row?.global_position),
            [0n, 1n, 2n, 3n, 4n, 5n].map((i) => first + i)
          )
          assert.deepStrictEqual(rows.map((row) => row.taken_id), rows.map(() => null))
        }))

      it.effect("keeps type, data and metadata, and takes an empty text for no metadata", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient
          const stream = yield* newStream
          const id = randomUUID()
          yield* append([{
            stream,
            messages: [
              { id, type: "Opened", data: "{\"a\":[1,null]}", metadata: "{\"m\":1}" },
              { data: "null", metadata: "null" }
            ]
          }])
          assert.deepStrictEqual(
            yield* sql`SELECT type, data::text, metadata::text, id = ${id}::uuid AS same
              FROM message_store.messages WHERE stream_name = ${stream} ORDER BY position`,
            [
              { type: "Opened", data: "{\"a\": [1, null]}", metadata: "{\"m\": 1}", same: true },
              { type: "T", data: "null", metadata: "null", same: false }
            ]
          )
          yield* append([{ stream, messages: [{}] }])
          assert.deepStrictEqual(
            yield* sql`SELECT metadata IS NULL AS absent FROM message_store.messages
              WHERE stream_name = ${stream} AND position = 2`,
            [{ absent: true }]
          )
        }))

      it.effect("goes on where write_message stopped, and the other way round", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient
          const stream = yield* newStream
          const write = sql`SELECT message_store.write_message(gen_random_uuid()::varchar, ${stream}, 'T', '{}') AS at`
          assert.deepStrictEqual(yield* write, [{ at: 0n }])
          assert.deepStrictEqual(outcomes(yield* append([{ stream, expected: 0n, messages: many(3) }])), [[
            "written",
            3
          ]])
          assert.deepStrictEqual(yield* write, [{ at: 4n }])
        }))
    })

    describe("recorded", () => {
      it.effect("whatever is expected: at once when careful, otherwise when the version is wrong", () =>
        Effect.gen(function*() {
          const stream = yield* newStream
          const messages = withIds(2)
          const [first] = yield* append([{ stream, expected: none, messages }])
          yield* append([{ stream, messages: many(3) }])
          for (const expected of [none, 0n, 9n, -4n]) {
            const [again] = yield* append([{ stream, expected, messages }])
            assert.deepInclude(again, { outcome: "recorded", stream_version: 1n })
            assert.strictEqual(again?.last_global_position, first?.last_global_position)
          }
          for (const expected of [any, existing, none, 4n]) {
            const [again] = yield* append([{ stream, expected, messages }], { careful: true })
            assert.deepInclude(again, { outcome: "recorded", stream_version: 1n })
          }
          assert.lengthOf(yield* rowsOf(stream), 5)
        }))

      it.effect("beside others that are written", () =>
        Effect.gen(function*() {
          const [a, b] = [yield* newStream, yield* newStream]
          const messages = withIds(2)
          yield* append([{ stream: a, messages }])
          const rows = yield* append([
            { stream: b, messages: many(1) },
            { stream: a, messages },
            { stream: a, messages: [{ data: "\"new\"" }] }
          ], { careful: true })
          assert.deepStrictEqual(outcomes(rows), [["written", 0], ["recorded", 1], ["written", 2]])
          assert.deepStrictEqual(yield* dataOf(a), [0, 1, "new"])
        }))

      it.effect("is not what stands in another order, is only a part, has other content or another stream", () =>
        Effect.gen(function*() {
          const [stream, other] = [yield* newStream, yield* newStream]
          const messages = withIds(3)
          const [first, second, third] = messages
          assert(first !== undefined && second !== undefined && third !== undefined)
          yield* append([{ stream, messages }])
          const differing: ReadonlyArray<readonly [ReadonlyArray<Given>, string, string]> = [
            [[second, first, third], stream, second.id],
            [[first, third], stream, first.id],
            [[{}, first], stream, first.id],
            [[first, {}], stream, first.id],
            [[{ ...first, data: "7" }], stream, first.id],
            [[{ ...first, type: "U" }], stream, first.id],
            [[{ ...first, metadata: "{\"m\": 1}" }], stream, first.id],
            [[first, second, third], other, first.id]
          ]
          for (const [given, name, taken] of differing) {
            assert.deepStrictEqual(yield* append([{ stream: name, messages: given }], { careful: true }), [
              { outcome: "duplicate", stream_version: null, last_global_position: null, taken_id: taken }
            ])
          }
          // What only a trace tells apart is recorded, and so is a part in its place.
          for (const metadata of ["{}", "{\"traceparent\": \"00-1-2-01\"}"]) {
            assert.deepStrictEqual(
              outcomes(yield* append([{ stream, messages: [{ ...first, metadata }] }], { careful: true })),
              [["recorded", 0]]
            )
          }
          assert.deepStrictEqual(
            outcomes(yield* append([{ stream, messages: [second, third] }], { careful: true })),
            [["recorded", 2]]
          )
          assert.lengthOf(yield* rowsOf(stream), 3)
          assert.lengthOf(yield* rowsOf(other), 0)
        }))
    })

    describe("wrong_version", () => {
      const wrong: ReadonlyArray<readonly [expected: bigint, existing: number]> = [
        [none, 1],
        [existing, 0],
        [0n, 0],
        [0n, 2],
        [2n, 2],
        [-4n, 0],
        [-4n, 1],
        [2n ** 53n, 1]
      ]
      it.effect.each(wrong)("%s of a stream of %i", ([expected, count]) =>
        Effect.gen(function*() {
          const stream = yield* newStream
          if (count > 0) yield* append([{ stream, messages: many(count) }])
          for (const mode of modes) {
            assert.deepStrictEqual(yield* append([{ stream, expected, messages: many(1) }], mode), [{
              outcome: "wrong_version",
              stream_version: BigInt(count - 1),
              last_global_position: null,
              taken_id: null
            }])
          }
          assert.lengthOf(yield* rowsOf(stream), count)
        }))

      it.effect("of one append leaves its neighbours alone, and those after it see the stream without it", () =>
        Effect.gen(function*() {
          const [a, b] = [yield* newStream, yield* newStream]
          const rows = yield* append([
            { stream: a, expected: 5n, messages: many(3) },
            { stream: a, expected: none, messages: [{ data: "\"first\"" }] },
            { stream: b, expected: existing, messages: many(1) },
            { stream: a, expected: none, messages: many(1) },
            { stream: a, expected: 0n, messages: [{ data: "\"second\"" }] }
          ])
          assert.deepStrictEqual(outcomes(rows), [
            ["wrong_version", -1],
            ["written", 0],
            ["wrong_version", -1],
            ["wrong_version", 0],
            ["written", 1]
          ])
          const inA = yield* rowsOf(a)
          assert.deepStrictEqual(inA.map((row) => row.data), ["first", "second"])
          assert.deepStrictEqual(
            [rows[1], rows[4]].map((row) => row?.last_global_position),
            inA.map((row) => row.global_position)
          )
          assert.lengthOf(yield* rowsOf(b), 0)
        }))

      it.effect("of a stream that others of the same call take past what is expected", () =>
        Effect.gen(function*() {
          const stream = yield* newStream
          yield* append([{ stream, messages: many(3) }])
          const other = yield* newStream
          const rows = yield* append([
            { stream: other, messages: many(20) },
            { stream, messages: many(6) },
            { stream, expected: 5n, messages: many(1) },
            { stream, expected: 8n, messages: many(1) }
          ])
          assert.deepStrictEqual(outcomes(rows), [["written", 19], ["written", 8], ["wrong_version", 8], [
            "written",
            9
          ]])
          assert.lengthOf(yield* rowsOf(stream), 10)
        }))

      it.effect("takes no global position", () =>
        Effect.gen(function*() {
          const stream = yield* newStream
          const [before] = yield* append([{ stream, messages: many(1) }])
          yield* append([{ stream, expected: 7n, messages: many(10) }])
          const [after] = yield* append([{ stream, messages: many(1) }])
          assert.strictEqual((after?.last_global_position ?? 0n) - (before?.last_global_position ?? 0n), 1n)
        }))

      it.effect("comes before a taken id", () =>
        Effect.gen(function*() {
          const [stream, other] = [yield* newStream, yield* newStream]
          const messages = withIds(1)
          yield* append([{ stream: other, messages }])
          for (const mode of modes) {
            assert.deepStrictEqual(
              outcomes(yield* append([{ stream, expected: 3n, messages }], mode)),
              [["wrong_version", -1]]
            )
          }
        }))
    })

    describe("duplicate", () => {
      it.effect("is an outcome when careful, and otherwise a unique violation of the whole call", () =>
        Effect.gen(function*() {
          const [stream, other] = [yield* newStream, yield* newStream]
          const [message] = withIds(1)
          assert(message !== undefined)
          yield* append([{ stream: other, messages: [message] }])
          const appends = [
            { stream, messages: many(1) },
            { stream, messages: [{}, message] },
            { stream, messages: [{ data: "1" }] }
          ]
          const { code, constraint } = yield* refusal(append(appends))
          assert.deepStrictEqual([code, constraint], ["23505", "messages_id"])
          assert.lengthOf(yield* rowsOf(stream), 0)
          const rows = yield* append(appends, { careful: true })
          assert.deepStrictEqual(outcomes(rows), [["written", 0], ["duplicate", null], ["written", 1]])
          assert.strictEqual(rows[1]?.taken_id, message.id)
          assert.deepStrictEqual(yield* dataOf(stream), [0, 1])
        }))

      it.effect.each([{ careful: false }, { careful: true }])(
        "%o: an id that another category takes at the same moment is a unique violation once that one is committed",
        (mode) =>
          Effect.gen(function*() {
            const [mine, theirs] = [yield* newStream, yield* newStream]
            const messages = withIds(1)
            const [first, second] = [yield* session, yield* session]
            const blocked = Effect.gen(function*() {
              const sql = yield* SqlClient
              const rows = yield* sql`SELECT FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'transactionid'`
              return rows.length > 0
            })
            const racing = Effect.fnUntraced(function*(end: "COMMIT" | "ROLLBACK") {
              // By hand: the second has to be waiting before the first ends.
              yield* first`BEGIN`
              assert.deepStrictEqual(outcomes(yield* call(first, [{ stream: theirs, messages }], mode)), [[
                "written",
                0
              ]])
              const fiber = yield* Effect.forkChild(Effect.result(call(second, [{ stream: mine, messages }], mode)))
              yield* until("the second waits for the first", blocked)
              yield* first.unsafe(end)
              return yield* Fiber.join(fiber)
            })

            const afterRollback = yield* racing("ROLLBACK")
            assert(afterRollback._tag === "Success")
            assert.deepStrictEqual(outcomes(afterRollback.success), [["written", 0]])
            yield* Effect.flatMap(
              SqlClient,
              (sql) => sql`DELETE FROM message_store.messages WHERE stream_name = ${mine}`
            )

            const afterCommit = yield* racing("COMMIT")
            assert(afterCommit._tag === "Failure")
            assert.strictEqual(afterCommit.failure.reason._tag, "UniqueViolation")
            assert.lengthOf(yield* rowsOf(mine), 0)
            // And then it is a duplicate.
            const again = yield* append([{ stream: mine, messages }], { careful: true })
            assert.strictEqual(again[0]?.outcome, "duplicate")
          })
      )
    })

    describe("atomic", () => {
      it.effect("refused as a whole: the others are not_written", () =>
        Effect.gen(function*() {
          const [a, b] = [yield* newStream, yield* newStream]
          const taken = withIds(1)
          yield* append([{ stream: yield* newStream, messages: taken }])
          const rows = yield* append([
            { stream: a, messages: many(2) },
            { stream: b, expected: 4n, messages: many(1) },
            { stream: b, messages: taken },
            { stream: a, messages: many(1) }
          ], { atomic: true, careful: true })
          assert.deepStrictEqual(rows.map((row) => row.outcome), [
            "not_written",
            "wrong_version",
            "duplicate",
            "not_written"
          ])
          assert.lengthOf(yield* rowsOf(a), 0)
          assert.lengthOf(yield* rowsOf(b), 0)
        }))

      it.effect("recorded as a whole, and a duplicate when only a part is", () =>
        Effect.gen(function*() {
          const [a, b, c] = [yield* newStream, yield* newStream, yield* newStream]
          const both = [{ stream: a, expected: none, messages: withIds(2) }, { stream: b, messages: withIds(1) }]
          const mode = { atomic: true, careful: true }
          const first = yield* append(both, mode)
          const again = yield* append(both, mode)
          assert.deepStrictEqual(outcomes(again), [["recorded", 1], ["recorded", 0]])
          assert.deepStrictEqual(
            again.map((row) => row.last_global_position),
            first.map((row) => row.last_global_position)
          )
          const more = yield* append([...both, { stream: c, messages: many(1) }], mode)
          assert.deepStrictEqual(more.map((row) => row.outcome), ["duplicate", "duplicate", "not_written"])
          assert.strictEqual(more[0]?.taken_id, both[0]?.messages[0]?.id)
          assert.lengthOf(yield* rowsOf(c), 0)
        }))
    })

    describe("append_message", () => {
      it.effect("writes what it is given at the next position, and tells where", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient
          const stream = yield* newStream
          const id = randomUUID()
          const message = { id, type: "Opened", data: "{\"a\":[1,null]}", metadata: "{\"m\":1}" }
          const first = yield* appendMessage({ stream, expected: none, messages: [message] })
          const others = yield* Effect.forEach(
            [any, existing, 2n],
            (expected) => appendMessage({ stream, expected, messages: [{}] })
          )
          const rows = yield* rowsOf(stream)
          assert.deepStrictEqual<unknown>(
            [first, ...others].flat(),
            rows.map(({ global_position, position }) => ({
              outcome: "written",
              stream_version: position,
              last_global_position: global_position,
              taken_id: null
            }))
          )
          assert.deepStrictEqual(rows.map(({ position }) => position), [0n, 1n, 2n, 3n])
          assert.deepStrictEqual(
            yield* sql`SELECT type, data::text, metadata::text, id = ${id}::uuid AS same
              FROM message_store.messages WHERE stream_name = ${stream} AND position < 2 ORDER BY position`,
            [
              { type: "Opened", data: "{\"a\": [1, null]}", metadata: "{\"m\": 1}", same: true },
              { type: "T", data: "{}", metadata: null, same: false }
            ]
          )
        }))

      it.effect("refuses as append does: a wrong version, unless the message is recorded, and an id that is taken", () =>
        Effect.gen(function*() {
          const [stream, other] = [yield* newStream, yield* newStream]
          const [message] = withIds(1)
          assert(message !== undefined)
          const wrong: ReadonlyArray<Append> = [existing, 0n, -4n].map((expected) => ({
            stream,
            expected,
            messages: [{}]
          }))
          for (const given of wrong) {
            assert.deepStrictEqual(outcomes(yield* appendMessage(given)), [["wrong_version", -1]])
          }
          const [written] = yield* appendMessage({ stream, messages: [message] })
          const [again] = yield* appendMessage({ stream, expected: none, messages: [message] })
          assert.deepInclude(again, { outcome: "recorded", stream_version: 0n })
          assert.strictEqual(again?.last_global_position, written?.last_global_position)
          // Right in its version, so the id is what tells, and who calls it looks again with care.
          for (const name of [stream, other]) {
            const { code, constraint } = yield* refusal(appendMessage({ stream: name, messages: [message] }))
            assert.deepStrictEqual([code, constraint], ["23505", "messages_id"])
          }
          assert.deepStrictEqual(
            outcomes(yield* appendMessage({ stream: other, expected: 3n, messages: [message] })),
            [["wrong_version", -1]]
          )
          assert.lengthOf(yield* rowsOf(stream), 1)
        }))

      it.effect("takes its category's lock, and sees what was committed while it waited for it", () =>
        Effect.gen(function*() {
          const stream = yield* newStream
          const [first, second] = [yield* session, yield* session]
          const waiting = yield* first.withTransaction(Effect.gen(function*() {
            yield* callMessage(first, { stream, messages: [{}] })
            const waiting = yield* Effect.forkChild(
              callMessage(second, { stream, expected: none, messages: [{}] })
            )
            yield* until("the second waits", waits)
            return waiting
          }))
          assert.deepStrictEqual(outcomes(yield* Fiber.join(waiting)), [["wrong_version", 0]])
        }))
    })

    describe("locks", () => {
      it.effect("of its categories, once each, and no others", () =>
        Effect.gen(function*() {
          const sql = yield* session
          yield* sql.withTransaction(Effect.gen(function*() {
            yield* call(
              sql,
              ["lockA-1", "lockB-1", "lockA-2", "lockB:command-1"].map((stream) => ({
                stream,
                messages: many(1)
              }))
            )
            const held = yield* sql<{ readonly key: bigint }>`
              SELECT (classid::bigint << 32) | objid::bigint AS key FROM pg_locks
              WHERE locktype = 'advisory' AND pid = pg_backend_pid() ORDER BY key`
            const expected = yield* sql`SELECT message_store.hash_64(name) AS key
              FROM unnest(ARRAY['lockA', 'lockB', 'lockB:command']) AS name ORDER BY key`
            assert.deepStrictEqual<unknown>(held, expected)
          }))
        }))

      it.effect("in one order, whatever the order of the appends: who waits for the lower holds none of the higher", () =>
        Effect.gen(function*() {
          const [holder, first, second] = [yield* session, yield* session, yield* session]
          const ranked = yield* holder<{ readonly name: string }>`SELECT name
            FROM unnest(ARRAY['orderA', 'orderB', 'orderC']) AS name ORDER BY message_store.hash_64(name)`
          const [low, middle, high] = ranked.map(({ name }) => ({ stream: `${name}-1`, messages: many(1) }))
          assert(low !== undefined && middle !== undefined && high !== undefined)
          const waiting = yield* holder.withTransaction(Effect.gen(function*() {
            yield* holder`SELECT message_store.acquire_lock(${low.stream})`
            const waiting = yield* Effect.forkChild(call(first, [high, middle, low]))
            yield* until("the first waits for the lowest", waits)
            const rows = yield* second.withTransaction(
              Effect.andThen(second`SET LOCAL lock_timeout = '50ms'`, call(second, [high, middle]))
            )
            assert.deepStrictEqual(outcomes(rows), [["written", 0], ["written", 0]])
            const { code } = yield* refusal(second.withTransaction(
              Effect.andThen(second`SET LOCAL lock_timeout = '50ms'`, call(second, [middle, low]))
            ))
            assert.strictEqual(code, "55P03")
            return waiting
          }))
          assert.deepStrictEqual(outcomes(yield* Fiber.join(waiting)), [["written", 1], ["written", 1], ["written", 0]])
        }))

      it.effect("see what was committed while they were waited for", () =>
        Effect.gen(function*() {
          const stream = yield* newStream
          const [first, second] = [yield* session, yield* session]
          const waiting = yield* first.withTransaction(Effect.gen(function*() {
            yield* call(first, [{ stream, messages: many(2) }])
            const waiting = yield* Effect.forkChild(call(second, [
              { stream, expected: none, messages: many(1) },
              { stream, expected: 1n, messages: many(1) }
            ]))
            yield* until("the second waits", waits)
            return waiting
          }))
          assert.deepStrictEqual(outcomes(yield* Fiber.join(waiting)), [["wrong_version", 1], ["written", 2]])
        }))
    })
  })
}

import { assert, layer } from "@effect/vitest"
import { PGlite } from "@electric-sql/pglite"
import { files } from "@eventfold/sql"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** PGlite, because it returns the notices of a statement. */
class Pglite extends Context.Service<Pglite, PGlite>()("@eventfold/test/Pglite") {
  static readonly layer = Layer.effect(
    Pglite,
    Effect.gen(function*() {
      const db = yield* Effect.acquireRelease(
        Effect.promise(() => PGlite.create()),
        (db) => Effect.promise(() => db.close())
      )
      const all = yield* files
      const install = Effect.promise(() =>
        db.transaction(async (transaction) => {
          for (const { sql } of all) await transaction.exec(sql)
        })
      )
      yield* Effect.andThen(install, install)
      return db
    })
  )
}

/** The notices of a statement, in a transaction that is rolled back. */
const notices = Effect.fnUntraced(function*(settings: ReadonlyArray<string>, statement: string) {
  const db = yield* Pglite
  const lines: Array<string> = []
  yield* Effect.promise(() =>
    db.transaction(async (transaction) => {
      for (const setting of settings) await transaction.exec(`SET LOCAL message_store.${setting}`)
      await transaction.query(statement, [], { onNotice: (notice) => lines.push(notice.message ?? "") })
      await transaction.rollback()
    })
  )
  return lines
})

const write =
  "SELECT message_store.write_message('5a3d7a53-1d1e-4d4c-8b7e-1c1c1c1c1c1c', 'account-1', 'T', '{\"a\": 1}')"
const readStream = "SELECT * FROM message_store.get_stream_messages('account-1', condition => NULL)"
const readCategory = "SELECT * FROM message_store.get_category_messages('account', correlation => 'other')"
const readLast = "SELECT * FROM message_store.get_last_stream_message('account-1', 'T')"

const lock = [
  "» acquire_lock",
  "stream_name ($1): account-1",
  "_category: account",
  "_category_name_hash: -2132379389342958165"
]
const written = [
  "» write_message",
  "id ($1): 5a3d7a53-1d1e-4d4c-8b7e-1c1c1c1c1c1c",
  "stream_name ($2): account-1",
  "type ($3): T",
  "data ($4): {\"a\": 1}",
  "metadata ($5): <NULL>",
  "expected_version ($6): <NULL>",
  "_stream_version: -1",
  "_next_position: 0"
]
const ofStream = [
  "» get_stream_messages",
  "stream_name ($1): account-1",
  "position ($2): 0",
  "batch_size ($3): 1000",
  "condition ($4): <NULL>"
]
const ofCategory = [
  "» get_category_messages",
  "category ($1): account",
  "position ($2): 1",
  "batch_size ($3): 1000",
  "correlation ($4): other",
  "consumer_group_member ($5): <NULL>",
  "consumer_group_size ($6): <NULL>",
  "condition: <NULL>"
]
const ofLast = ["» get_last_message", "stream_name ($1): account-1", "type ($2): T"]

layer(Pglite.layer, { excludeTestServices: true })("debug settings, on PGlite", (it) => {
  it.effect.each(["debug_write = off", "debug_write = true", "debug_get = on"])(
    "writing with %s is silent",
    (setting) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* notices([setting], write), [])
      })
  )

  it.effect.each(["debug_write = on", "debug = on"])("writing with %s", (setting) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* notices([setting], write), [...lock, ...written])
    }))

  it.effect.each(["debug_get = off", "debug_get = true", "debug_write = on"])(
    "reading with %s is silent",
    (setting) =>
      Effect.gen(function*() {
        for (const read of [readStream, readCategory, readLast]) {
          assert.deepStrictEqual(yield* notices([setting], read), [])
        }
      })
  )

  it.effect.each(["debug_get = on", "debug = on"])("reading with %s", (setting) =>
    Effect.gen(function*() {
      for (
        const [read, expected] of [[readStream, ofStream], [readCategory, ofCategory], [readLast, ofLast]] as const
      ) {
        const lines = yield* notices([setting], read)
        assert.deepStrictEqual(lines.slice(0, -1), expected)
        assert.match(lines.at(-1) ?? "", /^Generated Command: \s*SELECT/)
      }
    }))

  it.effect("a read returns the same messages with the setting on", () =>
    Effect.gen(function*() {
      const db = yield* Pglite
      yield* Effect.promise(() => db.query(write))
      for (const read of [readStream, readLast, "SELECT * FROM message_store.get_category_messages('account')"]) {
        const silent = yield* Effect.promise(() => db.query(read))
        yield* Effect.promise(() => db.exec("SET message_store.debug = on"))
        const loud = yield* Effect.promise(() => db.query(read))
        yield* Effect.promise(() => db.exec("RESET message_store.debug"))
        assert.lengthOf(silent.rows, 1)
        assert.deepStrictEqual(loud.rows, silent.rows)
      }
    }))
})

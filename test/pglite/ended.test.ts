/**
 * A session of PGlite that ends: PGlite replies with FATAL or PANIC and without ReadyForQuery, and stays as it is. The first test
 * has a real one. The others feed the reply, because none of them may fill the disk of the machine.
 */
import { assert, describe, it } from "@effect/vitest"
import { PGlite } from "@electric-sql/pglite"
import { Pglite } from "@eventfold/pglite"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"
import { MessageStore } from "eventfold/MessageStore"
import { StoreError } from "eventfold/StoreError"
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { vi } from "vitest"
import * as Store from "../support/Store.ts"
import { within } from "../support/Until.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "eventfold-pglite-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
)

const both = (dataDir?: string, options: Postgres.StoreOptions = {}) =>
  Postgres.layerClient({ install: true, ...options }).pipe(
    Layer.provideMerge(Pglite.layerClient(dataDir === undefined ? {} : { dataDir }))
  )

const append = (streamName = "ended-1") =>
  Effect.gen(function*() {
    const store = yield* MessageStore
    return (yield* store.append(streamName, Store.numbered(1))).version
  }).pipe(within("for the append"))

/** A message of the protocol that tells an error. */
const errorReply = (severity: string, code: string, message: string): Uint8Array => {
  const body = Buffer.from(`S${severity}\0V${severity}\0C${code}\0M${message}\0\0`)
  const head = Buffer.from("E....")
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const noRoom = errorReply("PANIC", "53100", "could not write to file \"pg_wal/xlogtemp.42\": No space left on device")

/** Replies in place of those to the next requests. With `executes` PGlite does what it is asked before its reply is lost. */
const replaceNext = (reply: Uint8Array | Error, { executes = false, times = 1 } = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const original = PGlite.prototype.execProtocolRaw
      let left = times
      return vi.spyOn(PGlite.prototype, "execProtocolRaw").mockImplementation(
        async function(this: PGlite, request, options) {
          const isReplaced = left-- > 0
          if (!isReplaced || executes) {
            const real = await original.call(this, request, options)
            if (!isReplaced) return real
          }
          if (reply instanceof Error) throw reply
          return reply
        }
      )
    }),
    (spy) => Effect.sync(() => spy.mockRestore())
  )

const refused = (effect: Effect.Effect<unknown, unknown, MessageStore>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert(error instanceof StoreError, String(error))
    return error
  })

describe("a session of PGlite that ends", () => {
  it.live("by a real PANIC is given up, and the next statement has another one on the same data", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function*() {
        const sql = yield* SqlClient
        assert.strictEqual(yield* append(), 0)
        // PGlite can't make the next file of its log where a folder has the name.
        const obstacle = join(folder, "pgdata", "pg_wal", "xlogtemp.42")
        yield* Effect.promise(() => mkdir(obstacle))
        yield* sql`SELECT pg_switch_wal()::text`
        const error = yield* Effect.flip(append())
        assert(error instanceof StoreError, String(error))
        assert.include(error.message, "xlogtemp")
        yield* Effect.promise(() => rm(obstacle, { recursive: true }))
        const version = yield* append()
        const store = yield* MessageStore
        // As after a crash of a server, the refused one may have been committed.
        assert.include([1, 2], version)
        assert.lengthOf(yield* Store.readStream(store, "ended-1"), version + 1)
      }).pipe(Effect.provide(both(folder)))
    }))

  it.live("in an append is waited out, and the messages are there once; in a transaction it rolls that back", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const ends: ReadonlyArray<readonly [reply: Uint8Array | Error, executes: boolean]> = [
        [noRoom, false],
        // The answer to a commit is lost.
        [noRoom, true],
        [errorReply("FATAL", "57P01", "terminating connection"), false],
        [new Uint8Array(0), true],
        [new Error("memory access out of bounds"), false]
      ]
      yield* Effect.gen(function*() {
        const [sql, store] = [yield* SqlClient, yield* MessageStore]
        for (const [i, [reply, executes]] of ends.entries()) {
          yield* Effect.scoped(Effect.gen(function*() {
            yield* replaceNext(reply, { executes })
            assert.strictEqual(yield* append(), i)
          }))
          assert.lengthOf(yield* Store.readStream(store, "ended-1"), i + 1)
        }

        yield* sql`CREATE TABLE notes (note text)`
        const transaction = store.transaction(Effect.gen(function*() {
          yield* append("ended-2")
          yield* replaceNext(noRoom)
          yield* sql`INSERT INTO notes VALUES ('lost')`
        }))
        assert.isTrue((yield* refused(Effect.scoped(transaction))).isRetryable)
        assert.deepStrictEqual(yield* sql`SELECT note FROM notes`, [])
        assert.strictEqual(yield* append("ended-2"), 0)
      }).pipe(Effect.provide(both(folder)))
    }))

  it.live("is a StoreError that may be repeated, while there is no room, and goes on when there is", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const [global, away] = [join(folder, "pgdata", "global"), join(folder, "away")]
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* append(), 0)
        yield* Effect.promise(() => rename(global, away))
        yield* Effect.scoped(Effect.gen(function*() {
          yield* replaceNext(noRoom)
          const error = yield* refused(append())
          assert.isTrue(error.isRetryable)
          assert.include(error.message, "No space left on device [53100]")
        }))
        // It is tried again each time, and says why it is in vain.
        for (const _ of Store.upTo(2)) assert.include((yield* refused(append())).message, "global/pg_control")
        yield* Effect.promise(() => rename(away, global))
        assert.strictEqual(yield* append(), 1)
      }).pipe(Effect.provide(both(folder, { retry: Schedule.recurs(0) })))
    }))

  it.live("in memory has lost its data, and is not waited for", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* append(), 0)
      yield* replaceNext(noRoom)
      for (const _ of Store.upTo(2)) {
        const error = yield* refused(append())
        assert.isFalse(error.isRetryable)
        assert.include(error.message, "the PGlite in memory has ended, and its data with it: could not write")
      }
    }).pipe(Effect.scoped, Effect.provide(both())))
})

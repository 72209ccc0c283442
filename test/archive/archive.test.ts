import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Pglite } from "@eventfold/pglite"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Archive from "eventfold/Archive"
import * as Streams from "eventfold/Streams"
import * as Verify from "eventfold/Verify"
import { randomBytes } from "node:crypto"
import { gunzipSync, gzipSync } from "node:zlib"
import * as Archives from "../support/Archives.ts"
import * as Catalog from "../support/Catalog.ts"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import * as PostgresServer from "../support/PostgresServer.ts"
import * as Role from "../support/Role.ts"
import * as Store from "../support/Store.ts"

const { archiveOf, fill, fillMany, importInto, on, recordsOf, withoutPositions } = Archives

/** A new database with the schemas, and a store on it. */
const database = Effect.gen(function*() {
  const { url } = yield* Database.make()
  return { url, store: yield* Store.open(url, { announce: false }) }
})

const findings = (store: Store.Store) => on(store)(Stream.runCollect(Verify.run()))

/** Interrupts an export or an import after that many chunks. */
const stopAfter = (chunks: number) => {
  let count = 0
  return () => Effect.suspend(() => ++count === chunks ? Effect.fail("stopped" as const) : Effect.void)
}

const temporaryFile = Effect.fnUntraced(function*(name: string) {
  const fs = yield* FileSystem.FileSystem
  return `${yield* fs.makeTempDirectoryScoped()}/${name}`
})

const messages = (url: string) => Effect.provide(Catalog.messages, Database.client(url))

const attributes = (url: string) =>
  Effect.provide(
    Effect.flatMap(SqlClient, (sql) =>
      sql`SELECT category, id, attributes FROM eventfold.streams WHERE attributes IS NOT NULL ORDER BY category, id`),
    Database.client(url)
  )

const asBytes = (text: string) => new Uint8Array(Buffer.from(text))

/** What an import says of a text that is no whole archive. */
const refused = Effect.fnUntraced(function*(text: string) {
  const error = yield* Effect.flip(importInto(yield* Archives.inMemory, text))
  assert.strictEqual(error._tag, "InvalidArchive")
  return error.message
})

/** Opens a store that tries nothing again. */
const open = (url: string) => Store.open(url, { announce: false, retry: Schedule.recurs(0) })

layer(Layer.merge(NodeServices.layer, Database.layer()), { excludeTestServices: true })("an archive", (it) => {
  it.effect("moves a store to PGlite, to memory, to a database and back, and everything is as it was", () =>
    Effect.gen(function*() {
      const first = yield* database
      yield* fill(first.store)
      yield* Effect.provide(Archives.addOdd, Database.client(first.url))
      const archive = yield* archiveOf(first.store)

      const memory = yield* Archives.inMemory
      const imported = yield* importInto(memory, archive)
      const inMemory = yield* archiveOf(memory)
      assert.deepStrictEqual(
        recordsOf(inMemory).filter((line) => !line.startsWith("{\"category\"")),
        recordsOf(archive).filter((line) => !line.startsWith("{\"category\""))
      )
      assert.deepStrictEqual(yield* findings(memory), [])

      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const pglite = yield* Archives.build(Pglite.layer({ dataDir: `${folder}/data` }))
      yield* importInto(pglite, inMemory)
      assert.deepStrictEqual(yield* findings(pglite), [])
      const fromFolder = yield* archiveOf(pglite)

      const last = yield* database
      const again = yield* importInto(last.store, fromFolder)
      assert.deepStrictEqual(again, imported)
      assert.deepStrictEqual(again, {
        written: imported.written,
        present: 0,
        leftOut: 0,
        streams: 2,
        keptPositions: true
      })
      assert.deepStrictEqual(yield* messages(last.url), yield* messages(first.url))
      assert.deepStrictEqual(yield* attributes(last.url), yield* attributes(first.url))
      assert.deepStrictEqual(yield* findings(last.store), [])

      // The store goes on where the other one was.
      const end = yield* first.store.lastPosition
      assert.strictEqual((yield* last.store.append("account-1", { type: "Next", data: {} })).globalPosition, end + 1)
      const Rooms = Streams.make({ category: "room" })
      assert.deepStrictEqual(
        yield* on(last.store)(Rooms.list()),
        yield* on(first.store)(Rooms.list())
      )
      assert.strictEqual(yield* on(last.store)(Rooms.countMessages("kitchen")), 1)
    }))

  it.effect("gets new global positions in a store with other messages, without what consumers wrote about the old ones", () =>
    Effect.gen(function*() {
      const { store } = yield* database
      yield* fill(store)
      const archive = yield* archiveOf(store)
      for (const target of [yield* Archives.inMemory, (yield* database).store]) {
        yield* target.append("before-1", { type: "T", data: {} })
        const result = yield* importInto(target, archive)
        assert.isFalse(result.keptPositions)
        assert.strictEqual(result.leftOut, 1)
        const expected = recordsOf(archive).filter((line) =>
          line.includes("\"globalPosition\"") && !line.includes(":position-")
        )
        const lines = recordsOf(yield* archiveOf(target)).filter((line) => line.includes("\"globalPosition\""))
        assert.deepStrictEqual(withoutPositions(lines.slice(1)), withoutPositions(expected))
        assert.deepStrictEqual(yield* importInto(target, archive), { ...result, written: 0, present: result.written })
        assert.deepStrictEqual(yield* findings(target), [])
        const error = yield* Effect.flip(importInto(target, archive, { globalPositions: "keep" }))
        assert.strictEqual(error._tag, "InvalidArgument")
      }
    }))

  it.effect("bounds a chunk where messages get larger than those before", () =>
    Effect.gen(function*() {
      const mebibyte = 1 << 20
      for (const store of [yield* Archives.inMemory, (yield* database).store]) {
        yield* fillMany(store, 400)
        for (let i = 0; i < 12; i++) {
          const data = { text: randomBytes(mebibyte / 2).toString("hex") }
          yield* store.append("large-1", { type: "Large", data })
        }
        const chunks: Array<number> = []
        let size = 0
        for (const line of (yield* archiveOf(store)).split("\n")) {
          size += line.length
          if (!Archives.isOfChunk(line)) continue
          chunks.push(size)
          size = 0
        }
        assert.isAtMost(Math.max(...chunks), 3.5 * mebibyte)
      }
    }))

  it.effect("has what the filters let pass, and a later one continues an earlier one", () =>
    Effect.gen(function*() {
      const { store } = yield* database
      yield* fill(store)
      for (const from of [store, yield* Effect.tap(Archives.inMemory, fill)]) {
        const all = recordsOf(yield* archiveOf(from))
        const ofRooms = recordsOf(yield* archiveOf(from, { category: "room" }))
        assert.deepStrictEqual(ofRooms, all.filter((line) => /"room|"category":"room"/.test(line)))
        const ofStream = recordsOf(yield* archiveOf(from, { streamName: "account-1", from: 2 }))
        assert.deepStrictEqual(ofStream, all.filter((line) => line.includes("\"account-1\"")).slice(1))
        const end = yield* from.lastPosition
        const target = (yield* database).store
        const first = yield* archiveOf(from, { to: 3 })
        const second = yield* archiveOf(from, { from: 4, to: end })
        const incomplete = yield* Effect.flip(importInto(yield* Archives.inMemory, second))
        assert.strictEqual(incomplete._tag === "ImportRefused" && incomplete.reason, "streamIncomplete")
        assert.strictEqual((yield* importInto(target, first)).written, 3)
        const result = yield* importInto(target, second)
        assert.isTrue(result.keptPositions)
        assert.deepStrictEqual(recordsOf(yield* archiveOf(target)).length, all.length)
        assert.deepStrictEqual(yield* findings(target), [])
      }
      assert.strictEqual(
        (yield* Effect.flip(archiveOf(store, { category: "room", streamName: "room-1" })))._tag,
        "InvalidArgument"
      )
      assert.strictEqual((yield* Effect.flip(archiveOf(store, { category: "a-b" })))._tag, "InvalidCategory")
    }))

  it.effect("refuses streams, ids and attributes that the store has otherwise, and writes nothing of the chunk", () =>
    Effect.gen(function*() {
      const source = yield* Archives.inMemory
      yield* fill(source)
      const archive = yield* archiveOf(source)
      const refusal = (target: Store.Store) =>
        Effect.map(Effect.flip(importInto(target, archive)), (error) =>
          error._tag === "ImportRefused"
            ? [error.reason, error.streamName, error.position, error.imported]
            : error)
      const [taken] = yield* Stream.runCollect(source.readStream("account-1"))
      const Rooms = Streams.make({ category: "room" })
      for (const make of [Archives.inMemory, Effect.map(database, ({ store }) => store)]) {
        const exists = yield* make
        yield* exists.append("account-1", { type: "T", data: {} })
        assert.deepStrictEqual(yield* refusal(exists), ["streamExists", "account-1", 0, 0])
        assert.strictEqual(yield* exists.lastPosition, 1)
        const withId = yield* make
        yield* withId.append("elsewhere-1", { id: taken?.id, type: "T", data: {} })
        assert.deepStrictEqual(yield* refusal(withId), ["idTaken", "account-1", 0, 0])
        const withAttributes = yield* make
        yield* on(withAttributes)(Rooms.add({ id: "added", attributes: { title: "b" } }))
        assert.deepStrictEqual(yield* refusal(withAttributes), ["attributesDiffer", "room-added", -1, 0])
        const notice = yield* make
        yield* on(notice)(Effect.andThen(
          Rooms.addMessage("gone", {}),
          Rooms.addMessage("gone", {})
        ))
        assert.deepStrictEqual(
          yield* Effect.map(refusal(notice), (found) => Array.isArray(found) ? found.slice(0, 2) : found),
          ["streamExists", "room-gone"]
        )
      }
    }))

  it.effect("that is damaged, cut off or no archive is refused, and the error names the line", () =>
    Effect.gen(function*() {
      const source = yield* Archives.inMemory
      yield* fill(source)
      yield* fillMany(source, 1_000)
      const archive = yield* archiveOf(source)
      const lines = archive.split("\n")
      const first = lines.findIndex((line) => line.includes("\"account-1\"")) + 1
      const ends = lines.flatMap((line, i) => Archives.isOfChunk(line) ? [i] : [])
      assert.include(yield* refused(archive.replace("Deposited", "Deposites")), `line ${first} of the archive: chunk 2`)
      assert.include(yield* refused(archive.slice(0, 5_000)), "the archive ends in the middle")
      assert.include(yield* refused(lines.slice(0, (ends[2] ?? 0) + 1).join("\n") + "\n"), "the archive has no end")
      assert.include(
        yield* refused([...lines.slice(0, (ends[1] ?? 0) + 1), ...lines.slice((ends[2] ?? 0) + 1)].join("\n")),
        "lines are missing"
      )
      assert.include(yield* refused(""), "there is nothing in it")
      assert.include(yield* refused("a,b\n1,2\n"), "begins with its header, and this is none")
      assert.include(
        yield* refused(archive.replace("\"version\":1", "\"version\":2")),
        "line 1 of the archive: the archive has the format 2"
      )
      assert.include(yield* refused(archive + "{}\n"), "in the middle")
      assert.include(yield* refused(archive + archive), "has ended before")
      assert.include(
        yield* refused(archive.replace(/\{"end".*/, "{\"end\":true,\"chunks\":1,\"messages\":1,\"streams\":0}")),
        "other chunks"
      )
    }))

  it.effect("that has no end of a chunk is refused before it is read to its end", () =>
    Effect.gen(function*() {
      const endless = [
        ["begins with its header, and this is none", Stream.forever(Stream.make(new Uint8Array(65_536)))],
        [
          "no chunk ends within 50000 lines",
          Stream.concat(
            Stream.make(asBytes(`${(yield* archiveOf(yield* Archives.inMemory)).split("\n")[0]}\n`)),
            Stream.forever(Stream.make(asBytes("{}\n".repeat(10_000))))
          )
        ]
      ] as const
      for (const [says, input] of endless) {
        const error = yield* Effect.flip(on(yield* Archives.inMemory)(Archive.fromStream(input)))
        assert.strictEqual(error._tag, "InvalidArchive")
        assert.include(error.message, says)
      }
    }))

  it.effect("names the line of a message that the store can't take", () =>
    Effect.gen(function*() {
      const source = yield* Archives.inMemory
      yield* source.append("account-1", ["1", "2", "3"].map((n) => ({ type: "T", data: { n, emoji: "😀" } })))
      const archive = yield* archiveOf(source)
      const wrong = [
        ["data", (line: string) => line.replace("\"n\":\"2\"", "\"n\":02")],
        ["data", (line: string) => line.replace("\"n\":\"2\"", "\"n\":\"\\u0000\"")],
        ["time", (line: string) => line.replace(/"time":"[^"]*"/, "\"time\":\"yesterday noon\"")]
      ] as const
      for (const [field, change] of wrong) {
        const changed = archive.split("\n").map((line) => line.includes("\"n\":\"2\"") ? change(line) : line).join("\n")
        const error = yield* Effect.flip(importInto((yield* database).store, Archives.sealed(changed)))
        assert.strictEqual(error._tag, "InvalidArchive")
        assert.include(error.message, `line 4 of the archive: the store can't take the ${field} of the message`)
      }
    }))

  it.effect.each(["store.ndjson.gz"])(
    "in the file %s: an export that was interrupted continues exactly, and so does its import",
    (name) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* temporaryFile(name)
        const { store } = yield* database
        yield* fill(store)
        yield* fillMany(store, 3_000)
        const plain = (bytes: Uint8Array) => Buffer.from(name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString()

        const stopped = yield* Effect.flip(on(store)(Archive.toFile(path, { onProgress: stopAfter(3) })))
        assert.strictEqual(stopped, "stopped")
        assert.isFalse(yield* fs.exists(path))
        // What comes after the note is not whole.
        yield* fs.writeFile(`${path}.part`, new Uint8Array([1, 2, 3]), { flag: "a" })
        // What is written meanwhile is not in it: the end is fixed.
        yield* store.append("late-1", { type: "T", data: {} })
        const other = yield* Effect.flip(on(store)(Archive.toFile(path, { category: "many" })))
        assert.include(String(other), "an export of something else")
        const elsewhere = yield* Effect.flip(on(yield* Archives.inMemory)(Archive.toFile(path)))
        assert.include(String(elsewhere), "an export of another store")
        const exported = yield* on(store)(Archive.toFile(path))
        assert.isTrue(exported.isResumed)
        const archive = plain(yield* fs.readFile(path))
        assert.deepStrictEqual(
          recordsOf(archive),
          recordsOf(yield* archiveOf(store, { to: exported.through }))
        )
        assert.deepStrictEqual(yield* fs.exists(`${path}.part.json`), false)
        assert.strictEqual((yield* Effect.flip(on(store)(Archive.toFile(path))))._tag, "ExportRefused")
        const again = yield* on(store)(Archive.toFile(path, { overwrite: true, category: "many" }))
        assert.deepStrictEqual([again.messages, again.isResumed], [3_000, false])
        yield* on(store)(Archive.toFile(path, { overwrite: true, to: exported.through }))

        const target = (yield* database).store
        let last: Archive.Progress | undefined
        assert.strictEqual(
          yield* Effect.flip(on(target)(Archive.fromFile(path, { onProgress: stopAfter(4) }))),
          "stopped"
        )
        const before = yield* target.countAll()
        assert.isTrue(before > 0 && before < exported.messages)
        const imported = yield* on(target)(Archive.fromFile(path, {
          onProgress: (progress) => Effect.sync(() => last = progress)
        }))
        assert.deepStrictEqual(imported, {
          written: exported.messages - before,
          present: before,
          leftOut: 0,
          streams: 2,
          keptPositions: true
        })
        assert.deepStrictEqual(
          [last?.messages, last?.streams, Option.getOrUndefined(last?.done ?? Option.none())],
          [exported.messages, 2, 1]
        )
        assert.deepStrictEqual(recordsOf(yield* archiveOf(target)), recordsOf(archive))
        assert.deepStrictEqual(yield* findings(target), [])

        // As another program compresses it.
        yield* fs.writeFile(path, gzipSync(archive))
        assert.strictEqual((yield* on(target)(Archive.fromFile(path))).present, exported.messages)
        yield* fs.writeFile(path, gzipSync(archive).subarray(0, 20_000))
        assert.strictEqual((yield* Effect.flip(on(target)(Archive.fromFile(path))))._tag, "InvalidArchive")

        // Others have written since: their positions are those that the archive needs.
        const changed = (yield* database).store
        yield* Effect.flip(importInto(changed, archive, { onProgress: stopAfter(4) }))
        yield* changed.append("mine-1", { type: "T", data: {} })
        const refused = yield* Effect.flip(importInto(changed, archive))
        assert.strictEqual(
          typeof refused === "object" && refused._tag === "ImportRefused" && refused.reason,
          "storeChanged"
        )
      })
  )

  it.effect("has all that is final beside writers, and ends before what may still be written", () =>
    Effect.gen(function*() {
      const { store, url } = yield* database
      yield* fillMany(store, 1_500)
      const writer = yield* Database.session(url)
      yield* writer`BEGIN`
      yield* writer`SELECT message_store.write_message(gen_random_uuid()::varchar, 'held-1', 'T', '{}')`
      yield* store.append("after-1", { type: "T", data: {} })
      // To an end before the writer's position nothing is waited for.
      assert.lengthOf(recordsOf(yield* archiveOf(store, { to: 1_500 })), 1_500)
      const waiting = yield* Effect.forkChild(archiveOf(store))
      yield* writer`COMMIT`
      assert.lengthOf(recordsOf(yield* Fiber.join(waiting)), 1_502)

      const writing = yield* Effect.forkChild(fillMany(store, 3_000, "beside"))
      const archive = yield* archiveOf(store)
      yield* Fiber.join(writing)
      const target = (yield* database).store
      yield* importInto(target, archive)
      assert.deepStrictEqual(recordsOf(yield* archiveOf(target)), recordsOf(archive))
      assert.deepStrictEqual(yield* findings(target), [])
    }))

  it.effect("moves to and from a stock Message DB, which has no place for attributes", () =>
    Effect.gen(function*() {
      const { url } = yield* MessageDb.makeDatabase()
      const stock = yield* Store.open(url, { announce: false })
      const source = yield* Archives.inMemory
      yield* source.append("account-1", [{ type: "A", data: { n: 1 } }, { type: "B", data: {} }])
      yield* source.append("other-1", { type: "A", data: {} })
      const archive = yield* archiveOf(source)
      assert.isTrue((yield* importInto(stock, archive)).keptPositions)
      const parsed = (text: string) => recordsOf(text).map((line) => JSON.parse(line))
      const fromStock = yield* archiveOf(stock)
      assert.deepStrictEqual(parsed(fromStock), parsed(archive))
      assert.deepStrictEqual(yield* findings(stock), [])
      const back = yield* Archives.inMemory
      yield* importInto(back, fromStock)
      assert.deepStrictEqual(recordsOf(yield* archiveOf(back)), recordsOf(fromStock))
      yield* on(source)(Streams.make({ category: "room" }).add({ id: "1" }))
      const unsupported = yield* Effect.flip(importInto(stock, yield* archiveOf(source)))
      assert.strictEqual(unsupported._tag, "Unsupported")
    }))

  it.effect("can be imported by a role with the rights of an application when positions are new; otherwise it says what to grant", () =>
    Effect.gen(function*() {
      const { store, url } = yield* database
      const role = yield* Role.make()
      const sql = yield* Database.session(url)
      yield* sql`GRANT message_store TO ${sql(role.name)}`
      const app = yield* Store.open(role.url(url), { announce: false })
      const source = yield* Archives.inMemory
      yield* source.append("account-1", { type: "A", data: {} })
      const archive = yield* archiveOf(source)
      const refused = yield* Effect.flip(importInto(app, archive))
      assert.strictEqual(refused._tag, "NotPermitted")
      assert.include(refused.message, "GRANT UPDATE ON SEQUENCE")
      assert.strictEqual(yield* store.lastPosition, 0)
      assert.strictEqual((yield* importInto(app, archive, { globalPositions: "new" })).written, 1)
      assert.deepStrictEqual(yield* findings(app), [])
    }))

  it.effect("continues after the server has gone away in the middle of its export and of its import", () =>
    Effect.gen(function*() {
      const server = yield* PostgresServer.start()
      const make = Effect.map(Database.make({ server: { url: server.url } }), ({ url }) => url)
      const [source, target] = [yield* make, yield* make]
      const whole = yield* temporaryFile("whole.ndjson")
      const path = yield* temporaryFile("killed.ndjson.gz")
      const first = yield* open(source)
      // More than an export reads ahead.
      yield* fillMany(first, 11_000)
      const { messages } = yield* on(first)(Archive.toFile(whole))
      const before = yield* archiveOf(first)

      // Each has written some chunks when the server goes away, and has more to do.
      const exporting = yield* Deferred.make<void>()
      const killed = yield* Deferred.make<void>()
      const exported = yield* Effect.forkChild(Effect.exit(
        on(first)(Archive.toFile(path, {
          onProgress: ({ messages }) =>
            messages === 0
              ? Effect.void
              : Effect.andThen(Deferred.succeed(exporting, undefined), Deferred.await(killed))
        }))
      ))
      const imported = yield* Effect.exit(
        on(yield* open(target))(Archive.fromFile(whole, {
          onProgress: ({ messages }) =>
            messages === 0
              ? Effect.void
              : Effect.andThen(
                Deferred.await(exporting),
                Effect.andThen(server.kill, Deferred.succeed(killed, undefined))
              )
        }))
      )
      assert.isTrue(Exit.isFailure(imported))
      assert.isTrue(Exit.isFailure(yield* Fiber.join(exported)))
      yield* server.restart
      const after = yield* open(target)
      const [here, there] = [
        yield* on(yield* open(source))(Archive.toFile(path)),
        yield* on(after)(Archive.fromFile(whole))
      ]
      assert.isTrue(here.isResumed)
      assert.strictEqual(here.messages, messages)
      assert.strictEqual(there.written + there.present, messages)
      assert.isTrue(there.written > 0 && there.present > 0)
      assert.deepStrictEqual(recordsOf(yield* archiveOf(after)), recordsOf(before))
      const fs = yield* FileSystem.FileSystem
      assert.deepStrictEqual(recordsOf(gunzipSync(yield* fs.readFile(path)).toString()), recordsOf(before))
    }))
})

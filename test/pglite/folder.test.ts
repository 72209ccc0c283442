import { assert, describe, it } from "@effect/vitest"
import { PGlite } from "@electric-sql/pglite"
import { Pglite } from "@eventfold/pglite"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { MessageStore } from "eventfold/MessageStore"
import { existsSync, statSync } from "node:fs"
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { vi } from "vitest"
import * as Child from "../support/Child.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "eventfold-pglite-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
)

/** A folder that does not exist yet. */
const newFolder = Effect.map(temporaryFolder, (folder) => join(folder, "data"))

const open = (dataDir?: string): Effect.Effect<Store.Store, Pglite.OpenError, Scope.Scope> =>
  Effect.map(
    Layer.build(Layer.fresh(Pglite.layer(dataDir === undefined ? {} : { dataDir }))),
    Context.get(MessageStore)
  )

/** Opens the folder, and closes it again after the use. */
const withStore = <A, E>(dataDir: string, use: (store: Store.Store) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.scoped(Effect.flatMap(open(dataDir), use))

const append = (store: Store.Store, streamName = "kept-1") =>
  Effect.map(store.append(streamName, Store.numbered(1)), (result) => result.version)

const script = fileURLToPath(new URL("child.ts", import.meta.url))

/** A process of its own, killed with the scope at the latest. */
const child = (
  mode: "append" | "hold",
  dataDir: string,
  account?: { readonly uid?: number; readonly gid?: number }
) => Child.start(script, [mode, dataDir], account)

describe("a data folder", () => {
  it.live("keeps what was appended, for one layer after another", () =>
    Effect.gen(function*() {
      const folder = yield* newFolder
      const id = "0198c0de-0000-7000-8000-000000000001"
      yield* withStore(folder, (store) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* append(store), 0)
          yield* store.append("kept-2", { id, type: "A", data: { text: "äöü" } })
        }))
      assert.strictEqual(yield* withStore(folder, (store) => append(store)), 1)
      yield* withStore(folder, (store) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(Store.positions(yield* Store.readStream(store, "kept-1")), [0, 1])
          const [message] = yield* Store.readStream(store, "kept-2")
          assert.deepStrictEqual(message?.data, { text: "äöü" })
          assert.strictEqual(message?.id, id)
          assert.strictEqual(yield* append(store, "kept-2"), 1)
        }))
    }))

  it.live("is made with the folders above it, whatever their names", () =>
    Effect.gen(function*() {
      const folder = join(yield* temporaryFolder, "with spaces", "ünï 折り", "it's \"quoted\" 100%", "data")
      assert.strictEqual(yield* withStore(folder, (store) => append(store)), 0)
      assert.isTrue(existsSync(join(folder, "initialized")))
    }))

  it.live("of a process that is killed again and again has all that it reported, and opens at once", () =>
    Effect.gen(function*() {
      const folder = yield* newFolder
      const reported: Array<string> = []
      for (const round of Store.upTo(3)) {
        yield* Effect.scoped(Effect.gen(function*() {
          const writer = yield* child("append", folder)
          yield* Child.says(writer, 60 + 45 * round)
          assert.isFalse(yield* writer.ended)
          yield* writer.kill
          assert.strictEqual(writer.lines[0], "open")
          reported.push(...writer.lines.slice(1))
        }))
      }
      const store = yield* within("for the folder to open")(open(folder))
      const last = new Map<string, number>()
      for (const line of reported) {
        const [stream = "", version = ""] = line.split(" ")
        // Across the processes, each append is where the one before it ended, or an unreported one further.
        const step = Number(version) - (last.get(stream) ?? -1)
        assert.isTrue(step > 0 && step % 2 === 0, line)
        last.set(stream, Number(version))
      }
      assert.strictEqual(last.size, 4)
      for (const [stream, version] of last) {
        const recorded = yield* Store.readStream(store, stream)
        assert.isAbove(recorded.length, version)
        assert.strictEqual(recorded.length % 2, 0)
        assert.deepStrictEqual(Store.positions(recorded), Store.upTo(recorded.length))
        assert.deepStrictEqual(Store.dataOf(recorded), recorded.map((_, i) => i % 2))
        assert.strictEqual(yield* append(store, stream), recorded.length)
      }
    }))

  it.live("is for one layer at a time: another of this process is told that it is in use", () =>
    Effect.gen(function*() {
      const folder = yield* newFolder
      yield* withStore(folder, (store) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(within("for a refusal")(Effect.scoped(open(folder))))
          assert.instanceOf(error, Pglite.FolderInUse)
          assert.include(error.message, folder)
          // The one that has it goes on.
          assert.strictEqual(yield* append(store), 0)
        }))
      const exits = yield* Effect.forEach(Store.upTo(3), () => Effect.exit(open(folder)), { concurrency: "unbounded" })
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 1)
    }))

  it.live("of another process is in use, until that one ends, also by SIGKILL", () =>
    Effect.gen(function*() {
      const folder = yield* newFolder
      const holder = yield* child("hold", folder)
      yield* Child.says(holder, 1)
      assert.deepStrictEqual(holder.lines, ["open"])
      assert.instanceOf(yield* Effect.flip(Effect.scoped(open(folder))), Pglite.FolderInUse)
      yield* holder.kill
      yield* withStore(folder, (store) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* append(store), 0)
          const other = yield* child("hold", folder)
          yield* Child.says(other, 1)
          assert.deepStrictEqual(other.lines, [`FolderInUse: ${new Pglite.FolderInUse({ dataDir: folder }).message}`])
        }))
    }))

  it.live("whose first start was killed half way is started afresh", () =>
    Effect.gen(function*() {
      const killedHalfWay = Effect.gen(function*() {
        const folder = yield* newFolder
        const first = yield* child("hold", folder)
        yield* until(
          "the first start has begun to write",
          Effect.sync(() => existsSync(join(folder, "pgdata", "PG_VERSION")))
        )
        yield* first.kill
        return { folder, isHalfWay: first.lines.length === 0 && !existsSync(join(folder, "initialized")) }
      })
      // On a busy machine the kill may come too late.
      const { folder } = yield* Effect.repeat(killedHalfWay, { until: ({ isHalfWay }) => isHalfWay })
      // Or with less luck.
      yield* Effect.promise(() => rm(join(folder, "pgdata", "global"), { recursive: true, force: true }))
      assert.strictEqual(yield* withStore(folder, (store) => append(store)), 0)
      assert.isTrue(existsSync(join(folder, "initialized")))
    }))
})

/** The refusal of a folder: one that fits into a line. */
const unusable = Effect.fnUntraced(function*(dataDir: string) {
  const error = yield* Effect.flip(within("for a refusal")(Effect.scoped(open(dataDir))))
  assert(error instanceof Pglite.FolderUnusable, String(error))
  assert.include(error.message, dataDir)
  assert.notInclude(error.message, "\n")
  return error
})

describe("a data folder that can't be one", () => {
  it.live("a file, and what would be below one", () =>
    Effect.gen(function*() {
      const file = join(yield* temporaryFolder, "file")
      yield* Effect.promise(() => writeFile(file, "mine"))
      assert.include((yield* unusable(file)).message, "it is a file: name a folder")
      assert.include((yield* unusable(join(file, "data"))).message, "it would be below a file: name a folder")
    }))

  it.live("a data folder of PostgreSQL itself, which is left as it is", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      yield* Effect.promise(() => writeFile(join(folder, "PG_VERSION"), "18\n"))
      assert.include((yield* unusable(folder)).message, "name another one")
      assert.isFalse(existsSync(join(folder, "pgdata")))
      assert.isFalse(existsSync(join(folder, "lock")))
    }))

  it.live("one whose data is damaged or has gone, which is not a new one", () =>
    Effect.gen(function*() {
      const folder = yield* newFolder
      yield* withStore(folder, (store) => append(store))
      yield* Effect.promise(() => rm(join(folder, "pgdata", "global"), { recursive: true }))
      yield* unusable(folder)
      yield* Effect.promise(() => rm(join(folder, "pgdata"), { recursive: true }))
      assert.include((yield* unusable(folder)).message, "is missing")
      assert.isFalse(existsSync(join(folder, "pgdata")))
    }))

  it.live("one of another version of PostgreSQL", () =>
    Effect.gen(function*() {
      const folder = yield* newFolder
      yield* withStore(folder, (store) => append(store))
      yield* Effect.promise(() => writeFile(join(folder, "pgdata", "PG_VERSION"), "15\n"))
      const { message } = yield* unusable(folder)
      assert.include(message, "its data is that of another version of PostgreSQL")
      assert.include(message, "initialized by PostgreSQL version 15")
    }))

  it.live("one with files of somebody else, which stay as they are", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const own = join(folder, "pgdata", "own")
      yield* Effect.promise(() => mkdir(own, { recursive: true }))
      assert.include((yield* unusable(folder)).message, "it has pgdata and no lock: name an empty folder")
      assert.isTrue(existsSync(own))
      assert.isFalse(existsSync(join(folder, "lock")))
    }))

  it.live.each([
    [51, "there is no room left on its disk: make room, or name a folder on another disk (No space left on device)"],
    [69, "its file system is read-only: name a folder that can be written (Read-only file system)"],
    [29, "Input/output error"]
  ])(
    "one whose file system refuses with error %i of WASI, which is no Error",
    ([errno, detail]) =>
      Effect.gen(function*() {
        const folder = yield* newFolder
        yield* Effect.acquireRelease(
          Effect.sync(() =>
            vi.spyOn(PGlite.prototype, "_initArrayTypes").mockRejectedValue({ name: "ErrnoError", errno })
          ),
          (spy) => Effect.sync(() => spy.mockRestore())
        )
        assert.strictEqual((yield* unusable(folder)).detail, detail)
      })
  )

  /** Root may write everywhere: then it takes another user, who can read the checkout. */
  const isRoot = process.getuid?.() === 0
  const ancestors = (path: string): ReadonlyArray<string> =>
    dirname(path) === path ? [path] : [path, ...ancestors(dirname(path))]
  const isPublic = ancestors(dirname(script)).every((path) => (statSync(path).mode & 0o001) !== 0)

  it.live.skipIf(isRoot && !isPublic)("one that may not be written", () =>
    Effect.gen(function*() {
      const parent = yield* temporaryFolder
      const folder = join(parent, "folder")
      yield* Effect.promise(async () => {
        await mkdir(folder)
        await chmod(folder, 0o555)
        await chmod(parent, 0o755)
      })
      for (const dataDir of [folder, join(folder, "data")]) {
        const other = yield* child("hold", dataDir, isRoot ? { uid: 65_534, gid: 65_534 } : {})
        yield* Child.says(other, 1)
        yield* until("it has ended", other.ended)
        assert.lengthOf(other.lines, 1)
        assert.include(
          other.lines[0],
          `FolderUnusable: the data folder ${dataDir} cannot be used: this process may not write there`
        )
      }
    }))
})

it.live("stores in memory have nothing in common", () =>
  Effect.gen(function*() {
    const [first, second] = yield* Effect.all([open(), open()], { concurrency: 2 })
    yield* first.append("own-1", Store.numbered(3))
    assert.strictEqual(yield* append(second, "own-1"), 0)
    assert.lengthOf(yield* Store.readStream(first, "own-1"), 3)
    assert.lengthOf(yield* Store.readStream(second, "own-1"), 1)
    const third = yield* open()
    assert.deepStrictEqual(yield* Store.readStream(third, "own-1"), [])
  }))

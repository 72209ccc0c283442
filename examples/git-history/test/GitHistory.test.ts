import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Program from "@eventfold/example-command-line/Program"
import { Effect, FileSystem, HashMap, Layer, Option, Stream } from "effect"
import { TestConsole } from "effect/testing"
import * as MessageStore from "eventfold/MessageStore"
import { StoreError } from "eventfold/StoreError"
import * as FileId from "../src/FileId.ts"
import * as Git from "../src/Git.ts"
import * as GitHistory from "../src/GitHistory.ts"
import * as History from "../src/History.ts"
import * as Report from "../src/Report.ts"
import * as Repo from "./support/repository.ts"

const noTick = () => Effect.void

/** Opens, records and folds, as the program does. */
const record = Effect.fnUntraced(function*(folder: string) {
  const repository = yield* Git.open(folder)
  const before = yield* History.checkpoint(repository)
  const after = yield* History.record(repository, before, noTick)
  return { repository, before, after, files: yield* History.fold(repository, noTick) }
})

const aliveIds = (files: ReadonlyMap<string, History.FileState>) =>
  [...files].filter(([, file]) => file.alive).map(([id]) => id).sort()

/** What the program says is alive, against what git says. Gives their number. */
const assertAlive = Effect.fnUntraced(function*(folder: string, files: ReadonlyMap<string, History.FileState>) {
  const paths = yield* Repo.livePaths(folder)
  assert.deepStrictEqual(aliveIds(files), paths.map(FileId.fromPath).sort())
  assert.strictEqual(Report.summarize(files).alive, paths.length)
  return paths.length
})

const messages = Effect.gen(function*() {
  const store = yield* MessageStore.MessageStore
  const of = (category: string) => Stream.runCollect(store.readCategory(category))
  return { file: yield* of("file"), repository: yield* of("repository") }
})

const nasty: ReadonlyArray<string | Uint8Array> = [
  "with space",
  " leading and trailing ",
  `"double" and 'single'`,
  "back\\slash",
  "-leading-dash",
  "--option=1",
  "new\nline",
  "\nonly at the start",
  "tab\tand\u001b[31mescape",
  "naïve",
  "nai\u0308ve",
  "日本語/ファイル😀.txt",
  "\uFEFFmark",
  "mark",
  "100%25",
  "100%",
  "c++/a+b+c",
  "A",
  "M",
  "a".repeat(40),
  "long/".repeat(700) + "1",
  "long/".repeat(700) + "2",
  Uint8Array.of(0xff, 0xfe, 0x0a),
  Uint8Array.of(0xff, 0xfd, 0x0a),
  "%FF%FE%0A",
  "constructor",
  "__proto__"
]

const fresh = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, Layer.fresh(MessageStore.layerMemory))

const fromMain = (branch: string) => ({ branch, from: "refs/heads/main" })

/** More changes than are written at once. */
const large = (content: string) =>
  Repo.commit(Array.from({ length: 2_500 }, (_, file) => Repo.write(`large/${file}`, content)))

const openFailure = (path: string) => Effect.map(Effect.flip(Git.open(path)), ({ _tag }) => _tag)

it.layer(NodeServices.layer, { excludeTestServices: true })("GitHistory", (it) => {
  it.effect("tells files with any path apart", () =>
    Effect.gen(function*() {
      const folder = yield* Repo.empty()
      yield* Repo.importCommits(folder, [
        Repo.commit(nasty.map((path) => Repo.write(path, "1"))),
        Repo.commit(nasty.map((path) => Repo.write(path, "2"))),
        Repo.commit(nasty.filter((_, i) => i % 3 === 0).map((path) => Repo.remove(path)))
      ])
      const { after, files } = yield* record(folder)
      assert.strictEqual(files.size, nasty.length)
      assert.strictEqual(yield* assertAlive(folder, files), nasty.length - Math.ceil(nasty.length / 3))
      assert.strictEqual(after.changes, 2 * nasty.length + Math.ceil(nasty.length / 3))
    }).pipe(fresh))

  it.effect("follows what can happen to a file", () =>
    Effect.gen(function*() {
      const folder = yield* Repo.empty()
      const [one, other] = ["1".repeat(40), "2".repeat(40)]
      yield* Repo.importCommits(folder, [
        Repo.commit([]),
        Repo.commit([
          Repo.write("file", "1"),
          Repo.write("link", "1"),
          Repo.write("both", "1"),
          Repo.write("moved", "m")
        ]),
        // Nothing but the mode; then a link; then a file again.
        Repo.commit([Repo.write("file", "1", "100755")]),
        Repo.commit([Repo.write("link", "target", "120000")], { author: "Grace" }),
        Repo.commit([]),
        Repo.commit([Repo.write("link", "1")]),
        // A file becomes a folder, and back.
        Repo.commit([Repo.remove("both"), Repo.write("both/inside", "1"), Repo.write("both/below/it", "1")]),
        Repo.commit([Repo.remove("both/inside"), Repo.remove("both/below/it"), Repo.write("both", "2")]),
        Repo.commit([Repo.remove("moved"), Repo.write("moved to", "m")]),
        // A submodule comes, changes, and is replaced by a file.
        Repo.commit([
          Repo.write(".gitmodules", "[submodule \"sub\"]\n\tpath = sub\n\turl = ./sub\n\tignore = all\n"),
          Repo.submodule("sub", one)
        ]),
        Repo.commit([Repo.submodule("sub", other)]),
        Repo.commit([Repo.remove("sub"), Repo.write("sub", "1")]),
        Repo.commit([])
      ])
      const { after, files } = yield* record(folder)
      yield* assertAlive(folder, files)
      assert.strictEqual(after.commits, 13)
      const events = (yield* messages).file.map((
        { streamName, type }
      ) => [streamName.split("/").slice(1).join("/"), type])
      const of = (file: string) => events.filter(([name]) => name === file).map(([, type]) => type)
      assert.deepStrictEqual(of("file"), ["Added", "Modified"])
      assert.deepStrictEqual(of("link"), ["Added", "TypeChanged", "TypeChanged"])
      assert.deepStrictEqual(of("both"), ["Added", "Deleted", "Added"])
      assert.deepStrictEqual(of("both/inside"), ["Added", "Deleted"])
      assert.deepStrictEqual(of("moved"), ["Added", "Deleted"])
      assert.deepStrictEqual(of("moved to"), ["Added"])
      assert.deepStrictEqual(of("sub"), ["Added", "Modified", "TypeChanged"])
      const link = files.get("link")
      assert.deepStrictEqual([...link?.authors ?? HashMap.empty()].sort(), [["Ada", 2], ["Grace", 1]])
    }).pipe(fresh))

  it.effect("takes a merge for one change of the line it was merged into", () =>
    Effect.gen(function*() {
      const folder = yield* Repo.empty()
      yield* Repo.importCommits(folder, [
        Repo.commit([Repo.write("base", "1"), Repo.write("gone", "1")]),
        Repo.commit([Repo.write("a", "1"), Repo.write("a", "1")], fromMain("a")),
        Repo.commit([Repo.write("a2", "1"), Repo.remove("gone")], { branch: "a" }),
        Repo.commit([Repo.write("b", "1"), Repo.write("base", "b")], fromMain("b")),
        Repo.commit([Repo.write("c", "1")], fromMain("c")),
        Repo.commit([Repo.write("main", "1")]),
        // An octopus; fast-import takes the first parent's tree and what is given.
        Repo.commit(
          [
            Repo.write("a", "1"),
            Repo.write("a2", "1"),
            Repo.write("b", "1"),
            Repo.write("base", "b"),
            Repo.write("c", "1"),
            Repo.remove("gone")
          ],
          { merge: ["refs/heads/a", "refs/heads/b", "refs/heads/c"], author: "Merger" }
        ),
        Repo.commit([Repo.write("base", "d")], fromMain("d")),
        // An evil one, with a change that no parent has; and one that takes nothing from the other side.
        Repo.commit([Repo.write("base", "evil"), Repo.write("evil", "1")], { merge: ["refs/heads/d"] }),
        Repo.commit([Repo.write("lost", "1")], fromMain("e")),
        Repo.commit([], { merge: ["refs/heads/e"] })
      ])
      const { after, files } = yield* record(folder)
      yield* assertAlive(folder, files)
      assert.deepStrictEqual([after.commits, after.changes, files.size], [5, 11, 8])
      assert.deepStrictEqual([...files.get("c")?.authors ?? []], [["Merger", 1]])
      assert.isUndefined(files.get("lost"))
    }).pipe(fresh))

  it.effect("does not depend on the configuration", () =>
    Effect.gen(function*() {
      const folder = yield* Repo.empty()
      const settings = {
        "core.quotePath": "true",
        "diff.ignoreSubmodules": "all",
        "diff.relative": "true",
        "diff.renames": "copies",
        "log.diffMerges": "combined",
        "log.follow": "true",
        "log.showRoot": "false",
        "log.showSignature": "true",
        "color.ui": "always",
        "format.pretty": "oneline"
      }
      yield* Effect.forEach(Object.entries(settings), ([key, value]) => Repo.git(folder, ["config", key, value]))
      yield* Repo.importCommits(folder, [
        Repo.commit([
          Repo.write("sub/é", "some text\n"),
          Repo.write("top", "1"),
          Repo.submodule("module", "1".repeat(40))
        ]),
        Repo.commit([Repo.write("side", "1")], { branch: "side", from: "refs/heads/main" }),
        Repo.commit([Repo.remove("sub/é"), Repo.write("sub/moved", "some text\n")]),
        Repo.commit([Repo.remove("module"), Repo.write("side", "1")], { merge: ["refs/heads/side"] })
      ])
      yield* Repo.git(folder, ["reset", "--quiet", "--hard"])
      const { after, files } = yield* record(`${folder}/sub`)
      assert.strictEqual(yield* assertAlive(folder, files), 3)
      assert.deepStrictEqual([after.commits, after.changes], [3, 7])
    }).pipe(fresh))

  it.effect("reads bare, shallow and SHA-256 repositories", () =>
    Effect.gen(function*() {
      const bare = yield* Repo.empty("--bare")
      yield* Repo.importCommits(bare, [
        Repo.commit([Repo.write("old", "1")]),
        Repo.commit([Repo.write("new", "1")]),
        Repo.commit([Repo.remove("old")])
      ])
      const whole = yield* record(bare)
      assert.deepStrictEqual([yield* assertAlive(bare, whole.files), whole.after.commits], [1, 3])

      const shallow = yield* Program.temporaryFolder
      yield* Repo.git(shallow, ["clone", "--quiet", "--depth=2", `file://${bare}`, "."])
      const part = yield* record(shallow)
      assert.deepStrictEqual([yield* assertAlive(shallow, part.files), part.after.commits, part.files.size], [1, 2, 2])

      const sha256 = yield* Repo.empty("--object-format=sha256")
      yield* Repo.importCommits(sha256, [Repo.commit([Repo.write("1", "1")]), Repo.commit([Repo.write("2", "1")])])
      const { after, files } = yield* record(sha256)
      assert.deepStrictEqual([yield* assertAlive(sha256, files), after.commits], [2, 2])
    }).pipe(fresh))

  it.effect("reads commits with times that no calendar has, and authors with names that objects have", () =>
    Effect.gen(function*() {
      const folder = yield* Repo.empty()
      yield* Repo.importCommits(folder, [
        Repo.commit([Repo.write("1", "1")], { seconds: 99_999_999_999_999, author: "__proto__" }),
        Repo.commit([Repo.write("1", "2")], { seconds: 253_402_300_800, author: "constructor" }),
        Repo.commit([Repo.write("1", "3")], { seconds: 0, author: "" })
      ])
      const { files } = yield* record(folder)
      const names = Report.summarize(files).authors.map(({ changes, name }) => [name, changes])
      assert.deepStrictEqual(names, [["", 1], ["__proto__", 1], ["constructor", 1]])
      assert.include(Report.tables(Report.summarize(files), 10), "1970-01-01")
    }).pipe(fresh))

  it.effect("appends only what is new when it runs again", () =>
    Effect.gen(function*() {
      const folder = yield* Repo.empty()
      yield* Repo.importCommits(folder, [
        Repo.commit([Repo.write("a", "1"), Repo.write("b", "1")]),
        Repo.commit([Repo.write("a", "2")])
      ])
      const first = yield* record(folder)
      const earlier = yield* messages
      const again = yield* record(folder)
      assert.deepStrictEqual(again.after, first.after)
      assert.deepStrictEqual(yield* messages, earlier)

      yield* Repo.importCommits(folder, [
        Repo.commit([Repo.remove("b"), Repo.write("c", "1")], { from: "refs/heads/main^0" }),
        Repo.commit([])
      ])
      const { after, before, files } = yield* record(folder)
      yield* assertAlive(folder, files)
      assert.deepStrictEqual([before.commits, after.commits, before.changes, after.changes], [2, 4, 3, 5])
      const now = yield* messages
      assert.deepStrictEqual(now.file.slice(0, 3), earlier.file)
      assert.deepStrictEqual(now.file.slice(3).map(({ type }) => type).sort(), ["Added", "Deleted"])
    }).pipe(fresh))

  it.effect("is exact after a run that broke off anywhere", () =>
    Effect.gen(function*() {
      const folder = yield* Repo.empty()
      const small = Array.from({ length: 40 }, (_, i) =>
        Repo.commit([
          ...Array.from({ length: 100 }, (_, file) => Repo.write(`${(i * 37 + file) % 500}`, `${i}`)),
          ...i === 0 ? [] : [Repo.remove(`${(i - 1) * 37 % 500}`)]
        ]))
      yield* Repo.importCommits(folder, [large("1"), ...small, large("2"), Repo.commit([])])
      const expected = yield* fresh(record(folder))

      const store = yield* MessageStore.MessageStore
      let calls = 0
      // Every other call fails, before or after it has written: the program never learns what became of it.
      const failing = MessageStore.MessageStore.of({
        ...store,
        writeAll: (appends) => {
          const failure = new StoreError({ operation: "writeAll", reason: "lost", isRetryable: true })
          const call = calls++ % 4
          return call === 1
            ? failure
            : call === 3
            ? Effect.andThen(store.writeAll(appends), failure)
            : store.writeAll(appends)
        }
      })
      let runs = 1
      yield* record(folder).pipe(
        Effect.tapErrorTag("StoreError", () => Effect.sync(() => runs++)),
        Effect.retry({ while: ({ _tag }) => _tag === "StoreError" }),
        Effect.provideService(MessageStore.MessageStore, failing)
      )
      assert.isAbove(runs, 4)
      const { after, files } = yield* record(folder)
      yield* assertAlive(folder, files)
      assert.deepStrictEqual([after.commits, after.changes], [expected.after.commits, expected.after.changes])
      assert.deepStrictEqual(new Map(files), new Map(expected.files))
    }).pipe(fresh))

  it.effect("does not let two runs record the same commits", () =>
    Effect.gen(function*() {
      const folder = yield* Repo.empty()
      yield* Repo.importCommits(folder, [Repo.commit([Repo.write("a", "1")])])
      const repository = yield* Git.open(folder)
      const before = yield* History.checkpoint(repository)
      yield* History.record(repository, before, noTick)
      const error = yield* Effect.flip(History.record(repository, before, noTick))
      assert.strictEqual(error._tag, "WrongExpectedVersion")
      assert.strictEqual((yield* messages).file.length, 1)
    }).pipe(fresh))

  it.effect("keeps repositories in one store apart", () =>
    Effect.gen(function*() {
      const folders = [yield* Repo.empty(), yield* Repo.empty()]
      for (const [i, folder] of folders.entries()) {
        yield* Repo.importCommits(folder, [Repo.commit([Repo.write("same", `${i}`), Repo.write(`only ${i}`, "1")])])
        yield* record(folder)
      }
      for (const folder of folders) {
        const { before, files, repository } = yield* record(folder)
        assert.deepStrictEqual([yield* assertAlive(folder, files), before.commits], [2, repository.commits])
      }
    }).pipe(fresh))

  it.effect("refuses a history that does not continue the recorded one", () =>
    Effect.gen(function*() {
      const folder = yield* Repo.empty()
      yield* Repo.importCommits(folder, [
        Repo.commit([Repo.write("a", "1")]),
        Repo.commit([Repo.write("b", "1")], { branch: "other", from: "refs/heads/main" }),
        Repo.commit([Repo.write("a", "2")])
      ])
      yield* record(folder)
      const earlier = yield* messages
      const refuses = Effect.gen(function*() {
        const error = yield* Effect.flip(record(folder))
        assert.strictEqual(error._tag, "HistoryRewritten")
        assert.deepStrictEqual(yield* messages, earlier)
      })
      // Another branch of the same length; an older commit; one that has the recorded commit as its second parent.
      yield* Repo.git(folder, ["symbolic-ref", "HEAD", "refs/heads/other"])
      yield* refuses
      yield* Repo.git(folder, ["update-ref", "--no-deref", "HEAD", "main~1"])
      yield* refuses
      yield* Repo.importCommits(folder, [
        Repo.commit([Repo.write("a", "2")], {
          branch: "swapped",
          from: "refs/heads/other^0",
          merge: ["refs/heads/main^0"]
        })
      ])
      yield* Repo.git(folder, ["symbolic-ref", "HEAD", "refs/heads/swapped"])
      yield* refuses
      yield* Repo.git(folder, ["symbolic-ref", "HEAD", "refs/heads/main"])
      yield* record(folder)
    }).pipe(fresh))

  it.effect("folds a file as its entity does", () =>
    Effect.gen(function*() {
      const folder = yield* Repo.empty()
      yield* Repo.importCommits(folder, [
        Repo.commit([Repo.write("a", "1")]),
        Repo.commit([Repo.write("a", "2"), Repo.write("b", "1")], { author: "Grace" }),
        Repo.commit([Repo.remove("a")])
      ])
      const { files, repository } = yield* record(folder)
      for (const name of ["a", "b"]) {
        const id = History.fileId(repository, new TextEncoder().encode(name))
        const { state } = yield* History.FileEntity.load(id)
        assert.deepStrictEqual(files.get(name), state)
      }
      const a = files.get("a")
      assert.deepStrictEqual([a?.alive, a?.changes, Option.isSome(a?.first ?? Option.none())], [false, 3, true])
    }).pipe(fresh))

  it.effect("names what is wrong with the repository", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* Program.temporaryFolder
      yield* fs.writeFileString(`${folder}/file`, "")
      assert.strictEqual(yield* openFailure(folder), "NotARepository")
      assert.strictEqual(yield* openFailure(`${folder}/missing`), "NotARepository")
      assert.strictEqual(yield* openFailure(`${folder}/file`), "NotARepository")
      assert.strictEqual(yield* openFailure(yield* Repo.empty()), "NoCommits")
    }))
})

describe("the report", () => {
  it.effect("ends with the totals", () =>
    Effect.gen(function*() {
      const folder = yield* Repo.empty()
      yield* Repo.importCommits(folder, [
        Repo.commit([Repo.write("a\u001b[31m\n", "1"), Repo.write("b", "1")], { author: "Eve\u001b[31m" }),
        Repo.commit([Repo.write("b", "2"), Repo.remove("a\u001b[31m\n")], { author: "日本 語" })
      ])
      yield* GitHistory.run(yield* Git.open(folder), 10)
      const lines = (yield* TestConsole.logLines).map(String)
      assert.strictEqual(lines.at(-1), "alive=1 files=2 commits=2 messages=4")
      assert.notInclude(lines.join("\n"), "\u001b")
      assert.include(lines.join("\n"), "a%1B[31m%0A (deleted)")
    }).pipe(Effect.provide([NodeServices.layer, MessageStore.layerMemory])))
})

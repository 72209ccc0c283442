import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import * as Program from "@eventfold/example-command-line/Program"
import { Effect, FileSystem } from "effect"
import { fileURLToPath } from "node:url"
import * as Repo from "./support/repository.ts"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

/** Runs the program as a user does. */
const run = (folder: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  Effect.map(
    Program.make(main, env).run(folder, args),
    (outcome) => ({ ...outcome, lastLine: outcome.stdout.trimEnd().split("\n").at(-1) })
  )

const assertOneLineError = (result: Effect.Success<ReturnType<typeof run>>, pattern: RegExp) => {
  assert.strictEqual(result.code, 1)
  assert.strictEqual(result.stdout, "")
  assert.match(result.stderr, /^error: [^\n]+\n$/)
  assert.match(result.stderr, pattern)
}

it.layer(NodeServices.layer, { excludeTestServices: true })("the demo", (it) => {
  it.effect("keeps its store in a folder, and records only what is new", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const [folder, repository] = [yield* Program.temporaryFolder, yield* Repo.empty()]
      yield* Repo.importCommits(repository, [
        Repo.commit([Repo.write("a", "1"), Repo.write("line\nbreak", "1")]),
        Repo.commit([Repo.remove("a")])
      ])
      const first = yield* run(folder, [repository])
      assert.strictEqual(first.lastLine, "alive=1 files=2 commits=2 messages=3")
      assert.match(first.stdout, /^new commits: 2, new messages: 3\n/)
      assert.deepStrictEqual([first.stderr, first.code], ["", 0])
      assert.isTrue(yield* fs.exists(`${folder}/.eventfold`))

      yield* Repo.importCommits(repository, [Repo.commit([Repo.write("b", "1")], { from: "refs/heads/main^0" })])
      const second = yield* run(folder, [repository])
      assert.strictEqual(second.lastLine, "alive=2 files=3 commits=3 messages=4")
      assert.match(second.stdout, /^new commits: 1, new messages: 1\n/)

      const memory = yield* run(repository, ["--store", "memory"], { GIT_DIR: `${folder}/other` })
      assert.strictEqual(memory.lastLine, second.lastLine)

      yield* Repo.git(repository, ["update-ref", "refs/heads/main", "main~1"])
      assertOneLineError(yield* run(folder, [repository]), /--data/)
    }))

  it.effect("ends quietly when its reader does", () =>
    Effect.gen(function*() {
      const [folder, repository] = [yield* Program.temporaryFolder, yield* Repo.empty()]
      yield* Repo.importCommits(repository, [Repo.commit([Repo.write("a", "1")])])
      assert.strictEqual(yield* Program.make(main).unread(folder, [repository]), "exit code 0\n")
    }))

  it.effect("says in one line what is wrong", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const [folder, repository] = [yield* Program.temporaryFolder, yield* Repo.empty()]
      assertOneLineError(yield* run(folder, []), /is not a git repository/)
      assertOneLineError(yield* run(folder, [`${folder}/mis\nsing`]), /is not a git repository/)
      assertOneLineError(yield* run(folder, [repository]), /has no commits yet/)
      assertOneLineError(yield* run(folder, [repository], { PATH: folder }), /git was not found/)
      yield* Repo.importCommits(repository, [Repo.commit([Repo.write("a", "1")])])
      yield* fs.writeFileString(`${folder}/taken`, "")
      assertOneLineError(yield* run(folder, [repository, "--data", "taken"]), /taken/)
      const server = "postgres://nobody:secret@127.0.0.1:1/none"
      const refused = yield* run(folder, [repository, "--store", server])
      assertOneLineError(refused, /no PostgreSQL server answers/)
      assert.notInclude(refused.stderr, "secret")
      assert.deepStrictEqual(yield* fs.readDirectory(folder), ["taken"])
    }))

  it.effect("shows its help for a wrong flag", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* run(yield* Program.temporaryFolder, ["--store", "mysql://host"])
      assert.strictEqual(code, 1)
      assert.include(stdout + stderr, "USAGE")
      assert.include(stdout + stderr, "must be embedded, memory or a URL")
    }))
})

import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import * as Stream from "effect/Stream"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { open, own } from "../Checkout.ts"

/** What is said of a folder in which only these files are. */
const refusalOf = Effect.fnUntraced(function*(files: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  for (const file of files) {
    yield* fs.makeDirectory(dirname(join(folder, file)), { recursive: true })
    yield* fs.writeFileString(join(folder, file), "")
  }
  const error = yield* Effect.flip(open(folder))
  assert.strictEqual(error._tag, "CheckoutError")
  return error.message.replace(folder, "it")
})

describe("a checkout", () => {
  it.effect("that does not exist, or is of another project, is refused", () =>
    Effect.gen(function*() {
      const missing = yield* Effect.flip(open("/does/not/exist"))
      assert.strictEqual(missing._tag, "CheckoutError")
      assert.strictEqual(missing.message, "/does/not/exist does not exist")
      assert.strictEqual(
        yield* refusalOf(["package.json"]),
        "it is not a checkout of eventfold: packages/eventfold/package.json is missing"
      )
    }).pipe(Effect.provide(NodeServices.layer)))

  it.effect("that is a file is refused", () =>
    Effect.gen(function*() {
      const file = fileURLToPath(import.meta.url)
      const error = yield* Effect.flip(open(file))
      assert.strictEqual(error._tag, "CheckoutError")
      assert.strictEqual(error.message, `${file} is not a checkout of eventfold: it is not a folder`)
    }).pipe(Effect.provide(NodeServices.layer)))

  it.effect("without its dependencies is refused with what to run there", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* refusalOf(["packages/eventfold/package.json"]),
        "it has no dependencies: run `npx pnpm install` there"
      )
    }).pipe(Effect.provide(NodeServices.layer)))

  it.effect("with them is opened, as this one", () =>
    Effect.gen(function*() {
      const { folder } = yield* own
      assert.strictEqual((yield* open(folder)).folder, folder)
    }).pipe(Effect.provide(NodeServices.layer)))
})

describe("bench --against", () => {
  const main = fileURLToPath(new URL("../main.ts", import.meta.url))

  /** What the program prints as its error, and its exit code. */
  const run = Effect.fnUntraced(function*(args: ReadonlyArray<string>) {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const child = yield* spawner.spawn(ChildProcess.make(process.execPath, [main, "--against", ...args]))
    const [stderr, code] = yield* Effect.all([Stream.mkString(Stream.decodeText(child.stderr)), child.exitCode], {
      concurrency: "unbounded"
    })
    return { stderr, code: Number(code) }
  }, Effect.scoped)

  it.live("exits with 1, and names the rows when no code of eventfold runs in them", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run([".", "limit-stream-whole"]), {
        stderr: "Nothing to compare: no code of eventfold runs in limit-stream-whole, limit-stream-whole-server\n",
        code: 1
      })
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("exits with 1, and names a file that is no checkout", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run([main, "append-1"]), {
        stderr: `${main} is not a checkout of eventfold: it is not a folder\n`,
        code: 1
      })
    }).pipe(Effect.provide(NodeServices.layer)))
})

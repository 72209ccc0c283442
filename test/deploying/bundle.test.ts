/**
 * A program in one file, made as docs/deploying.md says: it runs where there is no `node_modules`.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { rolldown } from "rolldown"
import * as Database from "../support/Database.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "eventfold-bundle-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const bundleInto = async (file: string) => {
  const build = await rolldown({
    input: fileURLToPath(new URL("program.ts", import.meta.url)),
    platform: "node",
    external: [/^@electric-sql\//]
  })
  await build.write({ file, format: "esm", minify: true })
  await build.close()
}

layer(Database.layer(), { excludeTestServices: true })("a program in one file", (it) => {
  it.effect("decides on PostgreSQL without any package beside it", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const cwd = yield* folder
      const file = join(cwd, "main.mjs")
      yield* Effect.promise(() => bundleInto(file))
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(cwd)), ["main.mjs"])
      const run = () => promisify(execFile)(process.execPath, [file], { cwd, env: { DATABASE_URL: url } })
      assert.strictEqual((yield* Effect.promise(run)).stdout.trim(), "account 1 has 500")
      assert.strictEqual((yield* Effect.promise(run)).stdout.trim(), "account 1 has 1000")
    }))
})

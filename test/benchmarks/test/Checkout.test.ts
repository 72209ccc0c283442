import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { dirname, join } from "node:path"
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

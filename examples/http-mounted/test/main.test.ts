import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import * as Program from "@eventfold/example-command-line/Program"
import { Effect, FileSystem } from "effect"
import { fileURLToPath } from "node:url"

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const board = Program.make(file("../src/main.ts"))

it.live("the hour is that of the README", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const printed = yield* board.prints(yield* Program.temporaryFolder, "")
    const [, , , shown] = (yield* fs.readFileString(file("../README.md"))).split("```")
    assert.strictEqual(`\n${printed}\n`, shown)
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import * as Program from "@eventfold/example-command-line/Program"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { fileURLToPath } from "node:url"
import type { Report } from "../Report.ts"

const bench = Program.make(fileURLToPath(new URL("../main.ts", import.meta.url)))

const report: Report = {
  machine: { cores: 2, model: "", memoryGiB: 8, platform: "linux x64" },
  versions: { postgres: "18.4", node: "24.21.0", emmett: "0.42.0", messageDb: "1.3.0" },
  durability: { fsync: "on", synchronous_commit: "on" },
  date: "2026-01-02T03:04:05.000Z",
  effort: { rounds: 9, millis: 300, warmUp: 8_000 },
  rows: []
}

it.live("ends quietly when its reader does", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* Program.temporaryFolder
    yield* fs.writeFileString(`${folder}/report.json`, JSON.stringify(report))
    for (const args of ["--help", "--from report.json"]) {
      assert.strictEqual(yield* bench.unread(folder, args), "exit code 0\n", args)
    }
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

/**
 * Each row of the table in docs/messagestore.md that has a counterpart here names tests, and they exist.
 */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")

const read = (file: string): string => readFileSync(join(root, file), "utf8")

const all = (text: string, pattern: RegExp): ReadonlyArray<string> =>
  [...text.matchAll(pattern)].map(([, found = ""]) => found)

const files = [
  "packages/testing/src/internal/messageStoreSuite/streams.ts",
  "test/postgres/streams.test.ts",
  "test/postgres/faults.test.ts"
]

const declared = new Set(files.flatMap((file) => all(read(file), /it\.effect\("([^"]+)"/g)))

const guide = read("docs/messagestore.md")

/** The cells of the rows below the head of the table of calls. */
const rows = ((guide.split("## Messagestore's calls")[1] ?? "").split("\n## ")[0] ?? "")
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .slice(2)
  .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()))

describe("docs/messagestore.md", () => {
  it("names a test for each call that is here", () => {
    assert.isAbove(rows.length, 15)
    const without = rows.filter(([, , here = "", , tests = ""]) => here !== "" && all(tests, /_([^_]+)_/g).length === 0)
    assert.deepStrictEqual(without, [])
  })

  it("names tests and files that exist", () => {
    const named = rows.flatMap(([, , , , tests = ""]) => all(tests, /_([^_]+)_/g))
    assert.deepStrictEqual(named.filter((name) => !declared.has(name)), [])
    for (const file of files) assert.include(guide, `\`${file}\``)
  })
})

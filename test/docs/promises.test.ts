/**
 * The tests that docs/promises.md and the decision records name exist: files and folders by their paths, and the groups of the
 * conformance suites by their names.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, globSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")

const read = (file: string): string => readFileSync(join(root, file), "utf8")

const all = (text: string, pattern: RegExp): ReadonlyArray<string> => [
  ...new Set([...text.matchAll(pattern)].map(([, found = ""]) => found))
]

/** What is in backticks and is a path of the repository: it begins with one of its folders. */
const paths = (text: string): ReadonlyArray<string> =>
  all(text, /`((?:packages|sql|test|examples|docs|\.ci|\.github)\/[^`\s]*)`/g)

/** What is in italics is the name of a group. */
const groups = (text: string): ReadonlyArray<string> =>
  all(text.replaceAll(/`[^`]*`/g, "").replaceAll(/\s+/g, " "), /_([^_]+)_/g)

const declared = globSync("packages/testing/src/**/*.ts", { cwd: root })
  .flatMap((file) => all(read(file), /describe\("([^"]+)"/g))

describe("docs/promises.md", () => {
  const promises = read("docs/promises.md")

  it("names tests that exist", () => {
    const named = paths(promises)
    assert.include(named, "test/postgres/faults.test.ts")
    assert.deepStrictEqual(named.filter((path) => !existsSync(join(root, path))), [])
  })

  it("names groups of the suites that exist", () => {
    const named = groups(promises)
    assert.includeMembers([...named], ["racing writers", "consumers of more than one category", "the contract"])
    assert.deepStrictEqual(named.filter((name) => !declared.includes(name)), [])
  })

  it("leaves out no group of the suites", () => {
    assert.deepStrictEqual(declared.filter((name) => !groups(promises).includes(name)), [])
  })

  it("says of each promise what it means for a user, and which tests hold it", () => {
    const sections = promises.split(/^### /m).slice(1)
    assert.deepStrictEqual(
      sections.map((section) => Number.parseInt(section, 10)),
      Array.from({ length: sections.length }, (_, i) => i + 1)
    )
    assert.deepStrictEqual(
      sections.filter((section) => !section.includes("**For you**: ") || !section.includes("**Tests**:\n\n- ")),
      []
    )
  })
})

describe.each(globSync("docs/decisions/*.md", { cwd: root }).toSorted())("%s", (file) => {
  it("names files that exist", () => {
    assert.deepStrictEqual(paths(read(file)).filter((path) => !existsSync(join(root, path))), [])
  })
})

/**
 * Words that CONTRIBUTING's "How to write" rules out do not come back. They are signs of a sentence that wants a subject, or
 * that reads like a translation.
 */
import { assert, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")

const ruledOut = /somebody|anew|passed over|gone on with/i

/** `file:line: text` of each line with such a word. */
const found = (file: string): ReadonlyArray<string> =>
  readFileSync(join(root, file), "utf8").split("\n").flatMap((line, i) =>
    ruledOut.test(line) ? [`${file}:${i + 1}: ${line.trim()}`] : []
  )

const files = globSync(["{packages,sql}/**/*.{ts,sql,md,json}", "README.md", "docs/**/*.md"], {
  cwd: root
})
  .filter((file) => !/(^|\/)(node_modules|dist|CHANGELOG\.md)(\/|$)/.test(file))
  .toSorted()

it("packages, SQL, README and documentation keep to plain English", () => {
  assert.includeMembers(files, ["README.md", "docs/glossary.md", "sql/install.sql", "packages/eventfold/src/Entity.ts"])
  assert.deepStrictEqual(files.flatMap(found), [])
})

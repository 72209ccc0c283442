/**
 * Links between the Markdown files lead somewhere: to a file or folder that exists, and to a heading that it has.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")

const files = globSync(["*.md", "{docs,packages,examples,sql,test}/**/*.md"], { cwd: root })
  .filter((file) => !file.includes("node_modules") && !file.endsWith("CHANGELOG.md"))
  .toSorted()

/** The text without its blocks of code, in which a `#` begins no heading. */
const prose = (file: string): string => readFileSync(join(root, file), "utf8").replaceAll(/^```[^]*?^```/gm, "")

/** The anchors that GitHub gives to headings. */
const anchors = (file: string): ReadonlySet<string> =>
  new Set(
    [...prose(file).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
      heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(" ", "-")
    )
  )

const links = (file: string): ReadonlyArray<string> =>
  [...prose(file).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = ""]) => /^[a-z]+:/.test(link) ? [] : [link])

const isBroken = (file: string) => (link: string): boolean => {
  const [path = "", anchor] = link.split("#")
  const target = path === "" ? file : relative(root, resolve(root, dirname(file), path))
  if (!existsSync(join(root, target))) return true
  return anchor !== undefined && !anchors(target).has(anchor)
}

it("finds the links and the headings", () => {
  assert.includeMembers([...links("README.md")], ["docs/promises.md", "CONTRIBUTING.md"])
  assert.isTrue(anchors("docs/stores.md").has("a-store-of-your-own"))
  assert.isTrue(isBroken("README.md")("docs/missing.md"))
  assert.isTrue(isBroken("README.md")("docs/stores.md#missing"))
})

describe.each(files)("%s", (file) => {
  it("has no broken link", () => {
    assert.deepStrictEqual(links(file).filter(isBroken(file)), [])
  })
})

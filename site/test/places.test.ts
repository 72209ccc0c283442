/**
 * Every page of the documentation has its place: `docs/README.md` lists it, once, and the site (`npx pnpm site`) takes its sections
 * from there. The reference takes every public module.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, globSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Pages from "../src/Pages.ts"
import * as Places from "../src/Places.ts"
import * as Reference from "../src/Reference.ts"

const root = resolve(import.meta.dirname, "../..")

const sections = Places.listed(root)
const places = Places.flat(sections)
const listed = places.map(({ file }) => file)

describe("docs/README.md", () => {
  it("has a section for each kind of page", () => {
    assert.deepStrictEqual(
      sections.map(({ label }) => label),
      ["Tutorial", "Guides", "Reference", "Explanation", "Migrating and comparing"]
    )
  })

  it("lists every page of docs/, and every example", () => {
    const hint =
      "add a line `- [Label](page.md): what it is about.` to the section of docs/README.md where the page belongs"
    assert.deepStrictEqual(Places.unlisted(root, sections).map(({ file }) => file), [], hint)
    const examples = globSync("examples/*/README.md", { cwd: root }).filter((file) => !file.includes("command-line"))
    assert.deepStrictEqual(examples.filter((file) => !listed.includes(file)), [], hint)
  })

  it("brings the pages of a folder by its README", () => {
    const decisions = sections.flatMap(({ groups }) => groups).find(({ label }) => label === "Decisions")
    assert.includeMembers(decisions?.places.map(({ file }) => file) ?? [], ["docs/decisions/0001-effect-4.md"])
  })

  it("a page that has no place would be found", () => {
    assert.includeMembers(Places.unlisted(root, sections.slice(1)).map(({ file }) => file), ["docs/tutorial.md"])
  })

  it("lists nothing twice, and nothing that is not there", () => {
    assert.deepStrictEqual(listed.filter((file, i) => listed.indexOf(file) !== i || !existsSync(join(root, file))), [])
  })

  it("says of each page what it is about", () => {
    assert.deepStrictEqual(
      places.filter(({ about, label }) => about === "" || label === "").map(({ file }) => file),
      []
    )
  })
})

describe("the reference", () => {
  it("has the modules that packages export, and not their programs", () => {
    const modules = Reference.modules(root)
    assert.strictEqual(modules.get("packages/eventfold/src/Entity.ts"), "eventfold/Entity")
    assert.strictEqual(modules.get("packages/cli/src/Cli.ts"), "@eventfold/cli/Cli")
    assert.deepStrictEqual([...modules.keys()].filter((file) => /\/(main|bin|index)\.ts$/.test(file)), [])
  })
})

describe("the list", () => {
  it("is read by its headings, with items of several lines", () => {
    const list =
      "# Docs\n\nText.\n\n## A\n\n- [One](one.md): first,\n  and more.\n\n### B\n\n- [Two](../two.md): second.\n"
    assert.deepStrictEqual(Places.parse(list), [{
      label: "A",
      places: [{ file: "docs/one.md", label: "One", about: "first, and more" }],
      groups: [{ label: "B", places: [{ file: "two.md", label: "Two", about: "second" }], groups: [] }]
    }])
  })
})

const locate = (path: string): Pages.Target =>
  ({ "docs/stores.md": { slug: "stores" }, "docs/a.svg": { asset: "a.svg" } })[path]

describe("a page of the site", () => {
  it("has its title apart, and links of the site outside of code", () => {
    const markdown = [
      "# The `title`",
      "",
      "See [stores](stores.md#leases), ![a](a.svg), [here](#here), [elsewhere](https://example.org).",
      "",
      "Only [text](../missing.ts) stays.",
      "",
      "```md",
      "# code",
      "[stores](stores.md)",
      "```"
    ].join("\n")
    assert.deepStrictEqual(Pages.make("docs/page.md", markdown, locate), {
      slug: "page",
      title: "The title",
      description: "See stores, a, here, elsewhere.",
      body: markdown.slice(markdown.indexOf("See"))
        .replace("stores.md#leases", "/stores/#leases")
        .replace("(a.svg)", "(/a.svg)")
        .replace("[text](../missing.ts)", "text")
    })
  })

  it("is where its file is", () => {
    assert.deepStrictEqual(
      ["docs/README.md", "docs/decisions/README.md", "docs/message-db.md", "reference/@eventfold/http/Api.md"].map(
        Pages.slugOf
      ),
      ["", "decisions", "message-db", "reference/eventfold/http/api"]
    )
  })
})

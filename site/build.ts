/**
 * Builds the documentation's site into `site/dist`: `npx pnpm site`, or `npx pnpm site --serve` to look at it, on this machine only.
 * `--keep-reference` takes the reference of the last build, which is the longest part.
 */
import { build, preview } from "astro"
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { parseArgs } from "node:util"
import * as Pages from "./src/Pages.ts"
import * as Places from "./src/Places.ts"
import * as Reference from "./src/Reference.ts"
import type { SidebarItem } from "./src/Sidebar.ts"
import * as Sidebar from "./src/Sidebar.ts"

const site = import.meta.dirname
const root = join(site, "..")
const generated = join(site, ".generated")
const assets = join(generated, "public")
const content = join(site, "src/content/docs")

const { values: flags } = parseArgs({
  options: { serve: { type: "boolean", default: false }, "keep-reference": { type: "boolean", default: false } }
})

const write = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

const sections = Places.read(root)
const places = Places.flat(sections)
const pages = new Map<string, Pages.Page>()

/** Where a path of the repository is on the site. A file of code that a page links becomes a page that shows it. */
const locate = (path: string): Pages.Target => {
  const file = [path, join(path, "README.md")].find((file) => {
    const absolute = join(root, file)
    return existsSync(absolute) && statSync(absolute).isFile()
  })
  if (file === undefined) return undefined
  if (file === "docs/README.md" || places.some((place) => place.file === file)) return { slug: Pages.slugOf(file) }
  if (file.endsWith(".md")) return undefined
  if (file.startsWith("docs/")) {
    const asset = relative("docs", file)
    cpSync(join(root, file), join(assets, asset))
    return { asset }
  }
  if (!pages.has(file)) {
    const code = readFileSync(join(root, file), "utf8")
    const body = `\`\`\`\`${file.slice(file.lastIndexOf(".") + 1)}\n${code}\`\`\`\`\n`
    const description = `The source of ${file}.`
    pages.set(file, { slug: Pages.slugOf(file), title: file, description, body })
  }
  return { slug: Pages.slugOf(file) }
}

rmSync(content, { recursive: true, force: true })
rmSync(assets, { recursive: true, force: true })
// Starlight's pages ask for it by this name.
cpSync(join(site, "src/favicon.svg"), join(assets, "favicon.svg"))

for (const file of ["docs/README.md", ...places.map(({ file }) => file)]) {
  pages.set(file, Pages.make(file, readFileSync(join(root, file), "utf8"), locate))
}

const reference = join(generated, "reference")
if (!flags["keep-reference"] || !existsSync(reference)) await Reference.write(root, reference)
const summaries = Reference.summaries(root)
const described = [...Reference.modules(root)].map(([file, module]): [string, string] => [
  module,
  Reference.tidy(
    readFileSync(join(reference, `${module}.md`), "utf8"),
    summaries.get(module) ?? "",
    readFileSync(join(root, file), "utf8")
  )
])
for (const [module, markdown] of Reference.mendLinks(new Map(described))) {
  pages.set(module, Pages.make(`reference/${module}.md`, markdown, (path) => ({ slug: Pages.slugOf(path) })))
}

for (const page of pages.values()) {
  write(join(content, `${page.slug || "index"}.md`), Pages.render(page))
  write(join(assets, `${page.slug || "index"}.md`), Pages.renderPlain(page))
}

const items: ReadonlyArray<SidebarItem> = Sidebar.make(sections, [...summaries.keys()])
write(join(generated, "sidebar.json"), JSON.stringify(items))
const summary = pages.get("docs/README.md")?.description ?? ""
write(join(assets, "llms.txt"), Sidebar.llms(summary, sections, summaries))
write(join(assets, "llms-full.txt"), [...pages.values()].map(Pages.renderPlain).join("\n"))

await build({ root: site })

const external = globSync("**/*.html", { cwd: join(site, "dist") }).flatMap((file) =>
  [
    ...readFileSync(join(site, "dist", file), "utf8").matchAll(
      /<(?:script|img|link|iframe)\b[^>]*?(?:src|href)="(https?:[^"]+)"/g
    )
  ]
    .map(([, address]) => `${file}: ${address}`)
)
if (external.length > 0) throw new Error(`Pages load from elsewhere, which they never do:\n${external.join("\n")}`)

if (flags.serve) await (await preview({ root: site, server: { host: "127.0.0.1" } })).closed()

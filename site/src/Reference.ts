/**
 * The reference: a page for each public module, out of its doc comments.
 */
import { globSync, readFileSync } from "node:fs"
import { join, posix } from "node:path"
import type { TypeDocOptions } from "typedoc"
import type { PluginOptions } from "typedoc-plugin-markdown"

/** The public modules, as their users import them: `eventfold/Entity`, by the files that they are in. A program is none of them. */
export const modules = (root: string): ReadonlyMap<string, string> =>
  new Map(
    globSync("packages/*/src/index.ts", { cwd: root }).toSorted().flatMap((index) => {
      const [, folder = ""] = /^packages\/([^/]+)\//.exec(index) ?? []
      const names = [...readFileSync(join(root, index), "utf8").matchAll(/^export \* as \w+ from "\.\/(\w+)\.ts"$/gm)]
      return names.map(([, module = ""]) =>
        [
          `packages/${folder}/src/${module}.ts`,
          `${folder === "eventfold" ? "" : "@eventfold/"}${folder}/${module}`
        ] as const
      )
    })
  )

/** Writes the pages to a folder, which it empties first. Warnings of TypeDoc are printed. */
export const write = async (root: string, out: string): Promise<void> => {
  // Only who writes the reference waits for it.
  const { Application, Converter, ReflectionKind } = await import("typedoc")
  const named = modules(root)
  const options: Partial<TypeDocOptions & PluginOptions> = {
    entryPoints: [...named.keys()].map((file) => join(root, file)),
    tsconfig: join(root, "site/tsconfig.reference.json"),
    plugin: ["typedoc-plugin-markdown"],
    outputs: [{ name: "markdown", path: out }],
    router: "module",
    basePath: root,
    readme: "none",
    disableSources: true,
    excludeInternal: true,
    excludePrivate: true,
    excludeExternals: true,
    excludeTags: ["@since"],
    categorizeByGroup: false,
    // The compiler has checked all of it already.
    skipErrorChecking: true,
    logLevel: "Warn",
    hidePageHeader: true,
    hideBreadcrumbs: true,
    useCodeBlocks: true,
    expandParameters: true,
    parametersFormat: "table"
  }
  const app = await Application.bootstrapWithPlugins(options)
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
      module.name = named.get(`${module.name}.ts`) ?? module.name
    }
  })
  const project = await app.convert()
  if (project === undefined) throw new Error("TypeDoc could not read the packages: see the lines above")
  await app.generateOutputs(project)
}

/** What `index.ts` says of the modules, by the names that users import. */
export const summaries = (root: string): ReadonlyMap<string, string> => {
  const said = new Map<string, string>()
  for (const [file, name] of modules(root)) {
    const index = readFileSync(join(root, file, "../index.ts"), "utf8")
    const module = file.slice(file.lastIndexOf("/") + 1)
    const comment = index.split("/**").find((part) => part.includes(`from "./${module}"`)) ?? ""
    const text = comment.slice(0, comment.indexOf("*/")).split("\n").map((line) => line.replace(/^\s*\* ?/, ""))
    said.set(name, text.filter((line) => !line.startsWith("@")).join(" ").trim())
  }
  return said
}

/** What services can do, as the source says it, by their names. TypeDoc would give each of them as one type without line breaks. */
const services = (source: string): ReadonlyMap<string, string> => {
  const found = source.matchAll(/^export class (\w+) extends Context\.Service<\1, \{\n([^]*?)^\}>\(\)\(/gm)
  return new Map([...found].map(([, name = "", members = ""]) => [name, `{\n${members}}`]))
}

/** Signatures with more lines are inferred types, as long as the API that they are of. */
const longestSignature = 60

/** Types with more characters in running text say nothing any more. */
const longestType = 1500

const withoutLongTypes = (markdown: string): string =>
  markdown
    .replaceAll(/^```ts wrap\n([^]*?)^```$/gm, (whole, code: string) => {
      const lines = code.split("\n")
      if (lines.length <= longestSignature) return whole
      const rest = `// and ${lines.length - 8} more lines, which an editor shows\n`
      return `\`\`\`ts wrap\n${lines.slice(0, 8).join("\n")}\n${rest}\`\`\``
    })
    .replaceAll(/^#{3,6} (?:Extends|Returns)\n\n([^]*?)(?=^(?:#{1,6} |\*\*\*$))/gm, (whole) =>
      whole.length > longestType ? "" : whole)

/** A service's section ends with what it can do, instead of with what its class inherits. */
const withService = (section: string, service: string | undefined): string =>
  service === undefined
    ? section
    : section.replace(/^#### Extends\n[^]*?(?=^(?:#{1,3} |\*\*\*$)|$(?![^]))/m, () =>
      `#### Service\n\n\`\`\`ts\n${service}\n\`\`\`\n\n`)

/**
 * A module's page of TypeDoc, with what `index.ts` says of it, and without what a reader has no use for: where a member comes from, how
 * a schema's class is constructed, and types that are longer than anyone reads.
 */
export const tidy = (markdown: string, summary: string, source: string): string => {
  const shapes = services(source)
  const tidied = markdown
    .replaceAll(/^#{3,6} (?:Inherited from|Overrides|Implementation of)\n\n(?:`[^`]*`|\[[^\n]*|[^\n#]*)\n+/gm, "")
    .replaceAll(/^#### Constructors\n[^]*?(?=^(?:#{1,4} |\*\*\*$))/gm, "")
    // Signatures are wrapped: they are one line each, however long.
    .replaceAll(/^```ts\n(?=(?:function|type|new|readonly|get|class|optional|static)\b)/gm, "```ts wrap\n")
    .replaceAll(/^## ([a-z])/gm, (_, first: string) => `## ${first.toUpperCase()}`)
    .replace(/^# (.+)\n/, (title) => `${title}\n${summary}\n`)
  return withoutLongTypes(
    tidied.split(/^(?=### )/m).map((section) => withService(section, shapes.get(/^### (\w+)/.exec(section)?.[1] ?? "")))
      .join("")
  )
}

/** The anchors of a page's headings, as GitHub and the site make them: a heading that comes again gets a number. */
const anchors = (markdown: string): ReadonlySet<string> => {
  const times = new Map<string, number>()
  const prose = markdown.replaceAll(/^```[^]*?^```/gm, "")
  const ids = [...prose.matchAll(/<a id="([^"]+)">/g)].map(([, id = ""]) => id)
  const headings = [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => {
    const slug = heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(" ", "-")
    const before = times.get(slug) ?? 0
    times.set(slug, before + 1)
    return before === 0 ? slug : `${slug}-${before}`
  })
  return new Set([...ids, ...headings])
}

/**
 * Mends links to headings. TypeDoc numbers headings of one name, and counts those that are internal and on no page: a link to a
 * number that there is not means the heading without one.
 */
export const mendLinks = (pages: ReadonlyMap<string, string>): ReadonlyMap<string, string> => {
  const known = new Map([...pages].map(([name, markdown]) => [`${name}.md`, anchors(markdown)]))
  return new Map(
    [...pages].map(([name, markdown]) => [
      name,
      markdown.replaceAll(/\]\(([^)#\s]*)#([^)\s]+)-\d+\)/g, (whole, path: string, anchor: string) => {
        const target = path === "" ? `${name}.md` : posix.join(posix.dirname(name), path)
        const there = known.get(target)
        const full = whole.slice(whole.indexOf("#") + 1, -1)
        return there === undefined || there.has(full) ? whole : `](${path}#${anchor})`
      })
    ])
  )
}

/**
 * The modules of the workspace and what they import, read from their syntax trees.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { parseAst } from "vitest/node"

export const root = resolve(import.meta.dirname, "../..")

export interface Import {
  readonly file: string
  readonly specifier: string
}

export const read = (path: string): string => readFileSync(join(root, path), "utf8")

/** The modules in a folder, without what is installed, built, hidden or a package of its own. */
export const modules = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === "node_modules" || entry.name === "dist" || entry.name.startsWith(".")) return []
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return existsSync(join(root, path, "package.json")) ? [] : modules(path)
    return /\.[cm]?[jt]s$/.test(entry.name) ? [path] : []
  })

/** Whatever names a module in a syntax tree has it as its `source`: imports, exports, `import()`, `import("x").T`. */
export const sources = (node: unknown): ReadonlyArray<string> => {
  if (Array.isArray(node)) return node.flatMap(sources)
  if (typeof node !== "object" || node === null) return []
  const own = "source" in node && typeof node.source === "object" && node.source !== null && "value" in node.source &&
      typeof node.source.value === "string"
    ? [node.source.value]
    : []
  return [...own, ...Object.values(node).flatMap(sources)]
}

export const importsOf = (file: string): ReadonlyArray<Import> =>
  sources(parseAst(read(file), { lang: "ts", sourceType: "module" })).map((specifier) => ({ file, specifier }))

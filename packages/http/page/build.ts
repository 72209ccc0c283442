/**
 * Builds the page into `dist/page.js`: a module with each file of the page, compressed. A clone does so when the page is first asked
 * for, and again when its sources have changed; `pnpm build` does so before the package is published.
 */
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { mkdir, rename, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { join } from "node:path"
import { promisify } from "node:util"
import { brotliCompress, constants, gzip } from "node:zlib"

const folder = import.meta.dirname
const target = join(folder, "dist/page.js")

/** All that the built page depends on: its sources, and the versions of what is in it. */
const sources = (): string => {
  const hash = createHash("sha256")
  const add = (path: string) => hash.update(path).update("\0").update(readFileSync(path)).update("\0")
  const walk = (at: string): void => {
    for (const entry of readdirSync(at, { withFileTypes: true }).toSorted((a, b) => a.name < b.name ? -1 : 1)) {
      if (entry.name === "dist") continue
      const path = join(at, entry.name)
      if (entry.isDirectory()) walk(path)
      else add(path)
    }
  }
  walk(folder)
  const require = createRequire(import.meta.url)
  for (const name of ["preact", "vite"]) add(require.resolve(`${name}/package.json`))
  add(join(folder, "../package.json"))
  return hash.digest("hex")
}

/** The licenses of what is in the script go along with it. */
const licenses = "licenses.md"

const types: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml"
}

interface Built {
  readonly name: string
  readonly content: string | Uint8Array
}

const compressed = async ({ content, name }: Built) => {
  const bytes = Buffer.from(content)
  const type = types[name.replace(/^.*\./, "")] ?? "application/octet-stream"
  const [packed, small] = await Promise.all([
    promisify(gzip)(bytes, { level: 9 }),
    promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })
  ])
  return [name, { type, gzip: packed.toString("base64"), brotli: small.toString("base64") }] as const
}

/** Bundles the page. Gives its files and which of them the document names. */
const bundled = async () => {
  // It takes longer to load than all the rest, and is not needed when the page is as it was built.
  const { build } = await import("vite")
  const output = await build({
    configFile: false,
    root: folder,
    base: "./",
    logLevel: "warn",
    mode: "production",
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    build: {
      write: false,
      target: "es2022",
      modulePreload: false,
      cssCodeSplit: false,
      assetsInlineLimit: 0,
      license: { fileName: licenses },
      rolldownOptions: {
        input: { page: join(folder, "main.tsx"), icon: join(folder, "icon.svg") },
        output: {
          entryFileNames: "[name]-[hash].js",
          chunkFileNames: "[name]-[hash].js",
          assetFileNames: "[name]-[hash][extname]"
        }
      }
    }
  })
  if (Array.isArray(output) || !("output" in output)) throw new TypeError("Vite has not made one bundle of the page")
  const files = output.output.flatMap((one): ReadonlyArray<Built> =>
    one.type === "asset"
      ? [{ name: one.fileName, content: one.source }]
      : one.name === "icon"
      ? []
      : [{ name: one.fileName, content: one.code }]
  )
  const notices = files.find(({ name }) => name === licenses)
  if (notices === undefined) throw new TypeError("the bundle of the page has no licenses of what is in it")
  const named = (pattern: RegExp): string => {
    const found = files.find(({ name }) => pattern.test(name))
    if (found === undefined) throw new TypeError(`the bundle of the page has no ${pattern}`)
    return found.name
  }
  return {
    files: files.filter((file) => file !== notices),
    notices,
    entry: { script: named(/^page-.*\.js$/), style: named(/\.css$/), icon: named(/\.svg$/) }
  }
}

/** Builds the page unless what is there is of these sources. */
const main = async (): Promise<void> => {
  const first = `// ${sources()}\n`
  if (existsSync(target) && readFileSync(target, "utf8").startsWith(first)) return
  const { entry, files, notices } = await bundled()
  const content = Object.fromEntries(await Promise.all(files.map(compressed)))
  const module = `${first}export const entry = ${JSON.stringify(entry)}\nexport const files = ${
    JSON.stringify(content)
  }\n`
  await mkdir(join(folder, "dist"), { recursive: true })
  await writeFile(join(folder, "dist", licenses), notices.content)
  // Another process may build at the same time, or read.
  const draft = `${target}.${process.pid}`
  await writeFile(draft, module)
  await rename(draft, target)
}

await main()

/**
 * Builds the command into one file beside a few that it loads when it needs them: it starts in a fraction of the time that loading its
 * modules takes.
 */
import { execFile } from "node:child_process"
import { cp, mkdir, rm } from "node:fs/promises"
import { basename, join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { type Plugin, rolldown } from "rolldown"

const root = fileURLToPath(new URL("..", import.meta.url))

/** What `@eventfold/sql` reads: the files of the schemas. */
const sql = ["install.sql", "install", "uninstall.sql", "uninstall", "verify", "message_store", "eventfold"]

/** Modules that read files beside them, and where they are in the folder of the command, which has those files. */
const places: ReadonlyArray<readonly [module: RegExp, place: string]> = [
  [/\/sql\/src\/index\.ts$/, "../sql/src/index.js"],
  [/\/http\/src\/internal\/page\/built\.ts$/, "../http/src/internal/page/built.js"]
]

/** Has modules look for their files where the command has them. */
const placing: Plugin = {
  name: "places",
  transform: (code, id) => {
    const place = places.find(([module]) => module.test(id))?.[1]
    return place === undefined
      ? undefined
      : code.replaceAll("import.meta.url", `new URL(${JSON.stringify(place)}, import.meta.url)`)
  }
}

/**
 * Builds the command into a folder, and gives the file to run. `modules` is the module that it runs in its place when an application is
 * named, as its parts see it: that of the package by default.
 */
export const bundle = async (folder: string, modules = "../../main.js"): Promise<string> => {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const build = await rolldown({
    input: { eventfold: join(root, "src/bin.ts") },
    platform: "node",
    // They read files beside their modules.
    external: [/^@electric-sql\//],
    transform: { define: { EVENTFOLD_MODULES: JSON.stringify(modules) } },
    plugins: [placing],
    logLevel: "warn"
  })
  await build.write({
    dir: folder,
    format: "esm",
    minify: true,
    entryFileNames: "[name].js",
    chunkFileNames: "parts/[name].js"
  })
  await build.close()
  const sources = join(root, "../../sql")
  for (const name of sql) await cp(join(sources, name), join(folder, "sql", name), { recursive: true })
  const page = join(root, "../http/page")
  await promisify(execFile)(process.execPath, [join(page, "build.ts")])
  await cp(join(page, "dist/page.js"), join(folder, "http/page/dist/page.js"))
  return join(folder, "eventfold.js")
}

const [, script, folder = join(root, "dist/command"), modules] = process.argv

if (script !== undefined && basename(script) === "bundle.ts") await bundle(folder, modules)

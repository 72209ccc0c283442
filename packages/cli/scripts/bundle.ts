/**
 * Builds the command into one file beside a few that it loads when it needs them: it starts in a fraction of the time that loading its
 * modules takes.
 */
import { cp, mkdir, rm } from "node:fs/promises"
import { basename, join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

const root = fileURLToPath(new URL("..", import.meta.url))

/** What `@eventfold/sql` reads: the files of the schemas. */
const sql = ["install.sql", "install", "uninstall.sql", "uninstall", "message_store", "eventfold"]

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
    logLevel: "warn"
  })
  await build.write({
    dir: folder,
    format: "esm",
    minify: true,
    entryFileNames: "[name].js",
    // One level below the files of the schemas, which `@eventfold/sql` looks for there.
    chunkFileNames: "parts/[name].js"
  })
  await build.close()
  const sources = join(root, "../../sql")
  for (const name of sql) await cp(join(sources, name), join(folder, name), { recursive: true })
  return join(folder, "eventfold.js")
}

if (process.argv[1] !== undefined && basename(process.argv[1]) === "bundle.ts") await bundle(join(root, "dist/command"))

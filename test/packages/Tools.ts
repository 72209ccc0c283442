/**
 * The compilers and runtimes that the packages are tried with. The workspace has one of each; the long form brings the others from npm
 * into a folder of its own, because they are large and only it needs them.
 */
import { isLong } from "@eventfold/test/support/Form"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { mkdir, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { root } from "./Packages.ts"
import { run } from "./Processes.ts"

/** Exact, as everywhere in this workspace. */
const versions = {
  "node-22": "npm:node@22.23.3",
  bun: "1.4.5",
  deno: "2.9.6",
  "typescript-5-9": "npm:typescript@5.9.3"
}

const folder = join(root, "node_modules/.cache/packed-tools")

/** Installs tools, once for all runs: a folder that is there is complete. */
const installed = (dependencies: Readonly<Record<string, string>>, overrides: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    const name = Object.values(dependencies).join("_").replaceAll(/[^\w.]/g, "-")
    const complete = join(folder, name)
    if (existsSync(complete)) return join(complete, "node_modules")
    const path = join(folder, `${name}.${process.pid}`)
    yield* Effect.promise(() => mkdir(path, { recursive: true }))
    yield* Effect.promise(() =>
      writeFile(join(path, "package.json"), JSON.stringify({ private: true, type: "module", dependencies, overrides }))
    )
    yield* run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline"], { cwd: path })
    // Another run may have been faster.
    yield* Effect.promise(() => rename(path, complete).catch(() => rm(path, { recursive: true, force: true })))
    return join(complete, "node_modules")
  })

const tools = installed(versions)

/** The registry's program, to run with Node. It asks for a version of node-fetch by a tag, which not every mirror of npm has. */
export const verdaccio = Effect.map(
  installed({ verdaccio: "6.10.4" }, { "node-fetch": "2.7.0" }),
  (modules) => join(modules, "verdaccio/bin/verdaccio")
)

/** Each compiler by its version: the program to run with Node. */
export const compilers: Effect.Effect<ReadonlyArray<readonly [version: string, tsc: string]>, unknown> = Effect.gen(
  function*() {
    const own = ["7", join(root, "node_modules/typescript/bin/tsc")] as const
    return isLong ? [own, ["5.9", join(yield* tools, "typescript-5-9/bin/tsc")] as const] : [own]
  }
)

/** Each runtime: what runs a program, before its file. */
export const runtimes: Effect.Effect<ReadonlyArray<readonly [name: string, command: ReadonlyArray<string>]>, unknown> =
  Effect.gen(
    function*() {
      const own = [`Node ${process.versions.node}`, [process.execPath]] as const
      if (!isLong) return [own]
      const modules = yield* tools
      return [
        own,
        ["Node 22", [join(modules, "node-22/bin/node")]] as const,
        ["Bun", [join(modules, ".bin/bun"), "run"]] as const,
        ["Deno", [join(modules, ".bin/deno"), "run", "--allow-all", "--no-prompt"]] as const
      ]
    }
  )

/** Bun's program. */
export const bun = Effect.map(tools, (modules) => join(modules, ".bin/bun"))

/** Packages that the compiler finds errors in with `skipLibCheck: false`. */
export const withErrors: ReadonlySet<string> = new Set([])

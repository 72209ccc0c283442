/**
 * The packages as npm would get them: built, packed by the package manager that publishes them, and unpacked again to look at.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { globSync, readdirSync, readFileSync } from "node:fs"
import { mkdir, rm } from "node:fs/promises"
import { dirname, join, relative, resolve } from "node:path"
import { run } from "./Processes.ts"

export const root = resolve(import.meta.dirname, "../..")

const bin = join(root, "node_modules/.bin")

const Names = Schema.optionalKey(Schema.Record(Schema.String, Schema.String))

const Target = Schema.Record(Schema.String, Schema.String)

/** What a published `package.json` says. */
const Manifest = Schema.fromJsonString(Schema.Struct({
  name: Schema.String,
  version: Schema.String,
  private: Schema.optionalKey(Schema.Boolean),
  description: Schema.optionalKey(Schema.String),
  license: Schema.optionalKey(Schema.String),
  engines: Names,
  exports: Schema.optionalKey(Schema.Record(Schema.String, Schema.NullOr(Schema.Union([Schema.String, Target])))),
  bin: Schema.optionalKey(Schema.Union([Schema.String, Target])),
  dependencies: Names,
  peerDependencies: Names,
  scripts: Names
}))

export type Manifest = typeof Manifest.Type

export interface Packed {
  /** The folder of its sources, relative to the workspace. */
  readonly folder: string
  readonly manifest: Manifest
  readonly tarball: string
  /** The folder of what is in the tarball. */
  readonly unpacked: string
  /** The paths in the tarball. */
  readonly files: ReadonlyArray<string>
}

const readManifest = (path: string): Manifest =>
  Schema.decodeSync(Manifest)(readFileSync(join(path, "package.json"), "utf8"))

/** The folders of the packages that are published. */
export const folders: ReadonlyArray<string> = globSync(["packages/*/package.json", "sql/package.json"], { cwd: root })
  .map((path) => dirname(path))
  .filter((folder) => readManifest(join(root, folder)).private !== true)
  .toSorted()

export const read = (packed: Packed, path: string): string => readFileSync(join(packed.unpacked, path), "utf8")

/** The import paths that a package offers, each with its module in `dist`. */
export const modulesOf = (packed: Packed): ReadonlyArray<readonly [specifier: string, path: string]> =>
  Object.entries(packed.manifest.exports ?? {}).flatMap(([entry, target]) => {
    if (target === null || typeof target === "string" || target["default"] === undefined) return []
    const path = target["default"].replace(/^\.\//, "")
    if (!entry.includes("*")) return [[join(packed.manifest.name, entry), path] as const]
    const [before = "", after = ""] = path.split("*")
    return packed.files.filter((file) =>
      file.startsWith(before) && file.endsWith(after) && !file.slice(before.length).includes("/") &&
      file !== `${before}index${after}`
    ).map((file) => {
      const name = file.slice(before.length, file.length - after.length)
      return [join(packed.manifest.name, entry.replace("*", name)), file] as const
    })
  })

/** The packages of the last build, packed into a folder that git ignores. Packages that are built already are not built again. */
export const pack: Effect.Effect<ReadonlyArray<Packed>, unknown> = Effect.gen(function*() {
  yield* run(join(bin, "pnpm"), ["run", "build"], { cwd: root })
  const folder = join(root, "node_modules/.cache/packed", String(process.pid))
  yield* Effect.promise(() => rm(folder, { recursive: true, force: true }))
  return yield* Effect.forEach(folders, (source) =>
    Effect.gen(function*() {
      const at = join(folder, source)
      yield* Effect.promise(() => mkdir(at, { recursive: true }))
      yield* run(join(bin, "pnpm"), ["pack", "--pack-destination", at], { cwd: join(root, source) })
      const [tarball = ""] = globSync("*.tgz", { cwd: at })
      yield* run("tar", ["-xzf", tarball], { cwd: at })
      const unpacked = join(at, "package")
      return {
        folder: source,
        manifest: readManifest(unpacked),
        tarball: join(at, tarball),
        unpacked,
        files: readdirSync(unpacked, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
          .map((entry) => relative(unpacked, join(entry.parentPath, entry.name))).toSorted()
      }
    }), { concurrency: 2 })
})

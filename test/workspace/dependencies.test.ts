/**
 * Holds the one-way dependencies of the workspace: what a package may use, and that what it uses is what it declares.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { existsSync, readdirSync } from "node:fs"
import { isBuiltin } from "node:module"
import { dirname, join, relative, resolve, sep } from "node:path"
import { parseAst } from "vitest/node"
import { type Import, importsOf, modules, read, root, sources } from "./Imports.ts"

/**
 * What the sources of a library may use of the workspace. The packages that are not here are applications (examples, the
 * tests of the whole): they may use every library, and no package uses them. A new library needs a place here.
 */
const mayUse: Readonly<Record<string, ReadonlyArray<string>>> = {
  eventfold: [],
  "@eventfold/sql": [],
  "@eventfold/testing": ["eventfold"],
  "@eventfold/postgres": ["eventfold", "@eventfold/sql"],
  "@eventfold/pglite": ["eventfold", "@eventfold/sql", "@eventfold/postgres"],
  "@eventfold/cluster": ["eventfold", "@eventfold/sql", "@eventfold/postgres"],
  "@eventfold/http": ["eventfold", "@eventfold/sql", "@eventfold/postgres", "@eventfold/pglite"],
  "@eventfold/cli": ["eventfold", "@eventfold/sql", "@eventfold/postgres", "@eventfold/pglite", "@eventfold/http"],
  // It copies files: nothing is installed only for that.
  "create-eventfold": [],
  // What the examples share: private, and above everything but them.
  "@eventfold/example-command-line": [
    "eventfold",
    "@eventfold/sql",
    "@eventfold/postgres",
    "@eventfold/pglite",
    "@eventfold/http",
    "@eventfold/cli"
  ],
  // Servers and stores for the tests of the whole, which the benchmarks start as well.
  "@eventfold/test": [
    "eventfold",
    "@eventfold/sql",
    "@eventfold/testing",
    "@eventfold/postgres",
    "@eventfold/pglite",
    "@eventfold/cluster",
    "@eventfold/http",
    "@eventfold/cli"
  ]
}

const Versions = Schema.optionalKey(Schema.Record(Schema.String, Schema.String))

const Manifest = Schema.fromJsonString(Schema.Struct({
  name: Schema.String,
  private: Schema.optionalKey(Schema.Boolean),
  exports: Schema.optionalKey(Schema.Record(Schema.String, Schema.NullOr(Schema.String))),
  dependencies: Versions,
  devDependencies: Versions,
  peerDependencies: Versions,
  peerDependenciesMeta: Schema.optionalKey(Schema.Record(Schema.String, Schema.Struct({ optional: Schema.Boolean }))),
  optionalDependencies: Versions
}))

/** The value of a top-level key of `pnpm-workspace.yaml`, which needs no more of YAML than this: its indented lines. */
const workspaceLines = (key: string): ReadonlyArray<string> => {
  const lines = read("pnpm-workspace.yaml").split("\n")
  const rest = lines.slice(lines.indexOf(`${key}:`) + 1)
  const end = rest.findIndex((line) => /^[^\s#]/.test(line))
  return rest.slice(0, end === -1 ? undefined : end).filter((line) => /^\s+[^\s#]/.test(line)).map((line) =>
    line.trim()
  )
}

const catalog = new Map(
  workspaceLines("catalog").map((line) => {
    const [, name = line, version = ""] = /^"?([^":]+)"?:\s*(\S+)$/.exec(line) ?? []
    return [name, version]
  })
)

/** Catalogs beside the one for everything, for a package that needs another version of something: their names, and their lines. */
const namedCatalogs = workspaceLines("catalogs").filter((line) => line.endsWith(":")).map((line) => line.slice(0, -1))
const namedVersions = workspaceLines("catalogs").filter((line) => !line.endsWith(":"))

const isFromCatalog = (name: string, version: string): boolean =>
  version === "catalog:" ? catalog.has(name) : namedCatalogs.some((catalog) => version === `catalog:${catalog}`)

const folders = workspaceLines("packages").map((line) => line.replace(/^- /, "")).flatMap((pattern) =>
  pattern.endsWith("/*")
    ? readdirSync(join(root, dirname(pattern))).map((name) => join(dirname(pattern), name))
    : [pattern]
).filter((folder) => existsSync(join(root, folder, "package.json")))

const manifestOf = (folder: string) => Schema.decodeSync(Manifest)(read(join(folder, "package.json")))

const packages = folders.map((folder) => {
  const manifest = manifestOf(folder)
  const isSource = (file: string) => file.startsWith(join(folder, "src") + sep)
  const imports = modules(folder).flatMap(importsOf)
  return {
    folder,
    manifest,
    name: manifest.name,
    isLibrary: mayUse[manifest.name] !== undefined,
    ofSources: imports.filter(({ file }) => isSource(file)),
    ofTests: imports.filter(({ file }) => !isSource(file))
  }
})

const isOurs = (name: string): boolean => packages.some((other) => other.name === name)

const isRelative = ({ specifier }: Import): boolean => specifier.startsWith(".")

/** The package that an import is of, such as `@effect/sql-pg` for `@effect/sql-pg/PgClient`. */
const packageOf = ({ specifier }: Import): string =>
  specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/")

const isOfPackage = (found: Import): boolean => !isRelative(found) && !isBuiltin(found.specifier)

const outside = (allowed: ReadonlyArray<string>) => (found: Import): boolean =>
  isOfPackage(found) && isOurs(packageOf(found)) && !allowed.includes(packageOf(found))

const missing = (declared: ReadonlyArray<string>) => (found: Import): boolean =>
  isOfPackage(found) && !declared.includes(packageOf(found))

/** Entries below `dist` that the documentation of their package tells its users to import. */
const documentedEntries = new Set(["ajv/dist/2020.js"])

/** For a message that says where to look. */
const show = ({ file, specifier }: Import): string => `${file} imports ${specifier}`

const none = (wrong: ReadonlyArray<Import>): void => assert.deepStrictEqual(wrong.map(show), [])

it("finds the packages and what they import", () => {
  const core = packages.find(({ name }) => name === "eventfold")
  assert.isDefined(core)
  assert.includeMembers(packages.map(({ name }) => name), ["eventfold", "@eventfold/postgres", "@eventfold/test"])
  assert.includeMembers(core.ofSources.map(({ specifier }) => specifier), ["effect/Effect", "./StreamName.ts"])
  assert.includeMembers(core.ofTests.map(({ specifier }) => specifier), ["@effect/vitest"])
  assert.includeMembers([...catalog.keys()], ["effect", "@effect/sql-pg"])
  assert.deepStrictEqual(
    sources(parseAst(
      `import type { A } from "a"
       import b, { type C } from "b"
       export * from "c"
       export { d } from "d"
       const e = () => import("e")
       type F = import("f").F
       import "g"`,
      { lang: "ts", sourceType: "module" }
    )),
    ["a", "b", "c", "d", "e", "f", "g"]
  )
})

it("every published package has its place among the libraries", () => {
  const published = packages.filter(({ manifest }) => manifest.private !== true).map(({ name }) => name)
  assert.includeMembers(Object.keys(mayUse), published)
})

it("the places themselves point one way", () => {
  for (const [name, used] of Object.entries(mayUse)) {
    for (const other of used) {
      const below = mayUse[other] ?? []
      assert.isFalse(below.includes(name), `${name} and ${other} may use one another`)
      assert.includeMembers([...used], [...below], `${name} uses ${other}, which may use more`)
    }
  }
})

describe.each(packages)("$name", ({ folder, isLibrary, manifest, name, ofSources, ofTests }) => {
  const all = [...ofSources, ...ofTests]
  const libraries = Object.keys(mayUse)
  const forSources = [name, ...(mayUse[name] ?? libraries)]
  // A library's tests may run the suites that are made for it.
  const forTests = [...forSources, "@eventfold/testing"]
  const { dependencies = {}, devDependencies = {}, optionalDependencies = {}, peerDependencies = {} } = manifest
  // A package may import itself by its name, as its users do.
  const shipped = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }).concat(name)
  const declared = [...shipped, ...Object.keys(devDependencies)]

  it("uses only packages below its own", () => {
    none([...ofSources.filter(outside(forSources)), ...ofTests.filter(outside(forTests))])
    assert.deepStrictEqual(shipped.filter((used) => isOurs(used) && !forSources.includes(used)), [])
    assert.deepStrictEqual(declared.filter((used) => isOurs(used) && !forTests.includes(used)), [])
  })

  it("declares what it imports, for its users what its sources import", () => {
    none([...ofSources.filter(missing(isLibrary ? shipped : declared)), ...ofTests.filter(missing(declared))])
  })

  it("keeps out of other packages' internals and folders", () => {
    none(all.filter((found) =>
      isOfPackage(found) && !documentedEntries.has(found.specifier) &&
      /(^|\/)(internal|src|dist)(\/|$)/.test(found.specifier)
    ))
    none(all.filter((found) =>
      isRelative(found) &&
      relative(join(root, folder), resolve(root, dirname(found.file), found.specifier)).startsWith("..")
    ))
  })

  it("takes versions from the catalog or the workspace", () => {
    const direct = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
    assert.deepStrictEqual(
      direct.filter(([name, version]) =>
        isOurs(name) ? !version.startsWith("workspace:") : !isFromCatalog(name, version)
      ),
      []
    )
  })

  it("is tested with the peers that it asks its users for", () => {
    for (const [peer, range] of Object.entries(peerDependencies)) {
      const [, major, minor = "", patch = ""] = /^\^(\d+)\.(\d+)\.(\d+)$/.exec(range) ?? []
      const [tested, testedMinor = "", testedPatch = ""] = catalog.get(peer)?.split(/[.-]/) ?? []
      assert.strictEqual(devDependencies[peer], "catalog:", `${peer} is not among the devDependencies`)
      assert.strictEqual(tested, major, `${peer} ${range} is not tested with that version`)
      assert.isAtMost(Number(minor) * 1e6 + Number(patch), Number(testedMinor) * 1e6 + Number(testedPatch), peer)
    }
  })

  it.runIf(isLibrary)("imports modules by their paths: a barrel brings everything along", () => {
    const barrels = new Set([
      "effect",
      ...packages.filter((other) => other.manifest.exports?.["./*"]).map((o) => o.name)
    ])
    none(ofSources.filter(({ specifier }) => barrels.has(specifier)))
  })

  it.runIf(isLibrary)("does without optional peers in its index", () => {
    const optional = Object.keys(manifest.peerDependenciesMeta ?? {})
    const files = new Set([join(folder, "src", "index.ts")])
    // A set also goes through what is added on the way.
    for (const file of files) {
      const found = ofSources.filter((one) => one.file === file)
      none(found.filter((one) => optional.includes(packageOf(one))))
      found.filter(isRelative).forEach(({ specifier }) => files.add(join(dirname(file), specifier)))
    }
  })

  it.runIf(isLibrary)("hides its internals, if it has any", () => {
    const exports = manifest.exports ?? {}
    if ("./*" in exports) assert.isNull(exports["./internal/*"])
    else assert.notProperty(exports, "./internal")
  })
})

it("the core imports only effect: it runs in browsers, too", () => {
  const core = packages.find(({ name }) => name === "eventfold")
  none((core?.ofSources ?? []).filter((found) => !isRelative(found) && packageOf(found) !== "effect"))
})

it("the definition and the client of the HTTP API need nothing of a server: they run in browsers, too", () => {
  const src = join("packages", "http", "src")
  const all = packages.find(({ name }) => name === "@eventfold/http")?.ofSources ?? []
  const files = new Set(["Api.ts", "Client.ts", "Principal.ts", "Problem.ts"].map((file) => join(src, file)))
  // A set also goes through what is added on the way.
  for (const file of files) {
    const found = all.filter((one) => one.file === file)
    none(found.filter((one) => !isRelative(one) && !["effect", "eventfold"].includes(packageOf(one))))
    found.filter(isRelative).forEach(({ specifier }) => files.add(join(dirname(file), specifier)))
  }
  assert.strictEqual(files.size, 8)
})

it("the catalog's versions are exact, and the root takes its own from there", () => {
  const inexact = [...catalog].filter(([, version]) => !/^(npm:@?[\w./-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
  assert.deepStrictEqual(inexact, [])
  assert.deepStrictEqual(namedVersions.filter((line) => !/: \d+\.\d+\.\d+$/.test(line)), [])
  const { dependencies = {}, devDependencies = {} } = Schema.decodeSync(Manifest)(read("package.json"))
  const direct = Object.entries({ ...dependencies, ...devDependencies })
  assert.deepStrictEqual(direct.filter(([name, version]) => version !== "catalog:" || !catalog.has(name)), [])
})

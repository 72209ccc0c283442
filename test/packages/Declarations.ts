/**
 * Whether other packages can name the types that a package gives them. A compiler that emits declarations writes down the types that it
 * has inferred, by the public modules that it knows. A type that it finds only in an internal module becomes a path that nobody can
 * import, and so `any`.
 */
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { parseAst } from "vitest/node"
import { modulesOf, type Packed, read } from "./Packages.ts"
import { run } from "./Processes.ts"
import type { Project } from "./Project.ts"

/** A name in a module: of a declaration, or of what it takes from another one. */
interface Place {
  readonly module: string
  readonly name: string
}

interface Declarations {
  /** What the module takes from others of the package, by the name that it has here. */
  readonly imports: ReadonlyMap<string, Place>
  /** What it hands on from others, by the name under which it does. */
  readonly handsOn: ReadonlyMap<string, Place>
  /** The names of values that it exports. */
  readonly values: ReadonlyArray<string>
  /** The modules of the package that a compiler reads with it. */
  readonly reads: ReadonlyArray<string>
  /** The names in its own declarations, with those of what they take from a namespace, as `Space.Name`. */
  readonly names: ReadonlySet<string>
}

const namesIn = (node: unknown): ReadonlyArray<string> => {
  if (Array.isArray(node)) return node.flatMap(namesIn)
  if (typeof node !== "object" || node === null) return []
  // A key in brackets is a constant, and no type.
  const parts = Object.entries(node).filter(([name]) =>
    !(name === "key" && "computed" in node && node.computed === true)
  )
  const own = "type" in node && node.type === "TSQualifiedName" && "left" in node && "right" in node
    ? namesIn(node.left).flatMap((left) => namesIn(node.right).map((right) => `${left}.${right}`))
    : "type" in node && node.type === "Identifier" && "name" in node
    ? [String(node.name)]
    : []
  return [...own, ...parts.flatMap(([, part]) => namesIn(part))]
}

const declarationsOf = (packed: Packed, module: string): Declarations => {
  const imports = new Map<string, Place>()
  const handsOn = new Map<string, Place>()
  const values: Array<string> = []
  const reads: Array<string> = []
  const names = new Set<string>()
  const moduleOf = (specifier: string) => {
    if (!specifier.startsWith(".")) return undefined
    const path = normalize(join(dirname(module), specifier)).replace(/\.[jt]s$/, ".d.ts")
    reads.push(path)
    return path
  }
  for (const statement of parseAst(read(packed, module), { lang: "dts", sourceType: "module" }).body) {
    if (statement.type === "ImportDeclaration") {
      const from = moduleOf(statement.source.value)
      if (from === undefined) continue
      for (const one of statement.specifiers) {
        const name = one.type === "ImportSpecifier" && one.imported.type === "Identifier" ? one.imported.name : "*"
        imports.set(one.local.name, { module: from, name })
      }
    } else if (statement.type === "ExportNamedDeclaration" && statement.source !== null) {
      const from = moduleOf(statement.source.value)
      for (const { exportKind, exported, local } of statement.specifiers) {
        if (exported.type !== "Identifier" || local.type !== "Identifier") continue
        if (from !== undefined) handsOn.set(exported.name, { module: from, name: local.name })
        if (exportKind !== "type" && statement.exportKind !== "type") values.push(exported.name)
      }
    } else if (statement.type !== "ExportAllDeclaration") {
      for (const name of namesIn(statement)) names.add(name)
      const declared = statement.type === "ExportNamedDeclaration" ? statement.declaration : null
      if (declared?.type === "VariableDeclaration") {
        for (const { id } of declared.declarations) if (id.type === "Identifier") values.push(id.name)
      } else if (declared?.type === "ClassDeclaration" && declared.id !== null) values.push(declared.id.name)
    }
  }
  return { imports, handsOn, values, reads, names }
}

const isInternal = (module: string): boolean => module.includes("/internal/")

const publicModules = (packed: Packed): ReadonlyArray<readonly [specifier: string, module: string]> =>
  modulesOf(packed).map(([specifier, path]) => [specifier, path.replace(/\.js$/, ".d.ts")] as const)

/**
 * The types that declarations of public modules take from internal ones, and that none of the public modules exports which a compiler
 * reads with them.
 */
export const unnamed = (packed: Packed): ReadonlyArray<string> => {
  const modules = new Map<string, Declarations>()
  const get = (module: string): Declarations => {
    const found = modules.get(module) ?? declarationsOf(packed, module)
    modules.set(module, found)
    return found
  }
  return publicModules(packed).flatMap(([specifier, module]) => {
    const reads = new Set([module])
    for (const one of reads) for (const next of get(one).reads) reads.add(next)
    const exported = new Set(
      [...reads].filter((one) => !isInternal(one)).flatMap((one) =>
        [...get(one).handsOn.values()].map(({ module, name }) => `${module} ${name}`)
      )
    )
    const { imports, names } = get(module)
    return [...names].flatMap((used) => {
      const [local = "", member] = used.split(".")
      const from = imports.get(local)
      if (from === undefined || !isInternal(from.module) || (from.name === "*" && member === undefined)) return []
      const name = from.name === "*" ? member : from.name
      return exported.has(`${from.module} ${name}`) ? [] : [`${specifier}: ${name} of ${from.module}`]
    })
  })
}

const settings = {
  target: "ES2024",
  lib: ["ES2024", "DOM"],
  module: "NodeNext",
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
  types: ["node"],
  composite: true,
  emitDeclarationOnly: true,
  outDir: "out",
  rootDir: "."
}

/**
 * Compiles, for each public module, a module that exports all of its values again, and gives what is wrong with the declarations:
 * errors, and types by paths that can't be imported. Each is a program of its own, which knows no other public modules.
 */
export const emit = Effect.fnUntraced(function*(project: Project, packages: ReadonlyArray<Packed>, tsc: string) {
  const folder = join(project.path, "emitted")
  const modules = packages.flatMap((packed) =>
    publicModules(packed).flatMap(([specifier, module]) => {
      const { values } = declarationsOf(packed, module)
      return values.length === 0 ? [] : [{ specifier, values, path: specifier.replaceAll("/", "_") }]
    })
  )
  for (const { path, specifier, values } of modules) {
    mkdirSync(join(folder, path), { recursive: true })
    const again = values.map((name, at) => `export const value${at} = [all.${name}] as const`)
    writeFileSync(join(folder, path, "all.ts"), [`import * as all from "${specifier}"`, ...again].join("\n"))
    writeFileSync(
      join(folder, path, "tsconfig.json"),
      JSON.stringify({ compilerOptions: settings, include: ["all.ts"] })
    )
  }
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ files: [], references: modules.map(({ path }) => ({ path })) })
  )
  const { stdout } = yield* run(process.execPath, [tsc, "--build", "--pretty", "false", folder], { cwd: folder }).pipe(
    Effect.catch((failed) => Effect.succeed({ stdout: failed.output }))
  )
  const paths = modules.flatMap(({ path, specifier }) => {
    const emitted = join(folder, path, "out/all.d.ts")
    if (!existsSync(emitted)) return [`${specifier}: no declarations`]
    return [...readFileSync(emitted, "utf8").matchAll(/import\("([^"]*\/internal\/[^"]*)"\)\.(\w+)/g)].map(
      ([, from, name]) => `${specifier}: ${name} of ${from}`
    )
  })
  return [...stdout.split("\n").filter((line) => line !== ""), ...paths]
})

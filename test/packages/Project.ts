/**
 * Projects of users: empty folders outside of the workspace, into which the packed packages are installed.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { cpSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { modulesOf, type Packed, root } from "./Packages.ts"
import { outside, run } from "./Processes.ts"

/** The versions that the catalog of the workspace has, for what a user installs beside the packages. */
const catalogVersion = (name: string): string => {
  const [, version] =
    new RegExp(`^  "?${name}"?: (\\S+)$`, "m").exec(readFileSync(join(root, "pnpm-workspace.yaml"), "utf8")) ?? []
  if (version === undefined) throw new Error(`${name} is not in the catalog`)
  return version
}

/** The peers of the packages, the optional ones too, and the types of Node. */
const beside = ["effect", "@effect/platform-node", "@effect/sql-pg", "@effect/vitest", "@types/node", "vitest"]

export type Manager = "npm" | "pnpm"

/** What the package manager has said about versions that don't fit together. */
const complaints = (output: string): ReadonlyArray<string> =>
  output.split("\n").filter((line) => /peer|ERESOLVE|deprecated|conflict/i.test(line))

export interface Project {
  readonly path: string
  /** Lines about peers that are missing or don't fit, and about deprecated packages. */
  readonly complaints: ReadonlyArray<string>
}

/** A project with all packages, from their tarballs. */
export const install = Effect.fnUntraced(function*(packages: ReadonlyArray<Packed>, manager: Manager) {
  const path = yield* outside(`packed-${manager}`)
  const tarballs = Object.fromEntries(packages.map(({ manifest, tarball }) => [manifest.name, `file:${tarball}`]))
  writeFileSync(
    join(path, "package.json"),
    JSON.stringify({
      name: "project",
      private: true,
      type: "module",
      dependencies: { ...tarballs, ...Object.fromEntries(beside.map((name) => [name, catalogVersion(name)])) }
    })
  )
  // npm takes a tarball for every range that its version fits. pnpm would ask the registry for those ranges.
  writeFileSync(
    join(path, "pnpm-workspace.yaml"),
    ["overrides:", ...Object.entries(tarballs).map(([name, spec]) => `  "${name}": ${JSON.stringify(spec)}`), ""].join(
      "\n"
    )
  )
  const output = manager === "npm"
    ? yield* run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline"], { cwd: path })
    : yield* run(join(root, "node_modules/.bin/pnpm"), ["install", "--prefer-offline"], { cwd: path })
  const project: Project = { path, complaints: complaints(output.stdout + output.stderr) }
  return project
})

/** A diagnostic of the compiler: the package whose file it is in, or `project`, and the text. */
export interface Diagnostic {
  readonly package: string
  readonly text: string
}

const packageOf = (path: string): string => {
  const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path) ?? []
  return name ?? "project"
}

/** Checks every module of every package, and the project that `npm create eventfold` makes, with all declarations, those of the libraries it uses too. */
export const check = Effect.fnUntraced(function*(project: Project, packages: ReadonlyArray<Packed>, tsc: string) {
  cpSync(join(root, "packages/create-eventfold/template"), join(project.path, "starter"), { recursive: true })
  const specifiers = packages.flatMap(modulesOf).map(([specifier]) => specifier)
  writeFileSync(
    join(project.path, "all.ts"),
    specifiers.map((specifier, at) => `import * as module${at} from "${specifier}"\nexport { module${at} }\n`).join("")
  )
  writeFileSync(
    join(project.path, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        target: "ES2024",
        lib: ["ES2024", "DOM"],
        module: "NodeNext",
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        allowImportingTsExtensions: true,
        types: ["node"],
        noEmit: true
      },
      include: ["*.ts", "starter"]
    })
  )
  const { stdout } = yield* run(process.execPath, [tsc, "--pretty", "false", "-p", project.path], { cwd: project.path })
    .pipe(
      Effect.catch((failed) => Effect.succeed({ stdout: failed.output }))
    )
  return stdout.split(/\n(?=\S)/).filter((text) => text.trim() !== "").map((text): Diagnostic => ({
    package: packageOf(/^([^(]*)\(/.exec(text)?.[1] ?? ""),
    text
  }))
})

/** Runs a program in a project, and gives what it has printed. */
export const runProgram = Effect.fnUntraced(function*(
  project: Project,
  name: string,
  code: string,
  runtime: ReadonlyArray<string>,
  env: NodeJS.ProcessEnv = {}
) {
  writeFileSync(join(project.path, `${name}.ts`), code)
  const [command = "", ...args] = runtime
  return yield* run(command, [...args, `${name}.ts`], { cwd: project.path, env })
})

const Licences = Schema.fromJsonString(
  Schema.Record(Schema.String, Schema.Array(Schema.Struct({ name: Schema.String })))
)

/** The packages in a project of pnpm by their licences. */
export const licences = Effect.fnUntraced(function*(project: Project) {
  const { stdout } = yield* run(join(root, "node_modules/.bin/pnpm"), ["licenses", "list", "--json"], {
    cwd: project.path
  })
  const found = yield* Schema.decodeEffect(Licences)(stdout)
  return Object.entries(found).map(([licence, packages]) => ({ licence, packages: packages.map(({ name }) => name) }))
})

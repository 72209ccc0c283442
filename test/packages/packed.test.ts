/**
 * The packages as npm would get them: what is in the tarballs, and what a project outside of the workspace makes of them. The long form
 * (`npx pnpm packed`) goes through every package manager, compiler and runtime that they promise to run on.
 */
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { assert, layer } from "@effect/vitest"
import * as Database from "@eventfold/test/support/Database"
import { isLong } from "@eventfold/test/support/Form"
import * as PostgresServer from "@eventfold/test/support/PostgresServer"
import { sources } from "@eventfold/test/workspace/Imports"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { dirname, join, normalize } from "node:path"
import { publint } from "publint"
import { parseAst } from "vitest/node"
import * as Declarations from "./Declarations.ts"
import { folders, modulesOf, pack, type Packed, read, root } from "./Packages.ts"
import { run } from "./Processes.ts"
import * as Project from "./Project.ts"
import { linksOf, programsOf, programsWithServerOf } from "./Readme.ts"
import * as Tools from "./Tools.ts"

class Tarballs extends Context.Service<Tarballs, ReadonlyArray<Packed>>()("test/packages/Tarballs") {
  static readonly layer = Layer.effect(Tarballs, Effect.orDie(pack))
}

/** A project for each package manager: one in the short form. */
class Projects extends Context.Service<Projects, ReadonlyArray<readonly [Project.Manager, Project.Project]>>()(
  "test/packages/Projects"
) {
  static readonly layer = Layer.effect(
    Projects,
    Effect.gen(function*() {
      const packages = yield* Tarballs
      const managers: ReadonlyArray<Project.Manager> = isLong ? ["pnpm", "npm"] : ["pnpm"]
      return yield* Effect.forEach(
        managers,
        (manager) => Effect.map(Project.install(packages, manager), (project) => [manager, project] as const)
      )
    }).pipe(Effect.orDie)
  )
}

const context = Projects.layer.pipe(Layer.provideMerge(Tarballs.layer))

/** Addresses that are nobody's invention: of the projects that eventfold is built on, and of this machine. */
const known = [
  /^https?:\/\/(localhost|127\.0\.0\.1)(:\d+)?([/?#]|$)/,
  /^https:\/\/effect\.website\/?$/,
  /^https:\/\/pglite\.dev\/?$/,
  /^https:\/\/www\.npmjs\.com\/package\/(@eventfold\/[a-z]+|eventfold|create-eventfold)$/,
  /^https:\/\/github\.com\/nodejs\/node\/issues\/\d+$/,
  // The format of what `verify --sarif` prints.
  /^https:\/\/docs\.oasis-open\.org\/sarif\//,
  // The licence of the data folder in @eventfold/pglite.
  /^http:\/\/www\.apache\.org\/licenses\//
]

/** What a package's tarball may hold: nothing else is of use to who installs it. */
const needed: ReadonlyArray<readonly [package_: RegExp, path: RegExp]> = [
  [/./, /^(LICENSE|README\.md|package\.json)$/],
  [/./, /^dist\/.*\.(js|d\.ts)(\.map)?$/],
  // What the maps of `dist` lead to.
  [/./, /^src\/.*\.ts$/],
  [/^@eventfold\/sql$/, /\.sql$|^verify\/installed\.txt$/],
  // The page, and the command as one file, which are built.
  [/^@eventfold\/http$/, /^page\/dist\//],
  [/^@eventfold\/cli$/, /^dist\/command\//],
  [/^create-eventfold$/, /^template\//],
  [/^@eventfold\/pglite$/, /^data\/(APACHE-2\.0\.txt|README\.md|pgdata\.tgz)$/]
]

/** Licences under which everybody may use what is installed. */
const free = new Set([
  "MIT",
  "ISC",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "0BSD",
  "MPL-2.0",
  "PostgreSQL",
  "BlueOak-1.0.0",
  "MIT-0"
])

/** Files of the clone that texts have named. */
const ofTheClone =
  /npx pnpm|(?<![\w/@-])(docs|examples|test|packages)\/[\w-]+(\/|\.md)|(?<!@eventfold\/)sql\/(un)?install\.sql/g

/** The modules of a package, each with those of the package that it imports. */
const graphOf = (packed: Packed): ReadonlyMap<string, ReadonlyArray<string>> =>
  new Map(
    packed.files.filter((file) => file.startsWith("dist/") && file.endsWith(".js")).map((file) => [
      file,
      sources(parseAst(read(packed, file), { sourceType: "module" })).flatMap((specifier) =>
        specifier.startsWith(".") ? [normalize(join(dirname(file), specifier))] : []
      )
    ])
  )

/** A way from a module back to it, if there is one. */
const circleOf = (graph: ReadonlyMap<string, ReadonlyArray<string>>): ReadonlyArray<string> => {
  const done = new Set<string>()
  const visit = (file: string, way: ReadonlyArray<string>): ReadonlyArray<string> => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file]
    if (done.has(file)) return []
    for (const next of graph.get(file) ?? []) {
      const found = visit(next, [...way, file])
      if (found.length > 0) return found
    }
    done.add(file)
    return []
  }
  return [...graph.keys()].map((file) => visit(file, [])).find((way) => way.length > 0) ?? []
}

/** A lease, wake-ups, a position and a read model, after the program of the README of @eventfold/postgres has deposited 25. */
const following = `
import { PgClient } from "@effect/sql-pg"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import { Config, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Category, Consumer, ReadModel } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })
let total = 0
const totals = Consumer.make("totals").on(Account, {
  Deposited: ({ data }) => Effect.sync(() => { total += data.amount })
})
const amounts = SqlReadModel.make("amounts", {
  version: 1,
  tables: ["CREATE TABLE amounts (position bigint PRIMARY KEY, amount bigint NOT NULL)"]
}).on(Account, {
  Deposited: ({ data, recorded }) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) =>
      sql\`INSERT INTO amounts (position, amount) VALUES (\${recorded.globalPosition}, \${data.amount})\`)
})

const program = Effect.scoped(Effect.gen(function*() {
  const running = [yield* Consumer.start(totals), yield* ReadModel.start(amounts)]
  const { globalPosition } = yield* Account.append("bob", [1, 2, 3].map((amount) => Account.events.Deposited({ amount })))
  for (const one of running) yield* one.waitFor(globalPosition)
  return \`handled \${total}\`
}))

const Store = SqlReadModel.layer().pipe(
  Layer.provideMerge(Postgres.layerClient()),
  Layer.provide(PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") }))
)
console.log(await Effect.runPromise(program.pipe(Effect.provide(Store))))
`

const each = (check: (packed: Packed) => Effect.Effect<void, unknown> | void) =>
  Effect.gen(function*() {
    const packages = yield* Tarballs
    assert.strictEqual(packages.length, folders.length)
    for (const packed of packages) yield* check(packed) ?? Effect.void
  })

layer(context, { excludeTestServices: true, timeout: 600_000 })("the packed packages", (it) => {
  it.effect("hold what their users need, and nothing else", () =>
    each((packed) => {
      const { name } = packed.manifest
      const more = packed.files.filter((file) => !needed.some(([of, path]) => of.test(name) && path.test(file)))
      assert.deepStrictEqual(more, [], name)
      for (const file of ["LICENSE", "README.md"]) assert.include(packed.files, file, name)
      for (const [specifier, path] of modulesOf(packed)) {
        assert.includeMembers([...packed.files], [path, path.replace(/\.js$/, ".d.ts")], specifier)
      }
    }))

  it.effect("say who may use them, on what, and run nothing when they are installed", () =>
    each(({ manifest }) => {
      assert.strictEqual(manifest.license, "MIT", manifest.name)
      assert.isAbove(manifest.description?.length ?? 0, 20, manifest.name)
      assert.deepStrictEqual(manifest.engines, { node: ">=22.19.0" }, manifest.name)
      const { preinstall, install, postinstall } = manifest.scripts ?? {}
      assert.deepStrictEqual([preinstall, install, postinstall], [undefined, undefined, undefined], manifest.name)
      const ranges = Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies })
      assert.deepStrictEqual(ranges.filter(([, range]) => !/^(\^|~|>=)?\d+\.\d+\.\d+/.test(range)), [], manifest.name)
    }))

  it.effect("have nothing that publint would change", () =>
    each((packed) =>
      Effect.gen(function*() {
        const { messages } = yield* Effect.promise(() =>
          publint({ pkgDir: packed.unpacked, pack: false, strict: true })
        )
        assert.deepStrictEqual(messages, [], packed.manifest.name)
      })
    ))

  it.effect("have types that are right for everything that imports modules", () =>
    each((packed) =>
      Effect.gen(function*() {
        // A command has nothing to import.
        if (packed.manifest.exports === undefined) return
        const tarball = yield* Effect.promise(() => readFile(packed.tarball))
        const result = yield* Effect.promise(() =>
          checkPackage(createPackageFromTarballData(new Uint8Array(tarball)), {
            // A file, and no module.
            excludeEntrypoints: ["./data/pgdata.tgz"]
          })
        )
        const problems = result.types === false ?
          ["no types"] :
          result.problems.filter((problem) =>
            !("resolutionKind" in problem) || problem.resolutionKind === "node16-esm" ||
            problem.resolutionKind === "bundler"
          )
        assert.deepStrictEqual(problems, [], packed.manifest.name)
      })
    ))

  it.effect("give types that other packages can name", () =>
    each((packed) => assert.deepStrictEqual(Declarations.unnamed(packed), [], packed.manifest.name)))

  it.effect("have no circle of imports", () => each((packed) => assert.deepStrictEqual(circleOf(graphOf(packed)), [])))

  it.effect("name no address that was invented, and no file that only a clone has", () =>
    each((packed) => {
      // What is bundled into the command and the page has the addresses of those who wrote it.
      for (const file of packed.files.filter((path) => !/\.(map|tgz)$|^dist\/command\/|^page\/dist\//.test(path))) {
        const text = read(packed, file)
        const addresses = [...text.matchAll(/https?:\/\/[^\s"'`<>)\]}$\\]+/g)].map(([address]) =>
          address.replace(/[.,;:]+$/, "")
        )
        const where = `${packed.manifest.name}/${file}`
        assert.deepStrictEqual(
          addresses.filter((address) => !known.some((pattern) => pattern.test(address))),
          [],
          where
        )
        assert.deepStrictEqual([...text.matchAll(ofTheClone)].map(([name]) => name), [], where)
      }
    }))

  it.effect("have a README with an install line and a program, whose links lead somewhere from npm", () =>
    each((packed) => {
      const text = read(packed, "README.md")
      assert.match(text, /^(npm install|npx|npm create) /m, packed.manifest.name)
      assert.match(text, /^```(ts|console|sh)/m, packed.manifest.name)
      assert.deepStrictEqual(linksOf(text).filter((link) => !link.startsWith("https:")), [], packed.manifest.name)
    }))

  // They need projects into which all is installed, and so are of the long form.
  const whole = isLong ? it.effect : it.effect.skip

  whole("are installed without a word about peers", () =>
    Effect.gen(function*() {
      for (const [manager, { complaints }] of yield* Projects) assert.deepStrictEqual(complaints, [], manager)
    }))

  whole("bring only packages that everybody may use", () =>
    Effect.gen(function*() {
      const [, project] = (yield* Projects)[0] ?? assert.fail("no project")
      const found = yield* Project.licences(project)
      assert.isAbove(found.length, 2)
      assert.deepStrictEqual(found.filter(({ licence }) => !free.has(licence)), [])
    }))

  whole("have declarations without an error, whatever the compiler looks at", () =>
    Effect.gen(function*() {
      const packages = yield* Tarballs
      for (const [manager, project] of yield* Projects) {
        for (const [compiler, tsc] of yield* Tools.compilers) {
          const found = yield* Project.check(project, packages, tsc)
          const ours = found.filter((one) =>
            one.package === "project" || packages.some((p) => p.manifest.name === one.package)
          )
          assert.deepStrictEqual(ours.map(({ text }) => text), [], `${manager}, TypeScript ${compiler}`)
          // Known, and not ours to mend. An error of a package that is not here is news for the README.
          const others = [...new Set(found.map((one) => one.package))].toSorted()
          assert.deepStrictEqual(others.filter((name) => !Tools.withErrors.has(name)), [], found[0]?.text)
        }
      }
    }))

  whole("give types that a compiler can name when it emits declarations", () =>
    Effect.gen(function*() {
      const packages = yield* Tarballs
      const [, project] = (yield* Projects).find(([manager]) => manager === "npm") ?? assert.fail("no project of npm")
      for (const [compiler, tsc] of yield* Tools.compilers) {
        assert.deepStrictEqual(yield* Declarations.emit(project, packages, tsc), [], `TypeScript ${compiler}`)
      }
    }))

  whole("are what the project of npm create eventfold is tested with", () =>
    Effect.gen(function*() {
      for (const [, project] of yield* Projects) {
        const { stdout } = yield* run(process.execPath, ["--test", "starter/test/*.test.ts"], { cwd: project.path })
        assert.include(stdout, "pass 2")
      }
    }))

  whole("run the programs of their READMEs", () =>
    Effect.gen(function*() {
      const packages = yield* Tarballs
      const programs = packages.flatMap((packed) =>
        programsOf(read(packed, "README.md")).map(({ code, prints }) => ({
          name: packed.folder.replaceAll("/", "-"),
          code,
          prints
        }))
      )
      assert.isAtLeast(programs.length, 5)
      for (const [manager, project] of yield* Projects) {
        for (const [runtime, command] of yield* Tools.runtimes) {
          yield* Effect.forEach(programs, ({ code, name, prints }) =>
            Effect.gen(function*() {
              const { stdout } = yield* Project.runProgram(project, name, code, command)
              assert.strictEqual(
                stdout.trim().split("\n").slice(-prints.split("\n").length).join("\n"),
                prints,
                `${name} on ${runtime}, ${manager}`
              )
            }), { concurrency: 2, discard: true })
        }
      }
    }))

  whole("run on PostgreSQL, on each runtime", () =>
    Effect.gen(function*() {
      const postgres = (yield* Tarballs).find(({ manifest }) => manifest.name === "@eventfold/postgres") ??
        assert.fail("no @eventfold/postgres")
      const [program, ...more] = programsWithServerOf(read(postgres, "README.md"))
      assert.deepStrictEqual(more, [])
      const [, project] = (yield* Projects)[0] ?? assert.fail("no project")
      const server = yield* PostgresServer.start()
      for (const [at, [runtime, command]] of (yield* Tools.runtimes).entries()) {
        const { url } = yield* Database.make({ server, empty: true })
        const env = { DATABASE_URL: url }
        const { stdout } = yield* Project.runProgram(project, `postgres-${at}`, program?.code ?? "", command, env)
        assert.strictEqual(stdout.trim(), program?.prints, runtime)
        const handled = yield* Project.runProgram(project, `following-${at}`, following, command, env)
        // Behind what the consumer and the read model log.
        assert.strictEqual(handled.stdout.trim().split("\n").at(-1), "handled 31", runtime)
      }
    }))
})

layer(Layer.empty)("the README of the workspace", (it) => {
  it.effect("names every package", () =>
    Effect.sync(() => {
      const text = readFileSync(join(root, "README.md"), "utf8")
      for (const folder of folders) assert.include(text, `](${folder})`)
    }))
})

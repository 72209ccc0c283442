/**
 * Tries a release before it is made: `npx pnpm release:try`. In a clone of the last commit it does what `.github/workflows/release.yml`
 * does, up to publishing to a registry on this machine. Nothing here or elsewhere changes.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { globSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { folders, root } from "./Packages.ts"
import { outside, run } from "./Processes.ts"
import * as Registry from "./Registry.ts"

class ReleaseFailed extends Data.TaggedError("ReleaseFailed")<{ readonly message: string }> {}

const Manifest = Schema.fromJsonString(Schema.Struct({ name: Schema.String, version: Schema.String }))

const Published = Schema.Struct({
  "dist-tags": Schema.Struct({ latest: Schema.String }),
  versions: Schema.Record(
    Schema.String,
    Schema.Struct({
      repository: Schema.Struct({ url: Schema.String, directory: Schema.String }),
      dependencies: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
    })
  )
})

/** The script of a step of the release workflow. */
const stepOf = (workflow: string, name: string): string => {
  const lines = workflow.split("\n")
  const begin = lines.findIndex((line, at) =>
    line.includes(`- name: ${name}`) && lines.slice(at).some((next) => next.includes("run: |"))
  )
  const run = lines.findIndex((line, at) => at > begin && line.trim() === "run: |")
  const indent = (lines[run] ?? "").search(/\S/)
  const end = lines.findIndex((line, at) => at > run && line.trim() !== "" && line.search(/\S/) <= indent)
  return lines.slice(run + 1, end === -1 ? undefined : end).join("\n")
}

const say = (text: string) => Effect.sync(() => process.stdout.write(`${text}\n`))

const program = Effect.gen(function*() {
  const clone = join(yield* outside("release"), "clone")
  yield* run("git", ["clone", "--quiet", root, clone], { cwd: root })
  yield* run("git", ["config", "user.name", "release"], { cwd: clone })
  yield* run("git", ["config", "user.email", "release@localhost"], { cwd: clone })
  const pnpm = (args: ReadonlyArray<string>, env: NodeJS.ProcessEnv = {}) =>
    run(join(root, "node_modules/.bin/pnpm"), args, { cwd: clone, env })
  yield* pnpm(["install", "--frozen-lockfile", "--prefer-offline"])

  yield* pnpm(["changeset", "version"])
  const manifests = yield* Effect.forEach(folders, (folder) =>
    Effect.map(
      Schema.decodeEffect(Manifest)(readFileSync(join(clone, folder, "package.json"), "utf8")),
      (manifest) => ({ folder, ...manifest })
    ))
  const [version = "", ...others] = [...new Set(manifests.map((manifest) => manifest.version))]
  if (others.length > 0) {
    return yield* new ReleaseFailed({ message: `the packages have several versions: ${version}, ${others.join(", ")}` })
  }
  const left = globSync("*.md", { cwd: join(clone, ".changeset") }).filter((file) => file !== "README.md")
  if (left.length > 0) return yield* new ReleaseFailed({ message: `changesets are left: ${left.join(", ")}` })
  yield* run("git", ["commit", "--quiet", "--all", "-m", `Version ${version}`], { cwd: clone })
  yield* say(`${manifests.length} packages have the version ${version}`)
  const changelog = readFileSync(join(clone, "packages/eventfold/CHANGELOG.md"), "utf8")
  yield* say(`the changelog of eventfold begins:\n\n${changelog.split("\n").slice(0, 12).join("\n")}\n`)

  yield* pnpm(["run", "build"])
  const naming = stepOf(
    readFileSync(join(clone, ".github/workflows/release.yml"), "utf8"),
    "Name this repository in the packages"
  )
  yield* run("bash", ["-e", "-c", naming], {
    cwd: clone,
    env: { GITHUB_SERVER_URL: "https://server.invalid", GITHUB_REPOSITORY: "owner/name" }
  })

  const registry = yield* Registry.start
  writeFileSync(join(clone, ".npmrc"), readFileSync(registry.npmrc, "utf8"))
  yield* pnpm(["changeset", "publish"], registry.env)
  for (const { folder, name } of manifests) {
    const response = yield* Effect.promise(() => fetch(new URL(name.replace("/", "%2f"), registry.url)))
    if (!response.ok) return yield* new ReleaseFailed({ message: `${name} was not published: ${response.status}` })
    const found = yield* Schema.decodeUnknownEffect(Published)(yield* Effect.promise(() => response.json()))
    const published = found.versions[version]
    if (found["dist-tags"].latest !== version || published?.repository.directory !== folder) {
      return yield* new ReleaseFailed({ message: `${name} was published otherwise: ${JSON.stringify(found)}` })
    }
    const unresolved = Object.entries(published.dependencies ?? {}).filter(([, range]) =>
      /^(workspace|catalog):/.test(range)
    )
    if (unresolved.length > 0) {
      return yield* new ReleaseFailed({ message: `${name} depends on ${JSON.stringify(unresolved)}` })
    }
    yield* say(`published ${name}@${version}`)
  }
  const { stdout: tags } = yield* run("git", ["tag", "--points-at", "HEAD"], { cwd: clone })
  yield* say(`${tags.trim().split("\n").length} tags, such as ${tags.split("\n")[0]}`)
})

await Effect.runPromise(Effect.scoped(program))

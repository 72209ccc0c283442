/**
 * Prints what docs/performance.md says about sizes and the start: `npx pnpm packed:sizes`. Run it after `npx pnpm build`.
 */
import { sources } from "@eventfold/test/workspace/Imports"
import { execFile } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { parseAst } from "vitest/node"
import { root } from "./Packages.ts"
import { bundled, core, hello } from "./Sizes.ts"

const exec = promisify(execFile)

const dist = join(root, "packages/eventfold/dist")

/** Every module of effect that the core imports, as one program. */
const effects = [
  ...new Set(
    globSync("**/*.js", { cwd: dist }).flatMap((file) =>
      sources(parseAst(readFileSync(join(dist, file), "utf8"), { sourceType: "module" }))
    )
      .filter((specifier) => specifier === "effect" || specifier.startsWith("effect/"))
  )
].toSorted()

interface Start {
  readonly milliseconds: number
  readonly megabytes: number
}

/** What a fresh process takes to import, and what it holds then. The time is the processor's: other work on the machine adds little. */
const startOnce = async (imports: ReadonlyArray<string>): Promise<Start> => {
  const program = `
    const before = process.cpuUsage()
    for (const specifier of ${JSON.stringify(imports)}) await import(specifier)
    const { user, system } = process.cpuUsage(before)
    console.log(JSON.stringify([(user + system) / 1000, process.memoryUsage().rss / 1e6]))`
  const { stdout } = await exec(process.execPath, ["--input-type=module", "-e", program], {
    cwd: join(root, "packages/eventfold")
  })
  const [milliseconds, megabytes]: [number, number] = JSON.parse(stdout)
  return { milliseconds, megabytes }
}

const median = (numbers: ReadonlyArray<number>): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0

const ways = {
  nothing: [],
  "the modules of effect that the core imports": effects,
  "all of the core": [...effects, pathToFileURL(join(dist, "index.js")).href]
}

const rounds = 11
const results = new Map<string, Array<Start>>(Object.keys(ways).map((name) => [name, []]))
// In turn, so that other work on the machine falls on all of them.
for (let round = 0; round < rounds; round++) {
  for (const [name, imports] of Object.entries(ways)) results.get(name)?.push(await startOnce(imports))
}

const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`

const sizes = [
  ["the core, without effect", await bundled(core, { effect: false })],
  ["the core, with what it uses of effect", await bundled(core, { effect: true })],
  ["an entity on the store in memory, without effect", await bundled(hello, { effect: false })],
  ["the same, with what it uses of effect", await bundled(hello, { effect: true })]
] as const

process.stdout.write([
  "| bundle | minified | brotli |",
  "| --- | --- | --- |",
  ...sizes.map(([name, size]) => `| ${name} | ${kilobytes(size.minified)} | ${kilobytes(size.brotli)} |`),
  "",
  `| Node ${process.versions.node} imports | processor time | memory of the process |`,
  "| --- | --- | --- |",
  ...[...results].map(([name, starts]) =>
    `| ${name} | ${median(starts.map((start) => start.milliseconds)).toFixed(0)} ms | ${
      median(starts.map((start) => start.megabytes)).toFixed(0)
    } MB |`
  ),
  ""
].join("\n"))

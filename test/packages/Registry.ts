/**
 * A registry on this machine, for what needs one: `npm create`, and a release that is tried before it is made. It has the packed
 * packages, and asks npm's registry for everything else.
 */
import { until } from "@eventfold/test/support/Until"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import type { Packed } from "./Packages.ts"
import { outside, plainEnvironment, run } from "./Processes.ts"
import { verdaccio } from "./Tools.ts"

export interface Registry {
  readonly url: string
  /** The environment in which package managers use it. */
  readonly env: NodeJS.ProcessEnv
  /** A configuration of npm with a token that it takes: it takes any. */
  readonly npmrc: string
}

/** A port that is free now. */
export const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() =>
      resume(typeof address === "object" && address !== null ? Effect.succeed(address.port) : Effect.die(address))
    )
  })
})

/** Our names, which it must not look for anywhere else. */
const ours = ["eventfold", "create-eventfold", "@eventfold/*"]

/** Starts it. The end of the scope stops it. */
export const start = Effect.gen(function*() {
  const folder = yield* outside("registry")
  const port = yield* freePort
  const { stdout } = yield* run("npm", ["config", "get", "registry"], { cwd: folder })
  writeFileSync(
    join(folder, "config.yaml"),
    [
      `storage: ${JSON.stringify(join(folder, "storage"))}`,
      "web: { enable: false }",
      "max_body_size: 100mb",
      `uplinks: { npm: { url: ${
        JSON.stringify(stdout.trim())
      }, timeout: 120s, max_fails: 20, fail_timeout: 1s, cache: true } }`,
      "packages:",
      ...ours.map((name) => `  "${name}": { access: $all, publish: $all, unpublish: $all }`),
      "  \"**\": { access: $all, proxy: npm }",
      "log: { type: stdout, level: warn }",
      ""
    ].join("\n")
  )
  const program = yield* verdaccio
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [program, "--config", join(folder, "config.yaml"), "--listen", `127.0.0.1:${port}`], {
        cwd: folder,
        env: plainEnvironment(),
        stdio: ["ignore", "ignore", "inherit"]
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  const url = `http://127.0.0.1:${port}/`
  yield* until(
    "the registry answers",
    Effect.promise(() => fetch(new URL("-/ping", url)).then(({ ok }) => ok, () => false)).pipe(
      Effect.tap(() =>
        child.exitCode === null ? Effect.void : Effect.die(new Error(`the registry has ended: ${child.exitCode}`))
      )
    )
  )
  const npmrc = join(folder, "npmrc")
  writeFileSync(npmrc, `registry=${url}\n//127.0.0.1:${port}/:_authToken=any\n`)
  const registry: Registry = {
    url,
    npmrc,
    env: { npm_config_registry: url, npm_config_userconfig: npmrc, BUN_CONFIG_REGISTRY: url }
  }
  return registry
})

/** Publishes packed packages, as their latest versions. */
export const publish = (registry: Registry, packages: ReadonlyArray<Packed>) =>
  Effect.forEach(
    packages,
    ({ tarball, unpacked }) =>
      run("npm", ["publish", tarball, "--provenance=false", "--access=public"], { cwd: unpacked, env: registry.env }),
    {
      discard: true
    }
  )

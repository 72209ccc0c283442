/**
 * The first minute with eventfold: `npm create eventfold` in an empty folder, with each package manager, from a registry on this machine
 * that has the packed packages. Only in the long form, because it downloads what a user downloads.
 */
import { assert, layer } from "@effect/vitest"
import { untilSome } from "@eventfold/test/support/Until"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { spawn } from "node:child_process"
import { delimiter, dirname, join } from "node:path"
import { pack, root } from "./Packages.ts"
import { outside, plainEnvironment, run } from "./Processes.ts"
import * as Registry from "./Registry.ts"
import * as Tools from "./Tools.ts"

class Loopback extends Context.Service<Loopback, Registry.Registry>()("test/packages/Loopback") {
  static readonly layer = Layer.effect(
    Loopback,
    Effect.gen(function*() {
      const registry = yield* Registry.start
      yield* Registry.publish(registry, yield* pack)
      return registry
    }).pipe(Effect.orDie)
  )
}

interface Manager {
  readonly name: string
  /** What it is run by. */
  readonly command: string
  readonly create: ReadonlyArray<string>
}

const managers: Effect.Effect<ReadonlyArray<Manager>, unknown> = Effect.map(Tools.bun, (bun) => [
  { name: "npm", command: "npm", create: ["create", "--yes", "eventfold@latest", "parcels"] },
  { name: "pnpm", command: join(root, "node_modules/.bin/pnpm"), create: ["create", "eventfold@latest", "parcels"] },
  { name: "bun", command: bun, create: ["create", "eventfold@latest", "parcels"] }
])

/** The answer of a server that is starting. */
const answer = (url: string, accept: string) =>
  untilSome(
    `${url} answers`,
    Effect.promise(() =>
      fetch(url, { headers: { accept } }).then(
        async (response) => response.ok ? Option.some(await response.text()) : Option.none(),
        () => Option.none()
      )
    )
  )

if (Tools.isLong) {
  layer(Loopback.layer, { excludeTestServices: true, timeout: 600_000 })("npm create eventfold", (it) => {
    it.effect("makes a project that is tested and started, with each package manager", () =>
      Effect.gen(function*() {
        const registry = yield* Loopback
        // Node 24 is the one that the project's scripts find, as a user's would be.
        const env = {
          ...registry.env,
          PATH: [dirname(process.execPath), process.env["PATH"]].join(delimiter)
        }
        for (const { command, create, name } of yield* managers) {
          const begun = yield* Clock.currentTimeMillis
          const folder = yield* outside(`create-${name}`)
          const made = yield* run(command, create, { cwd: folder, env })
          assert.include(made.stdout, `${name} start`)
          const cwd = join(folder, "parcels")
          yield* run(command, ["install"], { cwd, env })
          yield* run(command, ["run", "test"], { cwd, env })
          yield* run(command, ["run", "check"], { cwd, env })

          const port = yield* Registry.freePort
          const address = `http://127.0.0.1:${port}`
          yield* Effect.acquireRelease(
            Effect.sync(() =>
              spawn(command, ["run", "start"], {
                cwd,
                env: { ...plainEnvironment(), ...env, PORT: String(port) },
                detached: true,
                stdio: "ignore"
              })
            ),
            // The package manager and the program that it has started.
            ({ pid }) => Effect.sync(() => pid !== undefined && process.kill(-pid, "SIGKILL"))
          )
          const entity = yield* answer(`${address}/entities/parcel/1001`, "application/json")
          assert.include(entity, "\"places\":[\"Harbour\"]")
          // HTML           assert.include(yield* answer(`${address}/entities/parcel/1001`, "text/html"), "<html")
          const took = (yield* Clock.currentTimeMillis) - begun
          yield* Effect.logInfo(
            `${name}: ${Math.round(took / 1000)} s from an empty folder to a folded event on the page`
          )
        }
      }))
  })
}

/**
 * The first minute with eventfold: `npm create eventfold` in an empty folder, with each package manager, from a registry on this machine
 * that has the packed packages. Only in the long form, because it downloads what a user downloads.
 */
import { assert, describe, layer } from "@effect/vitest"
import { isLong } from "@eventfold/test/support/Form"
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

/** What runs each package manager, and what it makes the project with. */
const managers = {
  npm: { command: Effect.succeed("npm"), create: ["create", "--yes", "eventfold@latest", "parcels"] },
  pnpm: {
    command: Effect.succeed(join(root, "node_modules/.bin/pnpm")),
    create: ["create", "eventfold@latest", "parcels"]
  },
  bun: { command: Tools.bun, create: ["create", "eventfold@latest", "parcels"] }
}

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

/** Makes a project, tests it, starts it, and looks at what it shows. */
const firstMinute = Effect.fnUntraced(function*(name: keyof typeof managers) {
  const registry = yield* Loopback
  const { create } = managers[name]
  const command = yield* managers[name].command
  // The project's scripts find the Node that runs this, as they would find a user's.
  const env = { ...registry.env, PATH: [dirname(process.execPath), process.env["PATH"]].join(delimiter) }
  const folder = yield* outside(`create-${name}`)
  const begun = yield* Clock.currentTimeMillis
  const phases: Array<string> = []
  let last = begun
  const after = (phase: string) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      phases.push(`${phase} ${((now - last) / 1000).toFixed(1)} s`)
      last = now
    })
  const made = yield* run(command, create, { cwd: folder, env })
  yield* after("create")
  assert.include(made.stdout, `${name} start`)
  const cwd = join(folder, "parcels")
  yield* run(command, ["install"], { cwd, env })
  yield* after("install")
  yield* run(command, ["run", "test"], { cwd, env })
  yield* after("test")

  const port = yield* Registry.freePort
  const entity = `http://127.0.0.1:${port}/entities/parcel/1001`
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(command, ["run", "start"], {
        cwd,
        env: { ...plainEnvironment(), ...env, PORT: String(port) },
        detached: true,
        stdio: "ignore"
      })
    ),
    // The package manager, and the program that it has started.
    ({ pid }) => Effect.sync(() => pid !== undefined && process.kill(-pid, "SIGKILL"))
  )
  assert.include(yield* answer(entity, "application/json"), "\"places\":[\"Harbour\"]")
  assert.include((yield* answer(entity, "text/html")).toLowerCase(), "<!doctype html")
  yield* after("start")
  const took = (yield* Clock.currentTimeMillis) - begun
  yield* Effect.logInfo(
    `${name}: ${Math.round(took / 1000)} s from an empty folder to a folded event on the page (${phases.join(", ")})`
  )
  yield* run(command, ["run", "check"], { cwd, env })
})

describe.runIf(isLong)("npm create eventfold", () => {
  layer(Loopback.layer, { excludeTestServices: true, timeout: 600_000 })(
    "makes a project that is tested and started",
    (it) => {
      it.effect("with npm", () => firstMinute("npm"))

      it.effect("with pnpm", () => firstMinute("pnpm"))

      it.effect("with bun", () => firstMinute("bun"))
    }
  )
})

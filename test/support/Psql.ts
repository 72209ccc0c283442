/**
 * Runs the scripts of @eventfold/sql with psql.
 */
import * as Effect from "effect/Effect"
import { execFile, spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

/** The folder of the scripts. */
export const folder = fileURLToPath(new URL("../../sql/", import.meta.url))

/** Whether psql is installed. Tests that need it are skipped otherwise. */
export const isInstalled = spawnSync("psql", ["--version"]).status === 0

export interface Output {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a script with variables. */
export const run = (
  url: string,
  script: string,
  variables: Readonly<Record<string, string>> = {}
): Effect.Effect<Output> =>
  Effect.callback((resume) => {
    const set = Object.entries({ ON_ERROR_STOP: "1", ...variables }).flatMap((
      [name, value]
    ) => ["-v", `${name}=${value}`])
    execFile("psql", ["-X", ...set, "-d", url, "-f", folder + script], (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === "number" ? error.code : -1
      resume(Effect.succeed({ status, stdout, stderr: stderr.replaceAll(folder, "") }))
    })
  })

/** The result of a script that prints nothing. */
export const silence: Output = { status: 0, stdout: "", stderr: "" }

/**
 * The `eventfold` command.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { readFileSync } from "node:fs"
import { findPackageJSON } from "node:module"
import process from "node:process"
import * as Cli from "./Cli.ts"
import { modules } from "./internal/application/load.ts"

const version = ((): string => {
  const file = findPackageJSON(import.meta.url)
  const manifest: unknown = file === undefined ? undefined : JSON.parse(readFileSync(file, "utf8"))
  return typeof manifest === "object" && manifest !== null && "version" in manifest &&
      typeof manifest.version === "string"
    ? manifest.version
    : "unknown"
})()

const isBrokenPipe = (error: Error): boolean => "code" in error && error.code === "EPIPE"

/** Ends when the reader of stdout does, as `head -5` leaves after five lines: it has what it wanted. */
const readerLeft = Effect.callback<Cli.ExitCode>((resume) => {
  process.stdout.on("error", (error) => resume(isBrokenPipe(error) ? Effect.succeed(0) : Effect.die(error)))
})

process.stderr.on("error", (error) => {
  if (!isBrokenPipe(error)) throw error
})

// What is released may wait for a server that does not answer: a person who ends the command need not.
const giveUp = () => setTimeout(() => process.exit(Cli.exitCodes.interrupted), 900).unref()
process.once("SIGINT", giveUp)
process.once("SIGTERM", giveUp)

/** The same program from the modules of the package, which use the library that the application does. */
const fromModules = Effect.promise(() => import(new URL(modules ?? "", import.meta.url).href))

Effect.raceFirst(Cli.runBuilt(process.argv.slice(2), { version }), readerLeft).pipe(
  Effect.map((code) => {
    process.exitCode = code
  }),
  Effect.catchTag("LibraryNeeded", () => fromModules),
  Effect.provide(Layer.merge(NodeServices.layer, Layer.succeed(Logger.LogToStderr, true))),
  NodeRuntime.runMain
)

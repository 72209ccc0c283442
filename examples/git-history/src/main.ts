/**
 * The command line: which repository, and which store its history is kept in.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import * as Pglite from "@eventfold/pglite/Pglite"
import * as Postgres from "@eventfold/postgres/Postgres"
import { Console, Data, Effect, type Layer, Redacted, Runtime } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as MessageStore from "eventfold/MessageStore"
import { setFlagsFromString } from "node:v8"
import * as Git from "./Git.ts"
import * as GitHistory from "./GitHistory.ts"

// PGlite is WebAssembly, whose optimizing compiler would save little time here and take some hundred megabytes.
for (const flag of ["--liftoff-only", "--no-wasm-tier-up", "--no-wasm-dynamic-tiering"]) setFlagsFromString(flag)

/** All that tells the stores apart: which layer the program is given. */
const storeLayer = (
  store: string,
  dataDir: string
): Layer.Layer<MessageStore.MessageStore, Pglite.OpenError | Postgres.OpenError> => {
  switch (store) {
    case "memory":
      return MessageStore.layerMemory
    case "embedded":
      return Pglite.layer({ dataDir })
    default:
      return Postgres.layer({ url: Redacted.make(store), install: true })
  }
}

/** The error has been printed: all that is left is the exit code. */
class Reported extends Data.TaggedError("Reported") {
  override readonly [Runtime.errorReported] = false
}

const report = (error: Error) =>
  Effect.andThen(Console.error(`error: ${error.message.replace(/[\s\p{Cc}]+/gu, " ")}`), Effect.fail(new Reported()))

const command = Command.make("git-history", {
  repository: Argument.String("repository").pipe(
    Argument.withDescription("A folder of a git repository"),
    Argument.withDefault(".")
  ),
  store: Flag.String("store").pipe(
    Flag.withDescription("embedded, memory, or the URL of a PostgreSQL database: postgres://..."),
    Flag.filter(
      (store) => store === "embedded" || store === "memory" || /^postgres(ql)?:\/\//.test(store),
      () => "must be embedded, memory or a URL that begins with postgres://"
    ),
    Flag.withDefault("embedded")
  ),
  data: Flag.String("data").pipe(
    Flag.withDescription("The folder of the embedded store"),
    Flag.withDefault(".eventfold")
  ),
  top: Flag.Int("top").pipe(
    Flag.withDescription("How many files and authors to show"),
    Flag.filter((top) => top > 0, () => "must be at least 1"),
    Flag.withDefault(10)
  )
}, ({ data, repository, store, top }) =>
  Git.open(repository).pipe(
    Effect.flatMap((git) => Effect.provide(GitHistory.run(git, top), storeLayer(store, data))),
    Effect.catch(report)
  )).pipe(Command.withDescription("Records the history of a git repository as messages, and folds it into files"))

Command.run(command, { version: "0.1.0" }).pipe(
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)

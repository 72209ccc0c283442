/**
 * What the examples' command lines share: the choice of the store, and errors in one line.
 */
import * as Pglite from "@eventfold/pglite/Pglite"
import * as Postgres from "@eventfold/postgres/Postgres"
import * as SqlReadModel from "@eventfold/postgres/SqlReadModel"
import { Flag } from "effect/cli"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as MessageStore from "eventfold/MessageStore"
import { setFlagsFromString } from "node:v8"

// PGlite is WebAssembly. The optimizing compiler would save little time here and take some hundred megabytes.
for (const flag of ["--liftoff-only", "--no-wasm-tier-up", "--no-wasm-dynamic-tiering"]) setFlagsFromString(flag)

/** The flags for {@link storeLayer} and {@link databaseLayer}. */
export const storeFlags = {
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
  )
}

/** The values of the flags. */
export interface Store {
  readonly store: string
  readonly data: string
}

/** The layer of the store. Nothing else in a program depends on which store it is. */
export const storeLayer = (
  { data, store }: Store
): Layer.Layer<MessageStore.MessageStore, Pglite.OpenError | Postgres.OpenError> => {
  switch (store) {
    case "memory":
      return MessageStore.layerMemory
    case "embedded":
      return Pglite.layer({ dataDir: data })
    default:
      return Postgres.layer({ url: Redacted.make(store), install: true })
  }
}

/** The client of the database. `memory` is a database in this process too. */
const clientLayer = ({ data, store }: Store) => {
  switch (store) {
    case "memory":
      return Pglite.layerClient()
    case "embedded":
      return Pglite.layerClient({ dataDir: data })
    default:
      return Postgres.layerPool({ url: Redacted.make(store) })
  }
}

/** The messages, the read models and the client for queries, on one database: for programs with read models in tables. */
export const databaseLayer = (store: Store) =>
  SqlReadModel.layer().pipe(
    Layer.provideMerge(Postgres.layerClient({ install: true })),
    Layer.provideMerge(clientLayer(store))
  )

/** The error has been printed, and only the exit code is left. */
class Reported extends Data.TaggedError("Reported") {
  override readonly [Runtime.errorReported] = false
}

/** Prints an error in one line, and fails so that the program exits with 1 and prints nothing else. */
export const report = (error: Error): Effect.Effect<never, Reported> =>
  Effect.andThen(Console.error(`error: ${error.message.replace(/[\s\p{Cc}]+/gu, " ")}`), Effect.fail(new Reported()))

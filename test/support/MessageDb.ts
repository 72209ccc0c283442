/**
 * Stock Message DB, of several versions, from its npm packages: its SQL files, in the order of its install script.
 */
import { asOneStatement } from "@eventfold/sql"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { readdir, readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import * as Database from "./Database.ts"

/** The npm package of each version, by its alias in this workspace. */
export const packages = {
  "1.1.6": "message-db-1-1",
  "1.2.3": "message-db-1-2-3",
  "1.2.6": "message-db-1-2",
  "1.3.0": "message-db-1-3"
} as const

/** What its `message_store_version()` returns. */
export type Version = keyof typeof packages

export const versions: ReadonlyArray<Version> = ["1.1.6", "1.2.3", "1.2.6", "1.3.0"]

// `roles` creates the role where it is missing. Without `extensions`: gen_random_uuid(), for which Message DB installs
// pgcrypto, comes with PostgreSQL.
const folders = ["roles", "schema", "tables", "types", "functions", "indexes", "views", "privileges"]

const readFolder = (version: Version, folder: string) =>
  Effect.promise(async () => {
    const path = fileURLToPath(new URL(`../node_modules/${packages[version]}/database/${folder}/`, import.meta.url))
    const names = (await readdir(path)).filter((name) => name.endsWith(".sql")).sort()
    return await Promise.all(names.map((name) => readFile(path + name, "utf8")))
  })

const run = (version: Version, names: ReadonlyArray<string>): Effect.Effect<void, SqlError, SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const files = yield* Effect.forEach(names, (folder) => readFolder(version, folder))
    yield* sql.withTransaction(Effect.gen(function*() {
      yield* sql`SELECT set_config('client_min_messages', 'error', true), set_config('search_path', 'message_store, public', true)`
      yield* Effect.forEach(
        files.flat(),
        (file) => sql.unsafe(asOneStatement(file))
      )
    }))
  })

/** Installs it into the client's database. */
export const install = (version: Version): Effect.Effect<void, SqlError, SqlClient> => run(version, folders)

/** Replaces our functions and views by its own, as its install-functions.sh, -views.sh and -privileges.sh do. */
export const installFunctions = (version: Version): Effect.Effect<void, SqlError, SqlClient> =>
  run(version, ["types", "functions", "views", "privileges"])

/** A database with a stock Message DB and without our schema. */
export const makeDatabase = Effect.fnUntraced(function*(options: {
  readonly server?: Database.Server | undefined
  readonly version?: Version | undefined
} = {}) {
  const database = yield* Database.make({ server: options.server, empty: true })
  yield* install(options.version ?? "1.3.0").pipe(Effect.provide(Database.client(database.url)))
  return database
})

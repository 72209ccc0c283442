/**
 * Each version of the schema as one file. `node test/upgrade/snapshot.ts` writes the file of the current version.
 */
import { files } from "@eventfold/sql"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** The version that the SQL of this checkout installs. */
export const version: Effect.Effect<number> = Effect.map(Effect.orDie(files), (all) => {
  const file = all.find(({ path }) => path === "eventfold/functions/schema_version.sql")
  return Number(/RETURN (\d+);/.exec(file?.sql ?? "")?.[1])
})

/** All SQL files of this checkout in one, in the order in which an installation runs them. */
export const current: Effect.Effect<string> = Effect.map(
  Effect.orDie(files),
  (all) => all.map(({ path, sql }) => `-- ${path}\n\n${sql}`).join("\n")
)

const pathOf = (version: number) => fileURLToPath(new URL(`snapshots/${version}.sql`, import.meta.url))

/** The file of a version. */
export const kept = (version: number): Effect.Effect<string> => Effect.sync(() => readFileSync(pathOf(version), "utf8"))

/** A version after the current one, with the same objects, that serves libraries from a version on. */
export const later = (oldestClient: number): Effect.Effect<{ readonly version: number; readonly sql: string }> =>
  Effect.gen(function*() {
    const now = yield* version
    const sql = (yield* current)
      .replace(`_version CONSTANT integer := ${now};`, `_version CONSTANT integer := ${now + 1};`)
      .replace(/(schema_version\(\)\s[^;]*RETURN) \d+;/, `$1 ${now + 1};`)
      .replace(/(oldest_client_version\(\)\s[^;]*RETURN) \d+;/, `$1 ${oldestClient};`)
    return { version: now + 1, sql }
  })

if (import.meta.main) {
  writeFileSync(pathOf(await Effect.runPromise(version)), await Effect.runPromise(current))
}

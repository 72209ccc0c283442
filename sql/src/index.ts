/**
 * The SQL of eventfold, as plain files.
 *
 * `sql/install.sql` is for `psql`; the same files in the same order are what a library runs through its own connection.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { readFile } from "node:fs/promises"

/**
 * A file that `install.sql` includes: its path, relative to the folder of `install.sql`, and its text.
 *
 * @since 0.1.0
 */
export interface SqlFile {
  readonly path: string
  readonly sql: string
}

/**
 * A file of this package could not be read, which means that the package is not installed whole.
 *
 * @since 0.1.0
 */
export class SqlFileError extends Data.TaggedError("SqlFileError")<{
  readonly path: string
  readonly cause: unknown
}> {
  override get message() {
    return `Can't read ${this.path} of @eventfold/sql`
  }
}

/**
 * The key of the transaction-level advisory lock that an installation holds, so that two at once do not race for the same
 * names. `install.sql` takes it for `psql`; a library takes it before the first of the {@link files}.
 *
 * @since 0.1.0
 */
export const installLock = 7311152491296418916n

/**
 * The files that `install.sql` includes, in its order.
 *
 * **Details**
 *
 * Run them in one transaction, after `pg_advisory_xact_lock` with {@link installLock}. They can be run again at any time.
 * The other statements of `install.sql` do the same for `psql` and are not part of the result.
 *
 * **Gotchas**
 *
 * A file holds several statements, which the extended query protocol refuses. `DO` with the text in an `EXECUTE` takes
 * them all.
 *
 * @since 0.1.0
 */
export const files: Effect.Effect<ReadonlyArray<SqlFile>, SqlFileError> = Effect.gen(function*() {
  const install = yield* read("install.sql")
  const included = Array.from(install.matchAll(/^\\ir\s+(\S+)\s*$/gm), ([, path = ""]) => path)
  return yield* Effect.forEach(
    included,
    (path) => Effect.map(read(path), (sql): SqlFile => ({ path, sql })),
    { concurrency: 8 }
  )
})

const read = (path: string): Effect.Effect<string, SqlFileError> =>
  Effect.tryPromise({
    // The parent folder is the package's own from `src` and from `dist`.
    try: () => readFile(new URL(`../${path}`, import.meta.url), "utf8"),
    catch: (cause) => new SqlFileError({ path, cause })
  })

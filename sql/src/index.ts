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
 * A file that `install.sql` or `uninstall.sql` includes: its path, relative to the folder of `install.sql`, and its text.
 *
 * @since 0.1.0
 */
export interface SqlFile {
  readonly path: string
  readonly sql: string
  /** Whether `install.sql` runs it only where the setting `eventfold.install_message_store`, made by the first, is `on`. */
  readonly isConditional: boolean
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
 * Run them in one transaction, after `pg_advisory_xact_lock` with {@link installLock}, those that are conditional only
 * where they apply. They can be run again at any time. The options of `install.sql` are settings of the transaction:
 * `eventfold.install_role` (`off`), `eventfold.install_owner` and `eventfold.replace_functions` (`on`).
 * The other statements of `install.sql` do the same for `psql` and are not part of the result.
 *
 * **Gotchas**
 *
 * A file holds several statements, which the extended query protocol refuses: {@link asOneStatement} mends that.
 *
 * @since 0.1.0
 */
export const files: Effect.Effect<ReadonlyArray<SqlFile>, SqlFileError> = Effect.suspend(() => included("install.sql"))

/**
 * The files that `uninstall.sql` includes.
 *
 * **Details**
 *
 * Run them as the {@link files}. The options are the settings `eventfold.uninstall_database`, the name of the database,
 * and `eventfold.uninstall_stock` (`on`). The settings `eventfold.uninstalled_message_store` and
 * `eventfold.uninstalled_role` tell afterwards what is gone.
 *
 * @since 0.1.0
 */
export const uninstallFiles: Effect.Effect<ReadonlyArray<SqlFile>, SqlFileError> = Effect.suspend(() =>
  included("uninstall.sql")
)

/**
 * The rule that tells which gaps in the global positions are final, as queries without arguments: `writers` is the query of
 * `eventfold.gap_writers`, `run` that of `eventfold.log_run`. For a Message DB without the schema `eventfold`.
 *
 * @since 0.1.0
 */
export const gapRule: Effect.Effect<{ readonly writers: string; readonly run: string }, SqlFileError> = Effect.suspend(
  () => Effect.all({ writers: queryOf("gap_writers"), run: queryOf("log_run") })
)

/** The query that is the body of a function. */
const queryOf = (name: string): Effect.Effect<string, SqlFileError> => {
  const path = `eventfold/functions/${name}.sql`
  return Effect.flatMap(read(path), (text) => {
    const query = /^BEGIN ATOMIC$(.*);\s*^END;$/ms.exec(text)?.[1]
    return query === undefined
      ? Effect.fail(new SqlFileError({ path, cause: new Error("no BEGIN ATOMIC ... END") }))
      : Effect.succeed(query.trim())
  })
}

const included = (script: string): Effect.Effect<ReadonlyArray<SqlFile>, SqlFileError> =>
  Effect.flatMap(read(script), (text) => {
    const conditional = paths(/^\\if :install_message_store$(.*?)^\\endif$/ms.exec(text)?.[1] ?? "")
    return Effect.forEach(
      paths(text).map((path) => ({ path, isConditional: conditional.includes(path) })),
      ({ isConditional, path }) => Effect.map(read(path), (sql): SqlFile => ({ path, sql, isConditional })),
      { concurrency: 8 }
    )
  })

const paths = (script: string): ReadonlyArray<string> =>
  Array.from(script.matchAll(/^\\ir\s+(\S+)\s*$/gm), ([, path = ""]) => path)

const read = (path: string): Effect.Effect<string, SqlFileError> =>
  Effect.tryPromise({
    // The parent folder is the package's own from `src` and from `dist`.
    try: () => readFile(new URL(`../${path}`, import.meta.url), "utf8"),
    catch: (cause) => new SqlFileError({ path, cause })
  })

/**
 * A text of several statements as one, as the extended query protocol demands: a `DO` that executes it.
 *
 * @since 0.1.0
 */
export const asOneStatement = (statements: string): string =>
  `DO $eventfold_do$ BEGIN EXECUTE $eventfold_file$${statements}$eventfold_file$; END $eventfold_do$`

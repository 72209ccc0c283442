/**
 * The SQL of eventfold, as plain files.
 *
 * `psql` runs `install.sql`; a library runs the same files in the same order through its own connection.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { readFile } from "node:fs/promises"
import { inLog, type LogNames } from "./names.ts"

/**
 * @category names
 * @since 0.1.0
 */
export {
  defaultNames,
  inLog,
  InvalidLogName,
  lockPrefix,
  type LogNames,
  maxNameLength,
  namesOf,
  schemaIn
} from "./names.ts"

/**
 * A file that `install.sql` or `uninstall.sql` includes: its path, relative to the folder of `install.sql`, and its text.
 *
 * @category models
 * @since 0.1.0
 */
export interface SqlFile {
  readonly path: string
  readonly sql: string
  /** Whether the file runs only when the setting `eventfold.install_message_store` is `on`, which the first file decides. */
  readonly isConditional: boolean
}

/**
 * A file of this package can't be read: the package is incomplete, or was bundled into a program without its files.
 *
 * @category errors
 * @since 0.1.0
 */
export class SqlFileError extends Data.TaggedError("SqlFileError")<{
  readonly path: string
  readonly cause: unknown
}> {
  override get message() {
    return `Can't read ${this.path} of @eventfold/sql: the package is incomplete, or the program is a bundle, which has no files of ` +
      "packages and can't install. `npx @eventfold/cli install` can"
  }
}

/**
 * The key of the advisory lock that an installation holds until its transaction ends.
 *
 * **Details**
 *
 * Without the lock, two installations at once would race for the same names. `install.sql` takes it for `psql`; a library
 * takes it before it runs the first of the {@link files}.
 *
 * @category installing
 * @since 0.1.0
 */
export const installLock = 7311152491296418916n

/**
 * The files that `install.sql` includes, in its order.
 *
 * **Details**
 *
 * Run them in one transaction, after `pg_advisory_xact_lock` with {@link installLock}; skip a conditional file where
 * it does not apply. You can run them again at any time. The options of `install.sql` are settings of the transaction:
 * `eventfold.install_role` (`off`), `eventfold.install_owner` and `eventfold.replace_functions` (`on`).
 * The result leaves out the other statements of `install.sql`, which do the same for `psql`.
 *
 * **Gotchas**
 *
 * A file has several statements, which the extended query protocol refuses: wrap it with {@link asOneStatement}.
 *
 * @category installing
 * @since 0.1.0
 */
export const files: Effect.Effect<ReadonlyArray<SqlFile>, SqlFileError> = Effect.suspend(() => included("install.sql"))

/**
 * The files that `uninstall.sql` includes.
 *
 * **Details**
 *
 * Run them in the same way as the {@link files}. The options are the settings `eventfold.uninstall_database`, the name of
 * the database, and `eventfold.uninstall_stock` (`on`). Afterwards the settings `eventfold.uninstalled_message_store` and
 * `eventfold.uninstalled_role` say what was removed.
 *
 * @category installing
 * @since 0.1.0
 */
export const uninstallFiles: Effect.Effect<ReadonlyArray<SqlFile>, SqlFileError> = Effect.suspend(() =>
  included("uninstall.sql")
)

/**
 * `install.sql` for a log, as one script for `psql`, which includes no other file.
 *
 * **When to use**
 *
 * When an administrator installs a log with `psql`. For the default log, `install.sql` itself does.
 *
 * @category installing
 * @since 0.1.0
 */
export const installScript = (names: LogNames): Effect.Effect<string, SqlFileError> => script("install.sql", names)

/**
 * `uninstall.sql` for a log, as one script for `psql`, which includes no other file.
 *
 * @category installing
 * @since 0.1.0
 */
export const uninstallScript = (names: LogNames): Effect.Effect<string, SqlFileError> => script("uninstall.sql", names)

/**
 * The rule that tells which gaps in the global positions are final, as queries without arguments: `writers` is the query of
 * `eventfold.gap_writers`, `run` that of `eventfold.log_run`. For a Message DB without the schema `eventfold`.
 *
 * @since 0.1.0
 */
export const gapRule: Effect.Effect<{ readonly writers: string; readonly run: string }, SqlFileError> = Effect.suspend(
  () => Effect.all({ writers: queryOf("gap_writers"), run: queryOf("log_run") })
)

/**
 * An object of the schemas, with a digest of its definition.
 *
 * @category models
 * @since 0.1.0
 */
export interface SchemaObject {
  /** `column`, `function`, `index` or `view`. */
  readonly kind: string
  readonly name: string
  readonly digest: string
}

/**
 * What it takes to compare a database with what an installation makes.
 *
 * @category models
 * @since 0.1.0
 */
export interface VerifyFiles {
  /** The query that gives the objects of the schemas as {@link SchemaObject}s. Run it with a path that begins with `pg_catalog`. */
  readonly objects: string
  /** The objects that an installation makes, with all optional indexes. */
  readonly installed: ReadonlyArray<SchemaObject>
  /**
   * The statements that find what is bound to objects of other schemas. With the setting `eventfold.install_bindings` empty, they write
   * what they find there, as a JSON array of objects with a `text`, and change nothing else. The same path holds.
   */
  readonly bindings: string
}

/**
 * Reads what it takes to compare a database with what an installation makes.
 *
 * @category verifying
 * @since 0.1.0
 */
export const verifyFiles: Effect.Effect<VerifyFiles, SqlFileError> = Effect.suspend(() =>
  Effect.all({
    objects: read("verify/objects.sql"),
    installed: Effect.map(read("verify/installed.txt"), (text) =>
      text.split("\n").filter((line) =>
        line !== ""
      ).map((line) => {
        const [kind = "", name = "", digest = ""] = line.split("\t")
        return { kind, name, digest }
      })),
    bindings: read("install/bindings.sql")
  })
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

/** A script with the files in place of the commands that include them. */
const script = (name: string, names: LogNames): Effect.Effect<string, SqlFileError> =>
  Effect.gen(function*() {
    const text = yield* read(name)
    const files = new Map(
      yield* Effect.forEach(new Set(paths(text)), (path) => Effect.map(read(path), (sql) => [path, sql] as const))
    )
    return inLog(names)(text.replace(inclusion, (_, path: string) => files.get(path) ?? ""))
  })

const inclusion = /^\\ir[ \t]+(\S+)[ \t]*$/gm

const paths = (script: string): ReadonlyArray<string> => Array.from(script.matchAll(inclusion), ([, path = ""]) => path)

const read = (path: string): Effect.Effect<string, SqlFileError> =>
  Effect.tryPromise({
    // `src` and `dist` are both one level below the package's folder.
    try: () => readFile(new URL(`../${path}`, import.meta.url), "utf8"),
    catch: (cause) => new SqlFileError({ path, cause })
  })

/**
 * Wraps several statements in one, a `DO` that executes them, because the extended query protocol takes one at a time.
 *
 * @category installing
 * @since 0.1.0
 */
export const asOneStatement = (statements: string): string =>
  `DO $eventfold_do$ BEGIN EXECUTE $eventfold_file$${statements}$eventfold_file$; END $eventfold_do$`

/**
 * Why a database could not be opened as a message store, each reason with what to do about it.
 *
 * @since 0.1.0
 */
import type { PgClientConfig } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { errorCode, errorHint, errorText } from "./internal/client/sqlError.ts"

const install =
  "install it with `psql -v ON_ERROR_STOP=1 -d DATABASE -f sql/install.sql`, with `Postgres.install`, or " +
  "with the layer's option `install: true`"

/**
 * The URL is not a PostgreSQL URL, or names no user. The message does not repeat the URL, which may contain a password.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidUrl extends Schema.TaggedError<InvalidUrl>()("InvalidUrl", {
  /** The part that a PostgreSQL URL lacks; absent when the URL is not one. */
  missing: Schema.optionalKey(Schema.Literal("user"))
}) {
  override get message(): string {
    return this.missing === "user"
      ? "the URL names no user: write postgres://user@host/database"
      : "not a PostgreSQL URL: write postgres://user:password@host:port/database, each part percent-encoded"
  }
}

/**
 * No server answers at the host and port.
 *
 * @since 0.1.0
 * @category errors
 */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", { detail: Schema.String }) {
  override get message(): string {
    return `no PostgreSQL server answers (${this.detail}): check host and port, and that the server runs`
  }
}

/**
 * The server refuses the login: the user, the password, or the way the client connects.
 *
 * @since 0.1.0
 * @category errors
 */
export class AuthenticationFailed
  extends Schema.TaggedError<AuthenticationFailed>()("AuthenticationFailed", { detail: Schema.String })
{
  override get message(): string {
    return `the server refused the login (${this.detail}): check user name and password, and the server's pg_hba.conf`
  }
}

/**
 * The server has no database of that name.
 *
 * @since 0.1.0
 * @category errors
 */
export class DatabaseNotFound
  extends Schema.TaggedError<DatabaseNotFound>()("DatabaseNotFound", { detail: Schema.String })
{
  override get message(): string {
    return `the server has no such database (${this.detail}): create it, or name another one`
  }
}

/**
 * The user lacks the right to use the schemas, or to install them.
 *
 * @since 0.1.0
 * @category errors
 */
export class PermissionDenied
  extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", { detail: Schema.String })
{
  override get message(): string {
    return `the user lacks a privilege (${this.detail}): grant it, or log in as another user`
  }
}

/**
 * The database has no message store, or a Message DB without the `eventfold` schema where a feature needs it.
 *
 * @since 0.1.0
 * @category errors
 */
export class SchemaMissing extends Schema.TaggedError<SchemaMissing>()("SchemaMissing", { schema: Schema.String }) {
  override get message(): string {
    return `the database has no schema ${this.schema}: ${install}`
  }
}

/**
 * The `eventfold` schema of the database is older than this library needs.
 *
 * @since 0.1.0
 * @category errors
 */
export class SchemaOutdated extends Schema.TaggedError<SchemaOutdated>()("SchemaOutdated", {
  installed: Schema.Int,
  required: Schema.Int
}) {
  override get message(): string {
    return `the eventfold schema is at version ${this.installed}, and version ${this.required} is needed: ${install}`
  }
}

/**
 * The `eventfold` schema of the database is newer than this library, and no longer serves it.
 *
 * **Details**
 *
 * A newer schema serves older libraries until a version says otherwise, in `eventfold.oldest_client_version()`. Deploy the
 * program with a library whose `Postgres.schemaVersion` is at least `oldestServed`. An older schema can't be put back.
 *
 * @since 0.1.0
 * @category errors
 */
export class SchemaTooNew extends Schema.TaggedError<SchemaTooNew>()("SchemaTooNew", {
  /** The version of the schema. */
  installed: Schema.Int,
  /** The oldest version whose libraries the schema serves. */
  oldestServed: Schema.Int,
  /** The version that this library is made for. */
  library: Schema.Int
}) {
  override get message(): string {
    return `the eventfold schema is at version ${this.installed}, which serves libraries of schema version ` +
      `${this.oldestServed} or later, and this library is of version ${this.library}: deploy this program with a newer ` +
      "eventfold first. The schema is upgraded when all programs have a library that the new one serves"
  }
}

/**
 * A read model can't be kept in the transactions of appends.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotInline extends Schema.TaggedError<NotInline>()("NotInline", {
  readModel: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `the read model ${this.readModel} can't be inline: ${this.detail}`
  }
}

/**
 * A pooler gives the client's connections sessions of the server that they share with others, and the client needs more.
 *
 * **Details**
 *
 * - Between transactions: the client prepares statements by name, which belong to one session. Others would run another one's
 *   statement, or none. Give the client `prepare: false`; `Postgres.layer` and `Postgres.layerPool` do so by themselves.
 * - Between statements: then there are no transactions, so the store can't work.
 *
 * @since 0.1.0
 * @category errors
 */
export class SessionsShared extends Schema.TaggedError<SessionsShared>()("SessionsShared", {
  /** For how long the pooler gives a connection a session: for a transaction, or for a statement. */
  between: Schema.Literals(["transactions", "statements"])
}) {
  override get message(): string {
    return this.between === "transactions"
      ? "a pooler shares the server's sessions between transactions, and this client prepares statements by name, which belong " +
        "to one session: give the client `prepare: false`, or let `Postgres.layerPool` make it, or connect to the server itself"
      : "a pooler shares the server's sessions between statements, so there are no transactions: have it share them between " +
        "transactions, as PgBouncer does with pool_mode = transaction, or connect to the server itself"
  }
}

/**
 * `directUrl` does not lead to sessions of the server that holds the store's database, so leases and wake-ups could not work there.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotDirect extends Schema.TaggedError<NotDirect>()("NotDirect", { detail: Schema.String }) {
  override get message(): string {
    return `directUrl ${this.detail}: give the URL of the same database at the server itself, or through a pooler in session mode`
  }
}

/**
 * Anything else that failed while the database was opened or the schemas were installed.
 *
 * @since 0.1.0
 * @category errors
 */
export class OpenFailed extends Schema.TaggedError<OpenFailed>()("OpenFailed", {
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return this.detail
  }
}

/**
 * The schema of all reasons of an {@link OpenError}.
 *
 * @since 0.1.0
 * @category errors
 */
export const OpenErrorReason = Schema.Union([
  InvalidUrl,
  Unreachable,
  AuthenticationFailed,
  DatabaseNotFound,
  PermissionDenied,
  SchemaMissing,
  SchemaOutdated,
  SchemaTooNew,
  NotInline,
  SessionsShared,
  NotDirect,
  OpenFailed
])

/**
 * Any reason of an {@link OpenError}.
 *
 * @since 0.1.0
 * @category errors
 */
export type OpenErrorReason = typeof OpenErrorReason.Type

/**
 * The store could not be opened; `reason` says why. `Effect.catchReason` catches one reason.
 *
 * @since 0.1.0
 * @category errors
 */
export class OpenError extends Schema.TaggedError<OpenError>()("OpenError", {
  /** User, host, port and database, without the password. */
  database: Schema.String,
  reason: OpenErrorReason
}) {
  override get message(): string {
    return `cannot open the message store ${this.database}: ${this.reason.message}`
  }
}

const parseUrl = (url: Redacted.Redacted): URL | null => {
  const parsed = URL.parse(Redacted.value(url))
  // A password with a `/` or `#` that is not encoded would end the host, and its rest would be shown as the database.
  const isWhole = parsed !== null && !parsed.pathname.includes("@") && !parsed.hash.includes("@")
  return isWhole && (parsed.protocol === "postgres:" || parsed.protocol === "postgresql:") ? parsed : null
}

/** @internal */
export const describeDatabase = (config: PgClientConfig): string => {
  if (config.url !== undefined) {
    const url = parseUrl(config.url)
    return url === null
      ? "(unreadable URL)"
      : `${url.username === "" ? "" : `${url.username}@`}${url.host}${url.pathname}`
  }
  if (config.stream !== undefined) return config.database ?? "in process"
  return `${config.username ?? ""}@${config.host ?? "localhost"}:${config.port ?? 5432}/${config.database ?? ""}`
}

/** @internal */
export const checkUrl = (config: PgClientConfig): Effect.Effect<void, OpenError> => {
  if (config.url === undefined) return Effect.void
  const url = parseUrl(config.url)
  const refuse = (reason: InvalidUrl) => Effect.fail(new OpenError({ database: describeDatabase(config), reason }))
  if (url === null) return refuse(new InvalidUrl({}))
  return url.username === "" && config.username === undefined
    ? refuse(new InvalidUrl({ missing: "user" }))
    : Effect.void
}

/** @internal */
export const fromSqlError = (config: PgClientConfig) => (error: SqlError): OpenError =>
  new OpenError({ database: describeDatabase(config), reason: reasonOf(error) })

const startupRemedy =
  "a pooler or server on the way refuses how this client begins; if it names a startup parameter, leave that out of " +
  "`startupParameters`, `startupOptions` and the URL, or have the pooler ignore it (PgBouncer's ignore_startup_parameters)"

const reasonOf = (error: SqlError): OpenErrorReason => {
  const hint = errorHint(error)
  const detail = hint === undefined ? errorText(error) : `${errorText(error)}; ${hint}`
  switch (error.reason._tag) {
    case "AuthenticationError":
      return new AuthenticationFailed({ detail })
    case "AuthorizationError":
      return new PermissionDenied({ detail })
    case "ConnectionError":
      // A pooler that does not know a setting of the startup packet.
      if (errorCode(error) === "08P01") return new OpenFailed({ detail: `${detail}: ${startupRemedy}`, cause: error })
      return new Unreachable({ detail })
    default:
      return errorCode(error) === "3D000" ? new DatabaseNotFound({ detail }) : new OpenFailed({ detail, cause: error })
  }
}

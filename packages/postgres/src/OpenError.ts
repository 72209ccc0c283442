/**
 * Why a database could not be opened as a message store, each reason with what to do about it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/** What to do about schemas, of the default log or of one with a name. */
const remedy = (what: "install" | "upgrade", log: string | undefined): string => {
  const [option, argument] = log === undefined ? ["", ""] : [` --schema ${log}`, `({ schema: "${log}" })`]
  return `${what} it with \`npx @eventfold/cli ${what}${option}\`, with \`Postgres.install${argument}\`, or with the layer's option \`install: true\``
}

/**
 * The URL is not a PostgreSQL URL, names no user, or has a parameter that can't be as it is. The message does not repeat the URL,
 * which may contain a password.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidUrl extends Schema.TaggedError<InvalidUrl>()("InvalidUrl", {
  /** The part that a PostgreSQL URL lacks; absent when the URL is not one. */
  missing: Schema.optionalKey(Schema.Literal("user")),
  /** The parameter that can't be as it is, by libpq's name: `port` is also the one behind a host. */
  parameter: Schema.optionalKey(Schema.String),
  /** What is wrong with the parameter, and what would be right. */
  detail: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    if (this.missing === "user") return "the URL names no user: write postgres://user@host/database"
    return this.parameter === undefined
      ? "not a PostgreSQL URL: write postgres://user:password@host:port/database, each part percent-encoded"
      : `the URL's parameter ${this.parameter} ${this.detail ?? "can't be used"}`
  }
}

/**
 * An option of the layer that can't be what it is, or that excludes another one.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidOption extends Schema.TaggedError<InvalidOption>()("InvalidOption", {
  option: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `the option ${this.option} ${this.detail}`
  }
}

/**
 * No server takes the connection now. It may later: this is the reason to wait and open the layer again.
 *
 * **Details**
 *
 * `why` tells what to do:
 *
 * - `noAnswer`: nothing that speaks PostgreSQL's protocol answers at the host and port.
 * - `notReady`: the server starts, stops or recovers (57P01 to 57P03).
 * - `full`: the server has no connection, memory or disk left (53000 to 53300).
 * - `noHost`: none of several hosts can be used, or is what `target_session_attrs` asks for; `detail` says why for each.
 *
 * @since 0.1.0
 * @category errors
 */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", {
  why: Schema.Literals(["noAnswer", "notReady", "full", "noHost"]),
  detail: Schema.String
}) {
  override get message(): string {
    switch (this.why) {
      case "noAnswer":
        return `no PostgreSQL server answers (${this.detail}): check host and port, and that the server runs`
      case "notReady":
        return `the server takes no connections yet or any more (${this.detail}): try again in a moment`
      case "full":
        return `the server has no room (${this.detail}): close other connections or raise its limits, and try again`
      case "noHost":
        return `${this.detail}: check the hosts, or try again once one of them is ready`
    }
  }
}

/**
 * The connection can't be encrypted as `sslmode` or the option `ssl` asks for.
 *
 * @since 0.1.0
 * @category errors
 */
export class TlsFailed extends Schema.TaggedError<TlsFailed>()("TlsFailed", {
  detail: Schema.String,
  /** What to do. */
  advice: Schema.String
}) {
  override get message(): string {
    return `${this.detail}: ${this.advice}`
  }
}

/**
 * The Effect that the option `password` has failed, with `cause`.
 *
 * @since 0.1.0
 * @category errors
 */
export class PasswordUnavailable extends Schema.TaggedError<PasswordUnavailable>()("PasswordUnavailable", {
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `${this.detail}: see what the Effect in the option password does`
  }
}

/**
 * The schemas can't be installed, because the server is a standby or its sessions are read-only.
 *
 * @since 0.1.0
 * @category errors
 */
export class ReadOnly extends Schema.TaggedError<ReadOnly>()("ReadOnly", { detail: Schema.String }) {
  override get message(): string {
    return `the server takes no writes (${this.detail}): install on the primary, for example with the URL's parameter ` +
      "target_session_attrs=read-write"
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
export class SchemaMissing extends Schema.TaggedError<SchemaMissing>()("SchemaMissing", {
  schema: Schema.String,
  /** The log, as the option `schema` names it; absent when it is the default log. */
  log: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return `the database has no schema ${this.schema}: ${remedy("install", this.log)}`
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
  required: Schema.Int,
  /** The log, as the option `schema` names it; absent when it is the default log. */
  log: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return `the eventfold schema is at version ${this.installed}, and version ${this.required} is needed: ${
      remedy("upgrade", this.log)
    }`
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
 * The server that is to be read in the primary's place is no replica of it: it is no standby, or has another database.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotReplica extends Schema.TaggedError<NotReplica>()("NotReplica", { detail: Schema.String }) {
  override get message(): string {
    return `it is no replica of the primary: ${this.detail}; give the URL of one streaming standby of the primary's server, and the same ` +
      "database"
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
  InvalidOption,
  Unreachable,
  TlsFailed,
  PasswordUnavailable,
  AuthenticationFailed,
  DatabaseNotFound,
  PermissionDenied,
  SchemaMissing,
  SchemaOutdated,
  SchemaTooNew,
  NotInline,
  ReadOnly,
  SessionsShared,
  NotDirect,
  NotReplica,
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

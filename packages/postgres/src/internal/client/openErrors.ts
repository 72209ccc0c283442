import type { PgClientConfig } from "@effect/sql-pg/PgClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { SqlError } from "effect/sql/SqlError"
import {
  AuthenticationFailed,
  DatabaseNotFound,
  InvalidOption,
  InvalidUrl,
  OpenError,
  type OpenErrorReason,
  OpenFailed,
  PasswordUnavailable,
  PermissionDenied,
  ReadOnly,
  TlsFailed,
  Unreachable
} from "../../OpenError.ts"
import { NoHost } from "./hosts.ts"
import { NoPassword, settingsOf } from "./pool.ts"
import * as PoolSettings from "./poolSettings.ts"
import { TlsUnusable } from "./sockets.ts"
import { errorCode, errorHint, errorText, isTooLong } from "./sqlError.ts"
import { FileUnreadable } from "./tls.ts"

/** User, hosts and database of a client, without the password. */
export const describeDatabase = (config: PgClientConfig): string => {
  const settings = settingsOf(config)
  if (settings !== undefined) return settings.description
  // A client that the application made by itself understands more than the pool's options allow.
  const made = PoolSettings.make(config)
  if (Result.isSuccess(made)) return made.success.description
  const url = config.url === undefined ? null : URL.parse(Redacted.value(config.url))
  return url === null ? "(unreadable URL)" : `${url.host}${url.pathname}`
}

/** What is wrong with the options of a pool. */
export const fromProblem = ({ detail = "", option, ...problem }: PoolSettings.Problem): OpenError =>
  option === undefined
    ? new OpenError({
      database: problem.parameter === undefined && problem.missing === undefined ? "(unreadable URL)" : "at its URL",
      reason: new InvalidUrl({ ...problem, ...detail !== "" && { detail } })
    })
    : new OpenError({ database: "by its options", reason: new InvalidOption({ option, detail }) })

/** An option that is a duration, which must be above zero. */
export const requirePositive = (option: string, given: Duration.Input): Effect.Effect<Duration.Duration, OpenError> => {
  const duration = Duration.fromInputUnsafe(given)
  return Duration.isPositive(duration) ? Effect.succeed(duration) : Effect.fail(fromProblem({
    option,
    detail: `is ${Duration.format(duration)}, and must be more than 0; Duration.infinity waits without a bound`
  }))
}

/** A file of certificates that can't be read. */
export const fromFile = (config: PgClientConfig) => ({ message, parameter }: FileUnreadable): OpenError =>
  new OpenError({ database: describeDatabase(config), reason: new InvalidUrl({ parameter, detail: message }) })

/** What the server or the connection said while the database was opened. */
export const fromSqlError = (config: PgClientConfig) => (error: SqlError): OpenError =>
  new OpenError({ database: describeDatabase(config), reason: reasonOf(config, error) })

const reasonOf = (config: PgClientConfig, error: SqlError): OpenErrorReason => {
  const hint = errorHint(error)
  const detail = hint === undefined ? errorText(error) : `${errorText(error)}; ${hint}`
  const code = errorCode(error) ?? ""
  const { cause } = error.reason
  const settings = settingsOf(config)
  if (isTooLong(error)) {
    return new Unreachable({ why: "noAnswer", detail: "what answers there speaks another protocol" })
  }
  if (cause instanceof NoPassword) return new PasswordUnavailable({ detail, cause: cause.cause })
  if (cause instanceof NoHost) return new Unreachable({ why: "noHost", detail })
  if (cause instanceof FileUnreadable) return new InvalidUrl({ parameter: cause.parameter, detail })
  if (cause instanceof TlsUnusable || /^ERR_(SSL|TLS)_/.test(code)) {
    return new TlsFailed({ detail, advice: tlsAdvice(code) })
  }
  if (/^57P0[123]$/.test(code)) return new Unreachable({ why: "notReady", detail })
  if (code.startsWith("53")) return new Unreachable({ why: "full", detail })
  // A dropped database ends its sessions with 57P04.
  if (code === "3D000" || code === "57P04") return new DatabaseNotFound({ detail })
  if (code === "25006") return new ReadOnly({ detail })
  // A pooler that does not know a setting of the startup packet.
  if (code === "08P01") return new OpenFailed({ detail: `${detail}: ${startupRemedy}`, cause: error })
  switch (error.reason._tag) {
    case "AuthenticationError":
      return new AuthenticationFailed({ detail: `${detail}${hintAtLogin(settings, detail)}` })
    case "AuthorizationError":
      return new PermissionDenied({ detail })
    case "ConnectionError":
      return new Unreachable({ why: "noAnswer", detail })
    default:
      return new OpenFailed({ detail, cause: error })
  }
}

const hintAtLogin = (settings: PoolSettings.PoolSettings | undefined, detail: string): string => {
  if (settings === undefined) return ""
  if (detail.includes("no encryption")) return "; the server may ask for TLS: set sslmode=require or more"
  return settings.password === undefined ? "; no password was given" : ""
}

const startupRemedy =
  "a pooler or server on the way refuses how this client begins; if it names a startup parameter, leave that out of " +
  "`startupParameters`, `startupOptions` and the URL, or have the pooler ignore it (PgBouncer's ignore_startup_parameters)"

const tlsAdvice = (code: string): string => {
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return "name the host as its certificate does (hostaddr gives the address beside the name), or verify less, by " +
      "sslmode=verify-ca"
  }
  if (/CERT|SIGNATURE|ISSUER|CRL/.test(code)) {
    return "give the certificate of the authority that signed the server's, by sslrootcert=/path or the option ssl: { ca }"
  }
  if (code.startsWith("ERR_SSL_") || code === "ECONNRESET") {
    return "see what versions of TLS and which client certificates (sslcert, sslkey) the server asks for"
  }
  return "set ssl = on in the server's configuration, or ask for no TLS, by sslmode=disable"
}

/**
 * The variables by which psql, Message DB's scripts and other programs of libpq name a database.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { userInfo } from "node:os"
import { type UsageError } from "../failures/errors.ts"
import type { Lookup } from "./environment.ts"

/** The variables that name a database: one of them is enough. */
const naming = ["PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER"] as const

/** The variables, and the parameters of a URL that they stand for. */
const parameters: ReadonlyArray<readonly [string, string]> = [
  ["PGHOST", "host"],
  ["PGHOSTADDR", "hostaddr"],
  ["PGPORT", "port"],
  ["PGDATABASE", "dbname"],
  ["PGUSER", "user"],
  ["PGPASSWORD", "password"],
  ["PGAPPNAME", "application_name"],
  ["PGOPTIONS", "options"],
  ["PGCONNECT_TIMEOUT", "connect_timeout"],
  ["PGTARGETSESSIONATTRS", "target_session_attrs"],
  ["PGLOADBALANCEHOSTS", "load_balance_hosts"],
  ["PGSSLMODE", "sslmode"],
  ["PGSSLNEGOTIATION", "sslnegotiation"],
  ["PGSSLROOTCERT", "sslrootcert"],
  ["PGSSLCERT", "sslcert"],
  ["PGSSLKEY", "sslkey"],
  ["PGSSLCRL", "sslcrl"],
  ["PGSSLSNI", "sslsni"],
  ["PGSSLMINPROTOCOLVERSION", "ssl_min_protocol_version"],
  ["PGSSLMAXPROTOCOLVERSION", "ssl_max_protocol_version"],
  ["PGCHANNELBINDING", "channel_binding"],
  ["PGGSSENCMODE", "gssencmode"]
]

/** Whether the variables name a database. */
export const namesDatabase = (lookup: Lookup): Effect.Effect<boolean, UsageError> =>
  Effect.map(Effect.forEach(naming, lookup), (found) => found.some(Option.isSome))

/** What a URL says by itself: the parameters of its query, and which parts come before it. */
const saidBy = (url: string): ReadonlySet<string> => {
  const [, login, hosts, database, query] =
    /^[^:]*:\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^/?#@]*))?(?:\?([^#]*))?/.exec(url) ?? []
  const said = new Set((query ?? "").split("&").map((pair) => pair.split("=", 1)[0] ?? ""))
  if (login !== undefined && login !== "") said.add("user")
  if (login?.includes(":") === true) said.add("password")
  // A host may be that of a default port: the variables are about another server then.
  if (hosts !== undefined && hosts !== "") { for (const name of ["host", "hostaddr", "port"]) said.add(name) }
  if (database !== undefined && database !== "") said.add("dbname")
  return said
}

/** A user of a database, unless it is named, is the one of the operating system. */
const systemUser: Effect.Effect<Option.Option<string>> = Effect.option(Effect.try(() => userInfo().username))

/**
 * A URL with what it leaves out, as psql does: from the variables, and the user of the operating system. The variables win nothing over
 * the URL.
 */
export const complete = Effect.fnUntraced(function*(
  url: Redacted.Redacted,
  lookup: Lookup
): Effect.fn.Return<Redacted.Redacted, UsageError> {
  const text = Redacted.value(url)
  // It is not a URL: the library says what would be one.
  if (!/^postgres(ql)?:\/\//i.test(text)) return url
  const said = saidBy(text)
  const added: Array<string> = []
  for (const [variable, parameter] of parameters) {
    if (said.has(parameter)) continue
    const found = yield* lookup(variable)
    const value = Option.isNone(found) && parameter === "user" ? yield* systemUser : found
    if (Option.isSome(value)) added.push(`${parameter}=${encodeURIComponent(value.value)}`)
  }
  if (added.length === 0) return url
  return Redacted.make(`${text}${text.includes("?") ? "&" : "?"}${added.join("&")}`)
})

/** The URL of nothing but the variables. */
export const ofVariables = (lookup: Lookup): Effect.Effect<Redacted.Redacted, UsageError> =>
  complete(Redacted.make("postgres://"), lookup)

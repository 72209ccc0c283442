/**
 * The variables by which psql, Message DB's scripts and other programs of libpq name a database.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { userInfo } from "node:os"
import { type UsageError } from "../failures/errors.ts"
import type { Lookup } from "./environment.ts"
import type { FileServices, Login } from "./libpqFiles.ts"
import * as Files from "./libpqFiles.ts"

/** The variables that name a database: one of them is enough. */
const naming = ["PGSERVICE", "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER"] as const

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

/** What becomes of a parameter before the URL is one of the library, which knows no files. */
const ofFiles = ["service", "servicefile", "passfile"] as const

const decoded = (text: string): string => Option.getOrElse(Option.liftThrowable(decodeURIComponent)(text), () => text)

/** What a URL says by itself, by libpq's names: the parameters of its query, and which parts come before it. */
const saidBy = (url: string): ReadonlyMap<string, string> => {
  const [, login = "", hosts = "", database = "", query = ""] =
    /^[^:]*:\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^/?#@]*))?(?:\?([^#]*))?/.exec(url) ?? []
  const said = new Map<string, string>()
  const add = (name: string, value: string) => said.set(name, decoded(value))
  const [user = "", ...password] = login.split(":")
  if (user !== "") add("user", user)
  if (password.length > 0) add("password", password.join(":"))
  if (hosts !== "") {
    const each = hosts.split(",").map((one) => /^(.*?)(?::(\d*))?$/.exec(one) ?? [])
    add("host", each.map(([, host = ""]) => host.replace(/^\[|\]$/g, "")).join())
    // A host may be that of a default port: the variables are about another server then.
    add("hostaddr", "")
    add("port", each.map(([, , port = ""]) => port).join())
  }
  if (database !== "") add("dbname", database)
  for (const pair of query.split("&")) {
    const [name = "", ...value] = pair.split("=")
    if (name !== "") add(name, value.join("="))
  }
  return said
}

/** A URL without the parameters that name files. */
const withoutFiles = (url: string): string => {
  const [start = "", query] = url.split(/\?(.*)/s)
  const kept = (query ?? "").split("&").filter((pair) => !ofFiles.some((name) => pair.startsWith(`${name}=`)))
  return kept.join("&") === "" ? start : `${start}?${kept.join("&")}`
}

/** A user of a database, unless it is named, is the one of the operating system. */
const systemUser: Effect.Effect<Option.Option<string>> = Effect.option(Effect.try(() => userInfo().username))

/** What libpq takes for a login, with its defaults. Of several hosts it is the first: a client has one password for all. */
const loginOf = (settings: ReadonlyMap<string, string>): Login => {
  const of = (name: string, standard: string) => settings.get(name)?.split(",")[0] || standard
  const user = of("user", "")
  return { host: of("host", "localhost"), port: of("port", "5432"), dbname: of("dbname", user), user }
}

/**
 * A URL with what it leaves out, as psql does: from its service, from the variables, the user of the operating system, and the password
 * from `.pgpass`. None wins anything over what comes before.
 */
export const complete = Effect.fnUntraced(function*(
  url: Redacted.Redacted,
  lookup: Lookup
): Effect.fn.Return<Redacted.Redacted, UsageError, FileServices> {
  const text = Redacted.value(url)
  // It is not a URL: the library says what would be one.
  if (!/^postgres(ql)?:\/\//i.test(text)) return url
  const said = saidBy(text)
  const added = new Map<string, string>()
  const get = (name: string) => said.get(name) ?? added.get(name)
  const sayOrLookUp = (name: string, variable: string) =>
    Effect.map(lookup(variable), (found) => Option.orElse(Option.fromUndefinedOr(get(name)), () => found))

  const service = yield* sayOrLookUp("service", "PGSERVICE")
  if (Option.isSome(service)) {
    const file = yield* sayOrLookUp("servicefile", "PGSERVICEFILE")
    for (const [name, value] of yield* Files.service(lookup, service.value, file)) {
      if (!said.has(name)) added.set(name, value)
    }
  }
  // The server of a service is as much of its own as that of a URL.
  const hasServer = ["host", "hostaddr"].some((name) => added.has(name))
  for (const [variable, parameter] of parameters) {
    if (get(parameter) !== undefined || (hasServer && /^(host|port)/.test(parameter))) continue
    const found = yield* lookup(variable)
    const value = Option.isNone(found) && parameter === "user" ? yield* systemUser : found
    if (Option.isSome(value)) added.set(parameter, value.value)
  }
  if (get("password") === undefined) {
    const file = yield* sayOrLookUp("passfile", "PGPASSFILE")
    const found = yield* Files.password(lookup, file, loginOf(new Map([...added, ...said])))
    if (Option.isSome(found)) added.set("password", found.value)
  }
  for (const name of ofFiles) added.delete(name)
  if (added.size === 0) return Redacted.make(withoutFiles(text))
  const base = withoutFiles(text)
  const more = [...added].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")
  return Redacted.make(`${base}${base.includes("?") ? "&" : "?"}${more}`)
})

/** The URL of nothing but the variables. */
export const ofVariables = (lookup: Lookup): Effect.Effect<Redacted.Redacted, UsageError, FileServices> =>
  complete(Redacted.make("postgres://"), lookup)

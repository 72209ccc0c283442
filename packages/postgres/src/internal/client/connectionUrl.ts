/**
 * PostgreSQL's connection URLs, with the parameters of libpq: each is used, or refused with what would be right. None is
 * ignored.
 */
import * as Result from "effect/Result"

/** What is wrong with a URL: a parameter, or the URL as a whole. Shows nothing of a password. */
export interface Problem {
  readonly parameter?: string
  readonly detail?: string
}

/** The parameters of a URL by libpq's names, those of its authority and path included. */
export type Parameters = ReadonlyMap<string, string>

/** Says what is wrong with a value, if anything is. */
type Rule = (value: string) => string | undefined

const anything: Rule = () => undefined

const refused = (instead: string): Rule => () => `is not supported: ${instead}`

const oneOf = (...values: ReadonlyArray<string>): Rule => (value) =>
  values.includes(value) ? undefined : `can't be "${value}": write ${listed(values)}`

/** Accepts the values with which the parameter asks for nothing. */
const only = (values: ReadonlyArray<string>, instead: string): Rule => (value) =>
  values.includes(value) ? undefined : `can't be "${value}", because ${instead}; ${listed(values)} is right`

const whole = (unit: string): Rule => (value) =>
  /^-?\d{1,9}$/.test(value) ? undefined : `must be a whole number of ${unit}`

const listed = (values: ReadonlyArray<string>): string =>
  values.length < 2 ? values.join() : `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`

const tlsVersions = oneOf("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

const noGss = "this client speaks no GSSAPI"
const noOAuth = refused(
  "this client speaks no OAuth. Give the token in the option password, if the server takes it there"
)
const scramKeys = refused("give the password instead of keys that are made of it")

const rules: ReadonlyMap<string, Rule> = new Map(Object.entries({
  host: anything,
  hostaddr: anything,
  port: (value) =>
    value.split(",").every((port) =>
        port === "" || (/^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) < 65536)
      )
      ? undefined
      : "must be numbers from 1 to 65535, divided by commas",
  dbname: anything,
  user: anything,
  password: anything,
  passfile: refused("give the password in the URL or the option password, which takes an Effect too"),
  require_auth: refused(
    "this client can't tell beforehand how the server asks for the password. Use sslmode=verify-full"
  ),
  channel_binding: only(["prefer", "disable"], "this client speaks SCRAM-SHA-256 without channel binding"),
  connect_timeout: whole("seconds"),
  client_encoding: (value) =>
    /^(auto|utf-?8|unicode)$/i.test(value) ? undefined : "must be UTF8, which is what this client speaks",
  options: anything,
  application_name: anything,
  fallback_application_name: anything,
  keepalives: oneOf("1", "0"),
  keepalives_idle: whole("seconds"),
  keepalives_interval: refused("Node asks once a second"),
  keepalives_count: refused("Node gives up after 10 questions without an answer"),
  tcp_user_timeout: only(["0"], "Node has no such setting. The layer's statementTimeout bounds the wait for an answer"),
  replication: only(["false", "off", "no", "0"], "this client speaks no replication protocol"),
  gssencmode: only(["disable", "prefer"], noGss),
  krbsrvname: refused(noGss),
  gsslib: refused(noGss),
  gssdelegation: only(["0"], noGss),
  ssl: (value) => value === "true" ? undefined : "must be true, which means sslmode=require: write sslmode instead",
  sslmode: oneOf("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
  requiressl: refused("write sslmode=require"),
  sslnegotiation: oneOf("postgres", "direct"),
  sslcompression: only(["0"], "TLS is used without compression"),
  sslcert: anything,
  sslkey: anything,
  sslpassword: anything,
  sslcertmode: only(["allow", "disable"], "Node does not tell whether the server has asked for a certificate"),
  sslrootcert: anything,
  sslcrl: anything,
  sslcrldir: refused("name one file in sslcrl"),
  sslsni: oneOf("1", "0"),
  sslkeylogfile: refused("run node with --tls-keylog"),
  requirepeer: refused("Node does not tell who owns the other end of a Unix socket"),
  ssl_min_protocol_version: tlsVersions,
  ssl_max_protocol_version: tlsVersions,
  min_protocol_version: only(["3.0"], "this client speaks version 3.0 of the protocol"),
  max_protocol_version: oneOf("3.0", "3.2", "latest"),
  service: refused("write host, port and dbname into the URL"),
  servicefile: refused("write host, port and dbname into the URL"),
  target_session_attrs: oneOf("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
  load_balance_hosts: oneOf("disable", "random"),
  scram_client_key: scramKeys,
  scram_server_key: scramKeys,
  oauth_issuer: noOAuth,
  oauth_client_id: noOAuth,
  oauth_client_secret: noOAuth,
  oauth_scope: noOAuth
}))

/** The parameters of a URL, each with a value that is supported. */
export const parse = (url: string): Result.Result<Parameters, Problem> => {
  const parts = split(url)
  if (parts === undefined) return Result.fail({})
  const parameters = new Map<string, string>()
  for (const [name, raw] of parts) {
    const rule = rules.get(name)
    if (rule === undefined) {
      // A stray part of a password is no name of a parameter.
      return Result.fail(/^[a-z_]{1,40}$/i.test(name) ? { parameter: name, detail: "is none of PostgreSQL's" } : {})
    }
    const value = decode(raw)
    if (value === undefined) return Result.fail({ parameter: name, detail: "is not percent-encoded" })
    const detail = rule(value)
    if (detail !== undefined) return Result.fail({ parameter: name, detail })
    parameters.set(name, value)
  }
  return Result.succeed(parameters)
}

/** The parts of a URL by the names of their parameters, not decoded yet. */
const split = (url: string): ReadonlyArray<readonly [string, string]> | undefined => {
  const whole = /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^/?#@]*))?(?:\?([^#@]*))?$/i.exec(url)
  if (whole === null) return undefined
  const [, login, hosts, database, query] = whole
  const parts: Array<readonly [string, string]> = []
  const add = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== "") parts.push([name, value])
  }
  if (login !== undefined) {
    const colon = login.indexOf(":")
    add("user", colon < 0 ? login : login.slice(0, colon))
    add("password", colon < 0 ? undefined : login.slice(colon + 1))
  }
  const names: Array<string> = []
  const ports: Array<string> = []
  for (const host of (hosts ?? "").split(",")) {
    const found = /^(\[[\da-f:.%]*\]|[^:[\]]*)(?::(\d*))?$/i.exec(host)
    if (found === null) return undefined
    names.push((found[1] ?? "").replace(/^\[|\]$/g, ""))
    ports.push(found[2] ?? "")
  }
  if (names.some((name) => name !== "")) add("host", names.join())
  if (ports.some((port) => port !== "")) add("port", ports.join())
  add("dbname", database)
  for (const pair of query === undefined || query === "" ? [] : query.split("&")) {
    const equals = pair.indexOf("=")
    if (equals < 0) return undefined
    parts.push([pair.slice(0, equals), pair.slice(equals + 1)])
  }
  return parts
}

const decode = (value: string): string | undefined => Result.getOrUndefined(Result.try(() => decodeURIComponent(value)))

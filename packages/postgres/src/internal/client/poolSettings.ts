import type { PgPoolConfig } from "@effect/sql-pg/PgClient"
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as ConnectionUrl from "./connectionUrl.ts"
import type { Hosts, TargetSessionAttrs } from "./hosts.ts"
import { maxRowSize } from "./messageSize.ts"
import type { Host } from "./sockets.ts"
import * as Tls from "./tls.ts"

/**
 * The options of a pool of connections: `url`, or `host`, `port`, `database`, `username` and `password`; `maxConnections`
 * (defaults to 10), and everything else that `PgClient` takes. Options win over the URL.
 *
 * @since 0.1.0
 * @category options
 */
export interface PoolOptions extends Omit<PgPoolConfig, "password"> {
  /**
   * `postgres://user:password@host:port/database?parameter=value`, each part percent-encoded, with one or several hosts
   * (`host1:port1,host2:port2`) and the parameters of libpq. One that this client can't do is refused, with
   * `InvalidUrl`: none is ignored.
   */
  readonly url?: Redacted.Redacted | undefined
  /** A host, the folder of a Unix socket, or several hosts divided by commas. */
  readonly host?: string | undefined
  /** The port of all hosts. Defaults to 5432. */
  readonly port?: number | undefined
  /**
   * The password, or an Effect that gives it. The Effect runs before each connection, so a password that is changed needs no
   * restart: open connections go on, and new ones have the new password.
   *
   * **Details**
   *
   * `connectTimeout` bounds it. What it fails with is the cause of a `StoreError` that is retryable, and of an `OpenError` with
   * the reason `PasswordUnavailable`.
   */
  readonly password?: Redacted.Redacted | Effect.Effect<Redacted.Redacted, unknown> | undefined
  /**
   * Which of the servers will do. Defaults to what the URL says, and else to `any`: the first that takes the login.
   */
  readonly targetSessionAttrs?: TargetSessionAttrs | undefined
  /** Tries the hosts in an order of chance for each connection. Defaults to what the URL says, and else to false. */
  readonly loadBalanceHosts?: boolean | undefined
  /**
   * How long a connection may take to open, password included. With several hosts each of them may take this long. Defaults to
   * what the URL says, and else to 5 seconds.
   */
  readonly connectTimeout?: Duration.Input | undefined
  /**
   * How long a connection is idle before TCP keep-alives ask whether the other end is still there. Defaults to what the URL says,
   * and else to 30 seconds, because otherwise nothing tells that the other end of an idle connection has gone.
   */
  readonly keepAlive?: Duration.Input | undefined
  /**
   * The longest message of the server that is read, in bytes; a row is one message. Defaults to the longest row that PostgreSQL
   * makes, a little less than 1 GiB, so that what is appended can be read. An append of more is refused with `InvalidMessage`.
   */
  readonly maxMessageSize?: number | undefined
  /**
   * TLS by Node's options, in place of what the URL says. `true` verifies the server's certificate and its host name, as
   * `sslmode=verify-full` does. Defaults to what the URL says, and else to none.
   */
  readonly ssl?: PgPoolConfig["ssl"]
}

/** What is wrong with the options of a pool: the URL, a parameter of it, or an option. */
export interface Problem extends ConnectionUrl.Problem {
  readonly missing?: "user"
  readonly option?: string
}

/** How to make the connections of a pool. */
export interface PoolSettings {
  readonly options: PoolOptions
  /** What the client takes, without URL, host, password and TLS. */
  readonly client: PgPoolConfig
  readonly hosts: Hosts
  readonly password: Effect.Effect<Redacted.Redacted, unknown> | undefined
  /** Whether the client can connect by itself: to one host, without TLS. */
  readonly isPlain: boolean
  /** User, hosts and database. */
  readonly description: string
}

/**
 * How long a connection is idle before the operating system asks the other end whether it is still there. After about ten
 * seconds more without an answer it ends the connection.
 */
export const keepAlive: Duration.Input = "30 seconds"

const targets = ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"] as const

/** The settings of a pool, from its options and their URL. */
export const make = (options: PoolOptions): Result.Result<PoolSettings, Problem> => {
  const parsed = options.url === undefined
    ? Result.succeed<ConnectionUrl.Parameters>(new Map())
    : ConnectionUrl.parse(Redacted.value(options.url))
  if (Result.isFailure(parsed)) return Result.fail(parsed.failure)
  const given = parsed.success
  const username = options.username ?? given.get("user")
  if (options.url !== undefined && username === undefined) return Result.fail({ missing: "user" })
  const listed = hostList(options, given)
  if (Result.isFailure(listed)) return Result.fail(listed.failure)
  const list = listed.success
  const chosenTls = options.ssl === undefined
    ? Tls.ofParameters(given)
    : Result.succeed(options.ssl === false ? undefined : Tls.ofOptions(options.ssl))
  if (Result.isFailure(chosenTls)) return Result.fail(chosenTls.failure)
  const tls = chosenTls.success
  const target = options.targetSessionAttrs ?? targets.find((target) => target === given.get("target_session_attrs"))
  if (options.stream !== undefined && (list.length > 1 || target !== undefined)) {
    return Result.fail({
      option: "stream",
      detail: "leads to one server: leave out the other hosts, and what to choose of them"
    })
  }
  const { maxConnections = 1 } = options
  if (!Number.isInteger(maxConnections) || maxConnections < 1) {
    return Result.fail({ option: "maxConnections", detail: `is ${maxConnections}, and must be a whole number above 0` })
  }
  const inUrl = given.get("password")
  const password = options.password ?? (inUrl === undefined ? undefined : Redacted.make(inUrl))
  const keepAlive = options.keepAlive ?? keepAliveOf(given)
  const database = options.database ?? given.get("dbname")
  const hosts: Hosts = {
    list,
    target: target ?? "any",
    isRandom: options.loadBalanceHosts ?? given.get("load_balance_hosts") === "random",
    tls,
    keepAlive: keepAlive === undefined ? undefined : Duration.toMillis(Duration.fromInputUnsafe(keepAlive)),
    timeout: Duration.fromInputUnsafe(options.connectTimeout ?? connectTimeoutOf(given) ?? "5 seconds")
  }
  const { host: _host, password: _password, port: _port, ssl, url: _url, ...others } = options
  return Result.succeed({
    options,
    client: {
      ...others,
      maxMessageSize: options.maxMessageSize ?? maxRowSize,
      // The application's stream is the client's, TLS on it included.
      ...(options.stream !== undefined && { ssl }),
      username,
      database,
      keepAlive,
      applicationName: options.applicationName ?? options.startupParameters?.["application_name"] ??
        given.get("application_name") ?? given.get("fallback_application_name") ?? "eventfold",
      startupOptions: options.startupOptions ?? given.get("options")
    },
    hosts,
    password: password === undefined || Effect.isEffect(password) ? password : Effect.succeed(password),
    isPlain: !Effect.isEffect(password) && (options.stream !== undefined ||
      list.length === 1 && hosts.target === "any" && tls === undefined && !given.has("hostaddr")),
    description: options.stream === undefined
      ? `${username ?? ""}@${list.map(({ label }) => label).join()}/${database ?? ""}`
      : database ?? "in process"
  })
}

/** The hosts in their order, each with its port, as libpq pairs them. */
const hostList = (
  options: PoolOptions,
  given: ConnectionUrl.Parameters
): Result.Result<Arr.NonEmptyReadonlyArray<Host>, Problem> => {
  if (options.path !== undefined) {
    return Result.succeed([{ name: "localhost", label: options.path, to: { path: options.path } }])
  }
  const names = (options.host ?? given.get("host"))?.split(",")
  const addresses = options.host === undefined ? given.get("hostaddr")?.split(",") : undefined
  const ports = (options.port === undefined ? given.get("port") ?? "" : String(options.port)).split(",")
  const count = names?.length ?? addresses?.length ?? 1
  if (names !== undefined && addresses !== undefined && addresses.length !== count) {
    return Result.fail({
      parameter: "hostaddr",
      detail: `has ${addresses.length} addresses for ${count} hosts: give one for each`
    })
  }
  if (ports.length > 1 && ports.length !== count) {
    return Result.fail({
      parameter: "port",
      detail: `has ${ports.length} ports for ${count} hosts: give one for each, or one for all of them`
    })
  }
  return Result.succeed(Arr.makeBy(count, (index) => {
    const written = ports.length === 1 ? ports[0] : ports[index]
    const port = written === undefined || written === "" ? 5432 : Number(written)
    const address = addresses?.[index] ?? ""
    const name = names?.[index] || address || "localhost"
    const shown = name.includes(":") ? `[${name}]` : name
    return {
      name,
      label: written === undefined || written === "" ? shown : `${shown}:${written}`,
      to: name.startsWith("/") && address === ""
        ? { path: `${name}/.s.PGSQL.${port}` }
        : { host: address === "" ? name : address, port }
    }
  }))
}

const keepAliveOf = (given: ConnectionUrl.Parameters): Duration.Input | undefined => {
  if (given.get("keepalives") === "0") return undefined
  const idle = Number(given.get("keepalives_idle") ?? 0)
  return idle <= 0 ? keepAlive : Duration.seconds(idle)
}

const connectTimeoutOf = (given: ConnectionUrl.Parameters): Duration.Input | undefined => {
  const seconds = given.get("connect_timeout")
  if (seconds === undefined) return undefined
  return Number(seconds) <= 0 ? Duration.infinity : Duration.seconds(Number(seconds))
}

/**
 * The settings of the same pool at another URL. What that leaves out, the password and TLS, is as it was.
 */
export const at = (
  url: Redacted.Redacted,
  { hosts, options, password }: PoolSettings
): Result.Result<PoolSettings, Problem> => {
  const { database: _database, host: _host, password: _password, path: _path, port: _port, ...others } = options
  const { ssl: _ssl, stream: _stream, targetSessionAttrs: _attrs, username: _username, ...kept } = others
  return Result.map(make({ ...kept, url }), (settings) => {
    const tls = /[?&]ssl(mode|rootcert)?=/.test(Redacted.value(url)) ? settings.hosts.tls : hosts.tls
    const own = settings.password ?? password
    return {
      ...settings,
      password: own,
      isPlain: settings.isPlain && tls === undefined && !Effect.isEffect(options.password),
      hosts: { ...settings.hosts, tls }
    }
  })
}

/**
 * Several hosts, the parameters of a URL, and passwords that change.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { readFileSync } from "node:fs"
import type { Socket } from "node:net"
import * as Database from "../support/Database.ts"
import * as PostgresServer from "../support/PostgresServer.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Standby from "../support/Standby.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"

const pool = (options: Postgres.PoolOptions): Effect.Effect<PgClient.PgClient, Postgres.OpenError, Scope.Scope> =>
  Effect.map(Layer.build(Postgres.layerPool(options)), Context.get(PgClient.PgClient))

const refusal = (options: Postgres.Options) =>
  Effect.map(Effect.flip(Effect.scoped(Layer.build(Postgres.layer(options)))), (error) => error.reason)

const portOf = (url: string) => Number(new URL(url).port)

/** A port on which nothing listens, as far as one can know. */
const freePort = Effect.scoped(Proxy.listen(() => {}, new Set()))

/** The port of the server that a new connection leads to. */
const reached = (url: string, options: Omit<Postgres.PoolOptions, "url"> = {}) =>
  Effect.scoped(Effect.gen(function*() {
    const sql = yield* pool({ ...options, url: Redacted.make(url) })
    const [row] = yield* sql<{ readonly port: number }>`SELECT current_setting('port')::int AS port`
    return row?.port
  }))

/** What one value of each parameter of libpq 18 does: it is used, or refused. */
const parameters: Readonly<Record<string, { readonly used?: string; readonly refused?: string }>> = {
  host: { used: "127.0.0.1" },
  hostaddr: { used: "127.0.0.1" },
  port: { used: "5433", refused: "0" },
  dbname: { used: "shop" },
  user: { used: "app" },
  password: { used: "s3cr3t" },
  passfile: { refused: "/tmp/pass" },
  require_auth: { refused: "scram-sha-256" },
  channel_binding: { used: "prefer", refused: "require" },
  connect_timeout: { used: "10", refused: "10s" },
  client_encoding: { used: "UTF8", refused: "LATIN1" },
  options: { used: "-c%20work_mem%3D8MB" },
  application_name: { used: "shop" },
  fallback_application_name: { used: "shop" },
  keepalives: { used: "0", refused: "2" },
  keepalives_idle: { used: "60", refused: "soon" },
  keepalives_interval: { refused: "1" },
  keepalives_count: { refused: "3" },
  tcp_user_timeout: { used: "0", refused: "1000" },
  replication: { used: "false", refused: "database" },
  gssencmode: { used: "prefer", refused: "require" },
  sslmode: { used: "verify-full", refused: "full" },
  requiressl: { refused: "1" },
  sslnegotiation: { used: "postgres", refused: "direct" },
  sslcompression: { used: "0", refused: "1" },
  sslcert: { refused: "client.crt" },
  sslkey: { refused: "client.key" },
  sslpassword: { refused: "s3cr3t" },
  sslcertmode: { used: "allow", refused: "require" },
  sslrootcert: { used: "system", refused: "/root.crt" },
  sslcrl: { refused: "/root.crl" },
  sslcrldir: { refused: "/crl" },
  sslsni: { used: "0", refused: "2" },
  sslkeylogfile: { refused: "/keys" },
  requirepeer: { refused: "postgres" },
  ssl_min_protocol_version: { used: "TLSv1.3", refused: "SSLv3" },
  ssl_max_protocol_version: { used: "TLSv1.3", refused: "SSLv3" },
  min_protocol_version: { used: "3.0", refused: "3.2" },
  max_protocol_version: { used: "latest", refused: "2.0" },
  krbsrvname: { refused: "postgres" },
  gsslib: { refused: "gssapi" },
  gssdelegation: { used: "0", refused: "1" },
  scram_client_key: { refused: "key" },
  scram_server_key: { refused: "key" },
  service: { refused: "shop" },
  servicefile: { refused: "/services" },
  target_session_attrs: { used: "read-write", refused: "master" },
  load_balance_hosts: { used: "random", refused: "yes" },
  oauth_issuer: { refused: "https" },
  oauth_client_id: { refused: "id" },
  oauth_client_secret: { refused: "s3cr3t" },
  oauth_scope: { refused: "scope" },
  ssl: { used: "true", refused: "false" }
}

describe("the parameters of a URL", () => {
  it.live.each(Object.entries(parameters))("%s", ([name, { refused, used }]) =>
    Effect.gen(function*() {
      const url = (value: string) => Redacted.make(`postgres://app@127.0.0.1:1/shop?${name}=${value}`)
      if (used !== undefined) {
        // Whatever comes of it: what the URL asks for is tried.
        const reason = yield* refusal({ url: url(used), connectTimeout: "1 second" })
        assert.notInstanceOf(reason, Postgres.InvalidUrl)
      }
      if (refused === undefined) return
      const reason = yield* refusal({ url: url(refused) })
      assert.instanceOf(reason, Postgres.InvalidUrl)
      assert.strictEqual(reason.parameter, name)
      assert.notInclude(reason.message, "s3cr3t")
      assert.include(reason.message, `the URL's parameter ${name} `)
    }))

  it("are all in the guide", () => {
    const guide = readFileSync(new URL("../../docs/stores.md", import.meta.url), "utf8")
    assert.deepStrictEqual(Object.keys(parameters).filter((name) => !guide.includes(`\`${name}\``)), [])
  })

  it.live.each([
    ["postgres://app@a:1,b:2,c:3/shop?port=1,2", "port"],
    ["postgres://app@a,b/shop?hostaddr=127.0.0.1", "hostaddr"],
    ["postgres://app@localhost/shop?sslrootcert=system&sslmode=require", "sslrootcert"],
    ["postgres://app@localhost/shop?sslmode=verify-ca", "sslmode"],
    ["postgres://app@localhost/shop?sslmode=require&sslcert=a.crt", "sslcert"],
    ["postgres://app@localhost/shop?pool_size=3", "pool_size"],
    ["postgres://app@localhost/%zz", "dbname"]
  ])("that don't fit: %s", ([url = "", parameter]) =>
    Effect.gen(function*() {
      const reason = yield* refusal({ url: Redacted.make(url) })
      assert.instanceOf(reason, Postgres.InvalidUrl)
      assert.strictEqual(reason.parameter, parameter)
    }))

  it.live("reach the server", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make({ empty: true })
      const { port } = new URL(url)
      const sql = yield* pool({
        url: Redacted.make(`${url}?host=localhost&port=${port}&application_name=a%20b&options=-c%20work_mem%3D7MB`)
      })
      const [row] =
        yield* sql`SELECT current_setting('work_mem') AS memory, current_setting('application_name') AS name`
      assert.deepStrictEqual(row, { memory: "7MB", name: "a b" })
    }))
})

/** What the client says, and a server's answer to it, as an error with an SQLSTATE. */
const errorOf = (code: string) => {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0Mit is ${code}\0\0`)
  const length = Buffer.alloc(4)
  length.writeInt32BE(fields.length + 4)
  return Buffer.concat([Buffer.from("E"), length, fields])
}

/** The port of a server that gives each client this answer, and hangs up. */
const answering = (answer: Uint8Array | string) => {
  const sockets = new Set<Socket>()
  return Proxy.listen((socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    socket.once("data", () => socket.end(answer))
  }, sockets)
}

describe("what a server says while the store is opened", () => {
  it.live.each([
    ["57P03", "Unreachable", "notReady"],
    ["57P01", "Unreachable", "notReady"],
    ["57P02", "Unreachable", "notReady"],
    ["53300", "Unreachable", "full"],
    ["53100", "Unreachable", "full"],
    ["53200", "Unreachable", "full"],
    ["08006", "Unreachable", "noAnswer"],
    ["28000", "AuthenticationFailed", undefined],
    ["28P01", "AuthenticationFailed", undefined],
    ["3D000", "DatabaseNotFound", undefined],
    ["57P04", "DatabaseNotFound", undefined],
    ["42501", "PermissionDenied", undefined],
    ["08P01", "OpenFailed", undefined],
    ["0A000", "OpenFailed", undefined],
    ["22023", "OpenFailed", undefined],
    ["55000", "OpenFailed", undefined]
  ])("%s is %s, %s", ([code = "", tag, why]) =>
    Effect.gen(function*() {
      const port = yield* answering(errorOf(code))
      const reason = yield* refusal({ url: Redacted.make(`postgres://app@127.0.0.1:${port}/shop`) })
      assert.strictEqual(reason._tag, tag)
      assert.include(reason.message, `it is ${code}`)
      if (reason._tag === "Unreachable") assert.strictEqual(reason.why, why)
    }))

  it.live.each(["HTTP/1.1 400 Bad Request\r\n\r\n", ""])(
    "what is not PostgreSQL: %j",
    (answer) =>
      Effect.gen(function*() {
        const port = yield* answering(answer)
        const url = `postgres://app@127.0.0.1:${port}/shop`
        const reason = yield* refusal({ url: Redacted.make(url) })
        assert.instanceOf(reason, Postgres.Unreachable)
        assert.strictEqual(reason.why, "noAnswer")
        if (answer !== "") assert.include(reason.message, "speaks another protocol")
        const encrypted = yield* refusal({ url: Redacted.make(`${url}?sslmode=require`) })
        assert.strictEqual(encrypted._tag, answer === "" ? "Unreachable" : "TlsFailed")
      })
  )
})

describe("several hosts", () => {
  it.effect("are tried in their order, each for as long as connectTimeout, and all are named when none can be used", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make({ empty: true })
      const { host, pathname } = new URL(url)
      const sockets = new Set<Socket>()
      const silent = yield* Proxy.listen((socket) => sockets.add(socket), sockets)
      const closed = yield* freePort
      const starting = yield* answering(errorOf("57P03"))
      const dead = `127.0.0.1:${silent},127.0.0.1:${closed},127.0.0.1:${starting}`
      const options = { connectTimeout: "10 seconds" } as const
      let asked = 0
      /** Time goes on when the silent one has been asked, and so nothing else is too late. */
      const afterSilence = Effect.fnUntraced(function*<A, E>(opening: Effect.Effect<A, E>) {
        const fiber = yield* Effect.forkChild(opening)
        const isOver = () => fiber.pollUnsafe() !== undefined
        // Once, or for each connection that is opened.
        while (!isOver()) {
          const before = asked
          yield* TestClock.withLive(
            until("the silent one is asked", Effect.sync(() => isOver() || sockets.size > before))
          )
          if (isOver()) break
          asked = sockets.size
          yield* TestClock.adjust("9999 millis")
          assert.isFalse(isOver())
          yield* TestClock.adjust("1 millis")
        }
        return yield* Fiber.join(fiber)
      })
      assert.strictEqual(
        yield* afterSilence(reached(`postgres://postgres@${dead},${host}${pathname}`, options)),
        portOf(url)
      )
      const reason = yield* afterSilence(refusal({ ...options, url: Redacted.make(`postgres://app@${dead}/shop`) }))
      assert.instanceOf(reason, Postgres.Unreachable)
      assert.strictEqual(reason.why, "noHost")
      assert.include(reason.message, `127.0.0.1:${silent}: no answer within 10s`)
      assert.include(reason.message, `127.0.0.1:${closed}: connect ECONNREFUSED`)
      assert.include(reason.message, `127.0.0.1:${starting}: it is 57P03`)
      // By options: one port for all.
      assert.strictEqual(
        yield* Effect.scoped(Effect.flatMap(
          pool({ host: "nowhere.invalid,127.0.0.1", port: portOf(url), username: "postgres", database: "postgres" }),
          (sql) => Effect.map(sql`SELECT current_setting('port')::int AS port`, ([row]) => row?.["port"])
        )),
        portOf(url)
      )
    }))

  it.live("a login that is refused ends the search", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make({ empty: true })
      const { host } = new URL(url)
      const closed = yield* freePort
      const reason = yield* refusal({ url: Redacted.make(`postgres://postgres@${host},127.0.0.1:${closed}/not_there`) })
      assert.instanceOf(reason, Postgres.DatabaseNotFound)
    }))

  it.live(
    "a store goes on at the server that takes over, with its appends, listeners and leases",
    () =>
      Effect.gen(function*() {
        const first = yield* PostgresServer.start()
        const database = yield* Database.make({ server: first })
        const second = yield* Standby.of(first)
        const { host, pathname } = new URL(database.url)
        const hosts = `${host},${new URL(second.url).host}`
        const urlWith = (attrs: string) => `postgres://postgres@${hosts}${pathname}?target_session_attrs=${attrs}`
        const [one, two] = [portOf(first.url), portOf(second.url)]

        for (
          const [attrs, port] of [
            ["any", one],
            ["read-write", one],
            ["primary", one],
            ["read-only", two],
            ["standby", two],
            ["prefer-standby", two]
          ] as const
        ) {
          assert.strictEqual(yield* reached(urlWith(attrs)), port, attrs)
        }
        // A standby is good for reads, and is told from a primary when there is something to write.
        const reader = yield* Store.open(second.urlOf(database.url))
        assert.isTrue(Option.isNone(yield* reader.streamVersion("account-1")))
        assert.instanceOf(yield* refusal({ url: Redacted.make(second.url), install: true }), Postgres.ReadOnly)

        const reason = yield* refusal({ url: Redacted.make(`${second.url}?target_session_attrs=primary`) })
        assert.instanceOf(reason, Postgres.Unreachable)
        assert.include(reason.message, "it is a standby")

        const store = yield* Store.open(urlWith("read-write"))
        const wakeUps = yield* store.wakeUps("account")
        yield* store.append("account-1", Store.numbered(1))
        const lease = yield* store.lease("only")
        assert.isTrue(Option.isSome(lease))
        yield* first.kill
        yield* second.promote
        yield* store.append("account-1", Store.numbered(1, 1))
        if (Option.isSome(lease)) yield* lease.value.lost
        yield* until(
          "there are leases again",
          Effect.orElseSucceed(Effect.map(Effect.scoped(store.lease("another")), Option.isSome), () => false)
        )
        // What another process announces comes through.
        const other = yield* Store.open(second.urlOf(database.url))
        const heard = Effect.map(
          Effect.andThen(
            other.append("account-2", Store.numbered(1)),
            Effect.timeoutOption(wakeUps.await, "500 millis")
          ),
          Option.isSome
        )
        yield* until("the store listens again", heard)
        assert.strictEqual(yield* reached(urlWith("prefer-standby")), two)
      })
  )
})

class Vault extends Data.TaggedError("Vault")<{ readonly message: string }> {}

describe("a password from an Effect", () => {
  it.live("is asked for before each connection, so that it can change while the store is open", () =>
    Effect.gen(function*() {
      const server = yield* PostgresServer.start()
      const admin = yield* Database.session(server.url)
      const database = yield* Database.make({ server })
      const role = "rotating"
      yield* admin.unsafe(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD 'first'`)
      yield* admin.unsafe(
        `COPY (SELECT unnest(ARRAY['host all postgres all trust', 'host all all all scram-sha-256']))
         TO PROGRAM 'cat > pg_hba.conf'`
      )
      yield* admin`SELECT pg_reload_conf()`
      const url = new URL(database.url)
      url.username = role
      let current: Effect.Effect<Redacted.Redacted, Vault> = Effect.succeed(Redacted.make("first"))
      let asked = 0
      const options = {
        url: Redacted.make(url.href),
        password: Effect.suspend(() => {
          asked++
          return current
        })
      }
      const login = Effect.scoped(
        Effect.flatMap(pool({ ...options, password: Redacted.make("wrong") }), (sql) => sql`SELECT 1`)
      )
      yield* until("passwords are asked for", Effect.isFailure(login))

      const store = yield* Store.open(url.href, { ...options, maxConnections: 1 })
      yield* store.append("account-1", Store.numbered(1))
      const before = asked
      yield* admin.unsafe(`ALTER ROLE ${role} PASSWORD 'second'`)
      current = Effect.succeed(Redacted.make("second"))
      yield* store.append("account-1", Store.numbered(1, 1))
      assert.strictEqual(asked, before)
      // Beside the pool.
      assert.isTrue(Option.isSome(yield* store.lease("only")))
      yield* store.wakeUps("account")
      yield* until("the store listens", Effect.sync(() => asked === before + 2))
      yield* Effect.scoped(Layer.build(
        Postgres.layerConfig({ url: Config.succeed(options.url), password: Config.succeed(options.password) })
      ))
      // A new one in the pool.
      yield* admin`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ${role}`
      yield* store.append("account-1", Store.numbered(1, 2))
      assert.isAbove(asked, before + 2)

      current = Effect.fail(new Vault({ message: "the vault is sealed" }))
      const reason = yield* refusal(options)
      assert.instanceOf(reason, Postgres.PasswordUnavailable)
      assert.include(reason.message, "the vault is sealed")
      current = Effect.never
      const late = yield* refusal({ ...options, connectTimeout: "200 millis" })
      assert.instanceOf(late, Postgres.Unreachable)
      assert.include(late.message, "timed out")
    }))
})

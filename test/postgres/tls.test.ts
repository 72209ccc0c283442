/**
 * TLS as libpq has it, with certificates that are made here.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Postgres } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Certificates from "../support/Certificates.ts"
import * as Database from "../support/Database.ts"
import * as PostgresServer from "../support/PostgresServer.ts"
import { until } from "../support/Until.ts"

/** A server with TLS, whose certificate is for localhost, and the files that its clients need. */
class TlsServer extends Context.Service<TlsServer, { readonly url: string; readonly folder: string }>()(
  "@eventfold/test/TlsServer"
) {
  static readonly layer = Layer.effect(
    TlsServer,
    Effect.gen(function*() {
      const authority = Certificates.authority("Authority of the test")
      const server = yield* PostgresServer.start()
      const sql = yield* Database.session(server.url)
      const put = (name: string, text: string) =>
        sql.unsafe(`COPY (SELECT regexp_split_to_table('${text.trim()}', E'\n')) TO PROGRAM 'umask 077; cat > ${name}'`)
      const own = authority.issue("localhost")
      yield* put("server.crt", own.certificate)
      yield* put("server.key", own.key)
      yield* put("root.crt", authority.certificate)
      yield* put(
        "pg_hba.conf",
        ["host all postgres all trust", "hostssl all certified all cert", "hostssl all all all trust"].join("\n")
      )
      yield* sql.unsafe("CREATE ROLE certified LOGIN")
      yield* sql.unsafe("CREATE ROLE encrypted LOGIN")
      yield* sql.unsafe("ALTER SYSTEM SET ssl_ca_file = 'root.crt'")
      yield* sql.unsafe("ALTER SYSTEM SET ssl = on")
      yield* sql`SELECT pg_reload_conf()`
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "eventfold-tls-"))),
        (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
      )
      const client = authority.issue("certified")
      const files = {
        "root.crt": authority.certificate,
        "other.crt": Certificates.authority("Another authority").certificate,
        "client.crt": client.certificate,
        "client.key": client.key
      }
      yield* Effect.promise(() =>
        Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)))
      )
      const encrypted = { url: server.url, folder }
      yield* until("the server speaks TLS", Effect.isSuccess(session(encrypted, "localhost", "sslmode=require")))
      return encrypted
    })
  )
}

const urlOf = ({ folder, url }: TlsServer["Service"], host: string, parameters: string, user = "encrypted") => {
  const own = new URL(url)
  own.hostname = host
  own.username = user
  own.search = parameters.replaceAll("$", `${folder}/`)
  return Redacted.make(own.href)
}

/** Whether the session of a new pool is encrypted, and as whom it is logged in. */
const sessionOf = (options: Postgres.PoolOptions) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const [row] = yield* sql<{ readonly ssl: boolean; readonly user: string }>`
      SELECT ssl, session_user AS user FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
    return row
  }).pipe(Effect.provide(Postgres.layerPool(options)))

const session = (server: TlsServer["Service"], host: string, parameters: string, user?: string) =>
  sessionOf({ url: urlOf(server, host, parameters, user) })

/** Why a store can't be opened. */
const refusal = (options: Postgres.Options) =>
  Effect.map(Effect.flip(Effect.scoped(Layer.build(Postgres.layer(options)))), (error) => {
    assert.instanceOf(error, Postgres.OpenError)
    return error.reason
  })

layer(TlsServer.layer, { excludeTestServices: true })("TLS", (it) => {
  const verified: ReadonlyArray<readonly [what: string, host: string, parameters: string]> = [
    ["an authority of one's own and its host name", "localhost", "sslmode=verify-full&sslrootcert=$root.crt"],
    ["the authority only", "127.0.0.1", "sslmode=verify-ca&sslrootcert=$root.crt"],
    ["the authority, as libpq's require does with one", "127.0.0.1", "sslmode=require&sslrootcert=$root.crt"],
    ["nothing", "127.0.0.1", "sslmode=require"],
    ["nothing, where the server may have no TLS", "127.0.0.1", "sslmode=prefer"],
    ["the same", "127.0.0.1", "sslmode=allow"],
    [
      "all, on a connection that begins with TLS",
      "localhost",
      "sslmode=verify-full&sslrootcert=$root.crt&sslnegotiation=direct"
    ],
    ["the name beside an address", "localhost", "hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert=$root.crt"]
  ]
  it.effect.each(verified)("verifies %s", ([, host, parameters]) =>
    Effect.gen(function*() {
      const server = yield* TlsServer
      assert.deepStrictEqual(yield* session(server, host, parameters), { ssl: true, user: "encrypted" })
    }))

  it.effect("by the option ssl, which wins over the URL", () =>
    Effect.gen(function*() {
      const server = yield* TlsServer
      const url = urlOf(server, "localhost", "sslmode=verify-full&sslrootcert=$root.crt", "postgres")
      assert.deepStrictEqual(yield* sessionOf({ url, ssl: false }), { ssl: false, user: "postgres" })
      const untrusted = yield* refusal({ url, ssl: true })
      assert.instanceOf(untrusted, Postgres.TlsFailed)
      assert.deepStrictEqual(
        yield* sessionOf({ url, ssl: { rejectUnauthorized: false } }),
        { ssl: true, user: "postgres" }
      )
    }))

  it.effect("logs in by a certificate of the client", () =>
    Effect.gen(function*() {
      const server = yield* TlsServer
      const login = "sslmode=verify-full&sslrootcert=$root.crt&sslcert=$client.crt&sslkey=$client.key"
      assert.deepStrictEqual(yield* session(server, "localhost", login, "certified"), { ssl: true, user: "certified" })
      const without = yield* refusal({ url: urlOf(server, "localhost", "sslmode=require", "certified") })
      assert.instanceOf(without, Postgres.AuthenticationFailed)
      assert.include(without.message, "certificate")
    }))

  const refused: ReadonlyArray<readonly [what: string, host: string, parameters: string, advice: string]> = [
    ["another authority", "localhost", "sslmode=verify-full&sslrootcert=$other.crt", "sslrootcert"],
    ["another authority, with require", "localhost", "sslmode=require&sslrootcert=$other.crt", "sslrootcert"],
    ["an authority that Node does not know", "localhost", "sslmode=verify-full", "sslrootcert"],
    [
      "another host name",
      "127.0.0.1",
      "sslmode=verify-full&sslrootcert=$root.crt",
      "name the host as its certificate does"
    ]
  ]
  it.effect.each(refused)("refuses a certificate of %s", ([, host, parameters, advice]) =>
    Effect.gen(function*() {
      const reason = yield* refusal({ url: urlOf(yield* TlsServer, host, parameters) })
      assert.instanceOf(reason, Postgres.TlsFailed)
      assert.include(reason.message, `no TLS connection to ${host}:`)
      assert.include(reason.message, advice)
    }))

  it.effect("says that a file can't be read", () =>
    Effect.gen(function*() {
      const reason = yield* refusal({
        url: urlOf(yield* TlsServer, "localhost", "sslmode=verify-full&sslrootcert=$none.crt")
      })
      assert.instanceOf(reason, Postgres.InvalidUrl)
      assert.strictEqual(reason.parameter, "sslrootcert")
      assert.include(reason.message, "none.crt")
    }))

  it.effect("without it, says what the server wants", () =>
    Effect.gen(function*() {
      const reason = yield* refusal({ url: urlOf(yield* TlsServer, "localhost", "sslmode=disable") })
      assert.instanceOf(reason, Postgres.AuthenticationFailed)
      assert.include(reason.message, "no encryption")
    }))

  it.effect("cancels a statement on an encrypted connection", () =>
    Effect.gen(function*() {
      const server = yield* TlsServer
      const observer = yield* Database.session(server.url)
      const sleeping = Effect.map(
        observer`SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid() AND state = 'active'`,
        (rows) => rows.length > 0
      )
      const sleep = Effect.gen(function*() {
        const sql = yield* SqlClient
        return yield* sql`SELECT pg_sleep(600)`
      }).pipe(Effect.provide(Postgres.layerPool({ url: urlOf(server, "localhost", "sslmode=require") })))
      yield* Effect.raceFirst(sleep, until("the statement runs", sleeping))
      yield* until("the statement is cancelled", Effect.map(sleeping, (isSleeping) => !isSleeping))
    }))
})

describe("a server without TLS", () => {
  it.live("is refused where TLS is asked for, and used where it is preferred", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.make({ empty: true })
      const asking = (mode: string) => Redacted.make(`${url}?sslmode=${mode}`)
      const reason = yield* refusal({ url: asking("require") })
      assert.instanceOf(reason, Postgres.TlsFailed)
      assert.include(reason.message, "the server offers no TLS")
      assert.include(reason.message, "sslmode=disable")
      assert.strictEqual((yield* sessionOf({ url: asking("prefer") }))?.ssl, false)
    }).pipe(Effect.scoped))
})

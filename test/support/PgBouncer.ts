/**
 * PgBouncer in front of a server, for tests. The end of the scope stops it.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as PostgresServer from "./PostgresServer.ts"

/** The program, where this machine has it. Tests that need it are skipped elsewhere. */
export const program: string | undefined = [
  ...(process.env["PATH"] ?? "").split(":").filter((folder) => folder !== ""),
  "/usr/sbin"
].map((folder) => join(folder, "pgbouncer")).find((path) => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
})

export interface Options {
  readonly poolMode: "transaction" | "session" | "statement"
  /** How many sessions of the server all clients share. Defaults to 3. */
  readonly poolSize?: number | undefined
  /** Further lines of the configuration. */
  readonly settings?: ReadonlyArray<string> | undefined
}

export interface PgBouncer {
  /** The URL of a database of the server through the pooler. Defaults to the database of the server's own URL. */
  readonly url: (of?: string) => string
}

/** Starts PgBouncer in front of the server of a URL. Clients log in without a password, as any user of the server. */
export const start = Effect.fnUntraced(
  function*(server: string, { poolMode, poolSize = 3, settings = [] }: Options): Effect.fn.Return<
    PgBouncer,
    PostgresServer.PostgresServerError,
    Scope.Scope
  > {
    if (program === undefined) return yield* new PostgresServer.PostgresServerError({ message: "No PgBouncer here" })
    const path = program
    const account = yield* PostgresServer.unprivileged
    const folder = yield* PostgresServer.temporaryFolder(account)
    const { hostname, password, port: serverPort, username } = new URL(server)
    const port = yield* PostgresServer.freePort
    const file = join(folder, "pgbouncer.ini")
    const credentials = `${username === "" ? "" : ` user=${username}`}${password === "" ? "" : ` password=${password}`}`
    const configuration = [
      "[databases]",
      `* = host=${hostname} port=${serverPort}${credentials}`,
      "[pgbouncer]",
      "listen_addr = 127.0.0.1",
      `listen_port = ${port}`,
      "unix_socket_dir =",
      "auth_type = any",
      `pool_mode = ${poolMode}`,
      `default_pool_size = ${poolSize}`,
      "max_client_conn = 200",
      // Each connection would be a line of the log.
      "log_connections = 0",
      "log_disconnections = 0",
      ...settings
    ]
    yield* PostgresServer.attempt("Can't configure PgBouncer", () => writeFile(file, `${configuration.join("\n")}\n`))
    yield* Effect.acquireRelease(launch(path, file, account), stop)
    return {
      url: (of = server) => {
        const url = new URL(of)
        url.host = `127.0.0.1:${port}`
        return url.href
      }
    }
  }
)

/** Starts the program and waits until it listens. */
const launch = (path: string, file: string, account: PostgresServer.Account | undefined) =>
  Effect.callback<ChildProcess, PostgresServer.PostgresServerError>((resume) => {
    const child = spawn(path, [file], { stdio: ["ignore", "ignore", "pipe"], ...account })
    let log = ""
    const fail = (cause?: unknown) =>
      resume(
        Effect.fail(new PostgresServer.PostgresServerError({ message: `PgBouncer did not start\n${log}`, cause }))
      )
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      log = (log + chunk).slice(-10_000)
      if (log.includes("process up")) resume(Effect.succeed(child))
    })
    child.once("error", fail)
    child.once("close", () => fail())
  })

/** At once: it has nothing to keep. */
const stop = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGTERM")
  })

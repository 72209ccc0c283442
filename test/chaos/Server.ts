/**
 * A PostgreSQL server that can be killed, frozen, filled up and made the standby of another one.
 */
import * as PostgresServer from "@eventfold/test/support/PostgresServer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { type ChildProcess, execFile } from "node:child_process"
import { chown, mkdir, readdir, rm, statfs, writeFile } from "node:fs/promises"
import { join } from "node:path"

export interface Server {
  readonly name: string
  /** Connects as the superuser to the database `postgres`. */
  readonly url: string
  readonly data: string
  readonly start: Effect.Effect<void, PostgresServer.PostgresServerError>
  /** SIGKILL for every process of it. */
  readonly kill: Effect.Effect<void>
  /** SIGKILL for one of the processes that it has started. Gives whether there was one. */
  readonly killOne: (index: number) => Effect.Effect<boolean>
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  readonly isRunning: Effect.Effect<boolean>
  /** Takes all room that is left. */
  readonly fill: Effect.Effect<void, PostgresServer.PostgresServerError>
  /** Gives it back. */
  readonly clear: Effect.Effect<void, PostgresServer.PostgresServerError>
}

/** Where the servers of a run are, and how they run. */
export interface Place {
  readonly bin: string
  readonly account: PostgresServer.Account | undefined
  /** Whether each has a small file system of its own, which can be filled. */
  readonly isBounded: boolean
}

const size = "1g"

const mount = (folder: string, account: PostgresServer.Account | undefined) =>
  PostgresServer.run("mount", [
    "-t",
    "tmpfs",
    "-o",
    `size=${size},mode=0700${account === undefined ? "" : `,uid=${account.uid},gid=${account.gid}`}`,
    "eventfold-chaos",
    folder
  ])

/** Where the servers of a run are. Where no tmpfs may be mounted, they are on the disk, and it is never filled. */
export const place: Effect.Effect<Place, PostgresServer.PostgresServerError, Scope.Scope> = Effect.gen(function*() {
  const account = yield* PostgresServer.unprivileged
  const folder = yield* PostgresServer.temporaryFolder(account)
  const bin = yield* PostgresServer.reachable(yield* PostgresServer.embeddedBinaries, folder, account)
  const probe = join(folder, "probe")
  yield* PostgresServer.attempt("Can't make a folder", () => mkdir(probe))
  const mounted = yield* Effect.exit(mount(probe, account))
  if (Exit.isSuccess(mounted)) yield* PostgresServer.run("umount", [probe])
  return { bin, account, isBounded: Exit.isSuccess(mounted) }
})

const settings = [
  "max_connections=200",
  "shared_buffers=64MB",
  "max_wal_size=192MB",
  "wal_keep_size=96MB",
  "wal_retrieve_retry_interval=500ms"
]

/** A server that is not started and has no data yet. The end of the scope kills and removes it. */
export const make = Effect.fnUntraced(function*(name: string, { account, bin, isBounded }: Place): Effect.fn.Return<
  Server,
  PostgresServer.PostgresServerError,
  Scope.Scope
> {
  const folder = yield* PostgresServer.temporaryFolder(account)
  if (isBounded) {
    yield* Effect.acquireRelease(
      mount(folder, account),
      () => Effect.ignore(PostgresServer.run("umount", ["-l", folder]))
    )
  }
  const data = join(folder, "data")
  const port = yield* PostgresServer.freePort
  let child: ChildProcess | undefined
  const onExit = () => child?.kill("SIGKILL")
  process.once("exit", onExit)
  const kill = Effect.suspend(() => child === undefined ? Effect.void : PostgresServer.killAll(child))
  yield* Effect.addFinalizer(() => Effect.andThen(kill, Effect.sync(() => process.off("exit", onExit))))

  const toAll = (signal: NodeJS.Signals) =>
    Effect.gen(function*() {
      if (child?.pid === undefined || PostgresServer.hasExited(child)) return
      const first = child.pid
      // The first one first, which then starts no more.
      if (signal === "SIGSTOP") yield* PostgresServer.signal(first, signal)
      for (const pid of yield* PostgresServer.childrenOf(child)) yield* PostgresServer.signal(pid, signal)
      if (signal !== "SIGSTOP") yield* PostgresServer.signal(first, signal)
    })

  const resize = (to: string | number) => PostgresServer.run("mount", ["-o", `remount,size=${to}`, folder])

  return {
    name,
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    data,
    start: Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        yield* kill
        child = yield* restore(
          PostgresServer.relaunch(bin, data, port, account, settings).pipe(
            Effect.timeoutOrElse({
              duration: "2 minutes",
              orElse: () =>
                Effect.fail(new PostgresServer.PostgresServerError({ message: `server ${name} does not start` }))
            })
          )
        )
      })
    ),
    kill,
    killOne: (index) =>
      Effect.gen(function*() {
        if (child === undefined || PostgresServer.hasExited(child)) return false
        const children = yield* PostgresServer.childrenOf(child)
        const pid = children[index % children.length]
        if (pid === undefined) return false
        yield* PostgresServer.signal(pid, "SIGKILL")
        return true
      }),
    freeze: toAll("SIGSTOP"),
    thaw: toAll("SIGCONT"),
    isRunning: Effect.sync(() => child !== undefined && !PostgresServer.hasExited(child)),
    fill: Effect.asVoid(
      Effect.gen(function*() {
        const { bfree, blocks, bsize } = yield* PostgresServer.attempt("Can't look at the disk", () => statfs(folder))
        // A few pages, so that it is full in the midst of something.
        yield* resize((blocks - bfree) * bsize + 64 * 1024)
      }).pipe(
        // The server has written more since the look: no file system gets smaller than what is in it.
        Effect.retry({ times: 20 })
      )
    ),
    clear: Effect.asVoid(resize(size))
  }
})

/** Makes the data of a first server. */
export const initialise = ({ data }: Server, { account, bin }: Place) =>
  PostgresServer.run(
    join(bin, "initdb"),
    ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"],
    account
  )

/** The log of a server is in here. A standby gets it from its primary. */
const logFolder = "pg_wal"

/** Copies the data of a running server, between the begin and the end of a backup. */
export const copyData = (from: Server, to: Server, { account }: Place) =>
  Effect.gen(function*() {
    const entries = yield* PostgresServer.attempt("Can't make room for a copy", async () => {
      await rm(to.data, { recursive: true, force: true })
      const log = join(to.data, logFolder)
      // Not recursively, which would not set the mode of each.
      for (const path of [to.data, log, join(log, "archive_status")]) {
        await mkdir(path, { mode: 0o700 })
        if (account !== undefined) await chown(path, account.uid, account.gid)
      }
      return readdir(from.data)
    })
    const paths = entries.filter((entry) => entry !== logFolder).map((entry) => join(from.data, entry))
    yield* PostgresServer.attempt("Can't copy the data", () =>
      new Promise<void>((resolve, reject) => {
        execFile(
          "cp",
          ["-a", ...paths, to.data],
          { env: { ...process.env, LC_ALL: "C" }, ...account },
          (error, _stdout, stderr) => {
            // Files come and go while the server runs: its log has what they had.
            const others = stderr.split("\n").filter((line) =>
              line !== "" && !line.includes("No such file or directory")
            )
            if (error === null || others.length === 0) resolve()
            else reject(error)
          }
        )
      }))
  })

/** Completes the data of a standby, which then follows a server. The label says where its backup begins. */
export const asStandbyOf = (of: Server, { data }: Server, label: string, { account }: Place) =>
  PostgresServer.attempt("Can't make a standby", async () => {
    for (const name of ["postmaster.pid", "postmaster.opts"]) await rm(join(data, name), { force: true })
    const { hostname, port } = new URL(of.url)
    const files = {
      backup_label: label,
      "standby.signal": "",
      // And none of what the other one is told to wait for.
      "postgresql.auto.conf":
        `primary_conninfo = 'host=${hostname} port=${port} user=postgres application_name=standby'\n`
    }
    for (const [name, text] of Object.entries(files)) {
      const path = join(data, name)
      await writeFile(path, text, { mode: 0o600 })
      if (account !== undefined) await chown(path, account.uid, account.gid)
    }
  })

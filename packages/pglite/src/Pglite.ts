/**
 * The message store on PGlite: PostgreSQL inside the process, in memory or in a folder. No server, the same SQL.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import type { PGlite } from "@electric-sql/pglite"
import * as Postgres from "@eventfold/postgres/Postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { MessageStore } from "eventfold/MessageStore"
import { existsSync } from "node:fs"
import { access, constants, mkdir, readdir, rm, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import * as Engine from "./internal/engine.ts"
import { explain } from "./internal/folderFaults.ts"
import * as FolderLock from "./internal/folderLock.ts"
import { initialData } from "./internal/initialData.ts"
import * as Session from "./internal/session.ts"
import { makeWire } from "./internal/wire.ts"

/**
 * Where a PGlite keeps its data.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /**
   * The folder that keeps the data, made when it is missing. Defaults to none: the data is in memory, and ends with the
   * layer.
   *
   * **Details**
   *
   * One process at a time can use a folder. Committed messages survive the end of the process, however it ends.
   *
   * A PostgreSQL that can't go on ends its session with FATAL or PANIC, on a full disk for instance. The layer then opens the
   * folder again for the next statement. Meanwhile operations wait as they do for a server, and fail with a `StoreError` that
   * names the reason when their retries are used up.
   *
   * **Gotchas**
   *
   * PGlite does not wait for the disk, so the last messages may be lost when the whole machine stops at once. Data in memory is
   * lost when its session ends: every operation then fails with a `StoreError` that may not be repeated.
   */
  readonly dataDir?: string | undefined
}

/**
 * Another process, or another layer of this process, has the folder open.
 *
 * @since 0.1.0
 * @category errors
 */
export class FolderInUse extends Schema.TaggedError<FolderInUse>()("FolderInUse", { dataDir: Schema.String }) {
  override get message(): string {
    return `the data folder ${this.dataDir} is in use by another process: end that process, or name another folder`
  }
}

/**
 * The folder cannot keep the data. `detail` says why: its disk has no room, it is read-only, the permission is missing, its data is
 * that of another version of PostgreSQL or is damaged, it is a file, or it has files that are not this layer's.
 *
 * @since 0.1.0
 * @category errors
 */
export class FolderUnusable extends Schema.TaggedError<FolderUnusable>()("FolderUnusable", {
  dataDir: Schema.String,
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `the data folder ${this.dataDir} cannot be used: ${this.detail}`
  }
}

/**
 * Why a PGlite could not be opened as a message store.
 *
 * @since 0.1.0
 * @category errors
 */
export type OpenError = FolderInUse | FolderUnusable | Postgres.OpenError

const unusable = (dataDir: string, cause: unknown): FolderUnusable =>
  new FolderUnusable({ dataDir, detail: explain(cause), cause })

const attempt = <A>(dataDir: string, run: () => Promise<A>): Effect.Effect<A, FolderUnusable> =>
  Effect.tryPromise({ try: run, catch: (cause) => unusable(dataDir, cause) })

const existing = (path: string): string => existsSync(path) ? path : existing(dirname(path))

/** Why the folder could not be made: most often because a file has its name, or that of a folder above it. */
const notMade = (dataDir: string, cause: unknown): Effect.Effect<never, FolderUnusable> => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  if (code === "EEXIST") {
    return Effect.fail(new FolderUnusable({ dataDir, detail: "it is a file: name a folder", cause }))
  }
  if (code === "ENOTDIR") {
    return Effect.fail(new FolderUnusable({ dataDir, detail: "it would be below a file: name a folder", cause }))
  }
  // Node can say that a folder above it is missing, where that can't be made.
  return Effect.andThen(
    attempt(dataDir, () => access(existing(dirname(resolve(dataDir))), constants.W_OK | constants.X_OK)),
    Effect.fail(unusable(dataDir, cause))
  )
}

const startNew = async (dataDir?: string): Promise<PGlite> =>
  Engine.start({ ...dataDir !== undefined && { dataDir }, loadDataDir: await initialData() })

/** What a folder may have before its first use: hidden files, and what a file system has in its root. */
const isOfNobody = (name: string): boolean => name.startsWith(".") || name === "lost+found"

/** Refuses a folder that this layer has not made: it would write into it, and remove a `pgdata` that looks incomplete. */
const requireOwn = Effect.fnUntraced(function*(dataDir: string): Effect.fn.Return<void, FolderUnusable> {
  const refuse = (detail: string) => new FolderUnusable({ dataDir, detail })
  const names = yield* attempt(dataDir, () => readdir(dataDir))
  if (names.includes("PG_VERSION")) return yield* refuse("it is a PostgreSQL data folder itself; name another one")
  const foreign = names.find((name) => !isOfNobody(name))
  if (foreign !== undefined && !names.includes("lock")) {
    return yield* refuse(
      `it is no folder of this layer, for it has ${foreign} and no lock: name an empty folder, or a new one`
    )
  }
})

const openFolder = Effect.fnUntraced(function*(
  dataDir: string
): Effect.fn.Return<Session.Session, FolderInUse | FolderUnusable, Scope.Scope> {
  yield* attempt(dataDir, () => mkdir(dataDir, { recursive: true })).pipe(
    Effect.catch(({ cause }) => notMade(dataDir, cause))
  )
  yield* requireOwn(dataDir)
  // SQLite would not say why it can't open its file.
  yield* attempt(dataDir, () => access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK))
  yield* FolderLock.hold(join(dataDir, "lock"), {
    onHeld: () => new FolderInUse({ dataDir }),
    onFailure: (cause) => unusable(dataDir, cause)
  })
  const data = join(dataDir, "pgdata")
  const complete = join(dataDir, "initialized")
  return yield* manage(
    existsSync(complete) ? openData(dataDir, data) : initialize(dataDir, data, complete),
    () => Engine.start({ dataDir: data })
  )
})

/** Opens data that an earlier layer has left. PGlite would silently begin with an empty database where it is missing. */
const openData = (dataDir: string, data: string): Effect.Effect<PGlite, FolderUnusable> =>
  existsSync(join(data, "PG_VERSION"))
    ? attempt(dataDir, () => Engine.start({ dataDir: data }))
    : Effect.fail(new FolderUnusable({ dataDir, detail: `${data} is missing: restore it, or name another folder` }))

/** Makes the data, and marks it as complete with a file. */
const initialize = Effect.fnUntraced(function*(
  dataDir: string,
  data: string,
  complete: string
): Effect.fn.Return<PGlite, FolderUnusable> {
  // A process that was killed here before left data that can't be opened, and that has no messages.
  yield* attempt(dataDir, () => rm(data, { recursive: true, force: true }))
  const db = yield* attempt(dataDir, () => startNew(data))
  yield* attempt(dataDir, () => writeFile(complete, "")).pipe(Effect.tapError(() => Effect.promise(() => db.close())))
  return db
})

/** Closes the session with the scope. */
const manage = <E>(
  open: Effect.Effect<PGlite, E>,
  reopen?: () => Promise<PGlite>
): Effect.Effect<Session.Session, E, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.map(open, (db) => Session.make(db, reopen)),
    (session) => Effect.promise(() => session.close())
  )

const open = ({ dataDir }: Options): Effect.Effect<Session.Session, FolderInUse | FolderUnusable, Scope.Scope> =>
  dataDir === undefined ? manage(attempt("in memory", () => startNew())) : openFolder(dataDir)

/**
 * The client of a PGlite, without a store.
 *
 * **When to use**
 *
 * When the application has statements of its own: provide `Postgres.layerClient` with this client.
 *
 * **Gotchas**
 *
 * PGlite is one session. One statement runs at a time, and while a transaction is open all other statements wait.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerClient = (options: Options = {}): Layer.Layer<PgClient.PgClient | SqlClient, OpenError> =>
  PgClient.layerFrom(Effect.gen(function*() {
    const session = yield* open(options)
    return yield* PgClient.make({
      stream: Postgres.inProcess(makeWire(session)),
      username: "postgres",
      database: "postgres",
      maxConnections: 1,
      maxMessageSize: 2 ** 30,
      applicationName: "eventfold"
    }).pipe(Effect.orDie)
  }))

/**
 * The store on a PGlite of its own, in memory or in a folder. The layer installs the schemas.
 *
 * @example
 * ```ts
 * import { Pglite } from "@eventfold/pglite"
 *
 * const Store = Pglite.layer({ dataDir: ".data" })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <const Models extends ReadonlyArray<Postgres.InlineModel> = []>(
  options: Options & Postgres.Inline<Models> & Pick<Postgres.StoreOptions, "exactNumbers" | "schema"> = {}
): Layer.Layer<MessageStore, OpenError, Postgres.InlineServices<Models[number]>> =>
  Postgres.layerClient({
    install: true,
    inline: options.inline,
    exactNumbers: options.exactNumbers,
    schema: options.schema
  }).pipe(Layer.provide(layerClient(options)))

/**
 * Opens the store that a command works on. What it takes to open one is loaded then, and not before.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import type { OpenError as FolderError } from "@eventfold/pglite/Pglite"
import type { OpenError } from "@eventfold/postgres/OpenError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { SqlClient } from "effect/sql/SqlClient"
import type { MessageStore } from "eventfold/MessageStore"
import type { ReadModelStore } from "eventfold/ReadModelStore"
import * as Runners from "eventfold/Runners"
import { StoreMissing, type UsageError } from "../failures/errors.ts"
import { type NamingServices, resolve, type Target } from "./target.ts"

/** The client of the store's database. */
export type Sql = PgClient | SqlClient

/** Why a store could not be opened. */
export type StoreOpenError = OpenError | FolderError | StoreMissing | UsageError

/** How a store is opened. */
export interface OpenOptions {
  /** Whether the command may make the folder of an embedded store. Defaults to false: a folder that is misspelt would be made. */
  readonly mayCreate?: boolean | undefined
  /** The log of the database. Defaults to that of Message DB's clients. */
  readonly schema?: string | undefined
}

const requireFolder = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  // Whatever else is wrong with it, opening it says so.
  if (yield* Effect.orElseSucceed(fs.exists(path), () => true)) return
  return yield* new StoreMissing({
    message: `there is no folder ${path}`,
    hint: `eventfold install --data ${path} makes a store there`
  })
})

const openClient = (
  target: Target,
  { mayCreate = false }: OpenOptions = {}
): Layer.Layer<Sql, StoreOpenError, FileSystem.FileSystem> =>
  Layer.unwrap(Effect.gen(function*() {
    if (target._tag === "Database") {
      const { client } = yield* Effect.promise(() => import("./onServer.ts"))
      return client(target.url)
    }
    if (!mayCreate) yield* requireFolder(target.path)
    const { client } = yield* Effect.promise(() => import("./inFolder.ts"))
    return client(target.path)
  }))

/** How the client of a store is opened. A program that runs many commands in its process gives them one that is open already. */
export const Opening = Context.Reference<typeof openClient>("@eventfold/cli/Opening", {
  defaultValue: () => openClient
})

/** The client of a store. */
export const clientOf = (target: Target, options?: OpenOptions) =>
  Layer.unwrap(Effect.map(Opening, (open) => open(target, options)))

/** A command looks and acts, and is not one of the programs that run consumers. */
const Silent = Layer.succeed(Runners.Telling, false)

/** Messages on a client. The schemas of an embedded store are installed: nobody else could. */
const messagesOf = (target: Target, schema?: string): Layer.Layer<MessageStore, OpenError, PgClient> =>
  Layer.unwrap(
    Effect.map(Effect.promise(() => import("./onClient.ts")), ({ messages }) =>
      messages(target._tag === "Folder", schema))
  ).pipe(Layer.provide(Silent))

const readModelsOf = (schema?: string): Layer.Layer<ReadModelStore, OpenError, PgClient> =>
  Layer.unwrap(Effect.map(Effect.promise(() => import("./onClient.ts")), ({ readModels }) => readModels(schema)))

/** The messages of a store, and its client. */
export const messageStoreOf = (target: Target, options?: OpenOptions) =>
  Layer.provideMerge(messagesOf(target, options?.schema), clientOf(target, options))

/** The messages and the read models of a store, and its client. */
export const databaseOf = (target: Target, options?: OpenOptions) =>
  Layer.provideMerge(readModelsOf(options?.schema), messageStoreOf(target, options))

type LogOfTarget = Pick<OpenOptions, "schema">

const ofNamed = <A, E, R>(
  open: (target: Target, log: LogOfTarget) => Layer.Layer<A, E, R>
): Layer.Layer<A, E | UsageError, R | NamingServices> =>
  Layer.unwrap(Effect.map(resolve, ({ schema, target }) => open(target, { schema })))

/** The store that was named, for what is said about it. */
export class Named extends Context.Service<Named, Target>()("@eventfold/cli/Named") {}

/** The client of the store that is named, for what works on the database and not on the store. */
export const client = (options?: OpenOptions) =>
  ofNamed((target) => Layer.merge(clientOf(target, options), Layer.succeed(Named, target)))

/** The messages of the store that is named, and its client: what most commands need. */
export const messageStore = (options?: OpenOptions) =>
  ofNamed((target, log) => messageStoreOf(target, { ...options, ...log }))

/** The messages and the read models of the store that is named, and its client. A stock Message DB has no read models. */
export const database = (options?: OpenOptions) => ofNamed((target, log) => databaseOf(target, { ...options, ...log }))

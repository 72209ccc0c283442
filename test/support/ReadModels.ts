/**
 * Read models through the contract of their store, for tests that take its steps one by one.
 */
import { PgClient } from "@effect/sql-pg"
import { SqlReadModel } from "@eventfold/postgres"
import type { Postgres } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { type Build, type Checkpoint, type Definition, ReadModelStore } from "eventfold/ReadModelStore"

export type Store = ReadModelStore["Service"]

/** A store on a pool of its own, and its client. */
export const open = (
  url: string,
  options: Omit<PgClient.PgPoolConfig, "url"> = {}
): Effect.Effect<
  { readonly store: Store; readonly sql: PgClient.PgClient },
  Postgres.OpenError | SqlError,
  Scope.Scope
> =>
  Effect.map(
    Layer.build(SqlReadModel.layer().pipe(Layer.provideMerge(PgClient.layer({ url: Redacted.make(url), ...options })))),
    (context) => ({ store: Context.get(context, ReadModelStore), sql: Context.get(context, PgClient.PgClient) })
  )

export const identity = { system: "7000000000000000000", database: "16384", databaseName: "shop", timeline: 1 }

/** A checkpoint at the message at a position. */
export const at = (position: number): Checkpoint => ({
  position,
  last: position === 0 ? Option.none() : Option.some({ globalPosition: position, id: `id-${position}` }),
  store: identity,
  history: 3
})

export const define = (name: string, tables: ReadonlyArray<string>, version = 1): Definition => ({
  name,
  version,
  fingerprint: `${name} ${version}`,
  tables
})

let names = 0

/** A name that no other read model of the run has. */
export const newName: Effect.Effect<string> = Effect.sync(() => `model${++names}`)

/** The number, state and position of each build. */
export const summary = (builds: ReadonlyArray<Build>) =>
  builds.map(({ checkpoint, number, state }) => [number, state, checkpoint.position] as const)

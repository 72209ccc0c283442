/**
 * Where read models are kept: their tables, and with them how far each has come.
 *
 * A read model is filled in one or several *builds*: the first, and one more for each version or rebuild. A build is filled
 * beside the one that is in use, and takes its place when it has caught up. Each has tables and a checkpoint of its own,
 * and what a batch of messages does to the tables is stored together with the checkpoint, or not at all.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as LiveProgress from "./internal/readModel/liveProgress.ts"
import type { StoreIdentity } from "./StoreBackend.ts"
import type { StoreError, Unsupported } from "./StoreError.ts"

/** @since 0.1.0 */
export type { InProcess } from "./internal/readModel/liveProgress.ts"

/**
 * How far a build has come.
 *
 * @since 0.1.0
 */
export interface Checkpoint {
  /** The global position up to which everything has been handled, inclusive; 0 before the first message. */
  readonly position: number
  /**
   * The last message that was handled, of those that the read model reads. As long as the store has it where it was, this
   * is the log that the tables were made of.
   */
  readonly last: Option.Option<{ readonly globalPosition: number; readonly id: string }>
  /** The store that the messages are from. */
  readonly store: StoreIdentity
  /**
   * The global position, inclusive, of the last message that was written before the read model had its first build. What
   * comes up to it is history, for which no side effects are run.
   */
  readonly history: number
}

/**
 * - `"building"`: it is being filled beside the one in use, or before there is one.
 * - `"live"`: it is the one in use. There is at most one.
 * - `"retired"`: it was in use until another took its place.
 *
 * @since 0.1.0
 */
export type BuildState = "building" | "live" | "retired"

/** @since 0.1.0 */
export interface Build {
  readonly readModel: string
  /** Of the builds of a read model, from 1. */
  readonly number: number
  /** The version of the definition that it is filled by. */
  readonly version: number
  /** The fingerprint of the definition that it is filled by. */
  readonly fingerprint: string
  readonly state: BuildState
  readonly checkpoint: Checkpoint
  readonly createdAt: DateTime.Utc
}

/**
 * What a store has to know of a read model's definition.
 *
 * @since 0.1.0
 */
export interface Definition {
  readonly name: string
  readonly version: number
  readonly fingerprint: string
  /** What makes the tables, in the store's language, in order; of a store without one, nothing. */
  readonly tables: ReadonlyArray<string>
}

/**
 * The build is not any more what it was: somebody else has moved its checkpoint, or it has been switched or dropped. Nothing
 * was stored. Read the builds again.
 *
 * @since 0.1.0
 */
export class BuildMoved extends Schema.TaggedError<BuildMoved>()("BuildMoved", {
  readModel: Schema.String,
  number: Schema.Int
}) {
  override get message(): string {
    return `build ${this.number} of the read model ${this.readModel} has been moved on by somebody else`
  }
}

/**
 * How the tables of two builds differ: for each table that one of them has, how many rows are only in one.
 *
 * @since 0.1.0
 */
export interface TableDifference {
  readonly table: string
  /** How many rows only the build in use has; `undefined` when it does not have the table. */
  readonly onlyLive: number | undefined
  /** How many rows only the new build has; `undefined` when it does not have the table. */
  readonly onlyNew: number | undefined
  /** The columns that only one of them has, which are left out of the comparison. */
  readonly columns: ReadonlyArray<string>
}

/**
 * What a database implements, and {@link make} completes to the service.
 *
 * @category models
 * @since 0.1.0
 */
export interface Backend {
  /** The builds of a read model by rising number. */
  readonly builds: (readModel: string) => Effect.Effect<ReadonlyArray<Build>, StoreError>
  /**
   * Makes a build with its empty tables, in state `"building"`, or `"live"` when there is no live one. Two callers at once
   * get two builds, unless `after` (the number of the newest build that the caller knows, 0 when it knows none) is not the
   * newest any more: then it is `BuildMoved`.
   */
  readonly create: (
    definition: Definition,
    options: { readonly after: number; readonly checkpoint: Checkpoint }
  ) => Effect.Effect<Build, BuildMoved | StoreError | Unsupported>
  /**
   * Runs `handle`, which changes the build's tables, and moves the checkpoint, in one transaction. It is `BuildMoved`, and
   * nothing is stored, when the build's checkpoint, state or fingerprint is not as it is in `build`; this is looked at first, and from
   * then on others wait. When `handle` fails or is interrupted nothing is stored. Gives the build as it is now.
   *
   * When `handle` fails because the store is away (the connection is lost, the server shuts down), or because of a conflict
   * with another transaction that passes (a deadlock), it is a retryable `StoreError` and not the error of `handle`: the
   * message is not to blame. Within `prepare` of `switchTo` it is part of that transaction.
   */
  readonly advance: <E, R>(
    build: Build,
    to: Checkpoint,
    handle: Effect.Effect<void, E, R>
  ) => Effect.Effect<Build, E | BuildMoved | StoreError, R>
  /**
   * Puts a build in the place of the live one, which is retired; builds that were retired before are dropped. First nobody can
   * move the live one on any more (an `advance` of it waits, and is `BuildMoved` then). Then `prepare` brings the new one as
   * far (by `advance`, in the same transaction), may compare both, and gives the new build as it is then. When `prepare`
   * fails nothing has changed. When the new one is behind the live one, or is not what it is in `build`, it is
   * `BuildMoved`. Without a live one the build just becomes it.
   *
   * `prepare` may read the message store, in its own fiber: with a store of one session that has to be in the session that
   * the transaction has.
   */
  readonly switchTo: <E, R>(
    build: Build,
    prepare: (
      live: Option.Option<Build>,
      differences: Effect.Effect<ReadonlyArray<TableDifference>, StoreError>
    ) => Effect.Effect<Build, E, R>
  ) => Effect.Effect<Build, E | BuildMoved | StoreError, R>
  /** Sets a build's checkpoint without touching its tables, whatever it is now. */
  readonly rewind: (build: Build, to: Checkpoint) => Effect.Effect<Build, BuildMoved | StoreError>
  /** Takes a definition's fingerprint for the one that a build was filled by. */
  readonly accept: (build: Build, fingerprint: string) => Effect.Effect<Build, BuildMoved | StoreError>
  /** Drops a build that is not live, and its tables. */
  readonly drop: (build: Build) => Effect.Effect<void, BuildMoved | StoreError>
}

/**
 * The service: what a database implements, and what runners and waiters of this process share.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service extends Backend {
  /** Only eventfold's own modules use it. A service that wraps another one hands it on, as spreading does. */
  readonly [LiveProgress.TypeId]: LiveProgress.InProcess
}

/**
 * Makes the service of a database's {@link Backend}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (backend: Backend): Service => ({
  ...backend,
  [LiveProgress.TypeId]: LiveProgress.makeInProcess()
})

/**
 * The store of the read models, which a program gets from a layer: in memory by `ReadModel.layerMemory`, on PostgreSQL by
 * `@eventfold/postgres`.
 *
 * @since 0.1.0
 */
export class ReadModelStore extends Context.Service<ReadModelStore, Service>()("eventfold/ReadModelStore") {}

/**
 * The store of read models: their tables, and how far each has come.
 *
 * **When to use**
 *
 * A program takes a store from a layer: `ReadModel.layerMemory`, or `SqlReadModel.layer` of `@eventfold/postgres`, and uses it
 * through {@link ReadModel}. This module is for a database's own store: implement {@link Backend}, and complete it with
 * {@link make}.
 *
 * **Details**
 *
 * A read model has one or several *builds*, each with its own tables and checkpoint: the first, and another one for each
 * version and rebuild. One build is *live*: queries read its tables. Another one can be filled beside it, and takes its place
 * when it has caught up. What a batch of messages does to the tables of a build is committed in one transaction with the
 * checkpoint.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Build, Checkpoint } from "./internal/readModel/build.ts"
import * as LiveProgress from "./internal/readModel/liveProgress.ts"
import type { StoreError, Unsupported } from "./StoreError.ts"

/** @since 0.1.0 */
export { Build, BuildState, Checkpoint } from "./internal/readModel/build.ts"
/** @since 0.1.0 */
export type { InProcess } from "./internal/readModel/liveProgress.ts"

/**
 * The part of a read model's definition that a store needs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Definition {
  readonly name: string
  readonly version: number
  readonly fingerprint: string
  /** What creates the tables, in the language of the store and in order; empty for a store without one. */
  readonly tables: ReadonlyArray<string>
}

/**
 * The build is not as the caller knows it: another process has moved its checkpoint, switched it or dropped it. Nothing was
 * stored. Read the builds again.
 *
 * @since 0.1.0
 * @category errors
 */
export class BuildMoved extends Schema.TaggedError<BuildMoved>()("BuildMoved", {
  readModel: Schema.String,
  number: Schema.Int
}) {
  override get message(): string {
    return `another process has moved, switched or dropped build ${this.number} of the read model ${this.readModel}: ` +
      "read its builds again"
  }
}

/**
 * How one table differs between the live build and a new one.
 *
 * @since 0.1.0
 * @category models
 */
export interface TableDifference {
  readonly table: string
  /** How many rows only the live build has; `undefined` when it does not have the table. */
  readonly onlyLive: number | undefined
  /** How many rows only the new build has; `undefined` when it does not have the table. */
  readonly onlyNew: number | undefined
  /** The columns that only one of the builds has. The comparison leaves them out. */
  readonly columns: ReadonlyArray<string>
}

/**
 * What a database implements. {@link make} completes it to the service.
 *
 * @since 0.1.0
 * @category models
 */
export interface Backend {
  /** The builds of a read model, by rising number. */
  readonly builds: (readModel: string) => Effect.Effect<ReadonlyArray<Build>, StoreError>
  /** The builds of all read models, by name and rising number. */
  readonly list: Effect.Effect<ReadonlyArray<Build>, StoreError>
  /**
   * Creates a build with empty tables, in one transaction. It is `"live"` when the read model has no live build, and
   * `"building"` otherwise.
   *
   * `after` is the number of the newest build that the caller knows, 0 when it knows none. When that is not the newest one
   * any more, `create` fails with `BuildMoved`: of two callers at once one succeeds.
   */
  readonly create: (
    definition: Definition,
    options: { readonly after: number; readonly checkpoint: Checkpoint }
  ) => Effect.Effect<Build, BuildMoved | StoreError | Unsupported>
  /**
   * Runs `handle`, which changes the tables of a build, and moves the checkpoint, in one transaction. Returns the build as
   * it is then.
   *
   * **Details**
   *
   * In this order: the store locks the build, so that other transactions on it wait. It fails with `BuildMoved` when the
   * checkpoint, the state or the fingerprint differ from those of the `build` given. Then `handle` runs, in the fiber of the
   * caller, and the transaction commits. When `handle` fails or is interrupted, the transaction is rolled back.
   *
   * When `handle` fails because the store is away (the connection is lost, the server shuts down) or by a conflict that
   * passes (a deadlock, a table that was changed under a prepared statement), `advance` fails with a retryable `StoreError` in place
   * of that error: the message is not to blame.
   *
   * Within `prepare` of `switchTo` it is a part of that transaction, and rolls back to where it began when `handle` fails.
   */
  readonly advance: <E, R>(
    build: Build,
    to: Checkpoint,
    handle: Effect.Effect<void, E, R>
  ) => Effect.Effect<Build, E | BuildMoved | StoreError, R>
  /**
   * Makes a build the live one, in one transaction. Returns the build as it is then.
   *
   * **Details**
   *
   * In this order: the store locks the builds of the read model, so that an `advance` of the live build waits, and fails with
   * `BuildMoved` after the switch. It fails with `BuildMoved` when `build` is not as given. Then `prepare` runs: it brings the
   * new build to the checkpoint of the live one (by `advance`), may compare the tables of both, and returns the new build.
   * When that build is behind the live one, `switchTo` fails with `BuildMoved`. Otherwise the live build is retired, and
   * builds that were retired before are dropped. When `prepare` fails, the transaction is rolled back.
   *
   * Without a live build, `prepare` gets none and the new build becomes live.
   *
   * `prepare` may read the message store, in the fiber of the caller. When both stores share their only session, these reads
   * have to be within the transaction.
   */
  readonly switchTo: <E, R>(
    build: Build,
    prepare: (
      live: Option.Option<Build>,
      differences: Effect.Effect<ReadonlyArray<TableDifference>, StoreError>
    ) => Effect.Effect<Build, E, R>
  ) => Effect.Effect<Build, E | BuildMoved | StoreError, R>
  /** Sets the checkpoint of a build, whatever it is now, and leaves the tables as they are. */
  readonly rewind: (build: Build, to: Checkpoint) => Effect.Effect<Build, BuildMoved | StoreError>
  /** Sets the fingerprint of a build, and leaves the tables as they are. */
  readonly accept: (build: Build, fingerprint: string) => Effect.Effect<Build, BuildMoved | StoreError>
  /** Drops a build and its tables. Fails with `BuildMoved` when the build is live. */
  readonly drop: (build: Build) => Effect.Effect<void, BuildMoved | StoreError>
}

/**
 * The service: what the database implements, and what fibers of this process share.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service extends Backend {
  /** Only eventfold's own modules use it. A service that wraps another one hands it on, as spreading does. */
  readonly [LiveProgress.TypeId]: LiveProgress.InProcess
}

/**
 * Makes the service of a database's {@link Backend}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (backend: Backend): Service => ({
  ...backend,
  [LiveProgress.TypeId]: LiveProgress.makeInProcess()
})

/**
 * The store of read models. `ReadModel.layerMemory` provides it in memory, `SqlReadModel.layer` of `@eventfold/postgres` on
 * PostgreSQL.
 *
 * @since 0.1.0
 * @category services
 */
export class ReadModelStore extends Context.Service<ReadModelStore, Service>()("eventfold/ReadModelStore") {}

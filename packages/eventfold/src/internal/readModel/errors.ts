import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { InvalidArgument, StoreError, Unsupported } from "../../StoreError.ts"
import type { InvalidCategory } from "../../StreamName.ts"

/**
 * The definition of a read model is not the one that its tables were filled by, and has the same version. Whether what they
 * hold is still right, only who changed it knows.
 *
 * @since 0.1.0
 */
export class ReadModelChanged extends Schema.TaggedError<ReadModelChanged>()("ReadModelChanged", {
  readModel: Schema.String,
  version: Schema.Int,
  /** The fingerprint of the definition that the tables were filled by. */
  recorded: Schema.String,
  given: Schema.String
}) {
  override get message(): string {
    return `the definition of the read model ${this.readModel} has changed, and its version is still ${this.version}: ` +
      `give it the version ${this.version + 1}, which is built beside the one in use; or build it anew as it is, by ` +
      "ReadModel.rebuild; or, when what the tables hold is the same by both, say so by ReadModel.accept"
  }
}

/**
 * The log is not the one that a read model was filled from: the last message that it has handled is not there any more, as
 * after a restore of an older backup, or a failover that has lost the end of the log.
 *
 * @since 0.1.0
 */
export class StoreChanged extends Schema.TaggedError<StoreChanged>()("StoreChanged", {
  readModel: Schema.String,
  /** The global position of the last message that was handled. */
  position: Schema.Int,
  /** The id of that message. */
  id: Schema.String,
  /** The id of the message that has this global position now; none when there is no message. */
  found: Schema.OptionFromNullOr(Schema.String),
  /** The highest global position that there is. */
  lastPosition: Schema.Int
}) {
  override get message(): string {
    const found = Option.match(this.found, {
      onNone: () => `there is no message at ${this.position} any more`,
      onSome: (id) => `the message at ${this.position} is now ${id}`
    })
    return `the read model ${this.readModel} has handled the message ${this.id} at global position ${this.position}, and ` +
      `${found}; the log ends at ${this.lastPosition}: it has been restored from a backup, or has lost its end. Build the ` +
      "read model anew, by ReadModel.rebuild; or have it go on after a position up to which its tables are right, by " +
      "ReadModel.rewind"
  }
}

/**
 * The tables of a new build are not the same as those in use, as they had to be. Nothing has been switched: the build stays
 * beside the one in use, to be looked at. To put it in place all the same, call `ReadModel.rebuild` without `compare`.
 *
 * @since 0.1.0
 */
export class BuildsDiffer extends Schema.TaggedError<BuildsDiffer>()("BuildsDiffer", {
  readModel: Schema.String,
  /** The number of the new build. */
  number: Schema.Int,
  differences: Schema.Array(Schema.Struct({
    table: Schema.String,
    onlyLive: Schema.UndefinedOr(Schema.Int),
    onlyNew: Schema.UndefinedOr(Schema.Int),
    columns: Schema.Array(Schema.String)
  }))
}) {
  override get message(): string {
    const tables = this.differences.map(({ columns, onlyLive, onlyNew, table }) =>
      onlyLive === undefined
        ? `${table} is new`
        : onlyNew === undefined
        ? `${table} is gone`
        : `${table}: ${onlyLive} rows only in use, ${onlyNew} only new` +
          (columns.length === 0 ? "" : `, without the columns ${columns.join(", ")}`)
    )
    return `the build ${this.number} of the read model ${this.readModel} differs from the one in use: ${
      tables.join("; ")
    }`
  }
}

/**
 * Another build of the read model is being filled, by this process or another one. Wait for it, or stop it.
 *
 * @since 0.1.0
 */
export class ReadModelIsBuilding extends Schema.TaggedError<ReadModelIsBuilding>()("ReadModelIsBuilding", {
  readModel: Schema.String
}) {
  override get message(): string {
    return `the read model ${this.readModel} is being built already: wait for that, or stop who does it`
  }
}

/**
 * There is no such build, because the read model has never been run, or the build has been dropped.
 *
 * @since 0.1.0
 */
export class BuildNotFound extends Schema.TaggedError<BuildNotFound>()("BuildNotFound", {
  readModel: Schema.String,
  /** What was looked for. */
  build: Schema.String
}) {
  override get message(): string {
    return `the read model ${this.readModel} has no ${this.build}`
  }
}

/**
 * What a read model can fail with beside the errors of its handlers: a store that fails for good (while it is only away,
 * the read model waits for it) or has no such tables, wrong options, a definition or a log that is not the one that the
 * tables are made of, and a new version that differs when it has to be the same.
 *
 * @since 0.1.0
 */
export type RunError =
  | StoreError
  | Unsupported
  | InvalidArgument
  | InvalidCategory
  | ReadModelChanged
  | StoreChanged
  | BuildsDiffer

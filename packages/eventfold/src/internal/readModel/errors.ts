import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { InvalidArgument, StoreError, Unsupported } from "../../StoreError.ts"
import type { InvalidCategory } from "../../StreamName.ts"
import type { HandlerTimeout } from "../processor/timeLimit.ts"

/**
 * The definition of a read model differs from the one that filled its live build, and has the same version.
 *
 * **Raise the version, rebuild or accept**
 *
 * Raise the version, and `run` fills a new build beside the live one. Rebuild the same version with `ReadModel.rebuild`. Or,
 * when both definitions fill the tables alike, accept the new one with `ReadModel.accept`.
 *
 * @since 0.1.0
 * @category errors
 */
export class ReadModelChanged extends Schema.TaggedError<ReadModelChanged>()("ReadModelChanged", {
  readModel: Schema.String,
  version: Schema.Int,
  /** The fingerprint of the definition that filled the live build. */
  recorded: Schema.String,
  /** The fingerprint of the definition that was refused. */
  given: Schema.String
}) {
  override get message(): string {
    return `the definition of the read model ${this.readModel} has changed, but its version is still ${this.version}: ` +
      `give it version ${this.version + 1}, which fills a new build beside the live one; rebuild the read model with ` +
      "ReadModel.rebuild; or, if both definitions fill its tables alike, accept the new one with ReadModel.accept"
  }
}

/**
 * The log is not the one that a read model was filled from: it does not have the message that the read model handled last.
 *
 * **After a restore**
 *
 * The log was restored from an older backup, or a failover lost its end. Rebuild the read model with `ReadModel.rebuild`, or
 * have it resume after a position up to which its tables are right, with `ReadModel.rewind`.
 *
 * @since 0.1.0
 * @category errors
 */
export class StoreChanged extends Schema.TaggedError<StoreChanged>()("StoreChanged", {
  readModel: Schema.String,
  /** The global position of the message that the read model handled last. */
  position: Schema.Int,
  /** The id of that message. */
  id: Schema.String,
  /** The id of the message that has this global position now; none when no message has it. */
  found: Schema.OptionFromNullOr(Schema.String),
  /** The highest global position of the log. */
  lastPosition: Schema.Int
}) {
  override get message(): string {
    const found = Option.match(this.found, { onNone: () => "no message", onSome: (id) => `the message ${id}` })
    return `the log is not the one that the read model ${this.readModel} was filled from: the read model has handled the ` +
      `message ${this.id} at global position ${this.position}, where the log has ${found}, and the log ends at ` +
      `${this.lastPosition}. It was restored from an older backup, or has lost its end: rebuild the read model with ` +
      "ReadModel.rebuild, or have it resume after a position up to which its tables are right, with ReadModel.rewind"
  }
}

/**
 * The tables of a new build differ from those of the live one, and `compare` does not allow that. The live build stays live,
 * and the new one stays beside it.
 *
 * **Compare and switch**
 *
 * Look at the rows of both builds. When the new ones are right, switch with `ReadModel.rebuild(model, { compare: undefined })`.
 * When they are wrong, correct the definition, and the next build replaces this one.
 *
 * @since 0.1.0
 * @category errors
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
        ? `only the new build has the table ${table}`
        : onlyNew === undefined
        ? `only the live build has the table ${table}`
        : `in ${table}, ${onlyLive} rows are only in the live build and ${onlyNew} only in the new one` +
          (columns.length === 0 ? "" : `, not counting the columns ${columns.join(", ")} that one of them lacks`)
    )
    return `build ${this.number} of the read model ${this.readModel} differs from the live build: ${
      tables.join("; ")
    }. ` +
      "Correct the definition, or, if the new rows are right, switch with ReadModel.rebuild and { compare: undefined }"
  }
}

/**
 * Another build of the read model is being filled, in this process or another one. Wait until it is live, or stop the process
 * that is filling it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ReadModelIsBuilding extends Schema.TaggedError<ReadModelIsBuilding>()("ReadModelIsBuilding", {
  readModel: Schema.String
}) {
  override get message(): string {
    return `the read model ${this.readModel} is being built already: wait for that build, or stop the process that is ` +
      "building it"
  }
}

/**
 * The read model has no such build: it has never run, or the build was dropped or replaced.
 *
 * @since 0.1.0
 * @category errors
 */
export class BuildNotFound extends Schema.TaggedError<BuildNotFound>()("BuildNotFound", {
  readModel: Schema.String,
  /** The build that was asked for, in words: `"live build"`, `"build 3"`. */
  build: Schema.String
}) {
  override get message(): string {
    return `the read model ${this.readModel} has no ${this.build}: ReadModel.status lists its builds`
  }
}

/**
 * The errors of a read model beside those of its handlers:
 *
 * - `StoreError`: the store failed for good. While it is only away, the read model waits and resumes.
 * - `Unsupported`: the store has no tables of this kind, or can't hold leases.
 * - `InvalidArgument`, `InvalidCategory`: an option or a category is invalid.
 * - `ReadModelChanged`: another definition of the same version filled the live build.
 * - `StoreChanged`: the log is not the one that the live build was filled from.
 * - `BuildsDiffer`: a new build differs from the live one where `compare` does not allow it.
 * - `HandlerTimeout`: handlers took longer than the `timeout`.
 *
 * @since 0.1.0
 * @category errors
 */
export type RunError =
  | StoreError
  | Unsupported
  | InvalidArgument
  | InvalidCategory
  | ReadModelChanged
  | StoreChanged
  | BuildsDiffer
  | HandlerTimeout

import * as Schema from "effect/Schema"
import type { ConflictReason } from "../../ArchiveBackend.ts"

/**
 * What is read is no archive that this version reads, or a damaged one. What came before the damage has been imported.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidArchive extends Schema.TaggedError<InvalidArchive>()("InvalidArchive", {
  /** The line, from 1. */
  line: Schema.Int,
  reason: Schema.String
}) {
  override get message(): string {
    return `line ${this.line} of the archive: ${this.reason}`
  }
}

const conflictReasons: Readonly<Record<ConflictReason, string>> = {
  streamExists:
    "the store has other messages in this stream: import into a store without it, or leave it out of the export",
  idTaken: "another message of the store has the id of this message",
  streamIncomplete: "neither the archive nor the store has what comes before: export the stream from its first message",
  storeChanged:
    "the store was written to since the import began, at global positions that the archive needs: import into an empty store, " +
    "or with globalPositions: \"new\"",
  attributesDiffer:
    "the store has other attributes of this stream: import into a store without it, or leave it out of the export"
}

/**
 * The store has what the archive has no place beside, so a chunk was refused as a whole. Earlier chunks stay imported.
 *
 * @category errors
 * @since 0.1.0
 */
export class ImportRefused extends Schema.TaggedError<ImportRefused>()("ImportRefused", {
  reason: Schema.Literals(["streamExists", "idTaken", "streamIncomplete", "storeChanged", "attributesDiffer"]),
  streamName: Schema.String,
  /** The position of the message, in the archive; -1 of attributes. */
  position: Schema.Int,
  /** How many messages of the archive the store has now, those of earlier attempts as well. */
  imported: Schema.Int
}) {
  override get message(): string {
    const what = this.position === -1
      ? `the stream ${this.streamName}`
      : `position ${this.position} of ${this.streamName}`
    const before = this.imported === 0 ? "nothing was imported" : `${this.imported} messages were imported before it`
    return `${what} was refused: ${conflictReasons[this.reason]}; ${before}`
  }
}

/** Of each reason, what is wrong and what would be right. */
const exportReasons = {
  fileExists: () => "the file exists: give another name, or have it overwritten",
  otherExport: (again: string) => `an export of something else was interrupted here: repeat that one, or ${again}`,
  otherStore: (again: string) => `an export of another store was interrupted here: ${again}`,
  partLost: (again: string) => `the interrupted export lacks what it had written, so it can't continue: ${again}`
}

/**
 * A file can't be exported to, or an export that was interrupted can't continue.
 *
 * **Details**
 *
 * - `fileExists`: there is a file of this name, and the option `overwrite` is not true.
 * - `otherExport`: an export with other options was interrupted here.
 * - `otherStore`: an export of another store was interrupted here.
 * - `partLost`: the file beside it with what an interrupted export has written is shorter than that, or gone.
 *
 * @category errors
 * @since 0.1.0
 */
export class ExportRefused extends Schema.TaggedError<ExportRefused>()("ExportRefused", {
  path: Schema.String,
  reason: Schema.Literals(["fileExists", "otherExport", "otherStore", "partLost"])
}) {
  override get message(): string {
    const again = `remove ${this.path}.part and ${this.path}.part.json, or give another name`
    return `${this.path}: ${exportReasons[this.reason](again)}`
  }
}

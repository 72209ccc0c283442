/**
 * The commands that move a store.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Archive from "eventfold/Archive"
import * as Stores from "../connection/stores.ts"
import { CommandFailed } from "../failures/errors.ts"
import { unreadable, unwritable } from "../failures/files.ts"
import { inWords } from "../output/cells.ts"
import * as Print from "../output/print.ts"
import { type Show, withProgress } from "../output/progress.ts"
import { tell } from "../output/terminal.ts"

/** How many messages there are in all is not known before the end: it is estimated by the part that is done. */
const showing = (show: Show) => ({ done, messages, rate, remaining }: Archive.Progress) =>
  show({
    done: messages,
    of: Option.getOrUndefined(
      Option.map(Option.filter(done, (part) => part > 0), (part) => Math.max(messages, Math.round(messages / part)))
    ),
    rate,
    remaining: Option.getOrUndefined(remaining)
  })

/** Says how to go on, when Ctrl-C has ended what can be continued. */
const continuable = (what: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.onInterrupt(effect, () => tell(`${what} was interrupted: the same command continues it`))

const fileArgument = Argument.String("file")

const Exported = Schema.Struct({
  file: Schema.String,
  messages: Schema.Int,
  streams: Schema.Int,
  through: Schema.Int,
  isResumed: Schema.Boolean
})

/** Exports the store. */
export const exportStore = Command.make("export", {
  file: fileArgument.pipe(
    Argument.withDescription("Where to: a file, compressed when its name ends in .gz, or - for stdout")
  ),
  category: Flag.String("category").pipe(Flag.optional, Flag.withDescription("Only the streams of this category")),
  stream: Flag.String("stream").pipe(Flag.optional, Flag.withDescription("Only this stream")),
  from: Flag.Int("from").pipe(Flag.optional, Flag.withDescription("Only messages at this global position or after")),
  to: Flag.Int("to").pipe(Flag.optional, Flag.withDescription("Only messages at this global position or before")),
  overwrite: Flag.Boolean("overwrite").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Replace the file if it is there")
  )
}, ({ category, file, from, overwrite, stream, to }) =>
  Effect.gen(function*() {
    const options = {
      category: Option.getOrUndefined(category),
      streamName: Option.getOrUndefined(stream),
      from: Option.getOrUndefined(from),
      to: Option.getOrUndefined(to)
    }
    if (file === "-") {
      const stdio = yield* Stdio.Stdio
      return yield* withProgress("export", (show) =>
        Stream.run(Archive.toStream({ ...options, onProgress: showing(show) }), stdio.stdout()))
    }
    const exported = yield* withProgress("export", (show) =>
      Archive.toFile(file, { ...options, overwrite, onProgress: showing(show) })).pipe(
        Effect.catchTags({
          PlatformError: (error) =>
            Effect.fail(unwritable(file, "the same command continues it when that is mended")(error)),
          ExportRefused: (error) =>
            Effect.fail(
              error.reason === "fileExists"
                ? new CommandFailed({ message: error.message, hint: "--overwrite replaces it" })
                : error
            )
        }),
        continuable("the export")
      )
    yield* Print.done(
      `${inWords(exported.messages, "message")} exported to ${file}, up to global position ${exported.through}${
        exported.isResumed ? "; it has continued an export that was interrupted" : ""
      }`,
      { file, ...exported },
      Exported
    )
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription(
      "Exports the store as lines of JSON with checksums: messages as they are written, with ids, positions and times, and attributes of " +
        "streams. It goes on beside writers, up to an end that is fixed when it begins. Interrupted, the same command continues it. " +
        "Positions of consumers stay behind"
    ),
    Command.withShortDescription("Export the store to a file"),
    Command.withExamples([
      { command: "eventfold export store.ndjson.gz" },
      { command: "eventfold export accounts.ndjson --category account", description: "One category" },
      {
        command: "eventfold export - --data .eventfold | eventfold import - --url postgres://app@localhost/shop",
        description: "From a folder to a server"
      }
    ])
  )

const Imported = Schema.Struct({
  file: Schema.String,
  written: Schema.Int,
  present: Schema.Int,
  leftOut: Schema.Int,
  streams: Schema.Int,
  keptPositions: Schema.Boolean
})

/** Imports an archive. */
export const importStore = Command.make("import", {
  file: fileArgument.pipe(
    Argument.withDescription("What to import: a file of export, compressed or not, or - for stdin")
  ),
  globalPositions: Flag.Literals("global-positions", ["auto", "keep", "new"]).pipe(
    Flag.withDefault("auto"),
    Flag.withDescription("Keep the global positions: auto (in an empty store), keep, or new ones")
  )
}, ({ file, globalPositions }) =>
  Effect.gen(function*() {
    const imported = yield* withProgress("import", (show) =>
      Effect.gen(function*() {
        const options = { globalPositions, onProgress: showing(show) }
        if (file !== "-") return yield* Archive.fromFile(file, options)
        return yield* Archive.fromStream((yield* Stdio.Stdio).stdin, options)
      })).pipe(
        Effect.catchTag("PlatformError", (error) => Effect.fail(unreadable(file)(error))),
        continuable("the import")
      )
    const { keptPositions, leftOut, present, written } = imported
    const notes = [
      ...(present === 0 ? [] : [`${inWords(present, "message")} were there already`]),
      ...(leftOut === 0 ? [] : [`${inWords(leftOut, "message")} of consumers about themselves were left out`]),
      keptPositions ? "global positions are kept" : "global positions are new"
    ]
    yield* Print.done(`${inWords(written, "message")} imported; ${notes.join("; ")}`, { file, ...imported }, Imported)
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription(
      "Imports a file of eventfold export, chunk by chunk, each whole or not at all. Streams that exist are refused. What the store has " +
        "already of the file is left as it is, so the same command continues an import that was interrupted. Global positions are kept in " +
        "an empty store, and new elsewhere"
    ),
    Command.withShortDescription("Import an exported store"),
    Command.withExamples([
      { command: "eventfold import store.ndjson.gz --url postgres://app@localhost/shop" },
      { command: "eventfold import accounts.ndjson --global-positions new", description: "Beside other writers" }
    ])
  )

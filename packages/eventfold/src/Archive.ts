/**
 * Moves a store: exports it as lines of JSON, and imports them into another one.
 *
 * Ids, positions in streams, times, data and metadata stay as they are written, to the last digit; so do attributes of streams and
 * the marks of deletions. It works between any two stores: in memory, on PGlite, on PostgreSQL, and on a stock Message DB.
 *
 * **Export.** {@link toFile} writes a file, and {@link toStream} gives the bytes. An export has all messages up to an end that is fixed
 * when it begins, and reads page by page beside writers, in bounded memory.
 *
 * **Import.** {@link fromFile} and {@link fromStream} write chunk by chunk. Each chunk is checked by its checksum and written whole or
 * not at all. What the store has already of the archive is left as it is.
 *
 * **Interrupted.** Run the same call again: it continues, writes nothing twice and leaves nothing out.
 *
 * @since 0.1.0
 */
import { type Digest, layerWebCrypto } from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import type { ArchiveBackend } from "./ArchiveBackend.ts"
import type { ExportRefused, ImportRefused, InvalidArchive } from "./internal/archive/errors.ts"
import * as Exporter from "./internal/archive/exporter.ts"
import * as Files from "./internal/archive/files.ts"
import * as Gzip from "./internal/archive/gzip.ts"
import * as Importer from "./internal/archive/importer.ts"
import type { GlobalPositions } from "./internal/archive/importer.ts"
import * as MakeProgress from "./internal/archive/progress.ts"
import type { Progress } from "./internal/archive/progress.ts"
import { checkInt } from "./internal/store/argumentChecks.ts"
import * as InProcess from "./internal/store/inProcess.ts"
import { MessageStore } from "./MessageStore.ts"
import { InvalidArgument, type NotPermitted, type StoreError, Unsupported } from "./StoreError.ts"
import * as StreamName from "./StreamName.ts"

export {
  /** @since 0.1.0 @category errors */
  ExportRefused,
  /** @since 0.1.0 @category errors */
  ImportRefused,
  /** @since 0.1.0 @category errors */
  InvalidArchive
} from "./internal/archive/errors.ts"

/**
 * How far an export or import has come.
 *
 * @category models
 * @since 0.1.0
 */
export type { Progress } from "./internal/archive/progress.ts"

/** @since 0.1.0 */
export type { GlobalPositions } from "./internal/archive/importer.ts"

/**
 * What to export, and what to do with each chunk.
 *
 * @category options
 * @since 0.1.0
 */
export interface ExportOptions<E = never, R = never> {
  /** Only the streams of this category. Not together with `streamName`. Defaults to all. */
  readonly category?: string | undefined
  /** Only this stream. Defaults to all. */
  readonly streamName?: string | undefined
  /** Only messages at this global position or after. Defaults to 1. */
  readonly from?: number | undefined
  /** Only messages at this global position or before. Defaults to the last one when the export begins. */
  readonly to?: number | undefined
  /** Runs after each chunk, two mebibytes at most. The export waits for it. */
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void, E, R>) | undefined
}

/**
 * How to import.
 *
 * @category options
 * @since 0.1.0
 */
export interface ImportOptions<E = never, R = never> {
  /** Defaults to `auto`. */
  readonly globalPositions?: GlobalPositions | undefined
  /** Runs after each chunk, two mebibytes at most. The import waits for it. */
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void, E, R>) | undefined
}

/**
 * What an export has written.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exported {
  readonly messages: number
  /** Streams with attributes. */
  readonly streams: number
  /** The global position, inclusive, up to which the archive has what was asked for. */
  readonly through: number
  /** Whether it continued an export that was interrupted. */
  readonly isResumed: boolean
}

/**
 * What an import has done.
 *
 * @category models
 * @since 0.1.0
 */
export interface Imported {
  /** Messages that it has written. */
  readonly written: number
  /** Messages that the store had already, from an import that was interrupted. */
  readonly present: number
  /**
   * Messages that were left out: consumers have written positions in them that are not kept. See {@link fromFile}.
   */
  readonly leftOut: number
  /** Streams with attributes. */
  readonly streams: number
  /** Whether the messages have the global positions of the archive. */
  readonly keptPositions: boolean
}

/**
 * The errors of options, and of names in them.
 *
 * @category errors
 * @since 0.1.0
 */
export type OptionsError = InvalidArgument | StreamName.InvalidCategory | StreamName.InvalidStreamName

/**
 * The errors of an export.
 *
 * @category errors
 * @since 0.1.0
 */
export type ExportError = OptionsError | Unsupported | StoreError

/**
 * The errors of an import.
 *
 * @category errors
 * @since 0.1.0
 */
export type ImportError = InvalidArchive | ImportRefused | InvalidArgument | NotPermitted | Unsupported | StoreError

const backendOf = (store: MessageStore["Service"], operation: string): Effect.Effect<ArchiveBackend, Unsupported> => {
  const { archive } = store[InProcess.TypeId]
  return archive === undefined
    ? Effect.fail(new Unsupported({ operation, remedy: "its backend has no member archive" }))
    : Effect.succeed(archive)
}

const rangeOf = Effect.fnUntraced(function*(
  { category, from, streamName, to }: ExportOptions<unknown, unknown>
): Effect.fn.Return<Exporter.Range, OptionsError> {
  yield* checkInt("from", from, 1)
  yield* checkInt("to", to, 0)
  if (category !== undefined && streamName !== undefined) {
    const expected = `absent, because the category ${category} is given: a stream has one category`
    return yield* new InvalidArgument({ argument: "streamName", value: JSON.stringify(streamName), expected })
  }
  return {
    category: category === undefined ? undefined : yield* StreamName.parseCategory(category),
    streamName: streamName === undefined ? undefined : yield* StreamName.parse(streamName),
    from: from ?? 1,
    to
  }
})

/** The part of an export that is done, by global positions. */
const doneOf = (state: Exporter.State, { from, through }: { readonly from: number; readonly through: number }) =>
  through < from ? 1 : Math.min(1, (state.after.globalPosition - from + 1) / (through - from + 1))

const countOf = ({ bytes, header, state }: Files.Note): MakeProgress.Count => ({
  messages: state.messages,
  streams: state.streams,
  bytes,
  done: doneOf(state, header)
})

const withDigest = <A, E, R>(effect: Effect.Effect<A, E, R | Digest>) => Effect.provide(effect, layerWebCrypto)

/**
 * Exports as bytes, a piece for each chunk: to the standard output, to another program, to an object store.
 *
 * **When to use**
 *
 * For files use {@link toFile}, which continues when it was interrupted.
 *
 * **Details**
 *
 * Fails as {@link toFile} does, but for files.
 *
 * @category exporting
 * @since 0.1.0
 */
export const toStream = <E = never, R = never>(
  options: ExportOptions<E, R> = {}
): Stream.Stream<Uint8Array<ArrayBuffer>, ExportError | E, MessageStore | R> =>
  Stream.unwrap(
    Effect.gen(function*() {
      const store = yield* MessageStore
      const backend = yield* backendOf(store, "export")
      const range = yield* rangeOf(options)
      const { header, state } = yield* Exporter.begin(store, backend, range)
      let bytes = 0
      const { onProgress } = options
      const progressOf = yield* MakeProgress.make({ messages: 0, streams: 0, bytes, done: 0 })
      return Exporter.pieces(backend, header, range, state).pipe(
        Stream.tap((piece) => {
          bytes += piece.bytes.length
          const { messages, streams } = piece.state
          return onProgress === undefined ? Effect.void : Effect.flatMap(
            progressOf({ messages, streams, bytes, done: piece.isLast ? 1 : doneOf(piece.state, header) }),
            onProgress
          )
        }),
        Stream.map((piece) => piece.bytes),
        Stream.provide(layerWebCrypto)
      )
    }).pipe(Effect.withSpan("Archive.toStream"))
  )

/**
 * Exports to a file, compressed by gzip when its name ends in `.gz`.
 *
 * **Details**
 *
 * The end is fixed when the export begins: the last message then, or `to`. Transactions that may still write below it are waited for,
 * up to ten seconds; then the export ends before them. Messages that are deleted while it runs may be in it or not.
 *
 * While it runs, the file is named `<path>.part`, and `<path>.part.json` says where it stands. When it has ended, the file gets its
 * name. Called again after an interruption with the same options, it continues.
 *
 * Fails with {@link ExportRefused} when the file exists, unless `overwrite` is true, and when an export of something else, or of
 * another store, was interrupted there. Fails with `StoreError` when the store can't be reached for as long as it repeats calls.
 *
 * **Gotchas**
 *
 * Positions of consumers, builds of read models and leases stay behind: they are no messages. Positions that Eventide's clients keep are
 * messages, and are exported.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Archive } from "eventfold"
 *
 * const backup = Archive.toFile("store.ndjson.gz", {
 *   onProgress: ({ messages, rate }) => Effect.log(`${messages} messages, ${Math.round(rate)} a second`)
 * })
 * ```
 *
 * @category exporting
 * @since 0.1.0
 */
export const toFile = Effect.fn("Archive.toFile")(function*<E = never, R = never>(
  path: string,
  options: ExportOptions<E, R> & { readonly overwrite?: boolean | undefined } = {}
): Effect.fn.Return<Exported, ExportError | ExportRefused | PlatformError | E, MessageStore | FileSystem | R> {
  const store = yield* MessageStore
  const backend = yield* backendOf(store, "export")
  const range = yield* rangeOf(options)
  const { onProgress, overwrite = false } = options
  let progressOf: Effect.Success<ReturnType<typeof MakeProgress.make>> | undefined
  let last: Files.Note | undefined
  const begun = yield* withDigest(
    Files.exportFile(store, backend, { path, overwrite, range }, (note, begun) =>
      Effect.gen(function*() {
        last = note
        progressOf ??= yield* MakeProgress.make(countOf(begun.note))
        if (onProgress !== undefined) yield* onProgress(yield* progressOf(countOf(note)))
      }))
  )
  const { header, state } = last ?? begun.note
  return { messages: state.messages, streams: state.streams, through: header.through, isResumed: begun.isResumed }
})

const importing = Effect.fnUntraced(function*<E, R, E2, R2>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  { globalPositions = "auto", onProgress }: ImportOptions<E2, R2>,
  read: () => { readonly bytes: number; readonly done: number | undefined }
): Effect.fn.Return<Imported, ImportError | E | E2, MessageStore | R | R2> {
  const store = yield* MessageStore
  const backend = yield* backendOf(store, "import")
  const { waking } = store[InProcess.TypeId]
  const progressOf = yield* MakeProgress.make({ messages: 0, streams: 0, bytes: 0, done: 0 })
  return yield* withDigest(Importer.run({ store, backend, waking }, bytes, globalPositions, (tally) => {
    const { leftOut, present, streams, written } = tally
    return onProgress === undefined
      ? Effect.void
      : Effect.flatMap(progressOf({ ...read(), messages: written + present + leftOut, streams }), onProgress)
  }))
})

/**
 * Imports what {@link toStream} has given, also compressed by gzip: from the standard input, from another program.
 *
 * **Details**
 *
 * Fails as {@link fromFile} does, but for files.
 *
 * @category importing
 * @since 0.1.0
 */
export const fromStream = Effect.fn("Archive.fromStream")(function*<E, R, E2 = never, R2 = never>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  options: ImportOptions<E2, R2> = {}
): Effect.fn.Return<Imported, ImportError | E | E2, MessageStore | R | R2> {
  let count = 0
  const counted = Stream.tap(bytes, (some) => Effect.sync(() => count += some.length))
  return yield* importing(Gzip.decompress(counted), options, () => ({ bytes: count, done: undefined }))
})

/**
 * Imports a file of {@link toFile}, compressed or not.
 *
 * **Details**
 *
 * Each chunk is checked by its checksum, and written in one transaction. Streams that exist are refused with {@link ImportRefused},
 * which says how many messages came before; what came before stays. A message that the store has already, by its id and its place in
 * its stream, is left as it is. So an import that was interrupted is simply run again.
 *
 * **Global positions** are kept when the store is empty, or ends with the message before the archive. Nobody else may write to the
 * store meanwhile: an import that finds messages of others there fails with {@link ImportRefused}. Its user needs the right to set the
 * sequence. Otherwise the store gives new ones in the same order, beside other writers.
 *
 * With new positions, messages in which consumers write about themselves are left out, those of categories such as
 * `account:position` and `account:parked`: they have positions of the former store.
 *
 * Fails with {@link InvalidArchive} when the archive is damaged or incomplete, and names the line.
 *
 * @example
 * ```ts
 * import { Archive } from "eventfold"
 *
 * const restore = Archive.fromFile("store.ndjson.gz")
 * ```
 *
 * @category importing
 * @since 0.1.0
 */
export const fromFile = Effect.fn("Archive.fromFile")(function*<E = never, R = never>(
  path: string,
  options: ImportOptions<E, R> = {}
): Effect.fn.Return<Imported, ImportError | PlatformError | E, MessageStore | FileSystem | R> {
  let count = 0
  const { bytes, size } = yield* Files.fileBytes(path, (some) => count += some)
  return yield* importing(bytes, options, () => ({ bytes: count, done: size === 0 ? 1 : count / size }))
})

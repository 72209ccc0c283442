/**
 * Archives in files. An export writes beside the file of its name, and notes after each chunk where it stands; when it has ended, the
 * file gets its name. So a file of that name is whole, and an export that was interrupted continues.
 */
import * as ByteSize from "effect/ByteSize"
import type { Digest } from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import { FileSystem } from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { ArchiveBackend } from "../../ArchiveBackend.ts"
import type { MessageStore } from "../../MessageStore.ts"
import type { InvalidArgument, StoreError } from "../../StoreError.ts"
import { ExportRefused } from "./errors.ts"
import * as Exporter from "./exporter.ts"
import * as Format from "./format.ts"
import * as Gzip from "./gzip.ts"

/** Where an export to a file stands. */
const Note = Schema.fromJsonString(Schema.Struct({
  header: Format.Header,
  /** What was asked for: an end that was not is another one each time. */
  to: Schema.NullOr(Schema.Int),
  state: Exporter.State,
  /** The size of the file up to there. */
  bytes: Schema.Int
}))

export type Note = typeof Note.Type

export const isCompressed = (path: string): boolean => path.endsWith(".gz")

export interface FileOptions {
  readonly path: string
  readonly overwrite: boolean
  readonly range: Exporter.Range
}

/** Where an export stands, and whether it continues one that was interrupted. */
interface Begun {
  readonly note: Note
  readonly isResumed: boolean
}

const isSameRange = ({ category, from, streamName, to }: Exporter.Range, { header, to: noted }: Note): boolean =>
  header.category === (category ?? null) && header.streamName === (streamName ?? null) && header.from === from &&
  noted === (to ?? null)

/** Exports to a file. `progressed` runs after each chunk. */
export const exportFile = Effect.fnUntraced(function*<E, R>(
  store: MessageStore["Service"],
  backend: ArchiveBackend,
  { overwrite, path, range }: FileOptions,
  progressed: (note: Note, begun: Begun) => Effect.Effect<void, E, R>
): Effect.fn.Return<Begun, InvalidArgument | StoreError | ExportRefused | PlatformError | E, FileSystem | Digest | R> {
  const fs = yield* FileSystem
  const part = `${path}.part`
  const noteOf = `${part}.json`
  const refused = (reason: ExportRefused["reason"]) => new ExportRefused({ path, reason })
  if (!overwrite && (yield* fs.exists(path))) {
    return yield* refused("fileExists")
  }

  const noted = (yield* fs.exists(noteOf))
    ? Schema.decodeUnknownOption(Note)(yield* fs.readFileString(noteOf))
    : Option.none()

  const resume = Effect.fnUntraced(function*(note: Note) {
    if (!isSameRange(range, note)) return yield* refused("otherExport")
    const { database, system, timeline } = yield* store.identity
    const { source } = note.header
    if (
      source.system !== (system ?? null) || source.database !== (database ?? null) ||
      source.timeline !== (timeline ?? null)
    ) {
      return yield* refused("otherStore")
    }
    const size = (yield* fs.exists(part)) ? ByteSize.toBigInt((yield* fs.stat(part)).size) : 0n
    if (size < BigInt(note.bytes)) return yield* refused("partLost")
    return { note, isResumed: true }
  })

  const begin = Effect.map(Exporter.begin(store, backend, range), ({ header, state }): Begun => ({
    note: { header, to: range.to ?? null, state, bytes: 0 },
    isResumed: false
  }))

  const begun = yield* Option.match(noted, { onNone: () => begin, onSome: resume })
  const { header, to } = begun.note
  const compress = isCompressed(path) ? Gzip.compress : Effect.succeed<Uint8Array<ArrayBuffer>>

  yield* Effect.scoped(Effect.gen(function*() {
    const file = yield* fs.open(part, { flag: begun.isResumed ? "r+" : "w" })
    yield* file.truncate(begun.note.bytes)
    yield* file.seek(BigInt(begun.note.bytes), "start")
    let { bytes } = begun.note
    yield* Stream.runForEach(
      Exporter.pieces(backend, header, range, begun.note.state),
      (piece) =>
        Effect.gen(function*() {
          const written = yield* compress(piece.bytes)
          yield* file.writeAll(written)
          bytes += written.length
          // After the last piece the file is whole. It gets its name, and needs no note.
          if (piece.isLast) return
          const note: Note = { header, to, state: piece.state, bytes }
          yield* fs.writeFileString(`${noteOf}.new`, yield* Effect.orDie(Schema.encodeEffect(Note)(note)))
          yield* fs.rename(`${noteOf}.new`, noteOf)
          yield* progressed(note, begun)
        })
    )
    yield* file.sync
  }))
  // In this order: a note without its part would keep the next export to this file from beginning.
  yield* fs.remove(noteOf, { force: true })
  yield* fs.rename(part, path)
  return begun
})

/** The bytes of a file, as they are and decompressed. `counted` runs with the size of what is read. */
export const fileBytes = Effect.fnUntraced(function*(path: string, counted: (bytes: number) => void) {
  const fs = yield* FileSystem
  const size = Number(ByteSize.toBigInt((yield* fs.stat(path)).size))
  const bytes = fs.stream(path, { chunkSize: 256 * 1024 }).pipe(
    Stream.tap((some) => Effect.sync(() => counted(some.length)))
  )
  return { size, bytes: Gzip.decompress(bytes) }
})

/**
 * Makes an archive, chunk after chunk. Where the export stands between two chunks is a value, with which it can continue.
 */
import { Digest, sha256 } from "effect/crypto/Digest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { ArchiveBackend, ArchiveFilter } from "../../ArchiveBackend.ts"
import type { MessageStore } from "../../MessageStore.ts"
import type { StoreError } from "../../StoreError.ts"
import { concat } from "./blocks.ts"
import * as Format from "./format.ts"

/** What is exported. */
export interface Range extends ArchiveFilter {
  /** Global positions, inclusive. */
  readonly from: number
  readonly to: number | undefined
}

/** About how many bytes a chunk has at most. A message that is larger is a chunk of its own. */
const chunkBytes = 2 << 20

/** The first page has this many messages, and each later one as many as make a chunk by the size of those before, up to {@link maxLimit}. */
const firstLimit = 200

const maxLimit = 2_000

/** How long an export waits for transactions that may still write below its end, before it ends before them. */
const patience = Schedule.max([Schedule.spaced("200 millis"), Schedule.during("10 seconds")])

/** Where an export stands. */
export const State = Schema.Struct({
  stage: Schema.Literals(["header", "attributes", "messages", "end"]),
  /** The number of the next chunk. */
  chunk: Schema.Int,
  after: Schema.Struct({ globalPosition: Schema.Int, position: Schema.Int }),
  afterStream: Schema.NullOr(Schema.Struct({ category: Schema.String, id: Schema.String })),
  messages: Schema.Int,
  streams: Schema.Int,
  limit: Schema.Int
})

export type State = typeof State.Type

/** A piece of the archive, and where the export stands after it. */
export interface Piece {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** The export has ended when its stage is `end` and there is no next piece. */
  readonly state: State
  readonly isLast: boolean
}

const orNull = <A>(value: A | undefined): A | null => value ?? null

/** The global position up to which everything is final, and that is not above the end that was asked for. */
const finalPosition = Effect.fnUntraced(function*(store: MessageStore["Service"], to: number | undefined) {
  const last = yield* store.lastPosition
  const end = Math.min(last, to ?? last)
  const held = Effect.map(store.heldBack(), Option.filter(({ position }) => position <= end))
  const heldBack = yield* Effect.repeat(held, { schedule: patience, while: Option.isSome })
  return Option.match(heldBack, { onNone: () => end, onSome: ({ position }) => position - 1 })
})

/** Decides what an export has: the end is fixed when it begins. */
export const begin = Effect.fnUntraced(function*(
  store: MessageStore["Service"],
  backend: ArchiveBackend,
  { from, to, ...filter }: Range
) {
  const through = yield* finalPosition(store, to)
  const { database, databaseName, system, timeline } = yield* store.identity
  const previous = yield* backend.before(filter, from)
  const header: Format.Header = {
    eventfold: "archive",
    version: Format.formatVersion,
    exportedAt: yield* DateTime.now,
    source: {
      system: orNull(system),
      database: orNull(database),
      databaseName: orNull(databaseName),
      timeline: orNull(timeline)
    },
    category: orNull(filter.category),
    streamName: orNull(filter.streamName),
    from,
    through,
    previous: Option.getOrNull(Option.map(previous, ({ globalPosition, id }) => ({ globalPosition, id })))
  }
  const state: State = {
    stage: "header",
    chunk: 0,
    after: Option.match(previous, {
      onNone: () => ({ globalPosition: from - 1, position: -1 }),
      onSome: ({ position }) => ({ globalPosition: from - 1, position })
    }),
    afterStream: null,
    messages: 0,
    streams: 0,
    limit: firstLimit
  }
  return { header, state }
})

/** How many messages make a chunk, by the size of those of the last one. */
const nextLimit = (bytes: number, count: number): number =>
  count === 0 ? firstLimit : Math.max(1, Math.min(maxLimit, Math.floor(chunkBytes / (bytes / count))))

/** A chunk without the line after it, and where the export stands after it. */
interface Chunk {
  readonly kind: Format.Footer["kind"] | "end"
  readonly lines: () => Uint8Array<ArrayBuffer>
  readonly records: number
  readonly state: State
}

/** The chunks of an archive, from where an export stands. */
const chunks = (
  backend: ArchiveBackend,
  header: Format.Header,
  filter: ArchiveFilter,
  begun: State
): Stream.Stream<Chunk, StoreError> => {
  const attributes = Effect.fnUntraced(function*(state: State) {
    const page = yield* backend.attributes({ ...filter, after: state.afterStream ?? undefined, limit: firstLimit })
    const last = page.at(-1)
    if (last === undefined) return undefined
    const chunk: Chunk = {
      kind: "attributes",
      lines: () => Format.bytesOf(page.map(Format.encodeAttributes).join("")),
      records: page.length,
      state: {
        ...state,
        chunk: state.chunk + 1,
        afterStream: { category: last.category, id: last.id },
        streams: state.streams + page.length
      }
    }
    return chunk
  })

  const messages = Effect.fnUntraced(function*(state: State) {
    const { after, limit } = state
    const page = yield* backend.messages({ ...filter, after, through: header.through, limit, bytes: chunkBytes })
    if (page.count === 0) return undefined
    const chunk: Chunk = {
      kind: "messages",
      lines: page.lines,
      records: page.count,
      state: {
        ...state,
        chunk: state.chunk + 1,
        after: page.last,
        messages: state.messages + page.count,
        limit: nextLimit(page.size, page.count)
      }
    }
    return chunk
  })

  const next = Effect.fnUntraced(function*(state: State): Effect.fn.Return<Chunk, StoreError> {
    let { stage } = state
    if (stage === "header") {
      const lines = () => Format.bytesOf(Format.encodeHeader(header))
      return { kind: "header", lines, records: 1, state: { ...state, chunk: 1, stage: "attributes" } }
    }
    if (stage === "attributes") {
      const chunk = yield* attributes(state)
      if (chunk !== undefined) return chunk
      stage = "messages"
    }
    if (stage === "messages") {
      const chunk = yield* messages({ ...state, stage })
      if (chunk !== undefined) return chunk
    }
    const { chunk, messages: count, streams } = state
    const lines = () => Format.bytesOf(Format.encodeEnd({ end: true, chunks: chunk, messages: count, streams }))
    return { kind: "end", lines, records: 0, state: { ...state, stage: "end" } }
  })

  return Stream.paginate(begun, (state) =>
    Effect.map(
      next(state),
      (chunk) => [[chunk], chunk.kind === "end" ? Option.none() : Option.some(chunk.state)] as const
    ))
}

/** A chunk with the line after it. */
const finish = Effect.fnUntraced(function*({ kind, records, state, ...chunk }: Chunk) {
  const lines = chunk.lines()
  if (kind === "end") {
    const last: Piece = { bytes: lines, state, isLast: true }
    return last
  }
  const digest = yield* (yield* Digest).digestHex(sha256, lines)
  const footer = Format.bytesOf(Format.encodeFooter({ chunk: state.chunk - 1, kind, records, sha256: digest }))
  const piece: Piece = { bytes: concat([lines, footer]), state, isLast: false }
  return piece
})

/** The pieces of an archive, from where an export stands. The store reads the next chunk while one is finished and used. */
export const pieces = (
  ...from: Parameters<typeof chunks>
): Stream.Stream<Piece, StoreError, Digest> =>
  chunks(...from).pipe(
    Stream.buffer({ capacity: 2 }),
    Stream.mapEffect(finish)
  )

/**
 * Makes an archive, chunk after chunk. Where the export stands between two chunks is a value, with which it can continue.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { Digest, sha256 } from "effect/crypto/Digest"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { ArchiveBackend, ArchiveFilter } from "../../ArchiveBackend.ts"
import type { MessageStore } from "../../MessageStore.ts"
import type { StoreError } from "../../StoreError.ts"
import * as Format from "./format.ts"

/** What is exported. */
export interface Range extends ArchiveFilter {
  /** Global positions, inclusive. */
  readonly from: number
  readonly to: number | undefined
}

/** About how many bytes a chunk has. A message that is larger is a chunk of its own. */
const chunkBytes = 1 << 20

/** The first page has this many messages, and each later one as many as make a chunk by the size of those before. */
const firstLimit = 200

const maxLimit = 5_000

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

const concat = (lines: Uint8Array, footer: Uint8Array): Uint8Array<ArrayBuffer> => {
  const all = new Uint8Array(lines.length + footer.length)
  all.set(lines)
  all.set(footer, lines.length)
  return all
}

/** How many messages make a chunk, by the size of those of the last one. */
const nextLimit = (bytes: number, count: number): number =>
  count === 0 ? firstLimit : Math.max(1, Math.min(maxLimit, Math.floor(chunkBytes / (bytes / count))))

/** The pieces of an archive, from where an export stands. */
export const pieces = (
  backend: ArchiveBackend,
  header: Format.Header,
  filter: ArchiveFilter,
  begun: State
): Stream.Stream<Piece, StoreError, Digest> => {
  const chunk = Effect.fnUntraced(function*(
    kind: Format.Footer["kind"],
    lines: Uint8Array<ArrayBuffer>,
    records: number,
    { chunk, ...state }: State
  ) {
    const digest = yield* (yield* Digest).digestHex(sha256, lines)
    const footer = Format.bytesOf(Format.encodeFooter({ chunk, kind, records, sha256: digest }))
    const piece: Piece = { bytes: concat(lines, footer), state: { ...state, chunk: chunk + 1 }, isLast: false }
    return piece
  })

  const attributes = Effect.fnUntraced(function*(state: State) {
    const page = yield* backend.attributes({ ...filter, after: state.afterStream ?? undefined, limit: firstLimit })
    const last = page.at(-1)
    if (last === undefined) return undefined
    const lines = Format.bytesOf(page.map(Format.encodeAttributes).join(""))
    return yield* chunk("attributes", lines, page.length, {
      ...state,
      afterStream: { category: last.category, id: last.id },
      streams: state.streams + page.length
    })
  })

  const messages = Effect.fnUntraced(function*(state: State) {
    const { after, limit } = state
    const page = yield* backend.messages({ ...filter, after, through: header.through, limit })
    if (page.count === 0) return undefined
    return yield* chunk("messages", page.lines, page.count, {
      ...state,
      after: page.last,
      messages: state.messages + page.count,
      limit: nextLimit(page.lines.length, page.count)
    })
  })

  const next = Effect.fnUntraced(function*(state: State): Effect.fn.Return<Piece, StoreError, Digest> {
    let { stage } = state
    if (stage === "header") {
      const lines = Format.bytesOf(Format.encodeHeader(header))
      return yield* chunk("header", lines, 1, { ...state, stage: "attributes" })
    }
    if (stage === "attributes") {
      const piece = yield* attributes(state)
      if (piece !== undefined) return piece
      stage = "messages"
    }
    if (stage === "messages") {
      const piece = yield* messages({ ...state, stage })
      if (piece !== undefined) return piece
    }
    const { chunk: chunks, messages: count, streams } = state
    const bytes = Format.bytesOf(Format.encodeEnd({ end: true, chunks, messages: count, streams }))
    return { bytes, state: { ...state, stage: "end" }, isLast: true }
  })

  return Stream.paginate(begun, (state) =>
    Effect.map(next(state), (piece) => [[piece], piece.isLast ? Option.none() : Option.some(piece.state)] as const))
}

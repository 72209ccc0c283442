/**
 * Reads an archive into a store, chunk after chunk. Each chunk is checked as a whole before anything of it is written, and what the
 * store has of it already is left as it is: so an import that was interrupted is simply run again.
 */
import { Digest, sha256 } from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type {
  ArchiveBackend,
  ArchivedAttributes,
  ArchivedMessage,
  ImportConflict,
  ImportWritten
} from "../../ArchiveBackend.ts"
import type { MessageStore } from "../../MessageStore.ts"
import { InvalidArgument, type StoreError } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { textProblem } from "../runtime/storableJson.ts"
import { isBookkeeping } from "../store/bookkeeping.ts"
import { type Block, blocks, textOf } from "./blocks.ts"
import { ImportRefused, InvalidArchive } from "./errors.ts"
import * as Format from "./format.ts"

/**
 * Whether an import keeps the global positions.
 *
 * **Details**
 *
 * - `auto` keeps them when the store is empty, or ends with the message before the archive; otherwise the store gives new ones.
 * - `keep` fails with `InvalidArgument` where `auto` would not keep them.
 * - `new` has the store give new ones.
 *
 * @category options
 * @since 0.1.0
 */
export type GlobalPositions = "auto" | "keep" | "new"

/** What an import has done. */
export interface Tally {
  /** Messages that this run has written. */
  written: number
  /** Messages that the store had already, from an earlier run. */
  present: number
  /** Messages in which consumers wrote about themselves by positions that are not kept. */
  leftOut: number
  /** Streams with attributes. */
  streams: number
}

export interface Target {
  readonly store: MessageStore["Service"]
  readonly backend: ArchiveBackend
  /** Wakes the readers of categories after a write to them. */
  readonly waking: <A, E extends { readonly _tag: string }>(
    categories: ReadonlyArray<string>,
    write: Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
}

interface Decoded {
  readonly footer: Format.Footer
  readonly texts: ReadonlyArray<string>
  readonly firstLine: number
}

const invalid = (line: number, reason: string) => new InvalidArchive({ line, reason })

/** Checks a chunk against the line after it. */
const check = Effect.fnUntraced(function*(block: Block, expected: number) {
  const { count, firstLine, last, lines } = block
  const lastLine = firstLine + count
  const footer = yield* Format.decodeFooter(last, lastLine)
  if (footer.chunk !== expected) {
    return yield* invalid(
      lastLine,
      `this is chunk ${footer.chunk}, and chunk ${expected} should come: lines are missing`
    )
  }
  if (footer.records !== count) {
    return yield* invalid(lastLine, `chunk ${footer.chunk} has ${count} lines, and was written with ${footer.records}`)
  }
  const digest = yield* (yield* Digest).digestHex(sha256, lines)
  if (digest !== footer.sha256) {
    return yield* invalid(firstLine, `chunk ${footer.chunk} is not as it was written: its checksum is another one`)
  }
  const text = yield* textOf(lines, firstLine)
  const decoded: Decoded = { footer, texts: text.split("\n").slice(0, count), firstLine }
  return decoded
})

/** A part of the archive, decoded. */
type Part =
  | { readonly _tag: "Header"; readonly header: Format.Header }
  | { readonly _tag: "Attributes"; readonly streams: ReadonlyArray<ArchivedAttributes> }
  | { readonly _tag: "Messages"; readonly messages: ReadonlyArray<ArchivedMessage>; readonly line: number }
  | { readonly _tag: "End" }

/** How many records a reader has met. */
interface Counted {
  chunks: number
  messages: number
  streams: number
  hasEnded: boolean
}

const checkEnd = Effect.fnUntraced(function*({ count, firstLine, last }: Block, counted: Counted) {
  const line = firstLine + count
  const end = yield* Format.decodeEnd(last, line)
  if (count > 0) return yield* invalid(firstLine, "these lines are in no chunk")
  if (end.chunks !== counted.chunks || end.messages !== counted.messages || end.streams !== counted.streams) {
    return yield* invalid(line, "the archive has other chunks than it was written with: some are missing")
  }
  counted.hasEnded = true
  const part: Part = { _tag: "End" }
  return part
})

const decodeBlock = Effect.fnUntraced(function*(
  block: Block,
  counted: Counted
): Effect.fn.Return<Part, InvalidArchive, Digest> {
  if (counted.hasEnded) return yield* invalid(block.firstLine, "the archive has ended before this line")
  if (block.last.startsWith("{\"end\":")) return yield* checkEnd(block, counted)
  const isFirst = counted.chunks === 0
  const header = isFirst ? yield* Format.decodeHeader((yield* textOf(block.lines, 1)).split("\n")[0] ?? "") : undefined
  const { firstLine, footer, texts } = yield* check(block, counted.chunks)
  counted.chunks += 1
  if (header !== undefined) return { _tag: "Header", header }
  switch (footer.kind) {
    case "header":
      return yield* invalid(firstLine, "a second header: give one archive at a time")
    case "attributes": {
      counted.streams += footer.records
      return {
        _tag: "Attributes",
        streams: yield* Effect.forEach(texts, (text, i) => Format.decodeAttributes(text, firstLine + i))
      }
    }
    case "messages": {
      counted.messages += footer.records
      const messages = yield* Effect.forEach(texts, (text, i) => Format.decodeMessage(text, firstLine + i))
      for (const [i, { globalPosition }] of messages.entries()) {
        if (globalPosition > (messages[i - 1]?.globalPosition ?? 0)) continue
        return yield* invalid(firstLine + i, "the messages are not in the order of their global positions")
      }
      return { _tag: "Messages", messages, line: firstLine }
    }
  }
})

/** The parts of an archive. The next is decoded while the last is used. */
const parts = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) =>
  Stream.suspend(() => {
    const counted: Counted = { chunks: 0, messages: 0, streams: 0, hasEnded: false }
    const decoded = blocks(bytes, Format.decodeHeader).pipe(Stream.mapEffect((block) => decodeBlock(block, counted)))
    const complete = Stream.suspend(() =>
      counted.hasEnded ? Stream.empty : Stream.fail(
        invalid(1, counted.chunks === 0 ? "there is nothing in it" : "the archive has no end: its export has not ended")
      )
    )
    return Stream.concat(decoded, complete).pipe(Stream.buffer({ capacity: 1 }))
  })

/** Whether the store is at the place before the archive: empty, or with its last message. */
const isBefore = Effect.fnUntraced(function*({ store }: Target, { previous }: Format.Header) {
  const last = yield* store.lastPosition
  if (last === 0) return true
  if (previous === null || previous.globalPosition !== last) return false
  return Option.exists(yield* store.messageAt(last), ({ id }) => id === previous.id)
})

/** Whether an earlier run has imported the first message and kept its global position. */
const wasKept = ({ store }: Target, { globalPosition, id }: ArchivedMessage) =>
  Effect.map(store.messageAt(globalPosition), Option.exists((message) => message.id === id))

const refusal = ({ position, reason, streamName }: ImportConflict, { present, written }: Tally) =>
  new ImportRefused({ reason, streamName, position, imported: written + present })

/** Whether a text is JSON with nothing in it that no store takes: a NUL, or half of a surrogate pair. */
const isStorable = (text: string | undefined): boolean => {
  if (text === undefined) return true
  let isGood = true
  const look = (key: string, value: unknown): unknown => {
    isGood &&= textProblem(key) === undefined && (typeof value !== "string" || textProblem(value) === undefined)
    return value
  }
  return Result.isSuccess(Result.try((): unknown => JSON.parse(text, look))) && isGood
}

const usualTime = /^(?:-?infinity|\d{4,}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?: BC)?)$/

/** The field of a message for which a store may refuse its chunk, if it can be told. */
const suspectField = ({ data, metadata, time, type }: ArchivedMessage): string | undefined => {
  if (!isStorable(data)) return "data"
  if (!isStorable(metadata)) return "metadata"
  if (!usualTime.test(time)) return "time"
  return textProblem(type) === undefined ? undefined : "type"
}

/** A store refuses a chunk as a whole. The archive is what is wrong where one of its messages is. */
const blame = (messages: ReadonlyArray<ArchivedMessage>, firstLine: number) => (error: StoreError) => {
  if (error.isRetryable) return error
  const index = messages.findIndex((message) => suspectField(message) !== undefined)
  const message = messages[index]
  return message === undefined
    ? error
    : invalid(firstLine + index, `the store can't take the ${suspectField(message)} of the message: ${error.reason}`)
}

/** Imports an archive. `progressed` runs after each chunk. */
export const run = Effect.fnUntraced(function*<E, R, E2, R2>(
  target: Target,
  bytes: Stream.Stream<Uint8Array, E, R>,
  globalPositions: GlobalPositions,
  progressed: (tally: Tally) => Effect.Effect<void, E2, R2>
) {
  const { backend, waking } = target
  const tally: Tally = { written: 0, present: 0, leftOut: 0, streams: 0 }
  let header: Format.Header | undefined
  /** Known with the first message, unless the store was empty. */
  let keeps: boolean | undefined

  const started = Effect.fnUntraced(function*(found: Format.Header) {
    header = found
    if (globalPositions === "new") keeps = false
    else if (yield* isBefore(target, found)) keeps = true
  })

  const decideBy = Effect.fnUntraced(function*(first: ArchivedMessage) {
    const kept = yield* wasKept(target, first)
    if (!kept && globalPositions === "keep") {
      return yield* new InvalidArgument({
        argument: "globalPositions",
        value: "\"keep\"",
        expected:
          "\"new\" or \"auto\", because the store has other messages: only an empty one can keep the global positions"
      })
    }
    return kept
  })

  const written = (outcome: ImportWritten | ImportConflict) =>
    outcome._tag === "Conflict" ? Effect.fail(refusal(outcome, tally)) : Effect.succeed(outcome.written)

  const importMessages = Effect.fnUntraced(function*(
    all: ReadonlyArray<ArchivedMessage>,
    firstLine: number,
    { through }: Format.Header
  ) {
    const [first] = all
    if (first === undefined) return
    const keepsPositions = keeps ??= yield* decideBy(first)
    const messages = keepsPositions ? all : all.filter(({ streamName }) => !isBookkeeping(streamName))
    tally.leftOut += all.length - messages.length
    if (messages.length === 0) return
    const categories = [...new Set(messages.map(({ streamName }) => StreamName.category(streamName)))]
    const chunk = backend.importMessages({ messages, keepsPositions, reserved: through }).pipe(
      Effect.catchTag("StoreError", (error) => Effect.fail(blame(all, firstLine)(error)))
    )
    const count = yield* written(yield* waking(categories, chunk))
    tally.written += count
    tally.present += messages.length - count
  })

  const importAttributes = Effect.fnUntraced(
    function*(streams: ReadonlyArray<ArchivedAttributes>, { from }: Format.Header) {
      yield* written(yield* backend.importAttributes(streams, from > 1))
      tally.streams += streams.length
    }
  )

  yield* Stream.runForEach(parts(bytes), (part) =>
    Effect.gen(function*() {
      if (part._tag === "Header") yield* started(part.header)
      else if (header !== undefined && part._tag === "Messages") yield* importMessages(part.messages, part.line, header)
      else if (header !== undefined && part._tag === "Attributes") yield* importAttributes(part.streams, header)
      yield* progressed(tally)
    }))
  return { ...tally, keptPositions: keeps ?? false }
})

/**
 * Splits the bytes of an archive into its chunks, each with the line after it.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { InvalidArchive } from "./errors.ts"

/** The lines since the last end of a chunk, and the line that ends them. */
export interface Block {
  readonly lines: Uint8Array<ArrayBuffer>
  readonly count: number
  /** The number of the first line, from 1. */
  readonly firstLine: number
  /** The line after them. */
  readonly last: string
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** The text of bytes; fails when they are not UTF-8. */
export const textOf = (bytes: Uint8Array, line: number): Effect.Effect<string, InvalidArchive> =>
  Effect.try({
    try: () => utf8.decode(bytes),
    catch: () => new InvalidArchive({ line, reason: "this is not text in UTF-8" })
  })

const lineFeed = 10

const marks = ["{\"chunk\":", "{\"end\":"].map((mark) => new TextEncoder().encode(mark))

/** Whether the line that begins at an index ends a chunk, or the archive. */
const endsBlock = (bytes: Uint8Array, start: number): boolean =>
  marks.some((mark) => mark.every((byte, i) => bytes[start + i] === byte))

export const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

interface RawBlock {
  readonly parts: ReadonlyArray<Uint8Array>
  readonly count: number
  readonly firstLine: number
  readonly last: Uint8Array
}

/** What has come since the last block. Parts are views of what has come, so that nothing is copied line by line. */
class Splitter {
  #parts: Array<Uint8Array> = []
  #count = 0
  #firstLine = 1
  /** Of a line whose end has not come. */
  #open: Array<Uint8Array> = []

  /** How many lines have come. */
  get lines(): number {
    return this.#firstLine + this.#count - 1
  }

  /** How many lines have come since the last block. */
  get pending(): number {
    return this.#count
  }

  get isEmpty(): boolean {
    return this.#count === 0 && this.#open.length === 0
  }

  #end(last: Uint8Array): RawBlock {
    const block = { parts: this.#parts, count: this.#count, firstLine: this.#firstLine, last }
    this.#firstLine += this.#count + 1
    this.#parts = []
    this.#count = 0
    return block
  }

  #add(bytes: Uint8Array) {
    if (bytes.length > 0) this.#parts.push(bytes)
  }

  push(bytes: Uint8Array): ReadonlyArray<RawBlock> {
    const blocks: Array<RawBlock> = []
    let start = 0
    if (this.#open.length > 0) {
      const end = bytes.indexOf(lineFeed) + 1
      this.#open.push(end === 0 ? bytes : bytes.subarray(0, end))
      if (end === 0) return blocks
      const line = concat(this.#open)
      this.#open = []
      if (endsBlock(line, 0)) blocks.push(this.#end(line))
      else {
        this.#count += 1
        this.#add(line)
      }
      start = end
    }
    let line = start
    while (true) {
      const end = bytes.indexOf(lineFeed, line) + 1
      if (end === 0) break
      if (endsBlock(bytes, line)) {
        this.#add(bytes.subarray(start, line))
        blocks.push(this.#end(bytes.subarray(line, end)))
        start = end
      } else {
        this.#count += 1
      }
      line = end
    }
    this.#add(bytes.subarray(start, line))
    if (line < bytes.length) this.#open.push(bytes.subarray(line))
    return blocks
  }
}

/** Many times as many lines as a chunk has: what has more between two ends of chunks is no archive, and would be kept in memory. */
const mostLines = 50_000

/** More than a first line has. */
const mostOfFirst = 64 * 1_024

/**
 * The chunks of an archive. Fails at the end when something comes after the last one, or nothing has come. `checkFirst` looks at the
 * first line as soon as it is there, because what is no archive may have no end of a chunk.
 */
export const blocks = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  checkFirst: (line: string) => Effect.Effect<unknown, InvalidArchive>
): Stream.Stream<Block, E | InvalidArchive, R> =>
  Stream.suspend(() => {
    const splitter = new Splitter()
    let first: Uint8Array<ArrayBuffer> | undefined = new Uint8Array(0)
    const look = (some: Uint8Array): Effect.Effect<unknown, InvalidArchive> => {
      if (first === undefined) {
        return splitter.pending <= mostLines ? Effect.void : Effect.fail(
          new InvalidArchive({
            line: splitter.lines,
            reason: `no chunk ends within ${mostLines} lines: lines are missing`
          })
        )
      }
      first = concat([first, some.subarray(0, mostOfFirst)])
      const end = first.indexOf(lineFeed)
      if (end === -1 && first.length < mostOfFirst) return Effect.void
      const line = new TextDecoder().decode(first.subarray(0, end === -1 ? undefined : end))
      first = undefined
      return checkFirst(line)
    }
    const complete = Effect.fnUntraced(function*({ count, firstLine, last, parts }: RawBlock) {
      const block: Block = { lines: concat(parts), count, firstLine, last: yield* textOf(last, firstLine + count) }
      return block
    })
    return bytes.pipe(
      Stream.tap(look),
      Stream.flatMap((some) => Stream.fromArray(splitter.push(some))),
      Stream.mapEffect(complete),
      Stream.concat(Stream.suspend(() =>
        splitter.isEmpty ? Stream.empty : Stream.fail(
          new InvalidArchive({
            line: splitter.lines + 1,
            reason: "the archive ends in the middle: it was cut off, or its export has not ended"
          })
        )
      ))
    )
  })

/**
 * Files of gzip whose members can be found without reading what is in them: an export that was interrupted continues after the last
 * one. Each member tells its size in the extra field of its header, which other programs pass by: `gunzip` reads such a file.
 *
 * The web's `DecompressionStream` takes one member and refuses a second, so members are read one by one.
 */
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { concat } from "./blocks.ts"
import { InvalidArchive } from "./errors.ts"

/** The two bytes of gzip, its method, and the flag of an extra field. */
const magic = [0x1f, 0x8b, 0x08]

const hasExtra = 0x04

/** The length of the header without the extra field. */
const headerLength = 10

/** The extra field: its length, the name of the subfield, the length of that, and the size of the member. */
const extraLength = 10

const fieldName = [0x45, 0x46]

const damaged = () => new InvalidArchive({ line: 1, reason: "this is no gzip, or a damaged one" })

const cutOff = () =>
  new InvalidArchive({
    line: 1,
    reason: "the compressed file ends in the middle: it was cut off. What came before is imported"
  })

const through = (
  bytes: Uint8Array<ArrayBuffer>,
  transform: CompressionStream | DecompressionStream
): Promise<Uint8Array<ArrayBuffer>> =>
  new Response(new Blob([bytes]).stream().pipeThrough(transform)).arrayBuffer().then((buffer) => new Uint8Array(buffer))

/** Compresses bytes to a member. */
export const compress = (bytes: Uint8Array<ArrayBuffer>): Effect.Effect<Uint8Array<ArrayBuffer>> =>
  Effect.map(Effect.promise(() => through(bytes, new CompressionStream("gzip"))), (plain) => {
    const member = new Uint8Array(plain.length + extraLength)
    const size = new DataView(member.buffer)
    member.set(plain.subarray(0, headerLength))
    member[3] = hasExtra
    size.setUint16(headerLength, extraLength - 2, true)
    member.set(fieldName, headerLength + 2)
    size.setUint16(headerLength + 4, 4, true)
    size.setUint32(headerLength + 6, member.length, true)
    member.set(plain.subarray(headerLength), headerLength + extraLength)
    return member
  })

/** The size of the member that bytes begin with; `undefined` when it does not tell. */
const sizeOf = (bytes: Uint8Array): number | undefined => {
  if (bytes[3] !== hasExtra || fieldName.some((byte, i) => bytes[headerLength + 2 + i] !== byte)) return undefined
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(headerLength + 6, true)
}

/** A member as it was before its header told its size. */
const plainMember = (member: Uint8Array): Uint8Array<ArrayBuffer> => {
  const plain = concat([member.subarray(0, headerLength), member.subarray(headerLength + extraLength)])
  plain[3] = 0
  return plain
}

const decompressMember = (member: Uint8Array) =>
  Effect.tryPromise({ try: () => through(plainMember(member), new DecompressionStream("gzip")), catch: damaged })

/** Reads members of this module. */
const members = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | InvalidArchive, R> =>
  Stream.suspend(() => {
    let parts: Array<Uint8Array> = []
    let length = 0
    const whole = (): Uint8Array => {
      const all = concat(parts)
      parts = [all]
      return all
    }
    /** The members that have come whole. The size of the next is known when its header has come. */
    let needed = headerLength + extraLength
    const take = (some: Uint8Array): ReadonlyArray<Uint8Array> => {
      parts.push(some)
      length += some.length
      const found: Array<Uint8Array> = []
      while (length >= needed) {
        const all = whole()
        const size = sizeOf(all) ?? 0
        needed = Math.max(size, headerLength + extraLength)
        if (size === 0) return [...found, all]
        if (length < size) break
        found.push(all.subarray(0, size))
        parts = [all.subarray(size)]
        length -= size
        needed = headerLength + extraLength
      }
      return found
    }
    return bytes.pipe(
      Stream.flatMap((some) => Stream.fromArray(take(some))),
      Stream.mapEffect(decompressMember),
      Stream.concat(Stream.suspend(() => length === 0 ? Stream.empty : Stream.fail(cutOff())))
    )
  })

/** Reads what another program has compressed. */
const foreign = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<Uint8Array, E | InvalidArchive, R> =>
  Stream.unwrap(Effect.map(
    Stream.toReadableStreamEffect(Stream.map(bytes, (some) => new Uint8Array(some))),
    (readable) =>
      Stream.fromReadableStream({
        evaluate: () => readable.pipeThrough(new DecompressionStream("gzip")),
        onError: damaged
      })
  ))

/** Decompresses bytes that begin as gzip does; others come out as they are. */
export const decompress = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<Uint8Array, E | InvalidArchive, R> =>
  Stream.unwrap(Effect.gen(function*() {
    const pull = yield* Stream.toPull(bytes)
    let begin = new Uint8Array(0)
    while (begin.length < headerLength + extraLength) {
      const some = yield* Pull.catchDone(pull, () => Effect.undefined)
      if (some === undefined) break
      begin = concat([begin, ...some])
    }
    const all = Stream.concat(Stream.make(begin), Stream.fromPull(Effect.succeed(pull)))
    if (magic.some((byte, i) => begin[i] !== byte)) return all
    return sizeOf(begin) === undefined ? foreign(all) : members(all)
  }))

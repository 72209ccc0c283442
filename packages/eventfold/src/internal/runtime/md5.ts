/**
 * MD5 (RFC 1321). Message DB hashes names with PostgreSQL's `md5`. The core must compute the same digest for consumer groups,
 * and runs where no crypto module has it: browsers have no MD5.
 */
const shifts = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]
const sines = Int32Array.from({ length: 64 }, (_, i) => Math.trunc(Math.abs(Math.sin(i + 1)) * 2 ** 32))

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by))

const pad = (bytes: Uint8Array): DataView<ArrayBuffer> => {
  const padded = new DataView(new ArrayBuffer(((bytes.length + 8) >> 6) * 64 + 64))
  new Uint8Array(padded.buffer).set(bytes)
  padded.setUint8(bytes.length, 0x80)
  padded.setBigUint64(padded.byteLength - 8, BigInt(bytes.length) * 8n, true)
  return padded
}

const step = (b: number, c: number, d: number, i: number): readonly [mixed: number, word: number] => {
  if (i < 16) return [(b & c) | (~b & d), i]
  if (i < 32) return [(d & b) | (~d & c), (5 * i + 1) % 16]
  if (i < 48) return [b ^ c ^ d, (3 * i + 5) % 16]
  return [c ^ (b | ~d), (7 * i) % 16]
}

/** The 16 bytes of the digest. */
export const md5 = (bytes: Uint8Array): DataView<ArrayBuffer> => {
  const input = pad(bytes)
  let [a0, b0, c0, d0] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as [number, number, number, number]
  for (let block = 0; block < input.byteLength; block += 64) {
    let [a, b, c, d] = [a0, b0, c0, d0]
    for (let i = 0; i < 64; i++) {
      const [mixed, word] = step(b, c, d, i)
      const sum = a + mixed + (sines[i] ?? 0) + input.getInt32(block + word * 4, true)
      a = d
      d = c
      c = b
      b = (b + rotate(sum | 0, shifts[(i >> 4) * 4 + (i % 4)] ?? 0)) | 0
    }
    a0 = (a0 + a) | 0
    b0 = (b0 + b) | 0
    c0 = (c0 + c) | 0
    d0 = (d0 + d) | 0
  }
  const digest = new DataView(new ArrayBuffer(16))
  for (const [i, word] of [a0, b0, c0, d0].entries()) digest.setInt32(i * 4, word, true)
  return digest
}

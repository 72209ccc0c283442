/**
 * The id of a file's stream, made of its path.
 *
 * To git a path is bytes: any but NUL, of any length, in no particular encoding. A stream name is well-formed text of a
 * bounded length. Different paths must get different ids, and a usual path should be readable as it is.
 */
import { isUtf8 } from "node:buffer"
import { hash } from "node:crypto"

/** Escaped, a byte takes three: this many fit a stream name with room to spare. */
const maxBytes = 800

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

// Besides the escape itself: `+`, which would make the id a compound one, and what would garble a terminal.
const special = /[%+\p{Cc}\p{Zl}\p{Zp}]/gu

const percent = (byte: number): string => `%${byte.toString(16).padStart(2, "0").toUpperCase()}`

const escape = (path: Uint8Array): string =>
  isUtf8(path)
    ? decoder.decode(path).replace(special, encodeURIComponent)
    : Buffer.from(path).toString("latin1").replace(/[^ -~]|[%+]/g, (char) => percent(char.charCodeAt(0)))

/**
 * `src/main.ts` is `src/main.ts`; `100%` is `100%25`. A path that is too long for a stream name keeps its beginning,
 * followed by a hash of the whole; its `%#` occurs in no other id.
 */
export const fromPath = (path: Uint8Array): string =>
  path.length <= maxBytes ? escape(path) : `${escape(path.subarray(0, 200))}%#${hash("sha256", path)}`

/** The id as people write the path; what would garble a terminal stays escaped. */
export const display = (id: string): string => id.replace(/%2B/g, "+").replace(/%25/g, "%")

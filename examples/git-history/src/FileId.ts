/**
 * The id of a file's stream, made of its path.
 *
 * To git a path is bytes: any but NUL, of any length, in no particular encoding. A stream name is well-formed text of a
 * bounded length. Different paths must get different ids, and a usual path should be readable as it is.
 */
import { isUtf8 } from "node:buffer"
import { hash } from "node:crypto"

/** An escaped byte takes three: this many fit into a stream name with room to spare. */
const maxBytes = 800

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

// The escape itself, `+`, which would make a compound id, and characters that garble a terminal.
const special = /[%+\p{Cc}\p{Zl}\p{Zp}]/gu

const percent = (byte: number): string => `%${byte.toString(16).padStart(2, "0").toUpperCase()}`

const escape = (path: Uint8Array): string =>
  isUtf8(path)
    ? decoder.decode(path).replace(special, encodeURIComponent)
    : Buffer.from(path).toString("latin1").replace(/[^ -~]|[%+]/g, (char) => percent(char.charCodeAt(0)))

/**
 * Makes an id of a path: `src/main.ts` stays `src/main.ts`, and `100%` becomes `100%25`. Of a path that is too long for a
 * stream name it takes the beginning and a hash of the whole. Their `%#` occurs in no other id.
 */
export const fromPath = (path: Uint8Array): string =>
  path.length <= maxBytes ? escape(path) : `${escape(path.subarray(0, 200))}%#${hash("sha256", path)}`

/** The path of an id, for people. Characters that would garble a terminal stay escaped. */
export const display = (id: string): string => id.replace(/%2B/g, "+").replace(/%25/g, "%")

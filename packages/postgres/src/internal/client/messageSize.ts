/**
 * The largest message that a client can read. The server sends a row as one message of its protocol, and a client that gets a
 * longer one than its `maxMessageSize` gives the connection up. So a store writes no message that would come back in such a row.
 */
import type { PgClientConfig } from "@effect/sql-pg/PgClient"
import type { EncodedMessage, StoreBackend } from "eventfold/StoreBackend"

/** What `@effect/sql-pg` takes when its options do not say. */
const defaultMaxMessageSize = 2 ** 24

/** PostgreSQL makes no longer row. */
export const maxRowSize = 2 ** 30 - 1

/** The length, the number of columns, and the length of each of eight columns; an id, two positions and a time. */
const fixedSize = 4 + 2 + 8 * 4 + 36 + 3 * 8

/** At most so many bytes come back for each character that is written: `1e308` has 309 digits. */
const mostPerCharacter = 64

const [quote, comma, colon, backslash] = [...`",:\\`].map((character) => character.charCodeAt(0))

const exponent = /e[+-]?(\d+)/y

/** Outside of strings, the texts `true` and `false` have this letter as well. */
const e = "e".charCodeAt(0)

/**
 * The size in bytes, at most, of the text that a jsonb gives for a text that `JSON.stringify` has made: it has a space after each
 * comma and colon, and numbers without exponents.
 */
export const jsonbTextSize = (json: string): number => {
  let size = Buffer.byteLength(json)
  for (let index = 0; index < json.length; index++) {
    const unit = json.charCodeAt(index)
    if (unit === quote) {
      for (index++; index < json.length && json.charCodeAt(index) !== quote; index++) {
        if (json.charCodeAt(index) === backslash) index++
      }
    } else if (unit === comma || unit === colon) {
      size += 1
    } else if (unit === e) {
      exponent.lastIndex = index
      const digits = exponent.exec(json)?.[1]
      if (digits !== undefined) size += Number(digits) + 2
    }
  }
  return size
}

/** Finds what could not be read back by a client with this configuration. */
export const makeUnreadable = ({ maxMessageSize }: PgClientConfig): NonNullable<StoreBackend["unreadable"]> => {
  const own = maxMessageSize ?? defaultMaxMessageSize
  const limit = Math.min(own, maxRowSize)
  const remedy = own < maxRowSize
    ? `its client takes ${own} at most: give the client a larger maxMessageSize, up to ${maxRowSize}, here and in every ` +
      "program that reads the message, or keep the content elsewhere"
    : "PostgreSQL gives no row above 1 GiB: keep the content elsewhere"
  return (streamName, { data, metadata, type }: EncodedMessage) => {
    const around = fixedSize + 3 * (streamName.length + type.length)
    const characters = data.length + (metadata === null ? 0 : metadata.length)
    if (around + characters * mostPerCharacter <= limit) return undefined
    const sizes = [jsonbTextSize(data), metadata === null ? 0 : jsonbTextSize(metadata)] as const
    const size = around + sizes[0] + sizes[1]
    return size <= limit ? undefined : {
      part: sizes[0] >= sizes[1] ? "data" : "metadata",
      reason: `is too large: the message may take ${size} bytes when this store reads it, and ${remedy}`
    }
  }
}

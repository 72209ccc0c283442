import * as Effect from "effect/Effect"
import { Unsupported } from "eventfold/StoreError"
import type { MessageListPage, StreamsBackend } from "eventfold/StreamsBackend"
import { patiently } from "../client/bound.ts"
import type { Places } from "../client/independence.ts"
import { messageColumns, readMessages } from "../client/messageRows.ts"
import type { Statements } from "../client/statements.ts"
import { countMessages, isNoMark } from "../store/streams.ts"

/** What adds what a stock Message DB lacks. */
export const remedy =
  "add the eventfold schema, with `psql -v ON_ERROR_STOP=1 -d DATABASE -f sql/install.sql` or `Postgres.install()`"

const unsupported = (operation: string) => () => Effect.fail(new Unsupported({ operation, remedy }))

/** Sorts the stream, because a stock Message DB has no index for this order. */
const readPage = (statements: Statements, { ascending, base, limit, streamName }: MessageListPage) => {
  const { sql } = statements
  const direction = sql.literal(ascending ? "" : "DESC")
  const at = sql`(CASE WHEN jsonb_typeof(metadata -> 'at') = 'string' THEN metadata ->> 'at' END) COLLATE "C"`
  return patiently(readMessages(
    statements,
    "listMessages",
    sql`SELECT ${messageColumns(sql)} FROM message_store.messages
      WHERE stream_name = ${streamName} AND ${isNoMark(sql)}
      ORDER BY ${at} ${direction} NULLS LAST, position ${direction}
      LIMIT ${BigInt(limit)} OFFSET ${BigInt(base)}`.valuesUnprepared
  ))
}

/**
 * What a stock Message DB has for streams with attributes: their messages, read from its table. It has no place for attributes, and
 * none of its functions deletes.
 */
export const make = (statements: Statements, places: Places): StreamsBackend => ({
  add: unsupported("adding streams"),
  set: unsupported("setting the attributes of streams"),
  get: unsupported("attributes of streams"),
  list: unsupported("listing streams"),
  countStreams: unsupported("counting streams"),
  stats: unsupported("counting streams"),
  deleteMessage: unsupported("deleting messages"),
  deleteStream: unsupported("deleting streams"),
  purge: unsupported("deleting streams"),
  listMessages: (page) => places.read("listMessages", readPage(statements, page)),
  countMessages: (streamName) => places.read("countMessages", countMessages(statements, streamName)),
  // What nothing deletes was not deleted.
  wasDeleted: () => Effect.succeed(false)
})

/**
 * The messages that are in both tables before anything is measured: the same rows, in the same order.
 *
 * Every category has 100 streams of 100 messages. They are written in turns, so that the messages of a category, and of a
 * stream, lie far apart, as they do in a log that many write to.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

export interface Table {
  readonly messages: number
  readonly categories: number
  readonly streams: number
  /** The names of {@link streamSample} streams. */
  readonly names: ReadonlyArray<string>
}

export const messagesPerStream = 100
export const streamsPerCategory = 100
export const messagesPerCategory = messagesPerStream * streamsPerCategory

/** How many streams the reads of a stream go round. */
export const streamSample = 100

/** How many different categories the metadata's `correlationStreamName` is of, and how many members a group has. */
export const shares = 4

/** SQL for the name of the stream of that number. Its category is that of the number modulo the count of categories. */
export const streamName = (number: string, categories: number): string =>
  `('category' || (${number}) % ${categories} || '-' || md5((${number})::text)::uuid)::varchar`

const insert = (sql: SqlClient, messages: number): Effect.Effect<void, SqlError> => {
  const streams = messages / messagesPerStream
  const categories = messages / messagesPerCategory
  // 7919 has no divisor in common with the number of streams: each gets its turn once in a while, in a mixed order.
  const statement = `
    INSERT INTO message_store.messages (id, stream_name, position, type, data, metadata)
    SELECT
      md5('message' || i)::uuid,
      ${streamName("stream", categories)},
      i / ${streams},
      (ARRAY['Opened', 'Deposited', 'Withdrawn', 'Renamed'])[1 + i % 4],
      jsonb_build_object(
        'accountId', md5(stream::text)::uuid,
        'amount', i % 100000,
        'currency', 'EUR',
        'reference', md5('reference' || i),
        'description', 'An amount that was paid at the counter of branch ' || i % 97,
        'tags', jsonb_build_array('counter', 'branch-' || i % 97, 'cash'),
        'paidAt', '2026-01-01T00:00:00Z'
      ),
      jsonb_build_object(
        'correlationStreamName', 'process' || (i / ${streams} + stream) % ${shares} || '-' || i % 1000,
        'causationMessageStreamName', 'command-' || i % 1000,
        'causationMessagePosition', i % 1000
      )
    FROM generate_series(0, ${messages - 1}) AS i, LATERAL (SELECT i::bigint * 7919 % ${streams} AS stream) AS turn
    ORDER BY i`
  return Effect.gen(function*() {
    yield* sql.unsafe(statement)
    yield* sql`VACUUM ANALYZE message_store.messages`
  })
}

/** Fills the table, and leaves the server with nothing to catch up on. */
export const fill = Effect.fnUntraced(function*(sql: SqlClient, messages: number): Effect.fn.Return<Table, SqlError> {
  yield* insert(sql, messages)
  const names = yield* sql.unsafe<{ readonly name: string }>(
    `SELECT ${streamName("i", messages / messagesPerCategory)} AS name FROM generate_series(0, ${
      streamSample - 1
    }) AS i`
  )
  yield* sql`CHECKPOINT`
  return {
    messages,
    categories: messages / messagesPerCategory,
    streams: messages / messagesPerStream,
    names: names.map(({ name }) => name)
  }
})

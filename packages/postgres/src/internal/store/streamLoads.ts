/**
 * The loads of streams: pages read forwards, as entities do before they decide. Those of several callers are read together, by
 * one statement.
 */
import * as Effect from "effect/Effect"
import type { StoreBackend, StreamPage } from "eventfold/StoreBackend"
import type { StoreError } from "eventfold/StoreError"
import type { FunctionCall } from "../client/functionCalls.ts"
import type { Places } from "../client/independence.ts"
import { messageColumns, messagePage, positionOf, type Rows } from "../client/messageRows.ts"
import { storeError } from "../client/sqlError.ts"
import type { Statements } from "../client/statements.ts"
import * as GroupReads from "./groupReads.ts"
import { streamRows } from "./reads.ts"

/** How many streams are read together at most. More would make the first of them wait for the last. */
const maxStreams = 32

/** One group is read while the other one is decoded. */
const maxGroups = 2

/** How many messages of a stream are read with others. Those after them are read by themselves: others do not wait for them. */
const maxMessages = 128

/** The column with the place of a row's stream among those that are read, from 1. It follows those of a message. */
const placeColumn = 8

/** Pages that end earlier are few, and would need a limit for each. */
const isGrouped = ({ direction, limit }: StreamPage): boolean => direction === "forwards" && limit >= maxMessages

/** What has been read of a page. A page that is cut may go on after its last row. */
interface Read {
  readonly rows: Rows
  readonly isCut: boolean
}

/** Reads the first messages of several streams in one statement. */
const readSeveral = ({ bound, metrics, sql }: Statements) => (pages: ReadonlyArray<StreamPage>) => {
  const names = pages.map(({ streamName }) => streamName)
  const firsts = pages.map(({ from }) => BigInt(from ?? 0))
  const statement = sql`SELECT ${messageColumns(sql)}, place
    FROM pg_catalog.unnest(${names}::text[], ${firsts}::bigint[]) WITH ORDINALITY AS wanted (name, first, place), LATERAL (
      SELECT id, stream_name, type, position, global_position, data, metadata, time
      FROM message_store.messages
      WHERE stream_name::text = wanted.name AND position >= wanted.first
      ORDER BY position LIMIT ${BigInt(maxMessages)}
    ) AS messages`
  return bound.statement(statement.values).pipe(
    // Not repeated: each caller reads for itself then, and repeats that.
    Effect.tapError(() => Effect.sync(() => metrics.retried("SqlError"))),
    Effect.mapBoth({
      onFailure: storeError("readStream"),
      onSuccess: (rows) => {
        const byPage = pages.map((): Array<ReadonlyArray<unknown>> => [])
        for (const row of rows) byPage[Number(row[placeColumn]) - 1]?.push(row)
        return byPage.map((rows) => ({ rows, isCut: rows.length === maxMessages }))
      }
    })
  )
}

/** Reads pages of streams: `one` by itself, or forwards together with those of other callers. */
export const make = Effect.fnUntraced(function*(
  statements: Statements,
  call: FunctionCall,
  places: Places,
  one: StoreBackend["readStream"]
) {
  const read = streamRows(statements, call)
  const readFirst = yield* GroupReads.make({
    maxSize: maxStreams,
    maxGroups,
    read: (page: StreamPage) => Effect.map(read(page), (rows): Read => ({ rows, isCut: false })),
    readSeveral: readSeveral(statements)
  })

  const readRest = (page: StreamPage, rows: Rows): Effect.Effect<Rows, StoreError> => {
    const last = rows.at(-1)
    const limit = page.limit - rows.length
    if (last === undefined || limit === 0) return Effect.succeed(rows)
    return Effect.map(read({ ...page, from: Number(positionOf(last)) + 1, limit }), (rest) => [...rows, ...rest])
  }

  const grouped = (page: StreamPage) =>
    readFirst(page).pipe(
      Effect.flatMap(({ isCut, rows }) => isCut ? readRest(page, rows) : Effect.succeed(rows)),
      Effect.map((rows) => messagePage(statements, rows, true))
    )

  const readStream: StoreBackend["readStream"] = (page) =>
    places.read("readStream", one(page), isGrouped(page) ? grouped(page) : undefined)
  return readStream
})

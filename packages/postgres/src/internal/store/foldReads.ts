/**
 * Reads of what folds need of streams, for as many callers as ask at the same time: a statement reads several streams. It gives neither
 * names nor ids nor times, and only the version out of the metadata, which is two thirds of the work of a load.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { SqlError } from "effect/sql/SqlError"
import { type FoldPage, Independence, type StoreBackend } from "eventfold/StoreBackend"
import type { StoreError } from "eventfold/StoreError"
import type { StreamName } from "eventfold/StreamName"
import type { Places } from "../client/independence.ts"
import type { Statements } from "../client/statements.ts"
import { bigints, texts } from "../client/wireValues.ts"
import { inContextOf, withdraw } from "./groupCommit.ts"

/** How many streams a statement reads at most. More take no less time each. */
const maxStreams = 16

/** How many messages of a stream it reads at most. Whoever needs more reads them by itself, so that no long stream holds up the others. */
const maxMessages = 128

/** How many statements are under way at a time: while the server works on one, this process works on what another one gave. */
const maxGroups = 2

/** What is wanted of a stream: the messages from a position on, inclusive. */
interface Wanted {
  readonly streamName: StreamName
  readonly from: number
}

type Row = readonly [index: number, type: string, data: string | null, position: bigint, schemaVersion: string | null]

interface Entry extends Wanted {
  readonly result: Deferred.Deferred<ReadonlyArray<Row>, SqlError>
  readonly context: Context.Context<never>
}

// Planned at each call: a plan made while the table was small would later read all of it.
const query = ({ sql }: Statements, wanted: ReadonlyArray<Wanted>) =>
  sql`SELECT wanted.index::integer, messages.type, messages.data::varchar, messages."position",
      (messages.metadata -> 'schemaVersion'::text)::varchar
    FROM ROWS FROM (
      pg_catalog.unnest(${texts(wanted.map(({ streamName }) => streamName))}),
      pg_catalog.unnest(${bigints(wanted.map(({ from }) => BigInt(from)))})
    ) WITH ORDINALITY AS wanted (stream_name, first, index)
    CROSS JOIN LATERAL (
      SELECT type, data, metadata, "position" FROM message_store.messages
      WHERE stream_name::text = wanted.stream_name AND "position" >= wanted.first
      ORDER BY "position" LIMIT ${BigInt(maxMessages)}
    ) AS messages`.valuesUnprepared as Effect.Effect<ReadonlyArray<Row>, SqlError>

/** Reads for folds: with those of other callers, or in a statement of its own. */
export interface FoldReads {
  readonly together: NonNullable<StoreBackend["readForFold"]>
  readonly alone: NonNullable<StoreBackend["readForFold"]>
}

/** Of one stream. A function keeps its plan, and to plan a load of a cached entity would take as long as all the rest. */
const queryOne = ({ sql }: Statements, { from, streamName }: Wanted) =>
  sql`SELECT 1 AS index, called.* FROM eventfold.read_for_fold(${streamName}, ${BigInt(from)}, ${BigInt(maxMessages)})
    AS called`.values as Effect.Effect<ReadonlyArray<Row>, SqlError>

const byPosition = (a: Row, b: Row): number => a[3] < b[3] ? -1 : a[3] > b[3] ? 1 : 0

/** The rows of each of the streams. A server may give them in any order, and nearly always gives them in this one. */
const byStream = (rows: ReadonlyArray<Row>, count: number): ReadonlyArray<ReadonlyArray<Row>> => {
  const streams = Array.from({ length: count }, (): Array<Row> => [])
  for (const row of rows) streams[row[0] - 1]?.push(row)
  return streams.map((rows) => rows.toSorted(byPosition))
}

/** Runs in the caller, so that a large group holds no other up. */
const pageOf = ({ parseJson }: Statements, rows: ReadonlyArray<Row>): FoldPage | undefined => {
  const messages = rows.map(([, type, data, position, schemaVersion]) => ({
    type,
    data: data === null ? null : parseJson(data),
    position: Number(position),
    schemaVersion: schemaVersion === null ? null : parseJson(schemaVersion)
  }))
  return messages.every(({ position }) => Number.isSafeInteger(position))
    ? { messages, hasMore: rows.length === maxMessages }
    : undefined
}

/**
 * A request that finds no statement under way has one of its own, at once. The others go with the next statement: none waits for
 * company. A statement is sent after all whom it answers have asked, so what they get is the latest. When it fails, each of them asks by
 * itself. The statements end with the current scope.
 */
export const make = Effect.fnUntraced(function*(statements: Statements) {
  const scope = yield* Effect.scope
  const waiting: Array<Entry> = []
  let groups = 0

  const readGroup = Effect.suspend(() => {
    const group = waiting.splice(0, maxStreams)
    return Effect.onExit(
      inContextOf(group[0], statements.bound.statement(query(statements, group))),
      (exit) =>
        Effect.sync(() => {
          const streams = Exit.isSuccess(exit) ? byStream(exit.value, group.length) : []
          for (const [index, { result }] of group.entries()) {
            Deferred.doneUnsafe(result, Exit.isSuccess(exit) ? Exit.succeed(streams[index] ?? []) : exit)
          }
        })
    )
  })

  const run = Effect.whileLoop({
    while: () => {
      if (waiting.length > 0) return true
      // To find nothing and to end is one step: a request that comes in between would wait for ever.
      groups -= 1
      return false
    },
    body: () => Effect.exit(readGroup),
    step: () => {}
  })

  /** Not at once: others that are about to ask do so before the statement is sent. */
  const start = Effect.map(Effect.forkIn(run, scope), (fiber) => {
    // An observer and not a finalizer in the fiber: the scope may end, or have ended, before the fiber begins.
    fiber.addObserver((exit) => {
      if (Exit.isSuccess(exit)) return
      groups -= 1
      for (const { result } of waiting.splice(0)) Deferred.doneUnsafe(result, Exit.failCause(exit.cause))
    })
  })

  /** In the place of a group, so that those who come meanwhile make one. */
  const first = (wanted: Wanted): Effect.Effect<ReadonlyArray<Row>, SqlError> =>
    Effect.uninterruptibleMask((restore) => {
      groups += 1
      return Effect.ensuring(
        restore(statements.bound.statement(queryOne(statements, wanted))),
        Effect.suspend(() => {
          if (waiting.length > 0) return start
          groups -= 1
          return Effect.void
        })
      )
    })

  const inGroup = (wanted: Wanted): Effect.Effect<ReadonlyArray<Row>, SqlError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.withFiber(({ context }) => {
        const entry: Entry = { ...wanted, result: Deferred.makeUnsafe(), context }
        waiting.push(entry)
        const result = Effect.onInterrupt(restore(Deferred.await(entry.result)), () => withdraw(waiting, entry))
        // One that is about to begin takes this one along.
        if (groups === maxGroups) return result
        groups += 1
        return Effect.andThen(start, result)
      })
    )

  const together = (wanted: Wanted) => Effect.suspend(() => groups === 0 ? first(wanted) : inGroup(wanted))

  const alone = (wanted: Wanted): Effect.Effect<ReadonlyArray<Row>, StoreError> =>
    statements.query("readStream", queryOne(statements, wanted))

  const paged = (rows: Effect.Effect<ReadonlyArray<Row>, StoreError>) =>
    Effect.map(rows, (rows) => pageOf(statements, rows))

  const reads: FoldReads = {
    together: (streamName, from) => {
      const wanted = { streamName, from }
      return paged(Effect.catch(together(wanted), () => alone(wanted)))
    },
    alone: (streamName, from) => paged(alone({ streamName, from }))
  }
  return reads
})

/** The reads where their callers want them. In the transaction of a caller, and beside it, each is by itself. */
export const placed = (
  { alone, together }: FoldReads,
  { read, transactions }: Places
): NonNullable<StoreBackend["readForFold"]> =>
(streamName, from) =>
  Effect.contextWith((context: Context.Context<never>) =>
    transactions.isActive(context) || Context.get(context, Independence)
      ? read("readStream", alone(streamName, from))
      : together(streamName, from)
  )

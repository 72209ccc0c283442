/**
 * How long writes wait for locks. A transaction holds the lock of a category until it ends, and it may be one that has been
 * forgotten: in psql, or in a process that is frozen.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import * as HeldBack from "eventfold/HeldBack"
import type { EncodedAppend } from "eventfold/StoreBackend"
import { StoreError } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import type { OpenError } from "../../OpenError.ts"
import * as Bound from "./bound.ts"
import { categoryLock } from "./log.ts"
import { requirePositive } from "./openErrors.ts"
import { shown, shownColumns, shownJoins, type ShownRow } from "./otherTransactions.ts"
import { isLockTimeout, storeError } from "./sqlError.ts"

const defaultTimeout: Duration.Input = "10 seconds"

/** The part of a statement's bound that a wait for a lock may take, so that the failure can say what it was for. */
const partOfStatement = 0.8

/** How many times the bound of a statement a write may wait for its turn: longer than those take that have the turns. */
const statementsInTurn = 1.5

/** How long writes wait at most. */
export interface Limits {
  /** For a lock. */
  readonly lock: Duration.Duration
  /** For a turn while no write ends, though a statement without an answer would have ended. */
  readonly turn: Duration.Duration
}

/** The limits of writes whose statements as a whole may take so long. */
export const limitsOf = (
  timeout: Duration.Input = defaultTimeout,
  statementTimeout: Duration.Input = Bound.defaultTimeout
): Effect.Effect<Limits, OpenError> =>
  Effect.map(requirePositive("lockTimeout", timeout), (limit) => {
    const whole = Duration.fromInputUnsafe(statementTimeout)
    return Duration.isFinite(whole)
      ? {
        lock: Duration.min(limit, Duration.times(whole, partOfStatement)),
        turn: Duration.times(whole, statementsInTurn)
      }
      : { lock: limit, turn: limit }
  })

/** The server's longest `lock_timeout`, in milliseconds. */
const longest = 2 ** 31 - 1

/**
 * How long a failed write waits to learn who holds the lock. The answer is a help, and no more. On a busy server, where locks are
 * waited for in vain most often, it takes seconds.
 */
const askTimeout = "10 seconds"

export interface LockWaits {
  readonly limits: Limits
  /** An expression that limits the waits for locks until the transaction ends. Its value is a text. */
  readonly limited: Fragment
  /**
   * The same, unless the transaction has a limit of its own. A statement in a transaction of the application ends with
   * `lock_timeout` as it was.
   */
  readonly limitedUnlessSet: Fragment
  /** Turns a failure of a write into a `StoreError`, which says who holds the lock that the write has waited for in vain. */
  readonly failure: (
    operation: string,
    appends: ReadonlyArray<EncodedAppend>,
    error: SqlError
  ) => Effect.Effect<StoreError>
  /** The same in a transaction of the application, which may have set another limit. */
  readonly failureJoined: LockWaits["failure"]
  /** Why a write fails that has waited for others of this process, which wait for a lock of its categories. */
  readonly stalled: (operation: string, appends: ReadonlyArray<EncodedAppend>) => Effect.Effect<StoreError>
  /** Why a write fails that has waited for others, which wait for the locks of any categories. */
  readonly noConnection: (operation: string) => Effect.Effect<StoreError>
}

/** Whether a write has failed because of a lock. */
export const hasWaitedInVain = (error: unknown): boolean => {
  const cause = error instanceof StoreError ? error.cause : error
  return isSqlError(cause) && isLockTimeout(cause)
}

/** A lock that a write waits for, and a transaction that holds it. */
interface HolderRow extends ShownRow {
  /** Null for the table of messages. */
  readonly category: string | null
}

/** Who holds the locks of categories, or a lock on the table of messages that keeps writers out. */
const holders = (sql: PgClient, categories: ReadonlyArray<string>) =>
  sql<HolderRow>`SELECT writers.category, ${shownColumns(sql)}
    FROM (
      SELECT names.category, locks.virtualtransaction AS transaction, locks.pid
      FROM unnest(${categories}::varchar[]) AS names (category)
      JOIN pg_locks AS locks
        ON (locks.classid::bigint << 32) | locks.objid::bigint = ${categoryLock(sql, sql`names.category`)}
      WHERE locks.locktype = 'advisory' AND locks.objsubid = 1 AND locks.granted
        AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      UNION ALL
      SELECT NULL, locks.virtualtransaction, locks.pid
      FROM pg_locks AS locks
      WHERE locks.locktype = 'relation' AND locks.relation = 'message_store.messages'::regclass::oid AND locks.granted
        AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND locks.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    ) AS writers
    ${shownJoins(sql)}`.unprepared

const describe = (categories: ReadonlyArray<string>, rows: ReadonlyArray<HolderRow> | undefined): string => {
  const names = `the lock of the categor${categories.length === 1 ? "y" : "ies"} ${categories.join(", ")}`
  if (rows === undefined) return `${names}; who holds it could not be found out`
  if (rows.length === 0) return `${names}, or for one that a handler needs; who held it has ended`
  const held = Map.groupBy(
    rows,
    ({ category }) => category === null ? "the table of messages" : `the category ${category}`
  )
  return Array.from(
    held,
    ([what, by]) =>
      `the lock of ${what}, which is held by ${by.map((row) => HeldBack.formatWriter(shown(row))).join(" and ")}`
  ).join(", and ")
}

const inVain = (operation: string, what: string, cause?: SqlError) =>
  new StoreError({
    operation,
    reason: `nothing was written: it has waited for ${what}`,
    isRetryable: true,
    ...(cause === undefined ? {} : { cause })
  })

/** `beside` is the client to ask on: a connection of the pool may be what everybody waits for. PGlite has none. */
export const make = (
  sql: PgClient,
  beside: Bound.Bounded | undefined,
  limits: Limits
): LockWaits => {
  const duration = limits.lock
  const isFinite = Duration.isFinite(duration)
  // 0 is no limit for the server.
  const millis = isFinite ? Math.min(longest, Math.max(1, Math.ceil(Duration.toMillis(duration)))) : 0
  const limit = isFinite ? Duration.format(duration) : "ever"
  const setting = sql.literal(`'${millis}'`)

  const ask = (appends: ReadonlyArray<EncodedAppend>) => {
    const categories = [...new Set(appends.map(({ streamName }) => StreamName.category(streamName)))]
    if (beside === undefined) return Effect.succeed(describe(categories, undefined))
    return beside.bound.statement(holders(beside.sql, categories)).pipe(
      Effect.timeoutOption(askTimeout),
      Effect.map((rows) => describe(categories, rows._tag === "Some" ? rows.value : undefined)),
      Effect.catch(() => Effect.succeed(describe(categories, undefined)))
    )
  }

  const failureAfter = (waited: string): LockWaits["failure"] => (operation, appends, error) => {
    if (!isLockTimeout(error)) return Effect.succeed(storeError(operation)(error))
    return Effect.map(ask(appends), (what) => inVain(operation, `${waited} for ${what} [55P03]`, error))
  }

  return {
    limits,
    limited: sql`set_config('lock_timeout', ${setting}, true)`,
    limitedUnlessSet: sql`CASE current_setting('lock_timeout')
      WHEN '0' THEN set_config('lock_timeout', ${setting}, true)
      ELSE ''
    END`,
    failure: failureAfter(limit),
    failureJoined: failureAfter(`${limit}, or the lock_timeout of the transaction,`),
    // Every write has these at hand and few need them. An error takes the stack of where it is made, which costs as much as an
    // append, so it is made when it is needed.
    stalled: (operation, appends) =>
      Effect.suspend(() => Effect.map(ask(appends), (what) => inVain(operation, `${limit} for ${what}`))),
    noConnection: (operation) =>
      Effect.sync(() =>
        inVain(
          operation,
          `${
            Duration.format(limits.turn)
          } for its turn: as many writes as may use connections of the pool wait for locks, for connections that others ` +
            "keep, or for the server's answer"
        )
      )
  }
}

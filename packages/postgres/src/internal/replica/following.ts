/**
 * Follows how far a streaming replica has come, so that a read there sees all that this process has seen on the primary.
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { StoreError } from "eventfold/StoreError"
import { connectionsBegun } from "../client/pool.ts"
import { isOfReadOnlySession } from "../client/sqlError.ts"
import type { Statements } from "../client/statements.ts"
import { outsideTransaction } from "../client/transactions.ts"

/** What has been read where since the layer was built, and whether the replica is in use now. */
export interface Status {
  /** Whether reads go to the replica now. It is false while the replica is too far behind, or can't be reached. */
  readonly isUsed: boolean
  /** How many reads the replica has answered. */
  readonly onReplica: number
  /** How many reads the primary has answered in the replica's place. */
  readonly onPrimary: number
}

export interface Following {
  /** Something was written through the primary, or seen there: the replica must have it for what is read from now on. */
  readonly seen: () => void
  /** Waits until the replica has all that was seen before the call. Gives false when it does not in time. */
  readonly ready: Effect.Effect<boolean>
  /** Runs a read on the replica when that is ready. Otherwise, or when it fails there, on the primary. */
  readonly read: <A, E>(onReplica: Effect.Effect<A, E>, onPrimary: Effect.Effect<A, E>) => Effect.Effect<A, E>
  readonly status: Effect.Effect<Status>
}

/** Where the primary's write-ahead log ends. */
interface End {
  readonly lsn: string
  readonly timeline: number | null
}

interface Replayed {
  readonly standby: boolean
  readonly reached: boolean
  readonly timeline: number | null
}

/** How long to wait before the replica is asked again, in milliseconds. Most times the first answer is yes. */
const pauses = [0, 1, 1, 2, 4, 8, 16, 32]

/** How long the replica is left alone before it is tried again. */
const rest = "1 second"

/** How often a read is made again on the replica because a connection was opened meanwhile. */
const maxAgain = 3

/** A round of asking, which all who need it share. */
interface Round {
  /** What it makes sure of; none until it has begun. */
  at: number | undefined
  readonly done: Deferred.Deferred<boolean>
}

/** Why a server is no replica to read from. */
const refusal = (reason: string) => new StoreError({ operation: "replica", reason, isRetryable: true })

const ask = <A>(statements: Statements, rows: Effect.Effect<ReadonlyArray<A>, StoreError>) =>
  Effect.flatMap(
    outsideTransaction(statements.sql)(statements.once(rows)),
    ([row]) => row === undefined ? Effect.die(new Error("a look at the log's end gave no row")) : Effect.succeed(row)
  )

/** Whether the role may run a function. PostgreSQL refuses a whole statement that names one which it may not. */
const mayRun = (statements: Statements, name: string): Effect.Effect<boolean> =>
  ask(
    statements,
    statements.query(
      "replica",
      statements.sql<{ readonly may: boolean }>`SELECT
        coalesce(has_function_privilege(to_regprocedure(${name}::text)::oid, 'EXECUTE'), false) AS may`
    )
  ).pipe(
    Effect.map(({ may }) => may),
    Effect.orElseSucceed(() => false)
  )

/** Where the primary's log ends. What is flushed is what a standby may get; a commit that does not wait for the disk may be after that. */
const endOf = (primary: Statements, mayRead: boolean): Effect.Effect<End, StoreError> =>
  ask(
    primary,
    primary.query(
      "replica",
      primary.sql<End>`SELECT
        (CASE WHEN current_setting('synchronous_commit') = 'off' THEN pg_current_wal_insert_lsn()
          ELSE pg_current_wal_flush_lsn() END)::text AS lsn,
        ${
        mayRead
          ? primary.sql`('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer`
          : primary.sql`NULL::integer`
      } AS timeline`
    )
  )

/** Whether a replica has replayed the log to an end. */
const replayedBy = (replica: Statements, { lsn }: End, mayRead: boolean): Effect.Effect<Replayed, StoreError> =>
  ask(
    replica,
    replica.query(
      "replica",
      replica.sql<Replayed>`SELECT
        pg_is_in_recovery() AS standby,
        coalesce(pg_last_wal_replay_lsn() >= ${lsn}::pg_lsn, false) AS reached,
        ${
        mayRead ? replica.sql`(SELECT timeline_id FROM pg_control_checkpoint())` : replica.sql`NULL::integer`
      } AS timeline`
    )
  )

/**
 * Follows a replica until the scope closes.
 *
 * What the process has seen is counted, and asked about when a read needs it: a write costs nothing more, and a read without a write
 * before it goes to the replica at once. The primary says where its log ends, the replica whether it has replayed that.
 *
 * A replica that was restarted may have less than it had before. So an answer holds for the connections that were open when it came.
 */
export const make = Effect.fnUntraced(function*(
  primary: Statements,
  replica: Statements,
  wait: Duration.Duration
): Effect.fn.Return<Following, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const mayRead = {
    end: yield* mayRun(primary, "pg_walfile_name(pg_lsn)"),
    replayed: yield* mayRun(replica, "pg_control_checkpoint()")
  }
  const signs = () => connectionsBegun(replica.sql) ?? 0

  let needed = 1
  let reached = 0
  let reachedSigns = -1
  let timeline: number | null | undefined
  let isUsed = false
  let round: Round | undefined
  const counts = { onReplica: 0, onPrimary: 0 }

  const isReached = () => reached >= needed && reachedSigns === signs()

  /** After a failover the replica may have what the new primary never had, until it follows that one. */
  const isOfHistory = (end: End, found: Replayed): boolean => {
    if (end.timeline === null || found.timeline === null || timeline === end.timeline) return true
    if (found.timeline !== end.timeline) return false
    timeline = end.timeline
    return true
  }

  const catchUp = Effect.fnUntraced(function*(at: number): Effect.fn.Return<void, StoreError> {
    const target = yield* endOf(primary, mayRead.end)
    let attempts = 0
    while (true) {
      const before = signs()
      const found = yield* replayedBy(replica, target, mayRead.replayed)
      if (!found.standby) {
        return yield* refusal("the server is no standby: it was promoted, or its address leads elsewhere now")
      }
      // The answer is of a connection that was open before.
      if (before !== signs()) continue
      if (found.reached && isOfHistory(target, found)) {
        reached = Math.max(reached, at)
        reachedSigns = before
        return
      }
      yield* Effect.sleep(pauses[attempts++] ?? 50)
    }
  })

  const bounded = (at: number) =>
    Effect.timeoutOrElse(catchUp(at), {
      duration: wait,
      orElse: () => Effect.fail(refusal("the replica has not replayed what was written before"))
    })

  /** Reads go to the primary, until the replica keeps up again. */
  const leave = (error: unknown) =>
    Effect.suspend(() => {
      if (!isUsed) return Effect.void
      isUsed = false
      return Effect.andThen(
        Effect.logWarning("the replica is left alone, and reads go to the primary until it keeps up", error),
        Effect.forkIn(returning, scope)
      )
    })

  const returning: Effect.Effect<void> = Effect.suspend(() => bounded(needed)).pipe(
    Effect.matchEffect({
      onSuccess: () =>
        Effect.andThen(
          Effect.sync(() => {
            isUsed = true
          }),
          Effect.logInfo("the replica keeps up again, and gets the reads")
        ),
      onFailure: () => Effect.andThen(Effect.sleep(rest), Effect.suspend(() => returning))
    })
  )

  /** Begins a round, in a fiber that no caller's interruption ends. */
  const begin = Effect.suspend(() => {
    const own: Round = { at: undefined, done: Deferred.makeUnsafe<boolean>() }
    round = own
    // Those who need one in the same moment share it.
    const asking = Effect.andThen(
      Effect.yieldNow,
      Effect.suspend(() => {
        own.at = needed
        return Effect.match(Effect.tapError(bounded(own.at), leave), { onSuccess: () => true, onFailure: () => false })
      })
    )
    return Effect.map(Effect.forkIn(asking, scope), (fiber) => {
      // An observer, because the scope may end before the fiber begins.
      fiber.addObserver((exit) => {
        if (round === own) round = undefined
        Deferred.doneUnsafe(own.done, Exit.succeed(Exit.isSuccess(exit) && exit.value))
      })
      return own
    })
  })

  const ready = Effect.suspend(() => {
    if (!isUsed) return Effect.succeed(false)
    if (isReached()) return Effect.succeed(true)
    const current = round
    return current !== undefined && (current.at === undefined || current.at >= needed)
      ? Deferred.await(current.done)
      : Effect.flatMap(Effect.uninterruptible(begin), ({ done }) => Deferred.await(done))
  })

  const seen = () => {
    needed += 1
  }

  const read: Following["read"] = (onReplica, onPrimary) => {
    // What the primary has shown must not be gone in the next read.
    const elsewhere = Effect.onExit(onPrimary, () =>
      Effect.sync(() => {
        counts.onPrimary += 1
        seen()
      }))
    const attempt = (again: number): typeof onReplica =>
      Effect.flatMap(ready, (isReady) => {
        if (!isReady || again > maxAgain) return elsewhere
        const before = reachedSigns
        return Effect.matchEffect(onReplica, {
          onSuccess: (result) => {
            if (before !== signs()) return attempt(again + 1)
            counts.onReplica += 1
            return Effect.succeed(result)
          },
          onFailure: (error) =>
            error instanceof StoreError
              ? Effect.andThen(isOfReadOnlySession(error) ? Effect.void : leave(error), elsewhere)
              : Effect.fail(error)
        })
      })
    return attempt(0)
  }

  // The replica is used from the beginning if it keeps up.
  const first = yield* Effect.result(bounded(needed))
  isUsed = true
  if (Result.isFailure(first)) yield* leave(first.failure)

  return { seen, ready, read, status: Effect.sync(() => ({ isUsed, ...counts })) }
})

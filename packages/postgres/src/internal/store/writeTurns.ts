/**
 * Which writes of this process may use a connection. A write that waits for the lock of a category keeps its connection meanwhile,
 * so without turns one lock that is not released would take all connections of the pool, and with them reads and all other writes.
 */
import type { PgClient, PgPoolConfig } from "@effect/sql-pg/PgClient"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"
import type { EncodedAppend } from "eventfold/StoreBackend"
import type { StoreError } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import { isInProcess } from "../client/connections.ts"
import { hasWaitedInVain, type LockWaits } from "../client/lockWaits.ts"

/**
 * How many writes of a category that are in no group use a connection at a time. One of them has the lock, and the next waits for
 * it at the server, so that no round trip lies between the two.
 */
const maxPerCategory = 2

/** The most connections that writes use at a time: three of four. The others are for reads and the application. */
const maxWrites = (connections: number): number => Math.max(1, connections - Math.max(1, Math.ceil(connections / 4)))

/** Runs an attempt of a write when it is its turn. */
export type InTurn = <A, E>(write: Effect.Effect<A, E>) => Effect.Effect<A, E | StoreError>

type TurnOf = (operation: string, appends: ReadonlyArray<EncodedAppend>) => InTurn

export interface WriteTurns {
  /** For the write of a group. A category has one group at a time. */
  readonly ofGroup: TurnOf
  /** For a write that is in no group: when it is its turn in each of its categories. */
  readonly apart: TurnOf
}

/** What lets a number of writes in at a time, in the order in which they came. */
interface Gate {
  readonly max: number
  readonly semaphore: Semaphore.Semaphore
  /** The writes that are in or wait. */
  users: number
  /** Counts the writes that have come out again, unless they had waited in vain for a lock. */
  ended: number
}

const makeGate = (max: number): Gate => ({ max, semaphore: Semaphore.makeUnsafe(max), users: 0, ended: 0 })

/** Whether a write has come to an end that says nothing of locks. */
const hasEnded = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isSuccess(exit) || !(Cause.hasInterrupts(exit.cause) || hasWaitedInVain(Cause.squash(exit.cause)))

/**
 * Lets a write in. It waits as long as others come out, however many are before it. When none does, it waits no longer than for a
 * lock, because that is what those wait for that are in.
 */
const through = <A, E>(
  gate: Gate,
  duration: Duration.Duration,
  stalled: Effect.Effect<StoreError>,
  write: Effect.Effect<A, E>
): Effect.Effect<A, E | StoreError> =>
  Effect.uninterruptibleMask((restore) => {
    gate.users += 1
    const counted = Effect.onExit(write, (exit) => Effect.sync(() => hasEnded(exit) && gate.ended++))
    const entered: Effect.Effect<A, E | StoreError> = gate.users <= gate.max
      ? gate.semaphore.withPermit(counted)
      : unlessStalled(gate, duration, stalled, counted)
    return Effect.onExit(restore(entered), () => Effect.sync(() => gate.users -= 1))
  })

const unlessStalled = <A, E>(
  gate: Gate,
  duration: Duration.Duration,
  stalled: Effect.Effect<StoreError>,
  write: Effect.Effect<A, E>
): Effect.Effect<A, E | StoreError> => {
  let state: "waits" | "is in" | "has given up" = "waits"
  const entered = gate.semaphore.withPermit(Effect.suspend(() => {
    if (state === "has given up") return Effect.never
    state = "is in"
    return write
  }))
  const watch = Effect.gen(function*() {
    let before
    do {
      before = gate.ended
      yield* Effect.sleep(duration)
      if (state === "is in") return yield* Effect.never
    } while (gate.ended !== before)
    state = "has given up"
    return yield* Effect.flip(stalled)
  })
  return Effect.raceFirst(entered, watch)
}

/** A PGlite has one connection, which has its own queue, and no other process that could keep a lock. */
const noTurns: WriteTurns = { ofGroup: () => (write) => write, apart: () => (write) => write }

/** The turns for the writes on a client's pool. */
export const make = (sql: PgClient, lockWaits: LockWaits): WriteTurns => {
  if (isInProcess(sql)) return noTurns
  const { maxConnections = 10 }: PgPoolConfig = sql.config
  const { limits } = lockWaits
  const writes = makeGate(maxWrites(maxConnections))
  const ofCategories = new Map<string, Gate>()

  const ofGroup: TurnOf = (operation) => (write) =>
    through(writes, limits.turn, lockWaits.noConnection(operation), write)

  const inCategory = <A, E>(
    category: string,
    stalled: Effect.Effect<StoreError>,
    write: Effect.Effect<A, E>
  ): Effect.Effect<A, E | StoreError> =>
    Effect.suspend(() => {
      const gate = ofCategories.get(category) ?? makeGate(maxPerCategory)
      ofCategories.set(category, gate)
      return Effect.ensuring(
        through(gate, limits.lock, stalled, write),
        Effect.sync(() => gate.users === 0 && ofCategories.delete(category))
      )
    })

  return {
    ofGroup,
    apart: (operation, appends) => <A, E>(write: Effect.Effect<A, E>) => {
      const stalled = lockWaits.stalled(operation, appends)
      // All writes queue in the same order, so that two that want the same categories don't wait for each other.
      const categories = [...new Set(appends.map(({ streamName }) => StreamName.category(streamName)))].sort()
      return categories.reduceRight<Effect.Effect<A, E | StoreError>>(
        (then, category) => inCategory(category, stalled, then),
        ofGroup(operation, appends)(write)
      )
    }
  }
}

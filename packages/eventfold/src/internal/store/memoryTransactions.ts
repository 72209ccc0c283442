/**
 * The transactions of the memory store.
 *
 * A transaction takes the write lock of the log at its first write and keeps it to its end, so all rows after the place where it
 * took the lock are its own. It writes them to the log at once: other fibers read up to that place, and a rollback removes what
 * comes after it. A transaction that changes rows keeps a copy of the log before each change: other fibers read the first one, and
 * a rollback puts one back. Without a transaction there is no lock to wait for, and a write stays one synchronous step.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import type { Transactions } from "../../StoreBackend.ts"
import { StoreError } from "../../StoreError.ts"
import { logFailure } from "../runtime/log.ts"
import { Independence } from "./independence.ts"
import { type Contents, copy, type Log, restore, settlePositions, truncate } from "./memoryLog.ts"

/** An outermost transaction. */
interface Root {
  /** Opens when the transaction has ended. */
  readonly ended: Latch.Latch
}

/** How far a transaction had come. */
interface Mark {
  /** The number of rows in the log. */
  readonly length: number
  /** How often the transaction had changed what is recorded. */
  readonly changes: number
  /** How many positions of consumers it had written. */
  readonly pendingPositions: number
}

/** The transaction that has the write lock, and the end of the log when it took it. */
interface Holder {
  readonly root: Root
  readonly begin: Mark
  readonly globalPosition: number
  /** What the log was before each change of what is recorded. */
  readonly before: Array<Contents>
}

/** An outermost transaction, or a savepoint in one. */
interface Level {
  readonly root: Root
  /** The level that this one is a savepoint of. */
  readonly parent: Level | undefined
  /** The level in which this one began: its parent, or one that it is independent of. */
  readonly around: Level | undefined
  /** Held by a savepoint or a write: a rollback of one must not remove what another one has written meanwhile. */
  readonly turn: Semaphore.Semaphore
  readonly afterCommit: Array<Effect.Effect<void>>
  isOpen: boolean
}

const isOpen = (level: Level): boolean => level.isOpen && (level.parent === undefined || isOpen(level.parent))

/** Whether a level is within a transaction, also when it is independent of it. */
const isWithin = (level: Level, root: Root): boolean =>
  level.root === root || (level.around !== undefined && isWithin(level.around, root))

const hasEnded = (operation: string) =>
  new StoreError({
    operation,
    reason:
      "the transaction that the fiber was forked in has already ended: join the fiber before the transaction ends, or " +
      "fork it outside of the transaction",
    isRetryable: false
  })

const waitsForItself = (operation: string) =>
  new StoreError({
    operation,
    reason:
      "the caller's transaction has appended already, and in memory other writes wait until it ends: write before the " +
      "transaction appends, or after it",
    isRetryable: false
  })

export interface MemoryTransactions extends Transactions {
  /**
   * Reads the log, or what it was, up to a global position (inclusive): what the calling fiber may see. `isWithin` tells whether
   * that includes what the transaction has written that has the lock.
   */
  readonly reading: <A>(read: (through: number, log: Contents, isWithin: boolean) => A) => Effect.Effect<A>
  /** Writes to the log when no transaction of another fiber has the lock. */
  readonly writing: <A, E>(
    operation: string,
    write: (time: DateTime.Utc) => Result.Result<A, E>
  ) => Effect.Effect<A, E | StoreError>
  /** Changes what is recorded, as {@link writing} writes. */
  readonly changing: <A>(
    operation: string,
    change: (log: Log, time: DateTime.Utc) => A
  ) => Effect.Effect<A, StoreError>
}

const everything = Number.POSITIVE_INFINITY

/** Tells the transactions of the stores of a process apart: a fiber may be in one of each. */
let count = 0

const now = (fiber: Fiber.Fiber<unknown, unknown>): DateTime.Utc =>
  DateTime.makeUnsafe(fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())

export const make = (log: Log): MemoryTransactions => {
  const Current = Context.Reference<Level | undefined>(`eventfold/MemoryStore/Transaction/${count++}`, {
    defaultValue: () => undefined
  })
  let holder: Holder | undefined

  /** The level that the operations of a fiber with this context take part in. */
  const levelIn = (context: Context.Context<never>): Level | undefined => {
    const level = Context.get(context, Current)
    return level === undefined || Context.get(context, Independence) ? undefined : level
  }

  const levelOf = (fiber: Fiber.Fiber<unknown, unknown>): Level | undefined => levelIn(fiber.context)

  /** Writes at once. No transaction has the lock. */
  const writeAlone = <A, E>(
    fiber: Fiber.Fiber<unknown, unknown>,
    write: (time: DateTime.Utc) => Result.Result<A, E>
  ): Effect.Effect<A, E> => {
    const result = write(now(fiber))
    settlePositions(log)
    return Effect.fromResult(result)
  }

  const writeOutside = <A, E>(
    operation: string,
    write: (time: DateTime.Utc) => Result.Result<A, E>
  ): Effect.Effect<A, E | StoreError> =>
    Effect.withFiber((fiber) => {
      if (holder === undefined) return writeAlone(fiber, write)
      const around = fiber.getRef(Current)
      return around !== undefined && isWithin(around, holder.root)
        ? Effect.fail(waitsForItself(operation))
        : Effect.andThen(holder.root.ended.await, writeOutside(operation, write))
    })

  const writeInside = <A, E>(
    level: Level,
    operation: string,
    write: (time: DateTime.Utc) => Result.Result<A, E>
  ): Effect.Effect<A, E | StoreError> =>
    Effect.withFiber((fiber) => {
      const { root } = level
      if (!isOpen(level)) return Effect.fail(hasEnded(operation))
      holder ??= {
        root,
        begin: { length: log.rows.length, changes: 0, pendingPositions: log.pendingPositions.length },
        globalPosition: log.lastGlobalPosition,
        before: []
      }
      if (holder.root === root) return Effect.fromResult(write(now(fiber)))
      return isWithin(level, holder.root)
        ? Effect.fail(waitsForItself(operation))
        : Effect.andThen(holder.root.ended.await, writeInside(level, operation, write))
    })

  const markOf = ({ before }: Holder): Mark => ({
    length: log.rows.length,
    changes: before.length,
    pendingPositions: log.pendingPositions.length
  })

  const rollBack = ({ before }: Holder, { changes, length, pendingPositions }: Mark) => {
    const [earlier] = before.splice(changes)
    if (earlier !== undefined) restore(log, earlier)
    truncate(log, length)
    log.pendingPositions.splice(pendingPositions)
  }

  /** Runs the callbacks of a transaction that has committed. It has, so a defect of one must not look like its failure. */
  const runCallbacks = ({ afterCommit }: Level) =>
    Effect.forEach(
      afterCommit,
      Effect.catchCause((cause) => logFailure("Error", "effect after the commit of a transaction failed", {}, cause)),
      { discard: true }
    )

  const endRoot = (level: Level, isCommitted: boolean) =>
    Effect.suspend(() => {
      level.isOpen = false
      if (holder?.root === level.root) {
        if (isCommitted) settlePositions(log)
        else rollBack(holder, holder.begin)
        holder = undefined
      }
      level.root.ended.openUnsafe()
      return isCommitted ? runCallbacks(level) : Effect.void
    })

  const endSavepoint = (level: Level, parent: Level, begin: Mark | undefined, isCommitted: boolean) =>
    Effect.sync(() => {
      level.isOpen = false
      if (isCommitted) parent.afterCommit.push(...level.afterCommit)
      else if (holder?.root === level.root) rollBack(holder, begin ?? holder.begin)
    })

  const runIn = <A, E, R>(
    level: Level,
    effect: Effect.Effect<A, E, R>,
    end: (isCommitted: boolean) => Effect.Effect<void>
  ): Effect.Effect<A, E, R> =>
    Effect.onExit(Effect.provideService(effect, Current, level), (exit) => end(exit._tag === "Success"))

  const runRoot = <A, E, R>(around: Level | undefined, effect: Effect.Effect<A, E, R>) => {
    const root: Root = { ended: Latch.makeUnsafe() }
    const level: Level = {
      root,
      parent: undefined,
      around,
      turn: Semaphore.makeUnsafe(1),
      afterCommit: [],
      isOpen: true
    }
    return runIn(level, effect, (isCommitted) => endRoot(level, isCommitted))
  }

  const runSavepoint = <A, E, R>(parent: Level, effect: Effect.Effect<A, E, R>) =>
    Effect.suspend((): Effect.Effect<A, E | StoreError, R> => {
      if (!isOpen(parent)) return Effect.fail(hasEnded("transaction"))
      const { root } = parent
      const level: Level = {
        root,
        parent,
        around: parent,
        turn: Semaphore.makeUnsafe(1),
        afterCommit: [],
        isOpen: true
      }
      const begin = holder?.root === root ? markOf(holder) : undefined
      return runIn(level, effect, (isCommitted) => endSavepoint(level, parent, begin, isCommitted))
    })

  const writing: MemoryTransactions["writing"] = (operation, write) =>
    Effect.withFiber((fiber) => {
      const level = levelOf(fiber)
      if (level !== undefined) return level.turn.withPermit(writeInside(level, operation, write))
      return holder === undefined ? writeAlone(fiber, write) : writeOutside(operation, write)
    })

  return {
    isActive: (context) => levelIn(context) !== undefined,
    run: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.withFiber<A, E | StoreError, R>((fiber) => {
        const parent = levelOf(fiber)
        return parent === undefined
          ? runRoot(fiber.getRef(Current), effect)
          : parent.turn.withPermit(runSavepoint(parent, effect))
      }),
    afterCommit: (effect) =>
      Effect.withFiber((fiber) => {
        const level = levelOf(fiber)
        if (level === undefined) return effect
        if (!isOpen(level)) return Effect.die(hasEnded("afterCommit"))
        level.afterCommit.push(Effect.provideContext(effect, Context.add(fiber.context, Current, undefined)))
        return Effect.void
      }),
    reading: (read) =>
      Effect.withFiber((fiber) => {
        if (holder === undefined || levelOf(fiber)?.root === holder.root) {
          return Effect.sync(() => read(everything, log, true))
        }
        const { before: [committed = log], globalPosition } = holder
        return Effect.sync(() => read(globalPosition, committed, false))
      }),
    writing,
    changing: (operation, change) =>
      writing(operation, (time) => {
        holder?.before.push(copy(log))
        return Result.succeed(change(log, time))
      })
  }
}

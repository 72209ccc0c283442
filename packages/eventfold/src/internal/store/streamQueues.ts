import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

/** The fibers of this process that write to one stream: one at a time, in the order in which they came. */
interface Queue {
  readonly semaphore: Semaphore.Semaphore
  users: number
}

/** A queue for each stream that transactions of this process contend for. */
export interface StreamQueues {
  /** Whether a fiber is in the queue of one of the streams. */
  readonly isQueued: (streamNames: ReadonlyArray<string>) => boolean
  /** Whether a fiber with this context has its turn on some streams, and so may wait for no others. */
  readonly hasTurn: (context: Context.Context<never>) => boolean
  /** Runs an effect when it is at the head of the queues of all of the streams. */
  readonly inTurn: <A, E, R>(
    streamNames: ReadonlyArray<string>,
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R>
}

/**
 * Whether a fiber has its turn. A transaction within its decision queues for no other stream: two fibers that wait for each
 * other's streams would wait for ever.
 */
const HasTurn = Context.Reference<boolean>("eventfold/Entity/HasTurn", { defaultValue: () => false })

export const make = (): StreamQueues => {
  const queues = new Map<string, Queue>()

  const enter = <A, E, R>(streamName: string, then: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const queue = queues.get(streamName) ?? { semaphore: Semaphore.makeUnsafe(1), users: 0 }
        queues.set(streamName, queue)
        queue.users += 1
        return queue
      }),
      ({ semaphore }) => semaphore.withPermits(1)(then),
      (queue) =>
        Effect.sync(() => {
          queue.users -= 1
          if (queue.users === 0) queues.delete(streamName)
        })
    )

  return {
    hasTurn: (context) => Context.get(context, HasTurn),
    isQueued: (streamNames) => streamNames.some((name) => queues.has(name)),
    inTurn: (streamNames, effect) =>
      Effect.flatMap(HasTurn, (hasTurn) =>
        hasTurn ? effect : streamNames.toSorted().reduceRight(
          // All fibers enter in the same order, so that two that want the same streams don't wait for each other.
          (then, streamName) => enter(streamName, then),
          Effect.provideService(effect, HasTurn, true)
        ))
  }
}

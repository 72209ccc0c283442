import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

/** Those of this process who want to write to one stream: one at a time, in the order in which they came. */
interface Queue {
  readonly semaphore: Semaphore.Semaphore
  users: number
}

const queues = new WeakMap<object, Map<string, Queue>>()

/**
 * Whether a fiber has a turn. It takes no second one, for a transaction within a decision, because two who wait for each
 * other's would wait for ever.
 */
const HasTurn = Context.Reference<boolean>("eventfold/Entity/HasTurn", { defaultValue: () => false })

/** Whether somebody has a turn on one of the streams. */
export const isQueued = (store: object, streamNames: ReadonlyArray<string>): boolean => {
  const ofStore = queues.get(store)
  return ofStore !== undefined && streamNames.some((name) => ofStore.has(name))
}

/** Runs an effect when it is its turn on all of the streams. */
export const inTurn = <A, E, R>(
  store: object,
  streamNames: ReadonlyArray<string>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const ofStore = queues.get(store) ?? new Map<string, Queue>()
  queues.set(store, ofStore)

  const enter = (streamName: string, then: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const queue = ofStore.get(streamName) ?? { semaphore: Semaphore.makeUnsafe(1), users: 0 }
        ofStore.set(streamName, queue)
        queue.users += 1
        return queue
      }),
      ({ semaphore }) => semaphore.withPermits(1)(then),
      (queue) =>
        Effect.sync(() => {
          queue.users -= 1
          if (queue.users === 0) ofStore.delete(streamName)
        })
    )

  return Effect.flatMap(HasTurn, (hasTurn) =>
    hasTurn ? effect : streamNames.toSorted().reduceRight(
      // Everybody enters in the same order, so that two who want the same streams don't wait for each other.
      (then, streamName) => enter(streamName, then),
      Effect.provideService(effect, HasTurn, true)
    ))
}

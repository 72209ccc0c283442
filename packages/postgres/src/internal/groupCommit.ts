import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** Commits a group of requests in one transaction; the results are in the order of the requests. */
export type Commit<Request, A, E> = (group: ReadonlyArray<Request>) => Effect.Effect<ReadonlyArray<Exit.Exit<A, E>>>

interface Waiting<Request, A, E> {
  readonly request: Request
  readonly reply: Deferred.Deferred<A, E>
}

/**
 * Group commit: requests of one lane that arrive while a group of it is being committed form the next group. A request
 * that finds its lane idle starts at once, alone, so nobody ever waits for company.
 *
 * A caller that is interrupted while its request still waits withdraws it. One whose group is being committed leaves it
 * to be committed or not as a whole. The groups run in the given scope, and end with it.
 */
export const make = Effect.fnUntraced(function*<Request, A, E>(options: {
  /** Requests with the same key are committed one group after another; other lanes go on beside it. */
  readonly laneOf: (request: Request) => string
  /** What a request adds to its group. */
  readonly sizeOf: (request: Request) => number
  /** A group takes requests as long as their sizes add up to this at the most, and always one. */
  readonly maxSize: number
  readonly commit: Commit<Request, A, E>
}) {
  const scope = yield* Effect.scope
  /** The waiting requests of the lanes that have a group in progress. */
  const lanes = new Map<string, Array<Waiting<Request, A, E>>>()

  const takeGroup = (waiting: Array<Waiting<Request, A, E>>): ReadonlyArray<Waiting<Request, A, E>> => {
    let size = 0
    const end = waiting.findIndex(({ request }, i) => {
      size += options.sizeOf(request)
      return i > 0 && size > options.maxSize
    })
    return waiting.splice(0, end === -1 ? waiting.length : end)
  }

  const commitGroup = (group: ReadonlyArray<Waiting<Request, A, E>>) =>
    options.commit(group.map(({ request }) => request)).pipe(
      Effect.tap((exits) =>
        Effect.sync(() => {
          for (const [i, exit] of exits.entries()) {
            const waiting = group[i]
            if (waiting !== undefined) Deferred.doneUnsafe(waiting.reply, exit)
          }
        })
      ),
      // A defect reaches those who wait; so does the end of the scope.
      Effect.onError((cause) => Effect.forEach(group, ({ reply }) => Deferred.failCause(reply, cause)))
    )

  const drain = (lane: string, waiting: Array<Waiting<Request, A, E>>) =>
    Effect.whileLoop({
      // To find nothing and to leave is one step: a request that comes in between would wait for ever.
      while: () => waiting.length > 0 || !lanes.delete(lane),
      body: () => commitGroup(takeGroup(waiting)),
      step: () => {}
    })

  const enqueue = (lane: string, entry: Waiting<Request, A, E>) => {
    const waiting = lanes.get(lane)
    if (waiting !== undefined) {
      waiting.push(entry)
      return Effect.succeed(waiting)
    }
    const started = [entry]
    lanes.set(lane, started)
    return Effect.map(Effect.forkIn(Effect.interruptible(drain(lane, started)), scope), (fiber) => {
      // Not a finalizer of the fiber's own: the scope may end, or have ended, before the fiber begins.
      fiber.addObserver((exit) => {
        if (Exit.isSuccess(exit)) return
        lanes.delete(lane)
        for (const { reply } of started) Deferred.doneUnsafe(reply, Exit.failCause(exit.cause))
      })
      return started
    })
  }

  return (request: Request): Effect.Effect<A, E> =>
    Effect.uninterruptibleMask((restore) => {
      const entry = { request, reply: Deferred.makeUnsafe<A, E>() }
      return Effect.flatMap(
        enqueue(options.laneOf(request), entry),
        (waiting) => Effect.onInterrupt(restore(Deferred.await(entry.reply)), () => withdraw(waiting, entry))
      )
    })
})

const withdraw = <A>(waiting: Array<A>, entry: A): Effect.Effect<void> =>
  Effect.sync(() => {
    const i = waiting.indexOf(entry)
    if (i !== -1) waiting.splice(i, 1)
  })

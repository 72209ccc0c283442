import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** Commits a group of requests in one transaction; the results are in the order of the requests. */
export type Commit<Request, A, E> = (group: ReadonlyArray<Request>) => Effect.Effect<ReadonlyArray<Exit.Exit<A, E>>>

interface Waiting<Request, A, E> {
  readonly request: Request
  readonly size: number
  readonly reply: Deferred.Deferred<A, E>
}

interface Lane<Request, A, E> {
  readonly key: string
  readonly waiting: Array<Waiting<Request, A, E>>
  /** What the waiting requests add up to. */
  size: number
  /** How many groups of it are under way. */
  groups: number
  /** Somebody will look for waiting requests as soon as those that are coming now have come. */
  isExpected: boolean
}

/**
 * Group commit: requests of one lane that arrive while a group of it is being committed form the next group. A request
 * that finds its lane idle starts at once, with those that come in the same moment, so nobody ever waits for company.
 *
 * When there are many, the next group is sent while the one before is under way: the database has work while this process
 * takes the results to those who wait for them, and these come back with their next requests. The two of them are for the
 * database to put in order.
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
  /**
   * What makes a group large enough to be sent while another of its lane is under way, which costs the database one more
   * transaction.
   */
  readonly secondSize: number
  /** No lane gets a second group while so many groups are under way in all lanes. */
  readonly maxWithSecond: number
  readonly commit: Commit<Request, A, E>
}) {
  type Entry = Waiting<Request, A, E>
  type OwnLane = Lane<Request, A, E>

  const scope = yield* Effect.scope
  /** The lanes with a group under way or about to be. */
  const lanes = new Map<string, OwnLane>()
  let groupsOfAll = 0

  const isDue = (lane: OwnLane): boolean =>
    lane.waiting.length > 0 &&
    (lane.groups === 0 || (lane.groups === 1 && lane.size >= options.secondSize && groupsOfAll < options.maxWithSecond))

  const takeGroup = (lane: OwnLane): ReadonlyArray<Entry> => {
    let size = 0
    let count = 0
    for (const entry of lane.waiting) {
      if (count > 0 && size + entry.size > options.maxSize) break
      size += entry.size
      count++
    }
    lane.size -= size
    return lane.waiting.splice(0, count)
  }

  const begin = (lane: OwnLane) => {
    lane.groups++
    groupsOfAll++
    return takeGroup(lane)
  }

  const end = (lane: OwnLane) => {
    lane.groups--
    groupsOfAll--
  }

  const commitGroup = (lane: OwnLane) =>
    Effect.suspend(() => {
      const group = begin(lane)
      return Effect.onExit(options.commit(group.map(({ request }) => request)), (exit) =>
        Effect.sync(() => {
          end(lane)
          // Who gets a result may come back at once, and is then not the first of a lane that is idle.
          lane.isExpected = true
          for (const [i, { reply }] of group.entries()) {
            // A defect reaches those who wait; so does the end of the scope.
            const result = Exit.isSuccess(exit) ? exit.value[i] ?? withoutResult : Exit.failCause(exit.cause)
            Deferred.doneUnsafe(reply, result)
          }
        }))
    })

  const run = (lane: OwnLane) =>
    Effect.whileLoop({
      while: () => {
        lane.isExpected = false
        if (isDue(lane)) return true
        // To find nothing and to leave is one step: a request that comes in between would wait for ever.
        if (lane.groups === 0) lanes.delete(lane.key)
        return false
      },
      body: () => commitGroup(lane),
      step: () => {}
    })

  const start = (lane: OwnLane, startImmediately: boolean) =>
    Effect.map(Effect.forkIn(run(lane), scope, { startImmediately }), (fiber) => {
      // Not a finalizer of the fiber's own: the scope may end, or have ended, before the fiber begins.
      fiber.addObserver((exit) => {
        if (Exit.isSuccess(exit)) return
        if (lanes.get(lane.key) === lane) lanes.delete(lane.key)
        for (const { reply } of lane.waiting) Deferred.doneUnsafe(reply, Exit.failCause(exit.cause))
      })
    })

  const laneFor = (key: string): OwnLane => {
    const found = lanes.get(key)
    if (found !== undefined) return found
    const lane: OwnLane = { key, waiting: [], size: 0, groups: 0, isExpected: false }
    lanes.set(key, lane)
    return lane
  }

  /** Has the lane's next group started, if it is due: at once when it is large, otherwise when nobody else comes now. */
  const startIfDue = (lane: OwnLane): Effect.Effect<void> => {
    if (!isDue(lane)) return Effect.void
    if (lane.size >= options.secondSize) return start(lane, true)
    if (lane.isExpected) return Effect.void
    lane.isExpected = true
    return start(lane, false)
  }

  return (request: Request): Effect.Effect<A, E> =>
    Effect.uninterruptibleMask((restore) => {
      const entry: Entry = { request, size: options.sizeOf(request), reply: Deferred.makeUnsafe<A, E>() }
      const lane = laneFor(options.laneOf(request))
      lane.waiting.push(entry)
      lane.size += entry.size
      return Effect.andThen(
        startIfDue(lane),
        Effect.onInterrupt(restore(Deferred.await(entry.reply)), () => withdraw(lane, entry))
      )
    })
})

const withoutResult = Exit.die(new Error("a group was committed without a result for one of its requests"))

const withdraw = <Request, A, E>(lane: Lane<Request, A, E>, entry: Waiting<Request, A, E>): Effect.Effect<void> =>
  Effect.sync(() => {
    const i = lane.waiting.indexOf(entry)
    if (i === -1) return
    lane.waiting.splice(i, 1)
    lane.size -= entry.size
  })

import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** Commits a group of requests in one transaction; the results are in the order of the requests. */
export type Commit<Request, A, E> = (group: ReadonlyArray<Request>) => Effect.Effect<ReadonlyArray<Exit.Exit<A, E>>>

interface Waiting<Request, A, E> {
  readonly request: Request
  readonly reply: Deferred.Deferred<A, E>
}

interface Lane<Request, A, E> {
  readonly key: string
  readonly waiting: Array<Waiting<Request, A, E>>
  /** A group of it is under way. */
  isBusy: boolean
  /** Somebody will look for waiting requests as soon as those that are coming now have come. */
  isExpected: boolean
  /** How long the last group took, and how long it took its callers to go on from there, in nanoseconds. */
  commitTime: bigint
  replyTime: bigint
  /** How many callers are still to get the results of the last group. */
  toReply: number
}

/** How many callers get their results between two looks at the clock. */
const repliesAtOnce = 8

/**
 * A group waits for callers to come back for one part in so many of the time that the last one took, at the most: about
 * what a commit takes however large its group is, and so all that a larger one saves.
 */
const patience = 4n

/**
 * Group commit: requests of one lane that arrive while a group of it is being committed form the next group. A request
 * that finds its lane idle starts at once, with those that come in the same moment, so nobody ever waits for company.
 *
 * Callers that get their results often come back at once. A next group that waited for all of them would be a large one,
 * but would leave the database idle meanwhile, and this process idle afterwards. So it starts without those who would take
 * longer than a part of the time that the last group took, and with no more than half of all: where a commit is slow, groups
 * are large; where it is fast, the database has one half of the callers in hand and this process the other. Without that
 * bound the shares would stay as they happen to be: who waits now is who came back while the last group was committed.
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
  type Entry = Waiting<Request, A, E>
  type OwnLane = Lane<Request, A, E>

  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  const now = () => clock.monotonicTimeNanosUnsafe()
  /** The lanes with a group under way or about to be. */
  const lanes = new Map<string, OwnLane>()

  /** By then there may be another one with its key. */
  const forget = (lane: OwnLane) => lanes.get(lane.key) === lane && lanes.delete(lane.key)

  const takeGroup = ({ toReply, waiting }: OwnLane): ReadonlyArray<Entry> => {
    const most = Math.ceil((waiting.length + toReply) / 2)
    let size = 0
    const end = waiting.findIndex(({ request }, i) => {
      size += options.sizeOf(request)
      return i > 0 && (size > options.maxSize || (toReply > 0 && i >= most))
    })
    return waiting.splice(0, end === -1 ? waiting.length : end)
  }

  const commitGroup = (lane: OwnLane): Effect.Effect<unknown> =>
    Effect.suspend(() => {
      const group = takeGroup(lane)
      const begin = now()
      lane.isBusy = true
      return Effect.onExit(options.commit(group.map(({ request }) => request)), (exit) => {
        lane.isBusy = false
        lane.commitTime = now() - begin
        return reply(lane, group, exit)
      })
    })

  /** Gives the results to those who wait for them, and meanwhile has the next group started when it is time. */
  const reply = (lane: OwnLane, group: ReadonlyArray<Entry>, exit: Exit.Exit<ReadonlyArray<Exit.Exit<A, E>>>) => {
    const begin = now()
    const isLate = (time: bigint) =>
      Exit.isSuccess(exit) && !lane.isBusy && lane.waiting.length > 0 && patience * time > lane.commitTime
    let next = 0
    lane.toReply = group.length
    const body = () => {
      const end = Math.min(next + repliesAtOnce, group.length)
      for (; next < end; next++) {
        // A defect reaches those who wait; so does the end of the scope.
        const result = Exit.isSuccess(exit) ? exit.value[next] ?? withoutResult : Exit.failCause(exit.cause)
        const waiting = group[next]
        if (waiting !== undefined) Deferred.doneUnsafe(waiting.reply, result)
      }
      lane.toReply = group.length - next
      return isLate(now() - begin) ? start(lane, true) : Effect.void
    }
    // Who comes back now is taken along by the next look.
    lane.isExpected = true
    return Effect.andThen(
      isLate(lane.replyTime) ? start(lane, true) : Effect.void,
      Effect.onExit(
        Effect.whileLoop({ while: () => next < group.length, body, step: () => {} }),
        () =>
          Effect.sync(() => {
            lane.isExpected = false
            lane.replyTime = now() - begin
          })
      )
    )
  }

  const run = (lane: OwnLane) =>
    Effect.whileLoop({
      while: () => {
        lane.isExpected = false
        if (lane.isBusy) return false
        if (lane.waiting.length > 0) return true
        // To find nothing and to leave is one step: a request that comes in between would wait for ever.
        forget(lane)
        return false
      },
      body: () => commitGroup(lane),
      step: () => {}
    })

  const start = (lane: OwnLane, startImmediately: boolean): Effect.Effect<void> =>
    Effect.map(Effect.forkIn(run(lane), scope, { startImmediately }), (fiber) => {
      // Not a finalizer of the fiber's own: the scope may end, or have ended, before the fiber begins.
      fiber.addObserver((exit) => {
        if (Exit.isSuccess(exit)) return
        forget(lane)
        for (const { reply } of lane.waiting) Deferred.doneUnsafe(reply, Exit.failCause(exit.cause))
      })
    })

  const enqueue = (key: string, entry: Entry): OwnLane => {
    const lane = lanes.get(key)
    if (lane !== undefined) {
      lane.waiting.push(entry)
      return lane
    }
    const idle = { key, waiting: [entry], isBusy: false, isExpected: false, commitTime: 0n, replyTime: 0n, toReply: 0 }
    lanes.set(key, idle)
    return idle
  }

  return (request: Request): Effect.Effect<A, E> =>
    Effect.uninterruptibleMask((restore) => {
      const entry: Entry = { request, reply: Deferred.makeUnsafe<A, E>() }
      const lane = enqueue(options.laneOf(request), entry)
      const reply = Effect.onInterrupt(restore(Deferred.await(entry.reply)), () => withdraw(lane.waiting, entry))
      if (lane.isBusy || lane.isExpected) return reply
      lane.isExpected = true
      return Effect.andThen(start(lane, false), reply)
    })
})

const withoutResult = Exit.die(new Error("a group was committed without a result for one of its requests"))

const withdraw = <A>(waiting: Array<A>, entry: A): Effect.Effect<void> =>
  Effect.sync(() => {
    const i = waiting.indexOf(entry)
    if (i !== -1) waiting.splice(i, 1)
  })

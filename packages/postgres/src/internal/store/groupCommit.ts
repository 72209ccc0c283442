import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"

/** Commits a group of requests in one transaction; the results are in the order of the requests. */
export type Commit<Request, A, E> = (group: ReadonlyArray<Request>) => Effect.Effect<ReadonlyArray<Exit.Exit<A, E>>>

export interface Options<Request, A, E> {
  /** Requests with the same key are committed one group after another. Lanes do not wait for one another. */
  readonly laneOf: (request: Request) => string
  /** What a request adds to the size of its group. */
  readonly sizeOf: (request: Request) => number
  /** A group takes requests as long as their sizes add up to this at most, and always one. */
  readonly maxSize: number
  readonly commit: Commit<Request, A, E>
}

/** A request that waits for its group, or for its result. */
interface Entry<Request, A, E> {
  readonly request: Request
  readonly result: Deferred.Deferred<A, E>
  readonly context: Context.Context<never>
}

interface Lane<Request, A, E> {
  readonly key: string
  readonly waiting: Array<Entry<Request, A, E>>
  /** A group of the lane is being committed. */
  isCommitting: boolean
  /** A fiber looks at `waiting` again after the requests that arrive now: they need not start one. */
  isLookPending: boolean
  /** How long the last group took to commit, in nanoseconds. */
  commitTime: bigint
  /** How long its callers then took, until the last of them went on from its result, in nanoseconds. */
  replyTime: bigint
  /** How many callers have not got their results of the last group yet. */
  unanswered: number
}

interface Lanes<Request, A, E> {
  readonly options: Options<Request, A, E>
  readonly scope: Scope.Scope
  readonly now: () => bigint
  /** The lanes with a group that is being committed or about to be. */
  readonly byKey: Map<string, Lane<Request, A, E>>
}

/** How many callers get their results between two looks at the clock. */
const repliesAtOnce = 8

/**
 * A group waits for callers to come back for at most this fraction (one fourth) of the time that the last commit took.
 * That is about the part of a commit that does not depend on the size of its group, and so all that a larger group
 * saves.
 */
const maxWaitDivisor = 4n

const withoutResult = Exit.die(new Error("a group was committed without a result for one of its requests"))

const laneFor = <Request, A, E>(
  { byKey }: Lanes<Request, A, E>,
  key: string
): Lane<Request, A, E> => {
  const lane = byKey.get(key)
  if (lane !== undefined) return lane
  const idle = {
    key,
    waiting: [],
    isCommitting: false,
    isLookPending: false,
    commitTime: 0n,
    replyTime: 0n,
    unanswered: 0
  }
  byKey.set(key, idle)
  return idle
}

/** Forgets a lane, unless another one has its key by now. */
const forget = <Request, A, E>({ byKey }: Lanes<Request, A, E>, lane: Lane<Request, A, E>): void => {
  if (byKey.get(lane.key) === lane) byKey.delete(lane.key)
}

/** Takes the next group out of the waiting requests. */
const takeGroup = <Request, A, E>(
  { maxSize, sizeOf }: Options<Request, A, E>,
  { unanswered, waiting }: Lane<Request, A, E>
): ReadonlyArray<Entry<Request, A, E>> => {
  const half = Math.ceil((waiting.length + unanswered) / 2)
  let size = 0
  const end = waiting.findIndex(({ request }, i) => {
    size += sizeOf(request)
    return i > 0 && (size > maxSize || (unanswered > 0 && i >= half))
  })
  return waiting.splice(0, end === -1 ? waiting.length : end)
}

/**
 * What serves several callers runs in the context of the first of them. A fiber keeps that of the caller who started it, and goes on
 * for others: its statements would be in the trace of a request that has ended.
 */
export const inContextOf = <A, E>(
  caller: { readonly context: Context.Context<never> } | undefined,
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E> => caller === undefined ? effect : Effect.updateContext(effect, () => caller.context)

const commitGroup = <Request, A, E>(
  lanes: Lanes<Request, A, E>,
  lane: Lane<Request, A, E>
): Effect.Effect<unknown> =>
  Effect.suspend(() => {
    const group = takeGroup(lanes.options, lane)
    const begin = lanes.now()
    lane.isCommitting = true
    const commit = inContextOf(group[0], lanes.options.commit(group.map(({ request }) => request)))
    return Effect.onExit(commit, (exit) => {
      lane.isCommitting = false
      lane.commitTime = lanes.now() - begin
      return reply(lanes, lane, group, exit)
    })
  })

/** Gives the callers their results, and meanwhile starts the next group when it is time. */
const reply = <Request, A, E>(
  lanes: Lanes<Request, A, E>,
  lane: Lane<Request, A, E>,
  group: ReadonlyArray<Entry<Request, A, E>>,
  exit: Exit.Exit<ReadonlyArray<Exit.Exit<A, E>>>
): Effect.Effect<void> => {
  const begin = lanes.now()
  const isTimeForNext = (replyTime: bigint) =>
    Exit.isSuccess(exit) && !lane.isCommitting && lane.waiting.length > 0 &&
    maxWaitDivisor * replyTime > lane.commitTime
  let next = 0
  lane.unanswered = group.length
  const body = () => {
    const end = Math.min(next + repliesAtOnce, group.length)
    for (; next < end; next++) {
      // A defect of the commit, or the end of the scope, reaches every caller.
      const result = Exit.isSuccess(exit) ? exit.value[next] ?? withoutResult : Exit.failCause(exit.cause)
      const entry = group[next]
      if (entry !== undefined) Deferred.doneUnsafe(entry.result, result)
    }
    lane.unanswered = group.length - next
    return isTimeForNext(lanes.now() - begin) ? start(lanes, lane, true) : Effect.void
  }
  // The look after these replies takes the requests of callers that come back meanwhile.
  lane.isLookPending = true
  return Effect.andThen(
    isTimeForNext(lane.replyTime) ? start(lanes, lane, true) : Effect.void,
    Effect.onExit(
      Effect.whileLoop({ while: () => next < group.length, body, step: () => {} }),
      () =>
        Effect.sync(() => {
          lane.isLookPending = false
          lane.replyTime = lanes.now() - begin
        })
    )
  )
}

/** Commits one group after another while requests wait. */
const run = <Request, A, E>(lanes: Lanes<Request, A, E>, lane: Lane<Request, A, E>): Effect.Effect<void> =>
  Effect.whileLoop({
    while: () => {
      lane.isLookPending = false
      if (lane.isCommitting) return false
      if (lane.waiting.length > 0) return true
      // To find nothing and to leave is one step: a request that arrived in between would wait for ever.
      forget(lanes, lane)
      return false
    },
    body: () => commitGroup(lanes, lane),
    step: () => {}
  })

const start = <Request, A, E>(
  lanes: Lanes<Request, A, E>,
  lane: Lane<Request, A, E>,
  startImmediately: boolean
): Effect.Effect<void> =>
  Effect.map(Effect.forkIn(run(lanes, lane), lanes.scope, { startImmediately }), (fiber) => {
    // An observer and not a finalizer in the fiber: the scope may end, or have ended, before the fiber begins.
    fiber.addObserver((exit) => {
      if (Exit.isSuccess(exit)) return
      forget(lanes, lane)
      for (const { result } of lane.waiting.splice(0)) Deferred.doneUnsafe(result, Exit.failCause(exit.cause))
    })
  })

/** Takes an entry out of those that wait, if it still does. */
export const withdraw = <A>(waiting: Array<A>, entry: A): Effect.Effect<void> =>
  Effect.sync(() => {
    const i = waiting.indexOf(entry)
    if (i !== -1) waiting.splice(i, 1)
  })

/**
 * Group commit: the requests of a lane that arrive while a group of it is being committed form the next group. A
 * request that finds its lane idle starts at once, together with those that arrive in the same moment. So no request
 * ever waits for company.
 *
 * Callers that get their results often come back at once. Waiting for all of them would make the next group large, but
 * would leave the database idle meanwhile, and this process idle afterwards. So the next group starts without the
 * callers that take longer than a fraction of the time that the last commit took, and with no more than half of all.
 * Where a commit is slow, groups are large. Where it is fast, the database works on one half of the callers' requests
 * while this process works on the other half. Without the bound of one half, groups would keep whatever sizes they
 * happen to have: the callers that wait now are those that came back while the last group was committed.
 *
 * A caller that is interrupted while its request waits withdraws the request. Once its group is being committed, the
 * request is committed or not with the whole group. The groups run in the current scope, and end with it.
 */
export const make = Effect.fnUntraced(function*<Request, A, E>(options: Options<Request, A, E>) {
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  const lanes: Lanes<Request, A, E> = {
    options,
    scope,
    now: () => clock.monotonicTimeNanosUnsafe(),
    byKey: new Map()
  }

  return (request: Request): Effect.Effect<A, E> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.withFiber(({ context }) => {
        const entry: Entry<Request, A, E> = { request, result: Deferred.makeUnsafe<A, E>(), context }
        const lane = laneFor(lanes, options.laneOf(request))
        lane.waiting.push(entry)
        const result = Effect.onInterrupt(restore(Deferred.await(entry.result)), () => withdraw(lane.waiting, entry))
        if (lane.isCommitting || lane.isLookPending) return result
        lane.isLookPending = true
        return Effect.andThen(start(lanes, lane, false), result)
      })
    )
})

import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as MutableList from "effect/MutableList"
import type * as Scope from "effect/Scope"
import type { Stopping } from "./stopping.ts"

/** Jobs in lanes: the jobs of one lane run one after the other, those of different lanes at the same time. */
export interface Lanes<Job, E> {
  /** Puts a job at the end of a lane. */
  readonly offer: (lane: string, job: Job) => void
  /** Waits until at most this many jobs are left. */
  readonly awaitRoom: (most: number) => Effect.Effect<void>
  /** Interrupts the jobs that run, and begins no more. */
  readonly abandon: Effect.Effect<void>
  /** Fails when a job has failed. */
  readonly failure: Effect.Effect<never, E>
  /** How many lanes run a job, and how many jobs are left, including those that run. */
  readonly counts: () => { readonly running: number; readonly pending: number }
}

export interface Options<Job, E, R> {
  /** Runs jobs that are next to one another in a lane, at most `batchSize`. */
  readonly run: (jobs: Arr.NonEmptyReadonlyArray<Job>) => Effect.Effect<void, E, R>
  readonly batchSize: number
  /** How many lanes run at the same time. */
  readonly concurrency: number
  /** How long a job that runs when the scope closes may take to end. Jobs that have not begun are dropped. */
  readonly grace: Duration.Input
  /** Is told when the scope closes. A job that only waits then ends at once. */
  readonly stopping: Stopping
}

interface Batch<Job> {
  readonly lane: string
  readonly jobs: Arr.NonEmptyArray<Job>
}

/** The jobs that have not begun. Lanes take turns, of one batch each, so that no lane waits for the end of another. */
const makeBacklog = <Job>() => {
  /** Every lane that has a turn to come, or a batch in work. */
  const lanes = new Map<string, MutableList.MutableList<Job>>()
  const turns = MutableList.make<string>()

  return {
    /** Puts a job at the end of a lane. Gives whether the lane was idle: it has a turn to come now. */
    add: (lane: string, job: Job): boolean => {
      const waiting = lanes.get(lane)
      if (waiting !== undefined) {
        MutableList.append(waiting, job)
        return false
      }
      const jobs = MutableList.make<Job>()
      MutableList.append(jobs, job)
      lanes.set(lane, jobs)
      MutableList.append(turns, lane)
      return true
    },
    /** Takes the first jobs of the lane whose turn it is. Lanes that have none left become idle. */
    take: (size: number): Batch<Job> | undefined => {
      for (let lane = MutableList.take(turns); lane !== MutableList.Empty; lane = MutableList.take(turns)) {
        const jobs = lanes.get(lane)
        const batch = jobs === undefined ? [] : MutableList.takeN(jobs, size)
        if (Arr.isArrayNonEmpty(batch)) return { lane, jobs: batch }
        lanes.delete(lane)
      }
      return undefined
    },
    /** Gives a lane its next turn, after its batch has run. */
    enqueue: (lane: string): void => MutableList.append(turns, lane)
  }
}

/** After a job has failed, no more jobs begin. */
export const make = Effect.fnUntraced(function*<Job, E, R>(
  { batchSize, concurrency, grace, run, stopping }: Options<Job, E, R>
): Effect.fn.Return<Lanes<Job, E>, never, R | Scope.Scope> {
  const failed = yield* Deferred.make<never, E>()
  const room = yield* Latch.make()
  const backlog = makeBacklog<Job>()
  let pending = 0
  let running = 0
  let isStopping = false
  /** `awaitRoom` ends when at most this many jobs are left. */
  let enough = Number.POSITIVE_INFINITY

  const fibers = yield* FiberSet.make()
  const fork = yield* FiberSet.runtime(fibers)<R>()
  yield* Effect.addFinalizer(() => {
    isStopping = true
    return Effect.andThen(stopping.begin, Effect.timeoutOption(FiberSet.awaitEmpty(fibers), grace))
  })

  /** A worker that finds no batch leaves in the same step: a job that came in between would wait for ever. */
  const nextBatch = (): Batch<Job> | undefined => {
    const batch = isStopping ? undefined : backlog.take(batchSize)
    if (batch === undefined) running -= 1
    return batch
  }

  const work = Effect.suspend(() => {
    let batch: Batch<Job> | undefined
    return Effect.whileLoop({
      while: () => (batch = nextBatch()) !== undefined,
      body: () => batch === undefined ? Effect.void : run(batch.jobs),
      step: () => {
        if (batch === undefined) return
        pending -= batch.jobs.length
        if (pending <= enough) room.openUnsafe()
        backlog.enqueue(batch.lane)
      }
    })
  }).pipe(Effect.onError((cause) => {
    isStopping = true
    running -= 1
    return Deferred.failCause(failed, cause)
  }))

  return {
    offer: (lane, job) => {
      pending += 1
      if (!backlog.add(lane, job) || running === concurrency) return
      running += 1
      // The worker yields first, so that jobs that come together run in one batch.
      fork(Effect.andThen(Effect.yieldNow, work))
    },
    awaitRoom: (most) =>
      Effect.whileLoop({
        while: () => pending > most,
        body: () => {
          enough = most
          room.closeUnsafe()
          return room.await
        },
        step: () => {}
      }),
    abandon: Effect.suspend(() => {
      isStopping = true
      return FiberSet.clear(fibers)
    }),
    failure: Deferred.await(failed),
    counts: () => ({ running, pending })
  }
})

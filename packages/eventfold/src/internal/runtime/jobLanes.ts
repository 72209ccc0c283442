import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as MutableList from "effect/MutableList"
import type * as Scope from "effect/Scope"

/** Jobs in lanes: those of one lane one after the other, those of different lanes at the same time. */
export interface Lanes<Job, E> {
  /** Puts a job at the end of a lane. */
  readonly offer: (lane: string, job: Job) => void
  /** Waits until at most so many jobs are left. */
  readonly awaitRoom: (most: number) => Effect.Effect<void>
  /** Interrupts what runs, and begins nothing more. */
  readonly abandon: Effect.Effect<void>
  /** Fails when a job has failed. */
  readonly failure: Effect.Effect<never, E>
  /** How many lanes are worked on, and how many jobs are left, theirs included. */
  readonly counts: () => { readonly running: number; readonly pending: number }
}

export interface Options<Job, E, R> {
  /** Works on jobs that are next to one another in a lane, at most `batchSize`. */
  readonly run: (jobs: Arr.NonEmptyReadonlyArray<Job>) => Effect.Effect<void, E, R>
  readonly batchSize: number
  /** How many lanes are worked on at the same time. */
  readonly concurrency: number
  /** How long what runs when the scope closes may go on. What has not begun is dropped. */
  readonly grace: Duration.Input
}

interface Batch<Job> {
  readonly lane: string
  readonly jobs: Arr.NonEmptyArray<Job>
}

/** After a failure nothing more is begun. Lanes take turns, of one batch each, so that no lane waits for another's end. */
export const make = Effect.fnUntraced(function*<Job, E, R>(
  { batchSize, concurrency, grace, run }: Options<Job, E, R>
): Effect.fn.Return<Lanes<Job, E>, never, R | Scope.Scope> {
  const failed = yield* Deferred.make<never, E>()
  const room = yield* Latch.make()
  /** What has not begun, of the lanes that are worked on or have their turn to come. */
  const lanes = new Map<string, MutableList.MutableList<Job>>()
  const turns = MutableList.make<string>()
  let pending = 0
  let running = 0
  let isStopping = false
  /** How few jobs are left when who waits for room is to be told. */
  let enough = Number.POSITIVE_INFINITY

  const fibers = yield* FiberSet.make()
  const fork = yield* FiberSet.runtime(fibers)<R>()
  yield* Effect.addFinalizer(() => {
    isStopping = true
    return Effect.timeoutOption(FiberSet.awaitEmpty(fibers), grace)
  })

  /** Whose turn it is. To find nobody and to leave is one step: a job that comes in between would wait for ever. */
  const next = (): string | undefined => {
    const lane = isStopping ? MutableList.Empty : MutableList.take(turns)
    if (lane !== MutableList.Empty) return lane
    running -= 1
    return undefined
  }

  /** The jobs whose turn it is, and their lane. */
  const nextBatch = (): Batch<Job> | undefined => {
    for (let lane = next(); lane !== undefined; lane = next()) {
      const jobs = lanes.get(lane)
      const batch = jobs === undefined ? [] : MutableList.takeN(jobs, batchSize)
      if (Arr.isArrayNonEmpty(batch)) return { lane, jobs: batch }
      lanes.delete(lane)
    }
    return undefined
  }

  const takeTurns = Effect.suspend(() => {
    let batch: Batch<Job> | undefined
    return Effect.whileLoop({
      while: () => (batch = nextBatch()) !== undefined,
      body: () => batch === undefined ? Effect.void : run(batch.jobs),
      step: () => {
        if (batch === undefined) return
        pending -= batch.jobs.length
        if (pending <= enough) room.openUnsafe()
        MutableList.append(turns, batch.lane)
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
      const waiting = lanes.get(lane)
      if (waiting !== undefined) return MutableList.append(waiting, job)
      const jobs = MutableList.make<Job>()
      MutableList.append(jobs, job)
      lanes.set(lane, jobs)
      MutableList.append(turns, lane)
      if (running === concurrency) return
      running += 1
      // Not before those have come that come together with this one.
      fork(Effect.andThen(Effect.yieldNow, takeTurns))
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

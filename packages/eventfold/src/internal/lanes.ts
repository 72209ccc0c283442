import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"

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

/** After a failure nothing more is begun. */
export const make = Effect.fnUntraced(function*<Job, E, R>(
  { batchSize, concurrency, grace, run }: Options<Job, E, R>
): Effect.fn.Return<Lanes<Job, E>, never, R | Scope.Scope> {
  const failed = yield* Deferred.make<never, E>()
  const permits = yield* Semaphore.make(concurrency)
  const room = yield* Latch.make()
  const lanes = new Map<string, Array<Job>>()
  let pending = 0
  let running = 0
  let isStopping = false

  const fibers = yield* FiberSet.make()
  const fork = yield* FiberSet.runtime(fibers)<R>()
  yield* Effect.addFinalizer(() => {
    isStopping = true
    return Effect.timeoutOption(FiberSet.awaitEmpty(fibers), grace)
  })

  /** The jobs of a lane that have come since it was asked last; the lane ends when there are none. */
  const take = (lane: string): ReadonlyArray<Job> => {
    const jobs = lanes.get(lane) ?? []
    if (jobs.length === 0 || isStopping) lanes.delete(lane)
    else lanes.set(lane, [])
    return isStopping ? [] : jobs
  }

  const work = Effect.fnUntraced(function*(lane: string) {
    for (let jobs = take(lane); jobs.length > 0; jobs = take(lane)) {
      for (const batch of batchSize === 1 ? jobs.map(Arr.of) : Arr.chunksOf(jobs, batchSize)) {
        if (isStopping) return
        yield* run(batch)
        pending -= batch.length
        room.openUnsafe()
      }
    }
  }, (working) =>
    Effect.suspend(() => {
      running += 1
      return working
    }).pipe(
      Effect.onExit((exit) => {
        running -= 1
        if (exit._tag === "Success") return Effect.void
        isStopping = true
        return Deferred.failCause(failed, exit.cause)
      }),
      permits.withPermits(1)
    ))

  return {
    offer: (lane, job) => {
      pending += 1
      const jobs = lanes.get(lane)
      if (jobs !== undefined) {
        jobs.push(job)
        return
      }
      lanes.set(lane, [job])
      // A batch is what comes in one go.
      fork(batchSize === 1 ? work(lane) : Effect.andThen(Effect.yieldNow, work(lane)))
    },
    awaitRoom: (most) =>
      Effect.whileLoop({
        while: () => pending > most,
        body: () => {
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

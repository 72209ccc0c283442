/**
 * Does the faults of a plan to the servers and the workers.
 */
import * as Database from "@eventfold/test/support/Database"
import { PostgresServerError } from "@eventfold/test/support/PostgresServer"
import { until } from "@eventfold/test/support/Until"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Semaphore from "effect/Semaphore"
import type { Cluster, ClusterError } from "./Cluster.ts"
import type * as Plan from "./Plan.ts"
import type { Workers } from "./Workers.ts"

export interface Faults {
  /** Does the faults one after the other, each while others still last, and waits until the last is over. */
  readonly all: (faults: ReadonlyArray<Plan.Fault>) => Effect.Effect<void, ClusterError>
  /** How many of each kind were done. */
  readonly done: ReadonlyMap<Plan.Kind, number>
}

/** What is done, and what ends it later. */
interface Lasting {
  /** Gives whether it was done. */
  readonly begin: Effect.Effect<boolean, ClusterError>
  readonly end: Effect.Effect<unknown, ClusterError>
}

const now = (begin: Effect.Effect<unknown, ClusterError>): Lasting => ({
  begin: Effect.as(begin, true),
  end: Effect.void
})
const during = (
  begin: Effect.Effect<unknown, ClusterError>,
  time: number,
  end: Effect.Effect<unknown, ClusterError>
): Lasting => ({ begin: Effect.as(begin, true), end: Effect.andThen(Effect.sleep(time), end) })

export const make = Effect.fnUntraced(function*(
  cluster: Cluster,
  workers: Workers,
  say: (fault: Plan.Fault, what: string) => Effect.Effect<void>
): Effect.fn.Return<Faults> {
  const done = new Map<Plan.Kind, number>()
  // One fault at a time for the servers, and one for each worker.
  const servers = yield* Semaphore.make(1)
  const ofWorkers = yield* Effect.forEach(Array.from({ length: workers.count }), () => Semaphore.make(1))

  /** A worker that has not begun its work yet is not worth a kill. */
  const whenReady = (index: number) => Effect.ignoreCause(until("the worker is ready", workers.isReady(index)))

  const lasting = ({ kind, millis, victim }: Plan.Fault): Lasting => {
    const short = Math.min(millis, 2_000)
    const proxy = workers.proxy(victim)
    switch (kind) {
      case "kill worker":
        return now(Effect.andThen(whenReady(victim), workers.kill(victim)))
      case "stop worker":
        return now(Effect.andThen(whenReady(victim), workers.stop(victim)))
      case "freeze worker":
        return during(workers.freeze(victim), millis, workers.thaw(victim))
      case "cut":
        return now(Effect.andThen(proxy.silenceOpen, proxy.cutSilent))
      case "cut reply":
        return now(proxy.cut("before the reply", millis % 2 === 0 ? "note-r" : "account-r"))
      case "silence":
        return during(proxy.silenceOpen, millis, proxy.cutSilent)
      case "terminate":
        return {
          begin: Effect.flatMap(
            cluster.primary,
            ({ url }) =>
              Effect.scoped(
                Effect.flatMap(Database.session(url), (sql) =>
                  sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ${
                    workers.nameOf(victim)
                  }`)
              )
          ).pipe(
            Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => Effect.succeed([]) }),
            Effect.map(({ length }) => length > 0),
            // The server is away.
            Effect.catchTag("SqlError", () => Effect.succeed(false))
          ),
          end: Effect.void
        }
      case "kill server":
        return during(
          Effect.flatMap(cluster.primary, ({ kill }) => kill),
          short,
          Effect.flatMap(cluster.primary, ({ start }) => start)
        )
      case "kill standby":
        return during(
          Effect.flatMap(cluster.standby, ({ kill }) => kill),
          short,
          Effect.flatMap(cluster.standby, ({ start }) => start)
        )
      case "kill backend":
        return {
          begin: Effect.flatMap(cluster.primary, ({ killOne }) => killOne(victim)),
          // It recovers by itself.
          end: Effect.sleep("500 millis")
        }
      case "freeze server":
        return during(
          Effect.flatMap(cluster.primary, ({ freeze }) => freeze),
          millis,
          Effect.flatMap(cluster.primary, ({ thaw }) => thaw)
        )
      case "freeze standby":
        return during(
          Effect.flatMap(cluster.standby, ({ freeze }) => freeze),
          millis,
          Effect.flatMap(cluster.standby, ({ thaw }) => thaw)
        )
      case "fill disk":
        return cluster.isBounded
          ? during(Effect.flatMap(cluster.primary, ({ fill }) => fill), short, cluster.heal)
          : { begin: Effect.succeed(false), end: Effect.void }
      case "fail over":
        return {
          begin: Effect.flatMap(
            cluster.isInSync,
            (is) => is ? Effect.as(cluster.failOver, true) : Effect.succeed(false)
          ),
          end: cluster.follow
        }
    }
  }

  const ofServers: ReadonlySet<Plan.Kind> = new Set([
    "kill server",
    "kill standby",
    "kill backend",
    "freeze server",
    "freeze standby",
    "fill disk",
    "fail over"
  ])

  const one = Effect.fnUntraced(function*(fault: Plan.Fault) {
    const { begin, end } = lasting(fault)
    const lock = ofServers.has(fault.kind) ? servers : ofWorkers[fault.victim % ofWorkers.length]
    const begun = yield* Latch.make()
    const whole = Effect.gen(function*() {
      const was = yield* begin
      if (was) done.set(fault.kind, (done.get(fault.kind) ?? 0) + 1)
      yield* say(fault, was ? "begins" : "is left out")
      yield* begun.open
      if (!was) return
      yield* end
      yield* say(fault, "ends")
    }).pipe(
      Effect.timeoutOrElse({
        duration: "5 minutes",
        orElse: () => Effect.fail(new PostgresServerError({ message: `${fault.kind} does not end` }))
      }),
      Effect.ensuring(begun.open)
    )
    const fiber = yield* Effect.forkChild(lock === undefined ? whole : lock.withPermits(1)(whole))
    yield* begun.await
    yield* Effect.sleep(fault.pause)
    return fiber
  })

  return {
    all: (faults) =>
      Effect.flatMap(Effect.forEach(faults, one), (fibers) => Effect.forEach(fibers, Fiber.join, { discard: true })),
    done
  }
})

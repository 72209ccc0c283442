/**
 * A run: rounds of faults, each of which ends when everything has settled, and is judged.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Cluster from "./Cluster.ts"
import * as Control from "./Control.ts"
import * as Evidence from "./Evidence.ts"
import * as Faults from "./Faults.ts"
import * as Oracle from "./Oracle.ts"
import * as Plan from "./Plan.ts"
import * as Workers from "./Workers.ts"

/** The harness can't do its work. */
export class ChaosError extends Data.TaggedError("ChaosError")<{ readonly message: string; readonly cause: unknown }> {
  /** `main.ts` prints the message. */
  override readonly [Runtime.errorReported] = false
}

export interface Options {
  readonly seed: string
  /** The run ends with the first round that ends after this time. */
  readonly time: Duration.Duration
  /** Or with the first one after so many kills. */
  readonly kills?: number | undefined
  readonly workers: number
  readonly writers: number
  /** How many faults a round has. */
  readonly faults: number
}

export interface Report {
  readonly seed: string
  readonly rounds: number
  readonly done: ReadonlyMap<Plan.Kind, number>
  readonly isBounded: boolean
  readonly messages: number
  readonly acknowledged: number
  readonly handled: number
  readonly reactions: number
  /** How often tables were compared with the log. */
  readonly compared: number
  readonly violations: ReadonlyArray<Oracle.Violation>
  /** Where journals and evidence are, when something is wrong. */
  readonly folder: string | undefined
}

export const killsIn = (done: ReadonlyMap<Plan.Kind, number>): number =>
  Plan.kills.reduce((sum, kind) => sum + (done.get(kind) ?? 0), 0)

/** How long everything may take to settle after the last fault: far longer than any time-out, also on a busy machine. */
const patience = "4 minutes"

/** A folder that is removed with the scope, unless it is to be kept. */
const temporary = Effect.acquireRelease(
  Effect.sync(() => ({ path: mkdtempSync(join(tmpdir(), "eventfold-chaos-")), isKept: false })),
  ({ isKept, path }) => Effect.sync(() => isKept ? undefined : rmSync(path, { recursive: true, force: true }))
)

/** What JSON has no form for, as something that it has one for. */
const plain = (_: string, value: unknown) =>
  typeof value === "bigint" ? String(value) : value instanceof Map ? [...value] : value

type Say = (line: string) => Effect.Effect<void>

/** Runs rounds until the time is over, or something is wrong. */
export const run = Effect.fnUntraced(function*(
  options: Options,
  say: Say
): Effect.fn.Return<Report, ChaosError, Scope.Scope> {
  const folder = yield* temporary
  const control = join(folder.path, "control.json")
  Control.write(control, { pause: 0, mended: false })
  const cluster = yield* Effect.mapError(
    Cluster.make,
    (cause) => new ChaosError({ message: `there are no servers: ${cause.message}`, cause })
  )
  const { url } = cluster
  const workers = yield* Effect.mapError(
    Workers.make({ count: options.workers, writers: options.writers, url, folder: folder.path, control }),
    (cause) => new ChaosError({ message: cause.message, cause })
  )
  const detail = (fault: Plan.Fault, what: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.sync(() =>
        writeFileSync(
          join(folder.path, "faults.log"),
          `${new Date(now).toISOString()} ${fault.kind} ${what}, victim ${fault.victim}, ${fault.millis} ms\n`,
          { flag: "a" }
        )
      ))
  const faults = yield* Faults.make(cluster, workers, detail)
  if (!cluster.isBounded) yield* say("no tmpfs may be mounted here: no disk is filled")

  const begun = yield* Clock.currentTimeMillis
  const violations: Array<Oracle.Violation> = []
  const before = new Map<string, number>()
  const counted = { messages: 0, acknowledged: 0, handled: 0, reactions: 0, compared: 0 }
  let rounds = 0
  let after = 0
  let known = 0n

  /** Compares tables with the log while both change, as often as the server answers. */
  const observe = (round: number, glances: Array<Oracle.Table>) =>
    Effect.gen(function*() {
      yield* Effect.sleep("1 second")
      const tables = yield* Effect.scoped(Effect.provide(Evidence.glance(round, after), Evidence.client(url))).pipe(
        Effect.timeoutOrElse({ duration: "20 seconds", orElse: () => Effect.succeed([]) }),
        // The server is away.
        Effect.catch(() => Effect.succeed([]))
      )
      counted.compared += tables.length
      glances.push(...tables.filter((table) => Oracle.difference(table).length > 0))
    }).pipe(Effect.forever)

  /** Judges a round that has settled, or has not in time. */
  const judge = Effect.fnUntraced(function*(
    round: number,
    glances: ReadonlyArray<Oracle.Table>,
    tooLate: ReadonlyArray<string>
  ) {
    const last = yield* Evidence.lastPosition
    if (known !== (yield* Evidence.digest(0, after))) {
      violations.push({ kind: "lost", what: "messages of earlier rounds have changed or are gone" })
    }
    known += yield* Evidence.digest(after, last)
    const lines = yield* workers.lines
    const unexpected = [...tooLate, ...yield* workers.unexpected]
    const evidence = yield* Evidence.collect({ round, after, last, before, lines, glances, unexpected })
    violations.push(...Oracle.judge(evidence))
    for (const { position, stream } of evidence.log) before.set(stream, position + 1)
    counted.messages += evidence.log.length
    counted.acknowledged += evidence.acknowledged.length
    counted.handled += evidence.handled.length
    counted.reactions += evidence.reactions.flatMap(({ effects }) => [...effects.values()].flat()).length
    counted.compared += evidence.tables.length - glances.length
    after = last
    if (violations.length === 0) return
    folder.isKept = true
    writeFileSync(join(folder.path, "evidence.json"), JSON.stringify({ violations, evidence }, plain))
  })

  const round = Effect.fnUntraced(function*(number: number) {
    const glances: Array<Oracle.Table> = []
    Control.write(control, { round: number, pause: number, mended: false })
    const observer = yield* Effect.forkChild(observe(number, glances))
    yield* faults.all(yield* Plan.round(options.seed, number, options.faults))

    yield* cluster.heal
    const tooLate: Array<string> = []
    const inTime = (what: string) => <E, R>(effect: Effect.Effect<unknown, E, R>) =>
      Effect.timeoutOrElse(Effect.asVoid(effect), {
        duration: patience,
        orElse: () => Effect.sync(() => void tooLate.push(`waited ${patience} in vain until ${what}`))
      })
    for (let index = 0; index < workers.count; index++) {
      yield* workers.thaw(index)
      yield* workers.proxy(index).cutSilent
    }
    Control.write(control, { pause: number + 1, mended: true })
    const paused = Effect.repeat(Effect.delay(workers.havePaused(number + 1), "20 millis"), { until: Boolean })
    yield* inTime("the writers have ended their appends")(paused)
    yield* Fiber.interrupt(observer)
    yield* inTime("everything is handled")(Evidence.settled(after)).pipe(
      Effect.andThen(judge(number, glances, tooLate)),
      Effect.provide(Evidence.stores(url))
    )
  })

  const work = Effect.gen(function*() {
    let isOver = false
    while (!isOver) {
      const start = yield* Clock.currentTimeMillis
      yield* Effect.scoped(round(++rounds))
      const now = yield* Clock.currentTimeMillis
      const kills = killsIn(faults.done)
      yield* say(
        `round ${rounds}: ${kills} kills, ${counted.acknowledged} acknowledged, ${counted.messages} messages, `
          + `${violations.length === 0 ? "nothing wrong" : `${violations.length} wrong`} (${
            Math.round((now - start) / 1_000)
          } s)`
      )
      isOver = violations.length > 0 || now - begun >= Duration.toMillis(options.time)
        || kills >= (options.kills ?? Number.MAX_SAFE_INTEGER)
    }
  })
  yield* Effect.mapError(work, (cause) => {
    folder.isKept = true
    const message =
      `Seed ${options.seed}, round ${rounds} could not be done: ${cause.message}\nIts logs are in ${folder.path}`
    return new ChaosError({ message, cause })
  })
  return {
    seed: options.seed,
    rounds,
    done: faults.done,
    isBounded: cluster.isBounded,
    ...counted,
    violations,
    folder: folder.isKept ? folder.path : undefined
  }
})

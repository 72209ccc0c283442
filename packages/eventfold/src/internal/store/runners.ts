/**
 * What runs in this program, and how the store is told.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { RunningStatus } from "../../ConsumerStatus.ts"
import type { FailureReport } from "../../FailureReport.ts"
import type { RunnersBackend } from "../../StoreBackend.ts"
import type { StoreError } from "../../StoreError.ts"
import { boundedText } from "../runtime/boundedJson.ts"
import { log } from "../runtime/log.ts"
import { Run, type Runner } from "./toldRunners.ts"

/**
 * Whether the program tells the store what runs in it. It is read when the layer of a store is built. Defaults to true. Without it
 * other programs don't see what runs here.
 *
 * @category options
 * @since 0.1.0
 */
export const Telling: Context.Reference<boolean> = Context.Reference("eventfold/Runners/Telling", {
  defaultValue: () => true
})

/** What runs, and how to ask it what it does. */
export interface Running extends Omit<Run, "since" | "status"> {
  readonly status: Effect.Effect<RunningStatus>
}

/** What runs in this program. */
export interface Runners {
  /** Tells of a run as long as the effect takes. */
  readonly during: <A, E, R>(running: Running, run: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly list: Effect.Effect<ReadonlyArray<Runner>, StoreError>
}

/** How many of the messages that are being retried are told. */
const toldStuck = 10

/** How many failures of a program are told in full. A report has 8,000 characters, and the row is written each second. */
const toldInFull = 100

/** How much of the tag and of the message is told of another failure. */
const toldShort = 200

const shortened = ({ kind, message, tag }: FailureReport): FailureReport => ({
  kind,
  tag: boundedText(tag, { left: toldShort }),
  message: boundedText(message, { left: toldShort }),
  fields: {}
})

const inShort = <A extends { readonly failure: FailureReport }>(one: A): A => ({
  ...one,
  failure: shortened(one.failure)
})

/** The runs as they are told: beyond the failures in full, each has one message that is being retried, and failures in short. */
const bounded = (runs: ReadonlyArray<Run>): ReadonlyArray<Run> => {
  let left = toldInFull
  return runs.map((run) => {
    const { lastFailure, stuck } = run.status
    left -= stuck.length + (Option.isSome(lastFailure) ? 1 : 0)
    if (left >= 0) return run
    return {
      ...run,
      status: { ...run.status, stuck: stuck.slice(0, 1).map(inShort), lastFailure: Option.map(lastFailure, inShort) }
    }
  })
}

/** How often at least, in seconds. */
const heartbeat = 10

/** From one look at so many runs to the next, in seconds: thousands of them take milliseconds to look at. */
const intervalOf = (runs: number): number => Math.min(heartbeat, Math.max(1, Math.floor(runs / 200)))

/** The pause after the store could not be told. A standby takes no rows at all. */
const pauseOfFailure = Duration.seconds(10)

/** How long the end of a program waits for the store to take the row away. */
const removalLimit = "1 second"

const encodeRuns = Schema.encodeEffect(Schema.toCodecJson(Schema.Array(Run)))

/**
 * Tells the store while something runs, and repeats it when something has changed, or after {@link heartbeat} seconds. Takes the row away when
 * nothing runs any longer.
 */
const tell = Effect.fnUntraced(function*(
  backend: RunnersBackend,
  startedAt: DateTime.Utc,
  runs: Effect.Effect<ReadonlyArray<Run>>,
  isRunning: Latch.Latch
) {
  let hasRow = false
  let told = ""
  /** For how many seconds nothing was told. */
  let quiet = 0
  let interval = intervalOf(0)
  const remove = Effect.map(backend.remove, () => {
    hasRow = false
    told = ""
  })
  const look = Effect.gen(function*() {
    const current = yield* runs
    if (current.length === 0) return hasRow ? yield* remove : undefined
    // A status is made of what the schema describes.
    const json = yield* Effect.orDie(encodeRuns(bounded(current)))
    const text = JSON.stringify(json)
    interval = intervalOf(current.length)
    quiet += interval
    if (text === told && quiet < heartbeat) return
    hasRow = true
    yield* backend.put({ startedAt, runs: json })
    told = text
    quiet = 0
  })
  // The runs go on: others only hear nothing of them meanwhile.
  const looked = Effect.matchEffect(look, {
    onSuccess: () => Effect.succeed(Duration.seconds(interval)),
    onFailure: ({ message }) =>
      Effect.as(log("Debug", "the store could not be told what runs here", { error: message }), pauseOfFailure)
  })
  const removed = remove.pipe(
    Effect.interruptible,
    Effect.timeout(removalLimit),
    Effect.catch(({ message }) =>
      log("Debug", "the store could not be told that nothing runs here any longer", { error: message })
    )
  )
  return yield* Effect.suspend(() => hasRow ? Effect.void : isRunning.await).pipe(
    Effect.andThen(Effect.flatMap(looked, Effect.sleep)),
    Effect.forever,
    Effect.onInterrupt(() => hasRow ? removed : Effect.void)
  )
})

export const make = Effect.fnUntraced(function*(backend: RunnersBackend | undefined) {
  const running = new Map<Running, DateTime.Utc>()
  const isRunning = yield* Latch.make()
  // No random number of the program's own: a spec counts on them.
  const id = backend?.id ?? "this program"
  const startedAt = yield* DateTime.now
  const isTelling = backend !== undefined && Context.get(yield* Effect.context<never>(), Telling)

  const runs = Effect.suspend(() =>
    Effect.forEach(running, ([{ category, id, kind, status }, since]) =>
      Effect.map(status, (status): Run => ({
        kind,
        id,
        category,
        since,
        status: { ...status, stuck: status.stuck.slice(0, toldStuck) }
      })))
  )

  const own = Effect.gen(function*() {
    if (running.size === 0) return []
    const runner: Runner = {
      id,
      host: backend?.host,
      pid: backend?.pid,
      startedAt,
      toldAt: yield* DateTime.now,
      isStale: false,
      runs: yield* runs
    }
    return [runner]
  })

  if (isTelling) yield* Effect.forkScoped(tell(backend, startedAt, runs, isRunning))

  const runners: Runners = {
    during: (one, run) =>
      Effect.acquireUseRelease(
        Effect.flatMap(DateTime.now, (now) =>
          Effect.suspend(() => {
            running.set(one, now)
            return isRunning.open
          })),
        () => run,
        () =>
          Effect.suspend(() => {
            running.delete(one)
            return running.size === 0 ? isRunning.close : Effect.void
          })
      ),
    list: Effect.gen(function*() {
      const others = backend === undefined ? [] : yield* backend.list
      return [...yield* own, ...others.filter((other) => other.id !== id)]
    })
  }
  return runners
})

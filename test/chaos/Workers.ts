/**
 * The workers of a run: processes that the harness starts, kills, freezes and cuts off, each behind a proxy of its own.
 */
import * as Proxy from "@eventfold/test/support/Proxy"
import { until } from "@eventfold/test/support/Until"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"
import * as Journal from "./Journal.ts"
import { Settings } from "./worker.ts"

/** The worker cannot be made a program of. */
export class BundleError
  extends Data.TaggedError("BundleError")<{ readonly message: string; readonly cause: unknown }>
{}

/**
 * Makes one file of a worker and all that it uses: it starts in a third of the time, and changes to the sources during a run change
 * nothing.
 */
const bundle = (folder: string): Effect.Effect<string, BundleError> =>
  Effect.tryPromise({
    try: async () => {
      const file = join(folder, "worker.mjs")
      const build = await rolldown({
        input: fileURLToPath(new URL("worker.ts", import.meta.url)),
        platform: "node",
        logLevel: "silent"
      })
      await build.write({ file, format: "esm", codeSplitting: false })
      await build.close()
      return file
    },
    catch: (cause) => new BundleError({ message: `the worker can't be bundled: ${String(cause)}`, cause })
  })

/** A worker from its start to its end. */
interface Life {
  readonly name: string
  readonly child: ChildProcess
  readonly journal: Effect.Effect<ReadonlyArray<Journal.Line>, Schema.SchemaError>
  isReady: boolean
  /** Whether the harness ends it. */
  isEnding: boolean
  /** The writers that have paused since the pause of this number. */
  paused: { readonly pause: number; readonly writers: ReadonlySet<number> }
}

export interface Workers {
  readonly count: number
  readonly proxy: (index: number) => Proxy.Proxy
  /** What its sessions are called. */
  readonly nameOf: (index: number) => string
  readonly kill: (index: number) => Effect.Effect<void>
  /** Asks it to stop, which it must do with the exit code 0. */
  readonly stop: (index: number) => Effect.Effect<void>
  readonly freeze: (index: number) => Effect.Effect<void>
  readonly thaw: (index: number) => Effect.Effect<void>
  readonly isReady: (index: number) => Effect.Effect<boolean>
  /** Whether all writers have ended their last append since the pause of this number. */
  readonly havePaused: (pause: number) => Effect.Effect<boolean>
  /** What the workers have written down since this was asked the last time. */
  readonly lines: Effect.Effect<ReadonlyArray<Journal.Line>>
  /** What has happened that no fault is a reason for, since this was asked the last time. */
  readonly unexpected: Effect.Effect<ReadonlyArray<string>>
}

const at = <A>(all: ReadonlyArray<A>, index: number): A => {
  const found = all[index % all.length]
  if (found === undefined) throw new Error(`there is no worker ${index}`)
  return found
}

const taken = <A>(all: Array<A>) => Effect.sync(() => all.splice(0))

const hasEnded = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null

export interface Options {
  readonly count: number
  readonly writers: number
  readonly url: string
  /** Where journals and logs are. */
  readonly folder: string
  readonly control: string
}

/** Starts the workers. The end of the scope kills them. */
export const make = Effect.fnUntraced(function*(
  { control, count, folder, url, writers }: Options
): Effect.fn.Return<Workers, BundleError, Scope.Scope> {
  const script = yield* bundle(folder)
  const proxies = yield* Effect.forEach(Array.from({ length: count }), () => Proxy.start(url))
  let lives = 0
  let isOver = false
  /** What is read of ended workers, until all is read. */
  const ended: Array<Life> = []
  const lines: Array<Journal.Line> = []
  const unexpected: Array<string> = []

  const launch = (index: number): Life => {
    const name = `worker ${index}`
    const file = join(folder, `worker-${index}-${++lives}`)
    const journal = `${file}.jsonl`
    const log = openSync(`${file}.log`, "a")
    const settings = Schema.encodeSync(Settings)({ url: at(proxies, index).url, name, journal, control, writers })
    const child = spawn(process.execPath, [script, settings], {
      stdio: ["pipe", log, log],
      // Compiled once for all of them.
      env: { ...process.env, NODE_COMPILE_CACHE: join(folder, "cache") }
    })
    closeSync(log)
    const life: Life = {
      name: `${name} (${file}.log)`,
      child,
      journal: Journal.reader(journal),
      isReady: false,
      isEnding: false,
      paused: { pause: -1, writers: new Set() }
    }
    child.once("exit", (code, signal) => {
      if (life.isEnding || isOver) return
      unexpected.push(`${life.name} has ended by itself, with ${signal ?? code}`)
      replace(index)
    })
    return life
  }
  const current: Array<Life> = []
  const replace = (index: number): void => {
    const life = current[index]
    if (life !== undefined) ended.push(life)
    current[index] = launch(index)
  }

  yield* Effect.acquireRelease(
    Effect.sync(() => Array.from({ length: count }, (_, index) => replace(index))),
    () =>
      Effect.gen(function*() {
        isOver = true
        for (const { child } of current) child.kill("SIGKILL")
        yield* until(
          "the workers have ended",
          Effect.sync(() => current.every(({ child }) => hasEnded(child)))
        )
      })
  )

  const read = (life: Life) =>
    Effect.map(Effect.orDie(life.journal), (more) => {
      for (const line of more) {
        if (line.what === "ready") life.isReady = true
        if (line.what === "paused") {
          const before = life.paused.pause === line.pause ? life.paused.writers : []
          life.paused = { pause: line.pause, writers: new Set([...before, line.writer]) }
        }
        lines.push(line)
      }
    })
  const readAll = Effect.gen(function*() {
    const over = ended.filter(({ child }) => hasEnded(child))
    yield* Effect.forEach([...ended, ...current], read, { discard: true })
    for (const life of over) ended.splice(ended.indexOf(life), 1)
  })

  const end = (index: number, signal: NodeJS.Signals) =>
    Effect.gen(function*() {
      const life = at(current, index)
      life.isEnding = true
      life.child.kill(signal)
      yield* until(`${life.name} has ended`, Effect.sync(() => hasEnded(life.child))).pipe(
        Effect.catchDefect((defect) =>
          Effect.sync(() => {
            unexpected.push(String(defect))
            life.child.kill("SIGKILL")
          })
        )
      )
      if (signal === "SIGTERM" && life.child.exitCode !== 0) {
        unexpected.push(
          `${life.name} was asked to stop and has ended with ${life.child.signalCode ?? life.child.exitCode}`
        )
      }
      replace(index)
    })

  return {
    count,
    proxy: (index) => at(proxies, index),
    nameOf: (index) => `worker ${index % count}`,
    kill: (index) => end(index % count, "SIGKILL"),
    stop: (index) => end(index % count, "SIGTERM"),
    freeze: (index) => Effect.asVoid(Effect.sync(() => at(current, index).child.kill("SIGSTOP"))),
    thaw: (index) => Effect.asVoid(Effect.sync(() => at(current, index).child.kill("SIGCONT"))),
    isReady: (index) => Effect.map(readAll, () => at(current, index).isReady),
    havePaused: (pause) =>
      Effect.map(
        readAll,
        () => current.every(({ paused }) => paused.pause === pause && paused.writers.size === writers)
      ),
    lines: Effect.andThen(readAll, taken(lines)),
    unexpected: taken(unexpected)
  }
})

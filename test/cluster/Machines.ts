/** Machines of a test: processes of this machine that run the worker, each with an address of its own. */
import * as Child from "@eventfold/test/support/Child"
import { until } from "@eventfold/test/support/Until"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Runners from "eventfold/Runners"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"

/** A port that nothing listens on now. */
export const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** A machine that runs. */
export interface Machine extends Child.Child {
  readonly name: string
  readonly pid: number
}

/** The members that each process has, by its pid, as the processes have told the store within the last second. */
export const members = Effect.map(Runners.list, (runners) =>
  new Map(
    runners.map(({ isStale, pid, runs }) => [
      isStale ? undefined : pid,
      runs.flatMap(({ status }) => status.positions.flatMap(({ member }) => member === undefined ? [] : [member]))
    ])
  ))

/** Starts machines, each of which can be started again in its place. */
export const make = Effect.fnUntraced(function*(url: string, count: number, size: number) {
  const scope = yield* Effect.scope
  const addresses = yield* Effect.forEach(
    Array.from({ length: count }, (_, index) => `w${index + 1}`),
    (name) => Effect.map(freePort, (port) => ({ name, address: `127.0.0.1:${port}` }))
  )
  const running = new Map<string, { readonly machine: Machine; readonly scope: Scope.Closeable }>()
  const started: Array<Machine> = []
  const script = fileURLToPath(new URL("worker.ts", import.meta.url))

  const start = Effect.fnUntraced(function*(name: string) {
    const address = addresses.find((one) => one.name === name)?.address ?? ""
    const own = yield* Scope.fork(scope)
    const child = yield* Child.start(script, [name, url, address, `${size}`]).pipe(Scope.provide(own))
    const machine: Machine = { ...child, name }
    running.set(name, { machine, scope: own })
    started.push(machine)
    return machine
  })

  /** Forgets a machine that has ended, and kills it if it has not. */
  const end = Effect.fnUntraced(function*(name: string) {
    const found = running.get(name)
    running.delete(name)
    if (found !== undefined) yield* Scope.close(found.scope, Exit.void)
  })

  /** Waits until these machines run all members, each of them on one. */
  const settled = (what: string) =>
    until(
      `the machines run all members ${what}`,
      Effect.map(members, (found) => {
        const pids = [...running.values()].map(({ machine }) => machine.pid)
        const all = pids.flatMap((pid) => found.get(pid) ?? [])
        const least = Math.floor(size / pids.length)
        return all.length === size && new Set(all).size === size &&
          pids.every((pid) => (found.get(pid)?.length ?? 0) >= least)
      })
    )

  return {
    /** What all machines that were ever started have printed: they print warnings. */
    printed: () => started.flatMap(({ lines }) => lines),
    names: addresses.map(({ name }) => name),
    running: () => [...running.values()].map(({ machine }) => machine),
    start,
    end,
    settled
  }
})

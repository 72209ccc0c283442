/** Three machines that share the members of a consumer, and are killed: where the members are, and what became of the messages. */
import { PgClient } from "@effect/sql-pg/PgClient"
import * as Cluster from "@eventfold/cluster/Cluster"
import * as Postgres from "@eventfold/postgres/Postgres"
import * as PostgresServer from "@eventfold/test/support/PostgresServer"
import { until } from "@eventfold/test/support/Until"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as StreamName from "eventfold/StreamName"
import { Counter, judge, makeTable, type Verdict } from "./Ledger.ts"
import * as Machines from "./Machines.ts"

export interface Options {
  readonly machines: number
  readonly members: number
  /** How many machines are killed, one after the other. */
  readonly kills: number
  /** What is done to them: SIGKILL, SIGTERM, or SIGSTOP until others have what they ran, and then SIGKILL. */
  readonly by: "kill" | "stop" | "freeze"
  /** The time between a kill and the next one, in milliseconds. */
  readonly pause: number
}

export interface Report extends Verdict {
  /** For each kill, how long it took until each of the members was at work elsewhere, in milliseconds. */
  readonly takeovers: ReadonlyArray<number>
}

const streams = 240

/** The members that have streams: of many members some have none, and nothing to take over. */
const withStreams = (size: number): ReadonlySet<number> =>
  new Set(
    Array.from({ length: streams }, (_, number) =>
      Option.getOrElse(StreamName.groupMember(`${Counter.categoryName}-${number}`, size), () => -1))
  )

/** Writes to all streams in turn, some hundreds of messages a second. */
const write = Effect.gen(function*() {
  let number = 0
  while (true) {
    const first = number
    number += 20
    yield* Effect.forEach(
      Array.from({ length: 20 }, (_, index) => first + index),
      (number) => Counter.append(`${number % streams}`, Counter.events.Counted({ number })),
      { concurrency: "unbounded", discard: true }
    )
    yield* Effect.sleep("50 millis")
  }
})

/** The time on the server's clock, in milliseconds. */
const now = Effect.gen(function*() {
  const sql = yield* PgClient
  const [row] = yield* sql<{ readonly now: number }>`
    SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::float8 AS now
  `
  return row?.now ?? 0
})

/** When other machines first handled messages of each of the members after a time; none when one of them has not. */
const takenOver = Effect.fnUntraced(
  function*(members: ReadonlyArray<number>, size: number, killed: string, at: number) {
    const sql = yield* PgClient
    const rows = yield* sql<{ readonly stream: string; readonly at: number }>`
    SELECT stream, (extract(epoch FROM pg_catalog.min(at)) * 1000)::float8 AS at FROM ledger
    WHERE worker <> ${killed} AND at > pg_catalog.to_timestamp(${at / 1000}) GROUP BY stream
  `
    const first = new Map<number, number>()
    for (const row of rows) {
      const member = Option.getOrElse(StreamName.groupMember(row.stream, size), () => -1)
      first.set(member, Math.min(row.at, first.get(member) ?? Number.POSITIVE_INFINITY))
    }
    const last = Math.max(...members.map((member) => first.get(member) ?? Number.POSITIVE_INFINITY))
    return Number.isFinite(last) ? Option.some(last - at) : Option.none<number>()
  }
)

export const median = (numbers: ReadonlyArray<number>): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0

const done = { kill: "is killed", stop: "is asked to stop", freeze: "is frozen" }

/** A line of where each member is. */
const line = Effect.fnUntraced(function*(machines: ReadonlyArray<Machines.Machine>, names: ReadonlyArray<string>) {
  const found = yield* Machines.members
  const time = DateTime.formatIso(yield* DateTime.now).slice(11, 21)
  const places = names.map((name) => {
    const machine = machines.find((one) => one.name === name)
    const members = machine === undefined ? undefined : found.get(machine.pid) ?? []
    return `${name} ${members === undefined ? "—" : members.toSorted((a, b) => a - b).join(" ")}`.padEnd(26)
  })
  return `${time}  ${places.join(" | ")}`
})

/** Runs it on a database of its own, and tells of it as it goes. */
const runOn = Effect.fnUntraced(function*(url: string, options: Options, print: (line: string) => Effect.Effect<void>) {
  const { by, kills, machines: count, members: size, pause } = options
  yield* makeTable
  yield* Cluster.install({ url: Redacted.make(url) })
  const machines = yield* Machines.make(url, count, size)
  yield* Effect.forEach(machines.names, machines.start, { concurrency: "unbounded" })
  const show = Effect.flatMap(Effect.suspend(() => line(machines.running(), machines.names)), print)
  const showing = yield* Effect.forkScoped(Effect.forever(Effect.andThen(show, Effect.sleep("1 second"))))
  const writing = yield* Effect.forkScoped(write)
  yield* machines.settled("at the beginning")

  const takeovers: Array<number> = []
  const busy = withStreams(size)
  for (let kill = 1; kill <= kills; kill++) {
    const all = machines.running()
    const victim = all[yield* Random.nextIntBetween(0, all.length - 1)]
    if (victim === undefined) break
    const members = (yield* Machines.members).get(victim.pid) ?? []
    const at = yield* now
    yield* by === "kill" ? machines.end(victim.name) : by === "stop" ? victim.terminate : victim.freeze
    yield* print(`          ${victim.name} ${done[by]}, with ${members.toSorted((a, b) => a - b).join(" ")}`)
    const taken = members.filter((member) => busy.has(member))
    if (taken.length > 0) {
      const found = takenOver(taken, size, victim.name, at)
      yield* until("the others have what it ran", Effect.map(found, Option.isSome))
      const took = Option.getOrElse(yield* found, () => 0)
      takeovers.push(took)
      yield* print(`          the others have them after ${Math.round(took)} ms`)
    }
    if (by === "stop") yield* until("the machine has stopped", victim.ended)
    yield* machines.end(victim.name)
    yield* machines.start(victim.name)
    yield* Effect.sleep(pause)
    yield* machines.settled("after a kill")
  }

  yield* Fiber.interrupt(writing)
  yield* until("everything is handled", Effect.map(judge, ({ skipped }) => skipped === 0)).pipe(Effect.ignoreCause)
  yield* show
  yield* Fiber.interrupt(showing)
  const report: Report = { ...yield* judge, takeovers }
  return report
})

/** Starts a PostgreSQL and the machines, and removes them all at the end. */
export const run = (options: Options, print: (line: string) => Effect.Effect<void>) =>
  Effect.gen(function*() {
    const { url } = yield* PostgresServer.start()
    const Database = Postgres.layerClient({ install: true }).pipe(
      Layer.provideMerge(Postgres.layerPool({ url: Redacted.make(url) }))
    )
    return yield* Effect.provide(runOn(url, options, print), Database)
  }).pipe(Effect.scoped)

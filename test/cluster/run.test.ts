/**
 * Machines as processes, on one database: how members are shared out, and what becomes of the messages when machines stop, are killed and
 * are frozen.
 */
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Cluster from "@eventfold/cluster/Cluster"
import { Pglite } from "@eventfold/pglite"
import * as Postgres from "@eventfold/postgres/Postgres"
import * as Database from "@eventfold/test/support/Database"
import { until } from "@eventfold/test/support/Until"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import * as Commands from "eventfold/Commands"
import * as Entity from "eventfold/Entity"
import * as MessageStore from "eventfold/MessageStore"
import { Counter, judge, makeTable } from "./Ledger.ts"
import * as Machines from "./Machines.ts"

/** Writes to 300 streams in turn until it is interrupted. */
const write = Effect.gen(function*() {
  let number = 0
  while (true) {
    yield* Effect.forEach(
      Array.from({ length: 20 }, () => number++),
      (number) => Counter.append(`${number % 300}`, Counter.events.Counted({ number })),
      { concurrency: "unbounded", discard: true }
    )
    yield* Effect.sleep("50 millis")
  }
})

/** How many members each machine has, the most first. */
const counts = (machines: { readonly running: () => ReadonlyArray<Machines.Machine> }) =>
  Effect.map(
    Machines.members,
    (found) => machines.running().map(({ pid }) => found.get(pid)?.length ?? 0).toSorted((a, b) => b - a)
  )

const connected = Effect.gen(function*() {
  const { url } = yield* Database.Database
  const Store = Postgres.layerClient().pipe(Layer.provideMerge(Postgres.layerPool({ url: Redacted.make(url) })))
  return { url, Store }
})

layer(Database.layer(), { excludeTestServices: true })("three machines", (it) => {
  it.effect("share 96 members evenly, through stops, kills and a freeze, and no message is missing or out of order", () =>
    Effect.gen(function*() {
      const { Store, url } = yield* connected
      yield* Effect.gen(function*() {
        yield* makeTable
        yield* Cluster.install({ url: Redacted.make(url) })
        const machines = yield* Machines.make(url, 3, 96)
        yield* Effect.forEach(machines.names, machines.start, { concurrency: "unbounded" })
        const writing = yield* Effect.forkScoped(write)
        yield* machines.settled("at the beginning")
        assert.deepStrictEqual(yield* counts(machines), [32, 32, 32])

        // A rolling deploy: each stops, and another one comes in its place.
        for (const name of machines.names) {
          const stopped = machines.running().find((one) => one.name === name)
          if (stopped === undefined) return assert.fail(`${name} does not run`)
          yield* stopped.terminate
          yield* until(`${name} has stopped`, stopped.ended)
          assert.strictEqual(yield* stopped.exitCode, 0)
          yield* machines.end(name)
          yield* machines.settled(`without ${name}`)
          assert.deepStrictEqual(yield* counts(machines), [48, 48])
          yield* machines.start(name)
          yield* machines.settled(`with ${name} again`)
        }
        assert.deepStrictEqual(yield* counts(machines), [32, 32, 32])
        // On a machine that is too busy to answer for seconds a lease may be lost, which says so.
        const isTooBusy = machines.printed().some((line) => line.includes("lost its lease"))
        if (!isTooBusy) assert.strictEqual((yield* judge).repeated, 0)

        const [killed, frozen] = machines.running()
        if (killed === undefined || frozen === undefined) return assert.fail("machines are missing")
        yield* machines.end(killed.name)
        yield* machines.settled("after a kill")
        assert.deepStrictEqual(yield* counts(machines), [48, 48])

        yield* frozen.freeze
        const others = () => machines.running().filter(({ name }) => name !== frozen.name)
        yield* until(
          "the last machine has all members",
          Effect.map(Machines.members, (found) => others().every(({ pid }) => found.get(pid)?.length === 96))
        )
        yield* frozen.thaw
        yield* machines.settled("after a freeze")

        yield* Fiber.interrupt(writing)
        yield* until("everything is handled", Effect.map(judge, ({ skipped }) => skipped === 0))
        const { handled, outOfOrder } = yield* judge
        assert.strictEqual(outOfOrder, 0)
        assert.isAbove(handled, 300)
      }).pipe(Effect.provide(Store))
    }))
})

class Account extends Category.make("account", { Deposited: { cents: Schema.Int } }) {}

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { cents }) => balance + cents }
})

/** Commands that tell which machine has decided them. */
const commandsOf = (decided: (id: number) => void) =>
  Commands.make(Balance, {
    Deposit: {
      payload: { cents: Schema.Int, at: Schema.Int },
      success: Schema.Int,
      decide: (balance, { at, cents }) => {
        decided(at)
        return Entity.reply(Account.events.Deposited({ cents }), balance + cents)
      }
    }
  })

layer(Database.layer(), { excludeTestServices: true })("commands", (it) => {
  it.effect("on one entity are decided by one machine, wherever they are called", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      yield* Cluster.install({ url: Redacted.make(url), shards: 30 })
      /** A machine in this process: a store, a place in the cluster, and what it has decided. */
      const open = Effect.fnUntraced(function*(name: string) {
        const decided: Array<string> = []
        const commands = commandsOf((at) => decided.push(`${name} ${at}`))
        const port = yield* Machines.freePort
        const context = yield* Layer.build(
          Cluster.layer({ url: Redacted.make(url), address: `127.0.0.1:${port}`, shards: 30, commands: [commands] })
            .pipe(
              Layer.provideMerge(Postgres.layer({ url: Redacted.make(url) }))
            )
        )
        return { commands, context, decided }
      })
      const [a, b] = [yield* open("a"), yield* open("b")]
      const call = (machine: typeof a, id: number, at: number) =>
        Effect.provideContext(machine.commands.Deposit(`${id}`, { cents: 1, at }), machine.context)
      const ids = Array.from({ length: 12 }, (_, id) => id)
      let rounds = 0
      /** Each machine calls commands on each entity, many at a time. Gives who has decided those of each. */
      const round = Effect.gen(function*() {
        rounds += 1
        a.decided.length = 0
        b.decided.length = 0
        yield* Effect.forEach(
          ids.flatMap((id) => [a, b, a, b, a, b].map((machine) => ({ id, machine }))),
          ({ id, machine }) => call(machine, id, id),
          { concurrency: 24, discard: true }
        )
        return ids.map((id) => [...a.decided, ...b.decided].filter((one) => one.endsWith(` ${id}`)))
      })
      // While the second machine joins, shards move.
      yield* until(
        "each entity has one machine, which decides each of its commands once, and both have some",
        Effect.map(round, (by) =>
          by.every((all) =>
            all.length === 6 && new Set(all).size === 1
          ) && a.decided.length > 0 &&
          b.decided.length > 0)
      )
      for (const id of ids) {
        const after = rounds * 6
        assert.strictEqual((yield* Effect.provideContext(Balance.load(`${id}`), a.context)).state, after)
        const { reply, state } = yield* call(a, id, id)
        assert.deepStrictEqual([reply, state], [after + 1, after + 1])
      }
    }))

  it.effect("are not sent by a machine that counts other shards, or has no tables", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const redacted = Redacted.make(url)
      const failing = (options: Partial<Cluster.Options>) =>
        Layer.build(Cluster.layer({ url: redacted, address: "127.0.0.1:1", ...options })).pipe(
          Effect.provide(
            Postgres.layer({
              url: redacted,
              ...options.schema !== undefined && { install: true, schema: options.schema }
            })
          ),
          Effect.scoped,
          Effect.flip
        )
      yield* Cluster.install({ url: redacted })
      const changed = yield* failing({ shards: 12 })
      assert.instanceOf(changed, Cluster.ShardsChanged)
      assert.strictEqual(changed.given, 12)
      const missing = yield* failing({ schema: "shop_eu" })
      assert.deepStrictEqual(missing, new Cluster.ClusterMissing({ schema: "shop_eu__cluster" }))
    }))

  it.effect("are refused for a store that is not where the url leads to", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const redacted = Redacted.make(url)
      const refused = (store: Layer.Layer<MessageStore.MessageStore, unknown>) =>
        Cluster.layer({ url: redacted, address: "127.0.0.1:1" }).pipe(
          Layer.provide(store),
          Layer.build,
          Effect.scoped,
          Effect.flip
        )
      const elsewhere = [
        MessageStore.layerMemory,
        Pglite.layer(),
        Postgres.layer({ url: redacted, schema: "shop_de", install: true })
      ]
      for (const store of elsewhere) assert.instanceOf(yield* refused(store), Cluster.OtherStore)
    }))

  it.effect("find tables that several machines have made at once", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const install = Cluster.install({ url: Redacted.make(url), schema: "shop_us", shards: 12 })
      yield* Effect.all([install, install, install, install], { concurrency: 4 })
      const refused = yield* Cluster.layer({
        url: Redacted.make(url),
        schema: "shop_us",
        address: "127.0.0.1:1",
        shards: 13
      }).pipe(
        Layer.provide(Postgres.layer({ url: Redacted.make(url), schema: "shop_us", install: true })),
        Layer.build,
        Effect.scoped,
        Effect.flip
      )
      assert.deepStrictEqual(refused, new Cluster.ShardsChanged({ recorded: 12, given: 13 }))
    }))

  it.effect("count other shards once no machine runs", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const sql = yield* PgClient
      const redacted = Redacted.make(url)
      yield* sql`UPDATE eventfold_cluster.cluster_runners SET last_heartbeat = now()`
      yield* sql`
        INSERT INTO eventfold_cluster.cluster_runners (address, runner) VALUES ('10.0.0.5:4500', '{}')
      `
      const refused = yield* Effect.flip(Cluster.install({ url: redacted, shards: 7 }))
      assert.instanceOf(refused, Cluster.ClusterIsRunning)
      yield* sql`DELETE FROM eventfold_cluster.cluster_runners`
      yield* Cluster.install({ url: redacted, shards: 7 })
      const [row] = yield* sql<{ readonly shards: number }>`SELECT shards FROM eventfold_cluster.settings`
      assert.strictEqual(row?.shards, 7)
    }).pipe(Effect.provide(Layer.unwrap(Effect.map(connected, ({ Store }) => Store)))))
})

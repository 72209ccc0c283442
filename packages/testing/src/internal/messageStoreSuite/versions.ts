import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import * as Entity from "eventfold/Entity"
import * as EntityCache from "eventfold/EntityCache"
import type { RecordedMessage } from "eventfold/Message"
import { type MessageStore } from "eventfold/MessageStore"
import * as Parking from "eventfold/Parking"
import { type It, newCategory, readCategory, readStream, upTo } from "./fixtures.ts"

const together = { concurrency: "unbounded" } as const

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** What the tests need of a build of a program. Amounts are in cents, whatever the build stores. */
interface Build {
  readonly deposit: (
    id: string,
    cents: number
  ) => Effect.Effect<number, Entity.LoadError | { readonly _tag: string }, MessageStore>
  readonly balance: (id: string) => Effect.Effect<number, Entity.LoadError, MessageStore>
  /** A consumer that offers the amounts that it sees. */
  readonly consumer: (
    id: string,
    seen: Queue.Queue<number>,
    options?: Consumer.Options
  ) => Consumer.Consumer<Category.DecodeError, never>
}

const euros = (cents: number) => cents / 100
const toCents = (amount: number) => Math.round(amount * 100)

const sum = { state: Schema.Int, initial: 0 }

/** The first build: it knows euros alone. */
const firstBuild = (name: string): Build => {
  const category = Category.make(name as "account", { Deposited: { amount: Schema.Finite } })
  const balance = Entity.make(category, {
    ...sum,
    evolve: { Deposited: (cents, { amount }) => cents + toCents(amount) }
  })
  return {
    deposit: (id, cents) =>
      Effect.map(
        balance.transact(id, () => category.events.Deposited({ amount: euros(cents) })),
        ({ state }) => state
      ),
    balance: (id) => Effect.map(balance.load(id), ({ state }) => state),
    consumer: (id, seen, options) =>
      Consumer.make(id, options).on(category, {
        Deposited: ({ data: { amount } }) => Queue.offer(seen, toCents(amount))
      })
  }
}

const versions = Category.version({ amount: Schema.Finite })
  .upcast({ cents: Schema.Int }, ({ amount }) => ({ cents: toCents(amount) }))

/** A build that knows cents. `writes` is how it declares the event. */
const nextBuild = (name: string, event: Category.Versioned<{ readonly cents: typeof Schema.Int }>): Build => {
  const category = Category.make(name as "account", { Deposited: event })
  const balance = Entity.make(category, { ...sum, evolve: { Deposited: (sum, { cents }) => sum + cents } })
  return {
    deposit: (id, cents) =>
      Effect.map(balance.transact(id, () => category.events.Deposited({ cents })), ({ state }) => state),
    balance: (id) => Effect.map(balance.load(id), ({ state }) => state),
    consumer: (id, seen, options) =>
      Consumer.make(id, options).on(category, {
        Deposited: ({ data: { cents } }) => Queue.offer(seen, cents)
      })
  }
}

/** The build that is deployed first: it reads cents, and goes on writing euros. */
const secondBuild = (name: string): Build =>
  nextBuild(name, versions.writeAsBefore(({ cents }) => ({ amount: euros(cents) })))

/** The build that is deployed when every other is gone but the second: it writes cents. */
const thirdBuild = (name: string): Build => nextBuild(name, versions)

const ids = ["1", "2"]

/** Deposits at the same time by several builds, each to all accounts. Gives what was deposited. */
const depositAll = (builds: ReadonlyArray<Build>) =>
  Effect.map(
    Effect.forEach(
      builds.flatMap((build) => ids.flatMap((id) => upTo(10).map((i) => ({ build, id, cents: 101 + i })))),
      ({ build, cents, id }) => Effect.as(build.deposit(id, cents), cents),
      together
    ),
    (amounts) => amounts.toSorted()
  )

/** Runs consumers of several builds while something is written, until each has seen as many amounts as that gives. */
const consuming = <E, R>(
  name: string,
  builds: Record<string, Build>,
  write: Effect.Effect<ReadonlyArray<number>, E, R>
) =>
  Effect.gen(function*() {
    const running = yield* Effect.forEach(Object.entries(builds), ([id, build]) =>
      Effect.gen(function*() {
        const seen = yield* Queue.unbounded<number>()
        return { seen, fiber: yield* Effect.forkChild(Consumer.run(build.consumer(id, seen))) }
      }))
    const written = yield* write
    const all = yield* Effect.forEach(running, ({ fiber, seen }) =>
      Effect.raceFirst(Queue.takeN(seen, written.length), Effect.andThen(Fiber.join(fiber), Effect.never)))
    yield* Effect.forEach(running, ({ fiber }) =>
      Fiber.interrupt(fiber))
    for (const seen of all) {
      assert.deepStrictEqual(seen.toSorted(), written, name)
    }
    return written
  })

const total = (amounts: ReadonlyArray<number>) => amounts.reduce((sum, amount) => sum + amount, 0)

const schemaVersions = (messages: ReadonlyArray<RecordedMessage>) =>
  [
    ...new Set(
      messages.map(({ metadata }) => (metadata as { readonly schemaVersion?: string } | null)?.schemaVersion ?? "")
    )
  ].toSorted()

const rollingDeploys = (it: It) => {
  it.effect("two builds at once, of which one knows the old version alone, misread nothing, and then the new one is written", () =>
    Effect.gen(function*() {
      const name = yield* newCategory
      const [first, second, third] = [firstBuild(name), secondBuild(name), thirdBuild(name)]
      const balances = (build: Build) => Effect.map(Effect.forEach(ids, build.balance), total)

      let all = total(yield* consuming(name, { first, second }, depositAll([first, second])))
      assert.strictEqual(yield* balances(first), all)
      assert.strictEqual(yield* balances(second), all)
      assert.deepStrictEqual(schemaVersions(yield* readCategory(name)), ["", "1"])

      // Every program of the first build is gone. The consumers of the second and third see both versions.
      const next = depositAll([second, third])
      const seen: ReadonlyArray<number> = yield* Effect.scoped(Effect.gen(function*() {
        const more = yield* next
        const queue = yield* Queue.unbounded<number>()
        yield* Effect.forkScoped(Consumer.run(second.consumer("second", queue)))
        assert.deepStrictEqual((yield* Queue.takeN(queue, more.length)).toSorted(), more)
        yield* Effect.forkScoped(Consumer.run(third.consumer("third", queue)))
        const everything = yield* Queue.takeN(queue, 2 * more.length)
        assert.strictEqual(total(everything), all + total(more))
        return more
      }))
      all += total(seen)
      assert.strictEqual(yield* balances(second), all)
      assert.strictEqual(yield* balances(third), all)
      assert.deepStrictEqual(schemaVersions(yield* readCategory(name)), ["", "1", "2"])
    }))

  it.effect("a build that knows the old version alone refuses the new one: it neither misreads nor writes", () =>
    Effect.gen(function*() {
      const name = yield* newCategory
      const [first, third] = [firstBuild(name), thirdBuild(name)]
      yield* first.deposit("1", 1_000)
      yield* third.deposit("1", 250)

      for (const effect of [first.balance("1"), first.deposit("1", 1)]) {
        const error = yield* Effect.flip(effect)
        assert(error instanceof Category.DecodeError)
        assert.deepStrictEqual([error.position, error.path], [1, ["metadata", "schemaVersion"]])
        assert.match(error.reason, /^"2" is newer than what this program knows, which is version 1: deploy/)
      }
      assert.strictEqual((yield* readStream(`${name}-1`)).length, 2)

      const seen = yield* Queue.unbounded<number>()
      const stopped = yield* Effect.exit(quietly(Consumer.run(first.consumer("stopping", seen))))
      assert(Exit.isFailure(stopped))
      assert.deepStrictEqual(yield* Queue.takeAll(seen), [1_000])
      // It stands before the event that it could not read, for the next build to handle.
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Effect.forkScoped(Consumer.run(third.consumer("stopping", seen)))
        assert.strictEqual(yield* Queue.take(seen), 250)
      }))
    }))

  it.effect("a consumer that parks what it cannot read leaves it to the next build", () =>
    Effect.gen(function*() {
      const name = yield* newCategory
      const [first, third] = [firstBuild(name), thirdBuild(name)]
      const options: Consumer.Options = {
        onFailure: "park",
        retry: Schedule.recurs(0),
        poll: { min: "10 millis", max: "50 millis" }
      }
      const owner: Parking.Owner = { id: "parking", category: name }
      const seen = yield* Queue.unbounded<number>()
      yield* third.deposit("1", 250)
      yield* first.deposit("2", 1_000)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Effect.forkScoped(quietly(Consumer.run(first.consumer("parking", seen, options))))
        // The other stream goes on.
        assert.strictEqual(yield* Queue.take(seen), 1_000)
      }))
      const parked = yield* Stream.runCollect(Parking.list(owner))
      assert.deepStrictEqual(parked.map(({ stream }) => stream), [`${name}-1`])
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Effect.forkScoped(Consumer.run(third.consumer("parking", seen, options)))
        yield* Parking.replay(owner, { stream: `${name}-1` })
        assert.strictEqual(yield* Queue.take(seen), 250)
      }))
    }))
}

/** A down-conversion that loses something: cents become whole euros, and more than 100 of them are refused. */
const lossy = Effect.map(newCategory, (name) => {
  const category = Category.make(name as "account", {
    Deposited: versions.writeAsBefore(({ cents }) =>
      cents > 10_000 ? Effect.fail({ message: "too much" }) : Effect.succeed({ amount: Math.floor(cents / 100) })
    )
  })
  const balance = Entity.make(category, {
    ...sum,
    evolve: { Deposited: (sum, { cents }) => sum + cents },
    snapshots: { version: 1, every: 1 }
  })
  return { category, balance }
})

const folding = (it: It) => {
  it.effect("a state is folded from what was stored, when the old version holds less", () =>
    Effect.gen(function*() {
      const { balance, category } = yield* lossy
      const { events: { Deposited } } = category
      const written = yield* balance.transact("1", () => [Deposited({ cents: 250 }), Deposited({ cents: 199 })])
      assert.strictEqual(written.state, 300)
      assert.deepStrictEqual(written.events.map(({ data }) => data), [{ cents: 200 }, { cents: 100 }])
      for (const freshness of ["latest", "cached"] as const) {
        assert.strictEqual((yield* balance.load("1", { freshness })).state, 300)
      }

      const command = { commandId: "a command" }
      const sent = yield* balance.transact("1", () => Deposited({ cents: 555 }), command)
      const again = yield* balance.transact("1", () => Deposited({ cents: 555 }), command)
      assert.deepStrictEqual([sent.state, again.state], [800, 800])
      assert.deepStrictEqual(again.events.map(({ data }) => data), sent.events.map(({ data }) => data))

      const { entities: { a, b } } = yield* Entity.transactAll(
        { a: balance.at("1"), b: balance.at("2") },
        () => ({ a: Deposited({ cents: 150 }), b: Deposited({ cents: 250 }) })
      )
      assert.deepStrictEqual([a.state, b.state], [900, 200])
      assert.deepStrictEqual([a.events[0]?.data, b.events[0]?.data], [{ cents: 100 }, { cents: 200 }])
      assert.strictEqual((yield* balance.load("2", { freshness: "cached" })).state, 200)
    }).pipe(Effect.provide(EntityCache.layer({ capacity: 10 }))))

  it.effect("a down-conversion that refuses is an InvalidMessage, and nothing is written", () =>
    Effect.gen(function*() {
      const { balance, category } = yield* lossy
      const events = [1, 10_001].map((cents) => category.events.Deposited({ cents }))
      const appended = yield* Effect.flip(category.append("1", events))
      const decided = yield* Effect.flip(balance.transact("1", () => events))
      for (const error of [appended, decided]) {
        assert(error._tag === "InvalidMessage")
        assert.deepStrictEqual([error.index, error.path], [1, ["data"]])
        assert.strictEqual(error.reason, "cannot be written as version 1: too much")
      }
      assert.deepStrictEqual(yield* category.lastEvent("1"), Option.none())
    }))
}

export const tests = (it: It) => {
  describe("versions of events", () => {
    rollingDeploys(it)
    folding(it)
  })
}

/**
 * Two programs with caches transact on two entities in random interleavings. Each result is the one that the stream's events lead to.
 */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Option, Random, Schedule, Schema, Stream } from "effect"
import { Category, Entity, EntityCache, MemoryStore, MessageStore } from "eventfold"

const Account = Category.make("account", { Deposited: { amount: Schema.Int }, Withdrawn: { amount: Schema.Int } })

/** The state is all of the past, and the fold refuses one that never was. */
const Ledger = Entity.make(Account, {
  state: Schema.Array(Schema.Int),
  initial: [],
  evolve: {
    Deposited: (ledger, { amount }) => [...ledger, amount],
    Withdrawn: (ledger, { amount }) => {
      if (balanceOf(ledger) < amount) throw new Error("less than nothing")
      return [...ledger, -amount]
    }
  }
})

type Ledger = ReadonlyArray<number>

const balanceOf = (ledger: Ledger) => ledger.reduce((sum, amount) => sum + amount, 0)

const deposited = (amount: number) => Account.events.Deposited({ amount })

const withdrawn = (amount: number) => Account.events.Withdrawn({ amount })

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

const ids = ["1", "2"] as const

const otherThan = (id: string) => id === "1" ? "2" : "1"

const options = { retry: Schedule.recurs(1_000) }

/** What came out of a call: a state, and the balance that was decided on, before so many events. */
interface Outcome {
  readonly id: string
  readonly version: Option.Option<number>
  readonly state: Ledger
  readonly found?: number
  readonly events: number
  readonly command?: string
}

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

/** Lets other fibers go first, by chance. */
const pause = Effect.flatMap(
  Random.nextIntBetween(0, 4),
  (times) => Effect.forEach(range(times), () => Effect.yieldNow, { discard: true })
)

/** A program of its own: its store and its cache know nothing of the other's. */
const program = Effect.fnUntraced(function*(backend: Effect.Success<typeof MemoryStore.make>) {
  const store = yield* MessageStore.make({
    ...backend,
    append: (append) => Effect.andThen(pause, backend.append(append)),
    writeAll: (appends) => Effect.andThen(pause, backend.writeAll(appends)),
    readStream: (page) => Effect.andThen(pause, backend.readStream(page))
  })
  return Context.add(yield* Layer.build(EntityCache.layer({ capacity: 3 })), MessageStore.MessageStore, store)
})

/** One of the ways to use an entity, by chance. */
const call = Effect.fnUntraced(function*(commands: number) {
  const id = ids[yield* Random.nextIntBetween(0, 2)] ?? "1"
  const amount = yield* Random.nextIntBetween(1, 20)
  const command = `c-${yield* Random.nextIntBetween(0, commands)}`
  const way = yield* Random.nextIntBetween(0, 14)
  const transact = (
    decide: (
      ledger: Ledger
    ) => Effect.Effect<Entity.Decision<Category.Event<typeof Account>>, Refused, MessageStore.MessageStore>,
    commandId?: string
  ) =>
    Effect.map(
      Ledger.transact(
        id,
        (ledger) => Effect.map(decide(ledger), (events) => Entity.reply(events, balanceOf(ledger))),
        { ...options, commandId }
      ),
      ({ events, reply, state, version }): ReadonlyArray<Outcome> => [{
        id,
        state,
        version,
        found: reply,
        events: events.length,
        ...commandId !== undefined && { command: `${id} ${commandId}` }
      }]
    )
  const take = (ledger: Ledger) =>
    balanceOf(ledger) < amount ? Effect.fail(new Refused()) : Effect.succeed(withdrawn(amount))
  if (way < 3) return yield* transact(() => Effect.succeed(deposited(amount)))
  if (way < 5) return yield* transact(take)
  if (way < 7) return yield* transact(() => Effect.succeed(deposited(7)), command)
  if (way < 8) return yield* transact((ledger) => Effect.succeed([deposited(7), deposited(ledger.length)]), command)
  if (way < 9) return yield* transact((ledger) => Effect.andThen(Effect.yieldNow, take(ledger)))
  if (way < 10) return yield* transact(() => Effect.succeed([]))
  if (way < 12) {
    const loaded = yield* Ledger.load(id, { freshness: way === 10 ? "cached" : "latest" })
    return [{ ...loaded, id, events: 0 }]
  }
  if (way < 13) {
    const { entities } = yield* Entity.transactAll(
      { from: Ledger.at(id), to: Ledger.at(otherThan(id)) },
      ({ from }) => Effect.map(take(from), (taken) => ({ from: taken, to: deposited(amount) })),
      options
    )
    return [{ ...entities.from, id, events: 1 }, { ...entities.to, id: otherThan(id), events: 1 }]
  }
  const nested = Ledger.transact(otherThan(id), () => deposited(1), options)
  return yield* transact((ledger) => Effect.andThen(Effect.orDie(nested), Effect.succeed(deposited(ledger.length))))
})

const run = (seed: number) =>
  Effect.gen(function*() {
    const backend = yield* MemoryStore.make
    const programs = [yield* program(backend), yield* program(backend)] as const
    const outcomes: Array<Outcome> = []
    const noted = Effect.map(call(3 + (seed % 5) * 7), (found) => outcomes.push(...found))
    const one = Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(noted)
      if ((yield* Random.nextIntBetween(0, 10)) === 0) {
        yield* Effect.forEach(range(yield* Random.nextIntBetween(0, 30)), () => Effect.yieldNow)
        yield* Fiber.interrupt(fiber)
      }
      return yield* Fiber.await(fiber)
    })
    const exits = yield* Effect.forEach(
      range(150),
      (index) => Effect.provideContext(one, programs[index % 3 === 0 ? 1 : 0]),
      { concurrency: 2 + (seed % 7) * 4 }
    )
    for (const exit of exits) {
      const isExpected = Exit.isSuccess(exit) || Exit.hasInterrupts(exit) ||
        Option.exists(Exit.findErrorOption(exit), (error) => error instanceof Refused)
      assert.isTrue(isExpected, `seed ${seed}: ${exit}`)
    }
    for (const id of ids) {
      const events = yield* Effect.provideContext(Stream.runCollect(Account.readStream(id)), programs[0])
      const ledger = events.map(({ data: { amount }, type }) => type === "Deposited" ? amount : -amount)
      for (const each of programs) {
        const { state } = yield* Effect.provideContext(Ledger.load(id), each)
        assert.deepStrictEqual(state, ledger, `seed ${seed}`)
      }
      const versions = new Map<string, Option.Option<number>>()
      for (const { command, events, found, state, version } of outcomes.filter((outcome) => outcome.id === id)) {
        const count = Option.getOrElse(version, () => -1) + 1
        assert.deepStrictEqual(state, ledger.slice(0, count), `seed ${seed}`)
        if (found !== undefined) assert.strictEqual(found, balanceOf(ledger.slice(0, count - events)), `seed ${seed}`)
        if (command === undefined) continue
        assert.deepStrictEqual(version, versions.get(command) ?? version, `seed ${seed}`)
        versions.set(command, version)
      }
    }
  }).pipe(Random.withSeed(`interleaving ${seed}`), Effect.scoped)

it.live("what comes out of a transaction is what its stream's events lead to, in every interleaving", () =>
  Effect.forEach(range(40), run, { discard: true }))

import { assert, it } from "@effect/vitest"
import { Cluster } from "@eventfold/cluster"
import { Pglite } from "@eventfold/pglite"
import { Effect, Layer, Option, Redacted, Schema } from "effect"
import { Category, CommandRouter, Commands, Consumer, Entity, MessageStore, Metadata } from "eventfold"

class Account extends Category.make("account", {
  Deposited: { cents: Schema.Int, at: Schema.DateFromString },
  Withdrawn: { cents: Schema.Int }
}) {}

const Balance = Entity.make(Account, {
  state: Schema.Struct({ cents: Schema.Int, last: Schema.Option(Schema.DateFromString) }),
  initial: { cents: 0, last: Option.none() },
  evolve: {
    Deposited: ({ cents: before }, { at, cents }) => ({ cents: before + cents, last: Option.some(at) }),
    Withdrawn: (state, { cents }) => ({ ...state, cents: state.cents - cents })
  }
})

class Overdrawn extends Schema.TaggedError<Overdrawn>()("Overdrawn", { missing: Schema.BigInt }) {}

const at = new Date("2026-11-30T12:00:00Z")

const BalanceCommands = Commands.make(Balance, {
  Deposit: { payload: { cents: Schema.Int }, decide: (_, { cents }) => [Account.events.Deposited({ cents, at })] },
  Withdraw: {
    payload: { cents: Schema.Int },
    error: Overdrawn,
    success: Schema.Option(Schema.Int),
    decide: (state, { cents }) =>
      state.cents < cents
        ? Effect.fail(new Overdrawn({ missing: BigInt(cents - state.cents) }))
        : Effect.succeed(Entity.reply(Account.events.Withdrawn({ cents }), Option.some(state.cents - cents)))
  },
  Die: { payload: {}, decide: () => Effect.die("a mistake in the program") }
})

/** What each command gives, by itself and through the machine's router. */
const outcomes = (id: string) =>
  Effect.gen(function*() {
    const deposited = yield* BalanceCommands.Deposit(id, { cents: 100 }, { commandId: `${id}-1` })
    const again = yield* BalanceCommands.Deposit(id, { cents: 100 }, { commandId: `${id}-1` })
    const taken = yield* Effect.flip(BalanceCommands.Deposit(id, { cents: 5 }, { commandId: `${id}-1` }))
    const withdrawn = yield* BalanceCommands.Withdraw(id, { cents: 30 }, { commandId: `${id}-2` })
    const refused = yield* Effect.flip(BalanceCommands.Withdraw(id, { cents: 80 }))
    const run = yield* Commands.run(BalanceCommands, "Withdraw", id, { cents: 20 })
    const runRefused = yield* Commands.run(BalanceCommands, "Withdraw", id, { cents: 80 })
    const misfit = yield* Effect.flip(Commands.run(BalanceCommands, "Withdraw", id, { cents: "x" }))
    const { lastMessage } = yield* MessageStore.MessageStore
    const stored = yield* lastMessage(`account-${id}`)
    return {
      deposited,
      again,
      taken,
      withdrawn,
      refused,
      run,
      runRefused,
      misfit,
      metadata: Option.map(stored, ({ metadata }) => metadata)
    }
  }).pipe(Metadata.with({ properties: { tenant: "north" } }))

/** Positions in the log, ids and metadata of the store differ between two streams. */
const alike = <S, R>({ events, reply, state, version }: {
  readonly events: ReadonlyArray<{ readonly type: string; readonly data: unknown }>
  readonly reply: R
  readonly state: S
  readonly version: Option.Option<number>
}) => ({ state, version, reply, events: events.map(({ data, type }) => ({ type, data })) })

const comparable = ({ again, deposited, misfit, refused, run, runRefused, taken, withdrawn }: Effect.Success<
  ReturnType<typeof outcomes>
>) => ({
  transacted: [alike(deposited), alike(again)],
  withdrawn: alike(withdrawn),
  refused,
  taken: taken._tag,
  run: run._tag === "Accepted" ? { reply: run.reply, version: run.version } : run,
  runRefused,
  misfit
})

const stores = [
  { name: "in memory", store: MessageStore.layerMemory },
  { name: "on PGlite", store: Pglite.layer() }
]

for (const { name, store } of stores) {
  it.layer(store)(`a cluster of one machine ${name}`, (it) => {
    it.effect("decides commands as they are decided without it", () =>
      Effect.gen(function*() {
        const here = yield* outcomes("a1")
        const routed = yield* Effect.provide(outcomes("b1"), Cluster.layerTest({ commands: [BalanceCommands] }))
        assert.deepStrictEqual(comparable(routed), comparable(here))
        assert.deepStrictEqual(routed.deposited.events[0]?.id, routed.again.events[0]?.id)
        assert.deepInclude(Option.getOrThrow(routed.metadata), { properties: { tenant: "north" } })
        assert.deepStrictEqual(routed.deposited.state, { cents: 100, last: Option.some(at) })
        assert.deepStrictEqual(routed.withdrawn.reply, Option.some(70))
        assert.deepStrictEqual(routed.refused, new Overdrawn({ missing: 10n }))
        assert.deepStrictEqual(routed.again.globalPosition, routed.deposited.globalPosition)
        assert.strictEqual(routed.taken._tag, "CommandIdTaken")
        assert.strictEqual(routed.misfit._tag, "InvalidPayload")
      }))

    it.effect("goes on after a decision that dies", () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(BalanceCommands.Die("c1", {}))
        assert.strictEqual(exit._tag, "Failure")
        const { state } = yield* BalanceCommands.Deposit("c1", { cents: 1 })
        assert.strictEqual(state.cents, 1)
      }).pipe(Effect.provide(Cluster.layerTest({ commands: [BalanceCommands] }))))

    it.effect("that stops in the middle of a command leaves it to the caller", () =>
      Effect.gen(function*() {
        let decided = 0
        const interrupting = Commands.make(Balance, {
          Deposit: {
            payload: {},
            decide: () =>
              ++decided === 1 ? Effect.interrupt : Effect.succeed([Account.events.Deposited({ cents: 1, at })])
          }
        })
        const { state } = yield* Effect.provide(
          interrupting.Deposit("i1", {}),
          Cluster.layerTest({ commands: [interrupting] })
        )
        assert.deepStrictEqual([state.cents, decided], [1, 2])
      }))

    it.effect("is not asked in a transaction, nor for commands that it does not have", () =>
      Effect.gen(function*() {
        const { transaction } = yield* MessageStore.MessageStore
        const other = Commands.make(Balance, {
          Other: { payload: {}, decide: () => [Account.events.Deposited({ cents: 7, at })] }
        })
        assert.strictEqual((yield* other.Other("d1", {})).state.cents, 7)
        const rolledBack = yield* Effect.exit(
          transaction(Effect.andThen(BalanceCommands.Deposit("d1", { cents: 1 }), Effect.fail("no")))
        )
        assert.strictEqual(rolledBack._tag, "Failure")
        assert.strictEqual((yield* Balance.load("d1")).state.cents, 7)
      }).pipe(Effect.provide(Cluster.layerTest({ commands: [BalanceCommands] }))))

    it.effect("runs all readers", () =>
      Effect.gen(function*() {
        const consumer = Consumer.make("all", { group: { size: 5, members: [0, 1, 2, 3, 4] } }).on(Account, {})
        const running = yield* Consumer.start(consumer)
        const { globalPosition } = yield* BalanceCommands.Deposit("e1", { cents: 1 })
        yield* running.waitFor(globalPosition)
        assert.lengthOf((yield* running.status).positions, 5)
      }).pipe(Effect.scoped, Effect.provide(Cluster.layerTest())))
  })
}

it.layer(MessageStore.layerMemory)("the router", (it) => {
  it.effect("may be sent a command twice, which has one effect", () =>
    Effect.gen(function*() {
      const perform = (sent: CommandRouter.Sent) => Effect.asSome(Effect.orDie(Commands.perform(BalanceCommands, sent)))
      const store = yield* Effect.context<MessageStore.MessageStore>()
      const twice = Layer.succeed(
        CommandRouter.CommandRouter,
        Option.some({
          send: (sent: CommandRouter.Sent) => Effect.provideContext(Effect.andThen(perform(sent), perform(sent)), store)
        })
      )
      yield* Effect.provide(BalanceCommands.Deposit("f1", { cents: 5 }), twice)
      assert.strictEqual((yield* Balance.load("f1")).state.cents, 5)
    }))

  it.effect("that has no answer leaves the decision to the caller, under the same id", () =>
    Effect.gen(function*() {
      const store = yield* Effect.context<MessageStore.MessageStore>()
      const lost = Layer.succeed(
        CommandRouter.CommandRouter,
        Option.some({
          send: (sent: CommandRouter.Sent) =>
            Effect.provideContext(
              Effect.as(Effect.orDie(Commands.perform(BalanceCommands, sent)), Option.none()),
              store
            )
        })
      )
      const { state } = yield* Effect.provide(BalanceCommands.Deposit("g1", { cents: 5 }), lost)
      assert.strictEqual(state.cents, 5)
      assert.strictEqual((yield* Balance.load("g1")).state.cents, 5)
    }))
})

it.layer(MessageStore.layerMemory)("an address", (it) => {
  it.effect("that is none is refused before anything is opened", () =>
    Effect.gen(function*() {
      const url = Redacted.make("postgres://nobody@127.0.0.1:1/none")
      const built = (address: string) =>
        Effect.flip(Effect.scoped(Layer.build(Cluster.layer({ url, address, takeover: "2 seconds" }))))
      const error = yield* built("10.0.0.5")
      assert.deepStrictEqual(error, new Cluster.InvalidAddress({ option: "address", given: "10.0.0.5" }))
    }))
})

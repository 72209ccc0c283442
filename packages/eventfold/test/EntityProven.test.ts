/**
 * Decisions on a cached state that the append proves to be the latest. They save a read, and nothing else may show.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Latch, Option, Schedule, Schema } from "effect"
import { Entity, EntityCache, MessageStore, StoreError } from "eventfold"
import type { MessageId } from "eventfold/Message"
import { randomUUID } from "node:crypto"
import {
  Account,
  amounts,
  Balance,
  balance,
  deposited,
  storeOver,
  take,
  watched,
  withdrawn
} from "./support/account.ts"

const cache = EntityCache.layer({ capacity: 100 })

/** Without pauses and further attempts: what counts as an attempt shows. */
const once = { retry: Schedule.recurs(0) } as const

/** Writes as another program does, of which the cache hears nothing. */
const elsewhere = (id: string, ...events: ReadonlyArray<ReturnType<typeof deposited>>) => Account.append(id, events)

describe("a decision with a cache", () => {
  it.effect("reads nothing while only this program writes", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* Balance.load("1")
      for (const amount of [1, 2, 3]) {
        assert.deepStrictEqual(yield* during(Balance.transact("1", () => deposited(amount))), ["append account-1: 1"])
      }
      assert.deepStrictEqual(yield* amounts("1"), [1, 2, 3])
    }).pipe(Effect.provide([layer, cache]))
  })

  it.effect("is made again at once on the latest state when another program has written, which counts as no attempt", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* Balance.load("1")
      yield* elsewhere("1", deposited(7))
      const seen: Array<number> = []
      const transact = Balance.transact("1", ({ balance }) => {
        seen.push(balance)
        return deposited(balance)
      }, once)
      // The first append is refused, and the store that is watched notes only what has succeeded.
      assert.deepStrictEqual(yield* during(transact), ["read account-1 from 0: 1", "append account-1: 1"])
      assert.deepStrictEqual([seen, yield* amounts("1")], [[0, 7], [7, 7]])
    }).pipe(Effect.provide([layer, cache]))
  })

  it.effect("a conflict with the latest state is the first, and has the messages that it missed", () =>
    Effect.gen(function*() {
      yield* Balance.load("1")
      yield* elsewhere("1", deposited(1))
      let decisions = 0
      const conflict = yield* Effect.flip(
        Balance.transact("1", () => {
          decisions += 1
          return Effect.as(elsewhere("1", deposited(decisions * 10)), deposited(5))
        }, once)
      )
      assert.instanceOf(conflict, Entity.Conflict)
      assert.strictEqual(conflict.attempts, 1)
      assert.deepStrictEqual(conflict.missed.map(({ data }) => data), [{ amount: 20 }])
      assert.deepStrictEqual(yield* amounts("1"), [1, 10, 20])
    }).pipe(Effect.provide([MessageStore.layerMemory, cache])))

  it.effect("neither refuses nor succeeds for what is no longer so", () =>
    Effect.gen(function*() {
      yield* Balance.load("1")
      yield* elsewhere("1", deposited(10))
      assert.deepStrictEqual((yield* Balance.transact("1", take(10), once)).state, { balance: 0 })
      yield* Balance.transact("1", () => deposited(5))
      yield* Account.append("1", withdrawn(5))
      const refusal = yield* Effect.flip(Balance.transact("1", take(5), once))
      assert.strictEqual(refusal._tag, "InsufficientFunds")
      assert.deepStrictEqual(yield* amounts("1"), [10, -10, 5, -5])
    }).pipe(Effect.provide([MessageStore.layerMemory, cache])))

  it.effect("a defect, an event that does not fit and a taken id on an old state do not come out", () =>
    Effect.gen(function*() {
      yield* Balance.load("1")
      const { id } = yield* Effect.flatMap(
        elsewhere("2", deposited(1)),
        () => Effect.flatMap(MessageStore.MessageStore, (store) => store.lastMessage("account-2"))
      ).pipe(Effect.map(Option.getOrThrow))
      const onOldState = [
        () => Effect.die("not on this state"),
        () => deposited(0.5),
        () => ({ ...deposited(3), id }),
        () => []
      ]
      for (const decide of onOldState) {
        const { state: { balance: before } } = yield* Balance.load("1")
        yield* elsewhere("1", deposited(1))
        const { state } = yield* Balance.transact(
          "1",
          ({ balance }) => balance === before ? decide() : deposited(100),
          once
        )
        assert.deepStrictEqual(state, { balance: before + 101 })
      }
    }).pipe(Effect.provide([MessageStore.layerMemory, cache])))

  it.effect("a state that the events do not lead on from does not come out either", () => {
    const Strict = Entity.make(Account, {
      ...balance,
      evolve: {
        ...balance.evolve,
        Withdrawn: ({ balance }, { amount }) => {
          if (balance < amount) throw new Error("less than nothing")
          return { balance: balance - amount }
        }
      }
    })
    return Effect.gen(function*() {
      yield* Strict.load("1")
      yield* elsewhere("1", deposited(5))
      assert.deepStrictEqual((yield* Strict.transact("1", () => withdrawn(2), once)).state, { balance: 3 })
      assert.deepStrictEqual(yield* amounts("1"), [5, -2])
    }).pipe(Effect.provide([MessageStore.layerMemory, cache]))
  })

  it.effect("an event with an id of its own is decided on the latest state: its append succeeds at any version", () =>
    Effect.gen(function*() {
      const event = { ...deposited(5), id: randomUUID() as MessageId }
      yield* Balance.load("1")
      yield* elsewhere("1", event)
      const pay = ({ balance }: { readonly balance: number }) => balance > 0 ? Entity.reply([], "done before") : event
      const { reply } = yield* Balance.transact("1", pay)
      assert.strictEqual(reply, "done before")
    }).pipe(Effect.provide([MessageStore.layerMemory, cache])))

  it.effect("a failure of the store comes out, since the events may be written", () => {
    const lost = new StoreError.StoreError({ operation: "append", reason: "connection lost", isRetryable: true })
    let isLost = false
    const layer = storeOver((backend) => ({
      append: (append) => isLost ? Effect.andThen(backend.append(append), Effect.fail(lost)) : backend.append(append)
    }))
    return Effect.gen(function*() {
      yield* Balance.transact("1", () => deposited(1))
      isLost = true
      assert.strictEqual(yield* Effect.flip(Balance.transact("1", () => deposited(2), once)), lost)
      isLost = false
      assert.deepStrictEqual((yield* Balance.transact("1", () => deposited(4), once)).state, { balance: 7 })
      assert.deepStrictEqual(yield* amounts("1"), [1, 2, 4])
    }).pipe(Effect.provide([layer, cache]))
  })

  it.effect("a repeated command has its first outcome, also when another program has handled it", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* Balance.transact("1", () => deposited(10))
      const command = Balance.transact("1", take(10), { ...once, commandId: "c-1" })
      assert.deepStrictEqual(yield* during(command), ["append account-1: 1"])
      const repeated = yield* command
      assert.deepStrictEqual(repeated.state, { balance: 0 })
      assert.deepStrictEqual(repeated.events.map(({ type }) => type), ["Withdrawn"])
      yield* Balance.transact("1", () => deposited(10))
      const other = Balance.transact("1", take(10), { ...once, commandId: "c-2" })
      // Without the cache of this program.
      yield* Effect.provideService(other, EntityCache.EntityCache, Option.none())
      assert.deepStrictEqual((yield* other).state, { balance: 0 })
      assert.deepStrictEqual(yield* amounts("1"), [10, -10, 10, -10])
    }).pipe(Effect.provide([layer, cache]))
  })

  it.effect("reads first while another program writes to the same streams, and no more when it has stopped", () => {
    const { during, layer } = watched()
    const transact = Balance.transact("1", () => deposited(1), once)
    const reads = Effect.map(during(transact), (log) => log.length - 1)
    return Effect.gen(function*() {
      yield* transact
      let decisions = 0
      const counted = Balance.transact("1", () => {
        decisions += 1
        return deposited(1)
      }, once)
      for (let i = 0; i < 20; i++) {
        yield* elsewhere("1", deposited(1))
        yield* counted
      }
      // Two decisions for each of the first few, and one for each of the others.
      assert.isAtMost(decisions, 25)
      assert.strictEqual(yield* reads, 1)
      let alone = 0
      while ((yield* reads) > 0) alone += 1
      assert.isAtMost(alone, 50)
    }).pipe(Effect.provide([layer, cache]))
  })

  it.effect("in the order of their turns, transactions of one entity decide each on what the last one wrote", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* Balance.load("1")
      let decisions = 0
      const all = Effect.forEach(Array.from({ length: 50 }), () =>
        Balance.transact("1", () => {
          decisions += 1
          return deposited(1)
        }, once), { concurrency: "unbounded" })
      const log = yield* during(all)
      assert.deepStrictEqual([decisions, new Set(log)], [50, new Set(["append account-1: 1"])])
      assert.strictEqual((yield* Balance.load("1")).state.balance, 50)
    }).pipe(Effect.provide([layer, cache]))
  })

  it.effect("slow decisions on one entity do not wait for one another", () =>
    Effect.gen(function*() {
      yield* Balance.load("1")
      const bothDecide = yield* Latch.make()
      let deciding = 0
      const refuse = Balance.transact("1", () =>
        Effect.gen(function*() {
          deciding += 1
          if (deciding === 2) yield* bothDecide.open
          yield* bothDecide.await
          return []
        }), once)
      yield* Effect.all([refuse, refuse], { concurrency: 2 })
    }).pipe(Effect.provide([MessageStore.layerMemory, cache])))
})

describe("a decision on several entities with a cache", () => {
  class Overdrawn extends Schema.TaggedError<Overdrawn>()("Overdrawn", {}) {}

  const both = { one: Balance.at("1"), two: Balance.at("2") }

  /** Takes from the first if both together have as much. */
  const takeIfBothHave = (amount: number, options: Entity.TransactAllOptions) =>
    Entity.transactAll(
      both,
      ({ one, two }) =>
        one.balance + two.balance < amount ? Effect.fail(new Overdrawn()) : Effect.succeed({ one: withdrawn(amount) }),
      options
    )

  const filled = Effect.gen(function*() {
    yield* Balance.transact("1", () => deposited(10))
    yield* Balance.transact("2", () => deposited(10))
  })

  it.effect("reads nothing where all of them are written", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* filled
      const transfer = Entity.transactAll(both, () => ({ one: withdrawn(1), two: deposited(1) }), once)
      assert.deepStrictEqual(yield* during(transfer), ["writeAll account-1, account-2"])
      yield* elsewhere("2", deposited(5))
      const { entities } = yield* transfer
      assert.deepStrictEqual(entities.two.state, { balance: 17 })
    }).pipe(Effect.provide([layer, cache]))
  })

  it.effect("reads one that is only read, unless the write checks it", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      yield* filled
      yield* Account.append("2", withdrawn(10))
      assert.strictEqual((yield* Effect.flip(takeIfBothHave(15, once)))._tag, "Overdrawn")
      yield* Account.append("2", deposited(10))
      yield* Balance.load("2")
      assert.deepStrictEqual(yield* during(takeIfBothHave(1, { ...once, checkReads: true })), [
        "writeAll account-1, account-2"
      ])
      yield* Account.append("2", withdrawn(10))
      const refused = yield* Effect.flip(takeIfBothHave(15, { ...once, checkReads: true }))
      assert.strictEqual(refused._tag, "Overdrawn")
      assert.deepStrictEqual(yield* amounts("1"), [10, -1])
    }).pipe(Effect.provide([layer, cache]))
  })
})

it.effect("without a cache each decision reads", () => {
  const { during, layer } = watched()
  const Other = Entity.make(Account, balance)
  return Effect.gen(function*() {
    for (const version of [0, 1]) {
      assert.deepStrictEqual(yield* during(Other.transact("1", () => deposited(1))), [
        `read account-1 from 0: ${version}`,
        "append account-1: 1"
      ])
    }
  }).pipe(Effect.provide(layer))
})

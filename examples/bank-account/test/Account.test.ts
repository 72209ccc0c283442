import { assert, describe, it } from "@effect/vitest"
import { Laws, withClock } from "@eventfold/testing"
import { DateTime, Effect, Layer, Option, Random, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Category, EntityCache, MessageStore } from "eventfold"
import * as Account from "../src/Account.ts"
import * as Money from "../src/Money.ts"

const [alice, bob, carol] = [
  Account.AccountId.make("alice"),
  Account.AccountId.make("bob"),
  Account.AccountId.make("carol")
]

const cents = (count: number) => Money.Amount.make(count)

const by = "Tess"

const Fresh = Layer.fresh(Layer.merge(MessageStore.layerMemory, EntityCache.layer({ capacity: 100 })))

const fresh = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, Fresh)

/** A store that takes its time over a transaction: more than the delays before the first retries. */
const Slow = Layer.effect(
  MessageStore.MessageStore,
  Effect.map(MessageStore.MessageStore, (store) =>
    MessageStore.MessageStore.of({
      ...store,
      writeAll: (appends) => Effect.delay(store.writeAll(appends), "50 millis")
    }))
).pipe(Layer.provide(Layer.fresh(MessageStore.layerMemory)))

/** Opens accounts, with so many cents in them. */
const openWith = (balances: ReadonlyArray<readonly [Account.AccountId, number]>) =>
  Effect.forEach(balances, ([account, count]) =>
    Effect.gen(function*() {
      yield* Account.open({ account, owner: account, by })
      if (count > 0) yield* Account.deposit({ account, cents: cents(count), by })
    }))

const balances = (...accounts: ReadonlyArray<Account.AccountId>) =>
  Effect.forEach(accounts, (account) => Effect.map(Account.Balance.load(account), ({ state }) => state.balance))

const messages = Effect.gen(function*() {
  const store = yield* MessageStore.MessageStore
  return yield* Stream.runCollect(store.readCategory("account"))
})

describe("a transfer", () => {
  it.effect("writes to both accounts, or to none", () =>
    Effect.gen(function*() {
      yield* openWith([[alice, 1_000], [bob, 0]])
      const before = (yield* messages).length
      const refused = yield* Effect.flip(
        Account.transfer({ from: alice, to: bob, cents: cents(1_001), by })
      )
      assert(refused._tag === "InsufficientFunds")
      assert.deepStrictEqual([refused.account, refused.balance, refused.missing], [alice, 1_000, 1])
      const nobody = yield* Effect.flip(Account.transfer({ from: alice, to: carol, cents: cents(1), by }))
      assert(nobody._tag === "NoSuchAccount")
      assert.strictEqual(nobody.account, carol)
      assert.strictEqual((yield* messages).length, before)

      yield* Account.transfer({ from: alice, to: bob, cents: cents(1_000), by })
      assert.deepStrictEqual(yield* balances(alice, bob), [0, 1_000])
      const [sent, received] = (yield* messages).slice(before)
      assert.deepStrictEqual([sent?.streamName, sent?.type, sent?.data], ["account-alice", "TransferSent", {
        cents: 1_000,
        to: "bob"
      }])
      assert.deepStrictEqual([received?.streamName, received?.type, received?.data], [
        "account-bob",
        "TransferReceived",
        { cents: 1_000, from: "alice" }
      ])
    }).pipe(fresh))

  it.effect("is between two accounts", () =>
    Effect.gen(function*() {
      yield* openWith([[alice, 1_000]])
      const error = yield* Effect.flip(Account.transfer({ from: alice, to: alice, cents: cents(1), by }))
      assert.strictEqual(error._tag, "SameAccount")
    }).pipe(fresh))

  it.effect("is made once under its command id, also when the money or the account has gone since", () =>
    Effect.gen(function*() {
      yield* openWith([[alice, 1_000], [bob, 0]])
      const command = { from: alice, to: bob, cents: cents(1_000), by, commandId: "c-1" }
      const first = yield* Account.transfer(command)
      const second = yield* Account.transfer(command)
      assert.deepStrictEqual(second.payer.state, first.payer.state)
      assert.deepStrictEqual(second.payee.version, first.payee.version)
      assert.deepStrictEqual(yield* balances(alice, bob), [0, 1_000])

      yield* Account.close({ account: alice, by })
      const written = (yield* messages).length
      yield* Account.transfer(command)
      assert.strictEqual((yield* messages).length, written)
      // Without the id, it is another transfer.
      const { commandId: _, ...another } = command
      assert.strictEqual((yield* Effect.flip(Account.transfer(another)))._tag, "AccountClosed")
    }).pipe(fresh))

  it.effect("sent by several at once under one command id is made once", () =>
    Effect.gen(function*() {
      yield* openWith([[alice, 1_000], [bob, 0]])
      const command = { from: alice, to: bob, cents: cents(100), by, commandId: "c-1" }
      yield* withClock(
        Effect.all(Array.from({ length: 8 }, () => Account.transfer(command)), { concurrency: "unbounded" })
      )
      assert.deepStrictEqual(yield* balances(alice, bob), [900, 100])
    }).pipe(fresh))

  it.effect("is refused under the command id of another one", () =>
    Effect.gen(function*() {
      yield* openWith([[alice, 1_000], [bob, 1_000], [carol, 1_000]])
      const command = { from: alice, to: bob, cents: cents(100), by, commandId: "c-1" }
      yield* Account.transfer(command)
      const written = (yield* messages).length
      const others: ReadonlyArray<Account.Transfer> = [
        { ...command, cents: cents(200) },
        { ...command, to: carol },
        { ...command, from: bob, to: alice },
        { ...command, from: carol }
      ]
      for (const other of others) {
        assert.strictEqual((yield* Effect.flip(Account.transfer(other)))._tag, "CommandIdTaken")
      }
      assert.strictEqual((yield* messages).length, written)
    }).pipe(fresh))

  it.effect("keeps the sum, however many there are at once", () =>
    Effect.gen(function*() {
      const all = [alice, bob, carol]
      yield* openWith(all.map((account) => [account, 1_000]))
      const transfers = yield* Effect.forEach(Array.from({ length: 120 }), () =>
        Effect.gen(function*() {
          const from = yield* Random.nextIntBetween(0, 2)
          const to = (from + (yield* Random.nextIntBetween(1, 2))) % 3
          const [payer = alice, payee = alice] = [all[from], all[to]]
          return { from: payer, to: payee, cents: cents(yield* Random.nextIntBetween(1, 400)), by }
        }))
      const outcomes = yield* withClock(
        Effect.forEach(
          transfers,
          (transfer) =>
            Account.transfer(transfer).pipe(
              Effect.as(true),
              Effect.catchTag("InsufficientFunds", () => Effect.succeed(false))
            ),
          { concurrency: "unbounded" }
        )
      )
      const expected = new Map<string, number>(all.map((account) => [account, 1_000]))
      for (const [index, { cents, from, to }] of transfers.entries()) {
        if (outcomes[index] !== true) continue
        expected.set(from, (expected.get(from) ?? 0) - cents)
        expected.set(to, (expected.get(to) ?? 0) + cents)
      }
      const found = yield* balances(...all)
      assert.deepStrictEqual(found, [...expected.values()])
      assert.strictEqual(found.reduce((sum, balance) => sum + balance), 3_000)
      for (const account of all) {
        const { lines } = yield* Account.statement(account)
        for (const line of lines) assert.isAtLeast(line.balance, 0)
      }
    }).pipe(Random.withSeed("transfers"), fresh))

  it.effect("gets its turn on a slow store with many others, who all want the same account", () =>
    Effect.gen(function*() {
      yield* openWith([[alice, 1_000], [bob, 1_000]])
      const there = { from: alice, to: bob, cents: cents(1), by }
      const back = { ...there, from: bob, to: alice }
      yield* withClock(Effect.forEach(
        Array.from({ length: 60 }, (_, index) => index % 2 === 0 ? there : back),
        Account.transfer,
        { concurrency: 12 }
      ))
      assert.deepStrictEqual(yield* balances(alice, bob), [1_000, 1_000])
      assert.strictEqual((yield* messages).length, 4 + 120)
    }).pipe(Effect.provide(Slow)))
})

const at = (text: string) => DateTime.makeUnsafe(text)

const typesAndBalances = ({ lines }: Account.Statement) => lines.map(({ balance, event }) => [event.type, balance])

describe("a statement", () => {
  it.effect("at a date has what had happened by then", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(at("2026-10-30T09:00:00Z").epochMilliseconds)
      yield* openWith([[alice, 10_000], [bob, 0]])
      yield* TestClock.setTime(at("2026-11-01T12:00:00Z").epochMilliseconds)
      yield* Account.withdraw({ account: alice, cents: cents(3_000), by: "Alice" })
      yield* TestClock.setTime(at("2026-11-02T00:00:00Z").epochMilliseconds)
      yield* Account.transfer({ from: alice, to: bob, cents: cents(500), by: "Alice" })

      const all = [["Opened", 0], ["Deposited", 10_000], ["Withdrawn", 7_000], ["TransferSent", 6_500]]

      const now = yield* Account.statement(alice)
      assert.deepStrictEqual([now.status, now.owner, now.balance, typesAndBalances(now)], ["open", "alice", 6_500, all])
      const last = now.lines.at(-1)
      assert.deepStrictEqual(last?.event.metadata.by, "Alice")
      assert.deepStrictEqual(last?.event.recorded.time, at("2026-11-02T00:00:00Z"))

      const endOfDay = yield* Account.statement(alice, at("2026-11-01T23:59:59.999Z"))
      assert.deepStrictEqual([endOfDay.balance, typesAndBalances(endOfDay)], [7_000, all.slice(0, 3)])
      // The time of an event is in it; the millisecond before is not.
      assert.strictEqual((yield* Account.statement(alice, at("2026-11-01T12:00:00Z"))).balance, 7_000)
      assert.strictEqual((yield* Account.statement(alice, at("2026-11-01T11:59:59.999Z"))).balance, 10_000)
      assert.deepStrictEqual(typesAndBalances(yield* Account.statement(alice, at("2027-01-01T00:00:00Z"))), all)

      const before = yield* Effect.flip(Account.statement(alice, at("2026-10-29T00:00:00Z")))
      assert(before._tag === "NoSuchAccount")
      assert.include(before.message, "there was no account alice at 2026-10-29")
    }).pipe(fresh))

  it.effect("of an account that was never opened is refused", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Account.statement(alice))
      assert.strictEqual(error._tag, "NoSuchAccount")
      assert.include(error.message, "open it first")
    }).pipe(fresh))
})

const decodeSnapshot = Schema.decodeUnknownEffect(
  Schema.Struct({ entity_data: Schema.Json, entity_version: Schema.Int })
)

describe("what is stored", () => {
  it.effect("each deposit of either version can be read", () =>
    Laws.roundTrips(Category.make("account", { Deposited: Account.Deposited })))

  it.effect("a deposit in euros, of the first version, is one in cents", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      yield* Account.open({ account: alice, owner: "Alice", by })
      yield* store.append("account-alice", { type: "Deposited", data: { amount: 1.15 }, metadata: { by } })
      yield* Account.deposit({ account: alice, cents: cents(200), by })
      assert.deepStrictEqual(yield* balances(alice), [315])
      const { lines } = yield* Account.statement(alice)
      assert.deepStrictEqual(lines.map(({ event }) => event.data), [{ owner: "Alice" }, { cents: 115 }, { cents: 200 }])
      const last = (yield* messages).at(-1)
      assert.deepStrictEqual([last?.data, last?.metadata], [{ cents: 200 }, { by, schemaVersion: "2" }])

      yield* store.append("account-alice", { type: "Deposited", data: { amount: -1 }, metadata: { by } })
      const error = yield* Effect.flip(Account.Balance.load(alice))
      assert(error._tag === "DecodeError")
      assert.deepStrictEqual([error.streamName, error.position, error.path], ["account-alice", 3, ["data", "amount"]])
    }).pipe(fresh))

  it.effect("a snapshot after fifty events, which the next program begins with", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      yield* Account.open({ account: alice, owner: "Alice", by })
      yield* Effect.forEach(Array.from({ length: 49 }), () => Account.deposit({ account: alice, cents: cents(2), by }))
      const snapshot = yield* store.lastMessage("account:snapshot-alice")
      assert(Option.isSome(snapshot))
      const data = yield* decodeSnapshot(snapshot.value.data)
      assert.deepStrictEqual(data, {
        entity_data: { status: "open", owner: "Alice", balance: 98 },
        entity_version: 49
      })
      // One that says otherwise shows who reads it: not the cache of this program, but that of the next.
      yield* store.append("account:snapshot-alice", {
        type: "Recorded",
        data: { ...data, entity_data: { status: "open", owner: "Alice", balance: 1_000 } },
        metadata: { schemaVersion: "1" }
      })
      assert.deepStrictEqual(yield* balances(alice), [98])
      const next = EntityCache.layer({ capacity: 100 })
      assert.deepStrictEqual(yield* Effect.provide(balances(alice), next, { local: true }), [1_000])
    }).pipe(fresh))
})

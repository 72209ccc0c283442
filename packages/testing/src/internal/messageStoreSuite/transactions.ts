import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Entity from "eventfold/Entity"
import { deriveId, nextId } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import { InvalidArgument, WrongExpectedVersion } from "eventfold/StoreError"
import { newAccount } from "./account.ts"
import { type It, upTo } from "./fixtures.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { balance: Schema.Int }) {}

const together = { concurrency: "unbounded" } as const

const retry = Schedule.recurs(200)

const commands = (it: It) =>
  describe("commands", () => {
    it.effect("have one effect, however often they are sent, and return the first result", () =>
      Effect.gen(function*() {
        const { amounts, balance, category, deposited, withdrawn } = yield* newAccount
        yield* category.append("1", deposited(5))
        const send = balance.transact(
          "1",
          ({ balance }) => balance < 5 ? new Refused({ balance }) : Entity.reply([withdrawn(4), withdrawn(1)], balance),
          { commandId: "take it all" }
        )
        const first = yield* send
        yield* category.append("1", deposited(100))
        const second = yield* send
        for (const { reply, state, version } of [first, second]) {
          assert.deepStrictEqual([reply, state.balance, version], [5, 0, Option.some(2)])
        }
        assert.deepStrictEqual(second.events.map(({ data }) => data), [{ amount: 4 }, { amount: 1 }])
        assert.deepStrictEqual(yield* amounts("1"), [5, 4, 1, 100])
      }))

    it.effect("have one effect when they are sent at the same time, also with other content", () =>
      Effect.gen(function*() {
        const { amounts, balance, category, deposited, withdrawn } = yield* newAccount
        yield* category.append("1", deposited(5))
        let count = 0
        const same = balance.transact("1", ({ balance }) => withdrawn(balance), { commandId: "same", retry })
        const other = balance.transact("2", () => [deposited(++count), deposited(++count)], {
          commandId: "other",
          retry
        })
        yield* Effect.forEach(upTo(16), () => same, together)
        const results = yield* Effect.forEach(upTo(16), () => other, together)
        assert.deepStrictEqual(yield* amounts("1"), [5, 5])
        const written = yield* amounts("2")
        assert.lengthOf(written, 2)
        for (const { events } of results) {
          assert.deepStrictEqual(events.map(({ data }) => "amount" in data ? data.amount : 0), written)
        }
      }))

    it.effect("are recognised by the ids of their events", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const { balance, category, deposited } = yield* newAccount
        const streamName = `${category.categoryName}-1`
        const commandId = "a command"
        yield* balance.transact("1", () => [deposited(1), deposited(2)], { commandId })
        for (const index of [0, 1]) {
          const id = deriveId(commandId, streamName, String(index))
          const message = Option.getOrThrow(yield* store.findMessage(streamName, id))
          assert.deepStrictEqual([message.position, message.data], [index, { amount: index + 1 }])
          assert.deepStrictEqual(yield* store.findMessage(`${category.categoryName}-2`, id), Option.none())
        }
        const third = deriveId(commandId, streamName, "2")
        assert.deepStrictEqual(yield* store.findMessage(streamName, third), Option.none())
      }))

    it.effect("to several streams have one effect, also when it would now be on another stream", () =>
      Effect.gen(function*() {
        const { amounts, balance, deposited } = yield* newAccount
        const send = Entity.transactAll(
          { a: balance.at("1"), b: balance.at("2") },
          ({ a, b }) => Entity.reply(a.balance === 0 ? { a: deposited(5) } : { b: deposited(5) }, b.balance),
          { commandId: "once", retry }
        )
        yield* Effect.forEach(upTo(8), () => send, together)
        yield* balance.transact("2", () => deposited(7))
        const { entities, reply } = yield* send
        assert.deepStrictEqual([yield* amounts("1"), yield* amounts("2")], [[5], [7]])
        assert.deepStrictEqual([entities.a.state.balance, entities.b.state.balance, reply], [5, 0, 0])
      }))
  })

const transfers = (it: It) =>
  describe("transactions over several streams", () => {
    it.effect("are written whole or not at all", () =>
      Effect.gen(function*() {
        const one = yield* newAccount
        const other = yield* newAccount
        const targets = { one: one.balance.at("1"), other: other.balance.at("1") }
        const done = yield* Entity.transactAll(targets, () => ({
          one: [one.deposited(1), one.deposited(2)],
          other: other.deposited(3)
        }))
        assert.deepStrictEqual([done.entities.one.version, done.entities.other.version], [
          Option.some(1),
          Option.some(0)
        ])
        for (const overtaken of [one, other]) {
          const before = [(yield* one.amounts("1")).length, (yield* other.amounts("1")).length]
          const error = yield* Effect.flip(Entity.transactAll(targets, () =>
            Effect.as(Effect.orDie(overtaken.category.append("1", overtaken.deposited(100))), {
              one: one.deposited(1),
              other: other.deposited(1)
            }), { retry: Schedule.recurs(0) }))
          assert(error instanceof WrongExpectedVersion)
          assert.strictEqual(error.streamName, `${overtaken.category.categoryName}-1`)
          const after = [(yield* one.amounts("1")).length, (yield* other.amounts("1")).length]
          assert.strictEqual((after[0] ?? 0) + (after[1] ?? 0), (before[0] ?? 0) + (before[1] ?? 0) + 1)
        }
        const twice = yield* Effect.flip(Entity.transactAll({ a: targets.one, b: targets.one }, () => ({})))
        assert.instanceOf(twice, InvalidArgument)
      }))

    it.effect("concurrent transfers keep the sum, overdraw no account and never deadlock", () =>
      Effect.gen(function*() {
        // Two categories, whose locks the writers would take in any order.
        const accounts = [yield* newAccount, yield* newAccount]
        const account = (i: number) => accounts[i % 2] ?? accounts[0]
        const ids = upTo(4).map((i) => [i, String(i)] as const)
        for (const [i, id] of ids) {
          const own = account(i)
          if (own !== undefined) yield* own.category.append(id, own.deposited(20))
        }
        const transfer = (from: number, to: number, amount: number) => {
          const [payer, payee] = [account(from), account(to)]
          assert(payer !== undefined && payee !== undefined)
          return Entity.transactAll(
            { from: payer.balance.at(String(from)), to: payee.balance.at(String(to)) },
            ({ from }) =>
              from.balance < amount
                ? new Refused({ balance: from.balance })
                : { from: payer.withdrawn(amount), to: payee.deposited(amount) },
            { retry }
          )
        }
        const outcomes = yield* Effect.forEach(
          upTo(48),
          (i) => Effect.result(transfer(i % 4, (i + 1 + i % 3) % 4, 1 + i % 9)),
          together
        ).pipe(Effect.timeoutOrElse({
          duration: "2 minutes",
          orElse: () => Effect.die(new Error("the transfers wait for one another"))
        }))
        for (const outcome of outcomes) {
          if (Result.isFailure(outcome)) assert.instanceOf(outcome.failure, Refused)
        }
        assert.isAbove(outcomes.filter(Result.isSuccess).length, 10)
        const balances = yield* Effect.forEach(ids, ([i, id]) => {
          const own = account(i)
          assert.isDefined(own)
          return Effect.map(own.balance.load(id), ({ state }) => state.balance)
        })
        assert.strictEqual(balances.reduce((sum, n) => sum + n, 0), 80)
        assert.isTrue(balances.every((n) => n >= 0))
      }))
  })

const positions = (it: It) =>
  describe("positions of transactions", () => {
    it.effect("are those of the last event that was written, and none without events", () =>
      Effect.gen(function*() {
        const { balance, category, deposited } = yield* newAccount
        const last = Effect.map(category.lastEvent("1"), Option.map(({ recorded }) => recorded.globalPosition))
        const first = yield* balance.transact("1", () => [deposited(1), deposited(2)])
        assert.isTrue(Option.isSome(first.globalPosition))
        assert.deepStrictEqual(first.globalPosition, yield* last)
        yield* category.append("2", deposited(1))
        const second = yield* balance.transact("1", () => deposited(3))
        assert.deepStrictEqual(second.globalPosition, yield* last)
        assert.deepStrictEqual((yield* balance.transact("1", () => [])).globalPosition, Option.none())
      }))

    it.effect("are those of the first time when a command is repeated, or the ids are recorded", () =>
      Effect.gen(function*() {
        const { balance, category, deposited } = yield* newAccount
        const send = balance.transact("1", () => [deposited(1), deposited(2)], { commandId: "a command" })
        const [id, other] = [yield* nextId, yield* nextId]
        const sameIds = balance.transact("2", () => [{ ...deposited(3), id }, { ...deposited(4), id: other }])
        const first = [(yield* send).globalPosition, (yield* sameIds).globalPosition]
        assert.isTrue(first.every(Option.isSome))
        yield* category.append("1", deposited(5))
        yield* category.append("2", deposited(6))
        // A repeated command has the position of then also when it would decide nothing now.
        const now = balance.transact("1", ({ balance }) => balance === 0 ? deposited(1) : [], {
          commandId: "a command"
        })
        assert.deepStrictEqual([(yield* send).globalPosition, (yield* sameIds).globalPosition], first)
        assert.deepStrictEqual((yield* now).globalPosition, first[0])
      }))

    it.effect("of several streams are the highest one", () =>
      Effect.gen(function*() {
        const { balance, category, deposited } = yield* newAccount
        const targets = { a: balance.at("1"), b: balance.at("2") }
        const send = Entity.transactAll(targets, () => ({ a: [deposited(1), deposited(2)], b: deposited(3) }), {
          commandId: "to both"
        })
        const first = yield* send
        const written = yield* Effect.forEach(["1", "2"], (id) => category.lastEvent(id))
        const highest = Math.max(
          ...written.map((event) => Option.getOrThrow(event).recorded.globalPosition)
        )
        assert.deepStrictEqual(first.globalPosition, Option.some(highest))
        yield* category.append("2", deposited(4))
        assert.deepStrictEqual((yield* send).globalPosition, Option.some(highest))
        const one = yield* Entity.transactAll(targets, () => ({ a: deposited(5) }))
        const last = Option.getOrThrow(yield* category.lastEvent("1"))
        assert.deepStrictEqual(one.globalPosition, Option.some(last.recorded.globalPosition))
        assert.deepStrictEqual((yield* Entity.transactAll(targets, () => ({}))).globalPosition, Option.none())
      }))
  })

export const tests = (it: It): void => {
  commands(it)
  positions(it)
  transfers(it)
}

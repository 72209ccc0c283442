import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Entity from "eventfold/Entity"
import type { ExpectedVersion } from "eventfold/ExpectedVersion"
import { MessageStore } from "eventfold/MessageStore"
import { DuplicateMessageId, InvalidMessage, WrongExpectedVersion } from "eventfold/StoreError"
import { newAccount } from "./account.ts"
import { dataOf, type It, newCategory, newStream, numbered, readStream, upTo, versionOf, withIds } from "./fixtures.ts"

const together = { concurrency: "unbounded" } as const

const check = (streamName: string, expectedVersion: ExpectedVersion) => ({ streamName, expectedVersion, messages: [] })

const versions = (it: It) => {
  it.effect("give the version as it is, and write nothing", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [stream, other, missing] = [yield* newStream, yield* newStream, yield* newStream]
      yield* store.append(stream, numbered(3))
      const exact = { version: 2, globalPosition: 0 }
      const none = { version: -1, globalPosition: 0 }
      const [first, ...checked] = yield* store.writeAll([
        { streamName: other, messages: numbered(2) },
        check(stream, 2),
        check(stream, "exists"),
        check(missing, "noStream")
      ])
      assert.strictEqual(first?.version, 1)
      assert.deepStrictEqual(checked, [exact, exact, none])
      assert.deepStrictEqual(yield* store.writeAll([check(stream, 2), check(missing, -1)]), [exact, none])
      assert.deepStrictEqual([yield* versionOf(stream), yield* versionOf(missing)], [2, -1])
      assert.deepStrictEqual(yield* store.lastMessage(missing), Option.none())
    }))

  const wrong: ReadonlyArray<readonly [ExpectedVersion, number]> = [
    ["noStream", 1],
    ["exists", 0],
    [0, 0],
    [0, 2],
    [5, 2],
    [-3, 1],
    [0.5, 1]
  ]
  it.effect.each(wrong)(
    "of %s refuse the whole call when the stream has %i messages",
    ([expected, existing]) =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const [stream, other] = [yield* newStream, yield* newStream]
        if (existing > 0) yield* store.append(stream, numbered(existing))
        const write = { streamName: other, messages: numbered(2) }
        for (const appends of [[check(stream, expected), write], [write, check(stream, expected)]]) {
          const error = yield* Effect.flip(store.writeAll(appends))
          assert(error instanceof WrongExpectedVersion)
          assert.deepStrictEqual([error.streamName, error.expected], [stream, expected])
          assert.deepStrictEqual(error.actual, existing === 0 ? Option.none() : Option.some(existing - 1))
        }
        assert.strictEqual(yield* versionOf(other), -1)
      })
  )

  it.effect("count the appends before them in the call, and not those after", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const stream = yield* newStream
      const write = { streamName: stream, messages: numbered(2) }
      const results = yield* store.writeAll([
        check(stream, "noStream"),
        write,
        check(stream, 1),
        { ...write, expectedVersion: 1 },
        check(stream, 3)
      ])
      assert.deepStrictEqual(results.map(({ version }) => version), [-1, 1, 1, 3, 3])
      assert.instanceOf(yield* Effect.flip(store.writeAll([check(stream, 5), write])), WrongExpectedVersion)
      assert.instanceOf(yield* Effect.flip(store.writeAll([write, check(stream, 3)])), WrongExpectedVersion)
      assert.deepStrictEqual(dataOf(yield* readStream(stream)), [0, 1, 0, 1])
    }))

  it.effect("are refused without an expected version, and so is an append without messages", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const stream = yield* newStream
      for (const append of [{ streamName: stream, messages: [] }, check(stream, "any")]) {
        const error = yield* Effect.flip(store.writeAll([{ streamName: stream, messages: numbered(1) }, append]))
        assert(error instanceof InvalidMessage)
        assert.include(error.message, "give the expected version")
      }
      const empty = yield* Effect.flip(store.append(stream, [], { expectedVersion: "noStream" }))
      assert(empty instanceof InvalidMessage)
      assert.include(empty.message, "check the stream with writeAll")
      assert.strictEqual(yield* versionOf(stream), -1)
    }))

  it.effect("are not made again when the call repeats one that is recorded", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [read, stream] = [yield* newStream, yield* newStream]
      const write = { streamName: stream, messages: yield* withIds(numbered(2)), expectedVersion: "noStream" } as const
      const [, written] = yield* store.writeAll([check(read, "noStream"), write, check(stream, 1)])
      assert.isDefined(written)
      yield* store.append(read, numbered(4))
      yield* store.append(stream, numbered(1))
      assert.deepStrictEqual(yield* store.writeAll([check(read, "noStream"), write, check(stream, 1)]), [
        { version: 3, globalPosition: 0 },
        written,
        { version: 2, globalPosition: 0 }
      ])
      const more = { streamName: stream, messages: numbered(1) }
      assert.instanceOf(
        yield* Effect.flip(store.writeAll([check(read, "noStream"), write, more])),
        WrongExpectedVersion
      )
      assert.instanceOf(yield* Effect.flip(store.writeAll([check(read, 3), write, more])), DuplicateMessageId)
      assert.strictEqual(yield* versionOf(stream), 2)
    }))

  it.effect("hold until the call is committed: of two that check what the other writes, one wins", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      for (const categories of [[yield* newCategory], [yield* newCategory, yield* newCategory]]) {
        const names = upTo(12).map((round) =>
          ["a", "b"].map((id, i) => `${categories[i % categories.length]}-${id}${round}`)
        )
        yield* Effect.forEach(names, ([a = "", b = ""]) =>
          Effect.gen(function*() {
            const outcomes = yield* Effect.forEach(
              [[a, b], [b, a], [a, b], [b, a]] as const,
              ([read, written]) =>
                Effect.result(store.writeAll([
                  check(read, "noStream"),
                  { streamName: written, messages: numbered(1), expectedVersion: "noStream" }
                ])),
              together
            )
            assert.lengthOf(outcomes.filter(Result.isSuccess), 1)
            for (const outcome of outcomes) {
              if (Result.isFailure(outcome)) assert.instanceOf(outcome.failure, WrongExpectedVersion)
            }
            assert.strictEqual((yield* versionOf(a)) + (yield* versionOf(b)), -1)
          }), together)
      }
    }))
}

class LastOnCall extends Schema.TaggedError<LastOnCall>()("LastOnCall", {}) {}

/** Two doctors on call, in two categories, of whom one must stay. */
const twoOnCall = Effect.gen(function*() {
  const [one, other] = [yield* newAccount, yield* newAccount]
  yield* one.category.append("1", one.deposited(1))
  yield* other.category.append("1", other.deposited(1))
  return { one, other, targets: { one: one.balance.at("1"), other: other.balance.at("1") } }
})

const transactions = (it: It) => {
  it.effect("of what transactAll read make a write skew impossible, which is possible without them", () =>
    Effect.gen(function*() {
      for (const checkReads of [false, true]) {
        const { one, other, targets } = yield* twoOnCall
        let deciding = 0
        const both = yield* Deferred.make<void>()
        /** The first two decisions meet, so that neither sees what the other one writes. */
        const meet = Effect.suspend(() => {
          deciding += 1
          return deciding === 1 ? Deferred.await(both) : Deferred.succeed(both, undefined)
        })
        const leave =
          <A>(events: A) =>
          (states: { readonly one: { readonly balance: number }; readonly other: { readonly balance: number } }) =>
            Effect.flatMap(
              meet,
              () => states.one.balance + states.other.balance < 2 ? new LastOnCall() : Effect.succeed(events)
            )
        const outcomes = yield* Effect.all([
          Effect.result(Entity.transactAll(targets, leave({ one: one.withdrawn(1) }), { checkReads })),
          Effect.result(Entity.transactAll(targets, leave({ other: other.withdrawn(1) }), { checkReads }))
        ], together)
        const states = yield* Effect.all([one.balance.load("1"), other.balance.load("1")])
        const onCall = states.reduce((sum, { state }) => sum + state.balance, 0)
        const refused = outcomes.flatMap((outcome) => Result.isFailure(outcome) ? [outcome.failure] : [])
        assert.strictEqual(onCall, checkReads ? 1 : 0)
        assert.lengthOf(refused, checkReads ? 1 : 0)
        if (checkReads) assert.instanceOf(refused[0], LastOnCall)
      }
    }))

  it.effect("of what transactAll read are decided again, and tell what was missed when the attempts are used up", () =>
    Effect.gen(function*() {
      const { one, other, targets } = yield* twoOnCall
      let decisions = 0
      const overtaken = (times: number) =>
        Effect.as(
          ++decisions > times ? Effect.void : Effect.orDie(other.category.append("1", other.deposited(10))),
          { one: one.deposited(1) }
        )
      const retry = Schedule.recurs(3)
      const done = yield* Entity.transactAll(targets, () => overtaken(2), { checkReads: true, retry })
      assert.deepStrictEqual([decisions, done.entities.other.state.balance], [3, 21])
      assert.deepStrictEqual(done.entities.other.version, Option.some(2))

      decisions = 0
      const error = yield* Effect.flip(
        Entity.transactAll(targets, () => overtaken(99), { checkReads: true, retry: Schedule.recurs(1) })
      )
      assert(error._tag === "WrongExpectedVersion")
      assert.deepStrictEqual([error.streamName, error.attempts], [`${other.category.categoryName}-1`, 2])
      assert.lengthOf(error.missed, 1)
      assert.deepStrictEqual(yield* one.amounts("1"), [1, 1])

      // Without the option, such writes are no conflict.
      decisions = 0
      yield* Entity.transactAll(targets, () => overtaken(99), { retry: Schedule.recurs(0) })
      assert.strictEqual(decisions, 1)
    }))

  it.effect("of what transactAll read leave a repeated command its first result", () =>
    Effect.gen(function*() {
      const { one, other, targets } = yield* twoOnCall
      const send = Entity.transactAll(
        targets,
        ({ other }) => Entity.reply({ one: one.deposited(5) }, other.balance),
        { checkReads: true, commandId: "once" }
      )
      const first = yield* send
      yield* other.category.append("1", other.deposited(7))
      assert.strictEqual((yield* send).reply, first.reply)
      assert.deepStrictEqual(yield* one.amounts("1"), [1, 5])
    }))

  it.effect("of what transactAll read keep a rule over many entities while all of them change", () =>
    Effect.gen(function*() {
      const accounts = [yield* newAccount, yield* newAccount]
      const doctors = yield* Effect.forEach(upTo(6), (i) => {
        const account = accounts[i % 2] ?? accounts[0]
        assert.isDefined(account)
        return Effect.as(account.category.append(`d${i}`, account.deposited(1)), { account, id: `d${i}` })
      })
      const targets = Object.fromEntries(doctors.map(({ account, id }) => [id, account.balance.at(id)]))
      const outcomes = yield* Effect.forEach(
        doctors,
        ({ account, id }) =>
          Effect.result(Entity.transactAll(targets, (states) => {
            const onCall = Object.values(states).filter(({ balance }) => balance > 0).length
            return onCall < 2 ? Effect.fail(new LastOnCall()) : Effect.succeed({ [id]: account.withdrawn(1) })
          }, { checkReads: true, retry: Schedule.recurs(100) })),
        together
      )
      assert.lengthOf(outcomes.filter(Result.isSuccess), 5)
      const states = yield* Effect.forEach(doctors, ({ account, id }) => account.balance.load(id))
      assert.lengthOf(states.filter(({ state }) => state.balance > 0), 1)
    }))
}

export const tests = (it: It): void => {
  describe("checks of streams that are not written", () => {
    versions(it)
    transactions(it)
  })
}

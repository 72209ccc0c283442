import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import * as Commands from "eventfold/Commands"
import * as Entity from "eventfold/Entity"
import { MessageStore } from "eventfold/MessageStore"
import * as Metadata from "eventfold/Metadata"
import { folding } from "./account.ts"
import { type It, newCategory, upTo } from "./fixtures.ts"

class Overdrawn extends Schema.TaggedError<Overdrawn>()("Overdrawn", { missing: Schema.Int }) {}

const Amount = Schema.Int.check(Schema.isGreaterThan(0))

/** A category of accounts that no other test has, with commands of its entity. */
const newCommands = Effect.map(newCategory, (name) => {
  const category = Category.make(name as "account", {
    Opened: { at: Schema.DateTimeUtc },
    Deposited: { amount: Schema.Int },
    Withdrawn: { amount: Schema.Int }
  }, { metadata: { by: Schema.optionalKey(Schema.String) } })
  const balance = Entity.make(category, folding)
  const commands = Commands.make(balance, {
    Deposit: {
      payload: { amount: Amount, labels: Schema.optionalKey(Schema.Record(Schema.String, Schema.DateTimeUtc)) },
      decide: (_, { amount }) => category.events.Deposited({ amount })
    },
    Withdraw: {
      payload: { amount: Amount },
      error: Overdrawn,
      success: Schema.BigInt,
      decide: ({ balance }, { amount }) =>
        balance < amount
          ? Effect.fail(new Overdrawn({ missing: amount - balance }))
          : Effect.succeed(Entity.reply(category.events.Withdrawn({ amount }), BigInt(balance - amount)))
    },
    Split: {
      payload: { amount: Amount, parts: Schema.Int },
      success: Schema.Int,
      decide: (_, { amount, parts }) =>
        Entity.reply(upTo(parts).map(() => category.events.Deposited({ amount })), parts)
    }
  })
  return { balance, category, commands, name }
})

const deciding = (it: It) => {
  it.effect("a command decides and appends, and answers in types or in JSON", () =>
    Effect.gen(function*() {
      const { balance, commands } = yield* newCommands
      yield* commands.Deposit("1", { amount: 10 })
      const withdrawn = yield* commands.Withdraw("1", { amount: 3 })
      assert.deepStrictEqual([withdrawn.reply, withdrawn.state, withdrawn.version], [
        7n,
        { balance: 7 },
        Option.some(1)
      ])
      const answer = yield* Commands.run(commands, "Withdraw", "1", { amount: 3 })
      assert(answer._tag === "Accepted")
      assert.deepStrictEqual([answer.reply, answer.version], ["4", Option.some(2)])
      assert.isTrue(Option.isSome(answer.globalPosition))
      const refusal = yield* Effect.flip(commands.Withdraw("1", { amount: 5 }))
      assert.deepStrictEqual(refusal, new Overdrawn({ missing: 1 }))
      const refused = yield* Commands.run(commands, "Withdraw", "1", { amount: 5 })
      assert.deepStrictEqual(refused, { _tag: "Refused", refusal: { _tag: "Overdrawn", missing: 1 } })
      assert.deepStrictEqual(yield* balance.load("1"), { state: { balance: 4 }, version: Option.some(2) })
    }))

  it.effect("what does not fit is refused before anything is written", () =>
    Effect.gen(function*() {
      const { balance, commands } = yield* newCommands
      for (
        const error of [
          yield* Effect.flip(commands.Deposit("1", { amount: 0 })),
          yield* Effect.flip(Commands.run(commands, "Deposit", "1", { amount: 0 }))
        ]
      ) {
        assert(error instanceof Commands.InvalidPayload)
        assert.deepStrictEqual(error.issues.map(({ path }) => path), [["amount"]])
      }
      assert.deepStrictEqual((yield* balance.load("1")).version, Option.none())
    }))
}

const repeating = (it: It) => {
  it.effect("a command that is sent again under its id gives the first result, also when it would be refused now", () =>
    Effect.gen(function*() {
      const { balance, commands } = yield* newCommands
      yield* commands.Deposit("1", { amount: 10 })
      const withdraw = commands.Withdraw("1", { amount: 7 }, { commandId: "c-1" })
      const first = yield* withdraw
      yield* commands.Deposit("1", { amount: 1 })
      const second = yield* withdraw
      assert.deepStrictEqual(
        [second.reply, second.state, second.version, second.globalPosition],
        [3n, { balance: 3 }, first.version, first.globalPosition]
      )
      const third = yield* Commands.run(commands, "Withdraw", "1", { amount: 7 }, { commandId: "c-1" })
      assert(third._tag === "Accepted")
      assert.deepStrictEqual([third.reply, third.globalPosition], ["3", first.globalPosition])
      assert.deepStrictEqual((yield* balance.load("1")).state, { balance: 4 })
      // The id is one of this stream.
      yield* commands.Deposit("2", { amount: 5 }, { commandId: "c-1" })
    }))

  it.effect("another command under the id is refused, whatever it would do", () =>
    Effect.gen(function*() {
      const { balance, commands, name } = yield* newCommands
      const commandId = "c-1"
      const taken = (command: string) => new Commands.CommandIdTaken({ streamName: `${name}-1`, command, commandId })
      yield* commands.Deposit("1", { amount: 10 }, { commandId })
      const others: ReadonlyArray<Effect.Effect<unknown, unknown, MessageStore>> = [
        commands.Deposit("1", { amount: 11 }, { commandId }),
        // Its event is the same.
        commands.Deposit("1", { amount: 10, labels: {} }, { commandId }),
        Commands.run(commands, "Deposit", "1", { amount: 11 }, { commandId })
      ]
      for (const other of others) assert.deepStrictEqual(yield* Effect.flip(other), taken("Deposit"))
      const withdraw = (amount: number) => Effect.flip(commands.Withdraw("1", { amount }, { commandId }))
      assert.deepStrictEqual(yield* withdraw(10), taken("Withdraw"))
      // Also when it is refused.
      assert.deepStrictEqual(yield* withdraw(11), taken("Withdraw"))
      const nothing = Effect.flip(commands.Split("1", { amount: 1, parts: 0 }, { commandId }))
      assert.deepStrictEqual(yield* nothing, taken("Split"))
      assert.deepStrictEqual(yield* balance.load("1"), { state: { balance: 10 }, version: Option.some(0) })
    }))

  it.effect("a command is the same whatever its metadata and the order of its payload's keys", () =>
    Effect.gen(function*() {
      const { balance, commands } = yield* newCommands
      const at = { a: "2026-01-01T00:00:00.000Z", b: "2026-01-02T00:00:00.000Z" }
      const send = (labels: { readonly [name: string]: string }, by: string) =>
        Commands.run(commands, "Deposit", "1", { amount: 5, labels }, { commandId: "c-1" }).pipe(Metadata.with({ by }))
      const first = yield* send({ a: at.a, b: at.b }, "Ann")
      assert.deepStrictEqual(yield* send({ b: at.b, a: at.a }, "Bob"), first)
      assert.instanceOf(yield* Effect.flip(send({ a: at.b, b: at.a }, "Ann")), Commands.CommandIdTaken)
      assert.deepStrictEqual((yield* balance.load("1")).version, Option.some(0))
    }))

  it.effect("a command of many events is recognised by the first of them", () =>
    Effect.gen(function*() {
      const { balance, commands } = yield* newCommands
      const split = (parts: number) => commands.Split("1", { amount: 1, parts }, { commandId: "c-1" })
      yield* commands.Deposit("1", { amount: 100 })
      const first = yield* split(150)
      const second = yield* split(150)
      assert.deepStrictEqual([second.events.length, second.reply, second.version], [150, 150, first.version])
      for (const parts of [1, 151]) assert.instanceOf(yield* Effect.flip(split(parts)), Commands.CommandIdTaken)
      assert.deepStrictEqual((yield* balance.load("1")).state, { balance: 250 })
    }))

  it.effect("sent at once under one id, one command has an effect, and the others are refused", () =>
    Effect.gen(function*() {
      const { balance, commands } = yield* newCommands
      const send = (index: number) =>
        Effect.result(
          commands.Deposit("1", { amount: 1 + index % 3 }, { commandId: "c-1", retry: Schedule.recurs(100) })
        )
      const results = yield* Effect.forEach(upTo(24), send, { concurrency: "unbounded" })
      const { state: { balance: amount }, version } = yield* balance.load("1")
      assert.deepStrictEqual(version, Option.some(0))
      for (const [index, result] of results.entries()) {
        if (1 + index % 3 === amount) assert.strictEqual(result._tag, "Success")
        else assert(result._tag === "Failure" && result.failure._tag === "CommandIdTaken")
      }
    }))

  it.effect("a command id that a transaction without a name has used counts as the same command", () =>
    Effect.gen(function*() {
      const { balance, category, commands } = yield* newCommands
      yield* balance.transact("1", () => category.events.Deposited({ amount: 10 }), { commandId: "c-1" })
      const { state } = yield* commands.Deposit("1", { amount: 11 }, { commandId: "c-1" })
      assert.deepStrictEqual(state, { balance: 10 })
    }))

  it.effect("the store has neither the command's id nor a digest of the payload that can be made without it", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const { commands, name } = yield* newCommands
      const digestOf = Effect.fnUntraced(function*(id: string, commandId: string) {
        yield* commands.Deposit(id, { amount: 5 }, { commandId })
        const message = Option.getOrThrow(yield* store.lastMessage(`${name}-${id}`))
        const { commandDigest, ...others } = Metadata.fromJson(message.metadata)
        assert.deepStrictEqual(Object.keys(others).filter((key) => key !== "traceparent"), [])
        assert.notInclude(JSON.stringify(message), commandId)
        return commandDigest
      })
      const digest = yield* digestOf("1", "secret-1")
      assert.isString(digest)
      assert.notStrictEqual(yield* digestOf("2", "secret-2"), digest)
      yield* commands.Deposit("3", { amount: 5 })
      const message = Option.getOrThrow(yield* store.lastMessage(`${name}-3`))
      assert.notProperty(Metadata.fromJson(message.metadata), "commandDigest")
    }))
}

export const tests = (it: It) =>
  describe("commands by name", () => {
    deciding(it)
    repeating(it)
  })

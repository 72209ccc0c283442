/**
 * The pure parts of parking: the states of parked streams against a model, which streams a consumer remembers, and the names
 * of parked streams.
 */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, HashMap, Option, Schema } from "effect"
import { type Message, StreamName } from "eventfold"
import * as ParkingCategory from "../src/internal/parking/category.ts"
import * as KnownStreams from "../src/internal/parking/knownStreams.ts"
import * as States from "../src/internal/parking/states.ts"

const streamName = "account-1"

const parked = (globalPosition: number): ParkingCategory.Event => ({
  type: "Parked",
  data: { streamName, position: globalPosition, globalPosition, messageId: "id", type: "Deposited", attempts: 1 }
})

const replayed = (globalPosition: number): ParkingCategory.Event => ({
  type: "Replayed",
  data: { streamName, position: globalPosition, globalPosition }
})

const requested = (limit?: number): ParkingCategory.Event => ({
  type: "ReplayRequested",
  data: limit === undefined ? { streamName } : { streamName, limit }
})

const dropped = (globalPosition?: number): ParkingCategory.Event => ({
  type: "Dropped",
  data: globalPosition === undefined ? { streamName, reason: "" } : { streamName, globalPosition, reason: "" }
})

const failedAgain = (globalPosition: number): ParkingCategory.Event => ({
  type: "Failed",
  data: { streamName, position: globalPosition, globalPosition, error: "again", attempts: 2 }
})

describe("the states of a parked stream", () => {
  const Step = Schema.Literals(["park", "replay", "fail", "drop", "drop all", "request", "request one"])

  it.effect.prop("the summary counts the messages that wait, and a request ends with them", {
    steps: Schema.Array(Step).check(Schema.isMaxLength(40))
  }, ({ steps }) =>
    Effect.sync(() => {
      let waiting: Array<number> = []
      let wanted = 0
      let last = 0
      let contents = States.contents.initial
      let summary = States.summary.initial
      for (const step of steps) {
        const [first] = waiting
        if (step !== "park" && first === undefined) continue
        const event = step === "park"
          ? parked(last += 3)
          : step === "request"
          ? requested()
          : step === "request one"
          ? requested(1)
          : step === "drop all"
          ? dropped()
          : step === "drop"
          ? dropped(waiting.at(-1))
          : step === "fail"
          ? failedAgain(first ?? 0)
          : replayed(first ?? 0)
        if (step === "park") waiting.push(last)
        if (step === "replay") waiting.shift()
        if (step === "drop") waiting.pop()
        if (step === "drop all") waiting = []
        if (step === "request") wanted = Number.MAX_SAFE_INTEGER
        if (step === "request one") wanted = Math.min(wanted + 1, Number.MAX_SAFE_INTEGER)
        if (step === "replay") wanted -= 1
        if (step === "fail" || waiting.length === 0) wanted = 0
        contents = States.contents.evolve(contents, event)
        summary = States.summary.evolve(summary, event)

        assert.deepStrictEqual(summary, contents.summary)
        assert.strictEqual(summary.waiting, waiting.length)
        assert.strictEqual(summary.through, last)
        assert.strictEqual(Math.max(summary.requested, 0), Math.max(wanted, 0))
        assert.deepStrictEqual(States.oldestFirst(contents).map(({ globalPosition }) => globalPosition), waiting)
      }
    }))

  it("a message that fails again has the new error, and the attempts of both", () => {
    const contents = [parked(1), parked(2), failedAgain(1)].reduce(States.contents.evolve, States.contents.initial)
    const [first, second] = States.oldestFirst(contents)
    assert.deepStrictEqual([first?.failure?.message, first?.attempts], ["again", 3])
    assert.deepStrictEqual([second?.failure, second?.attempts], [undefined, 1])
    assert.strictEqual(HashMap.size(contents.messages), 2)
  })
})

describe("the parked streams that a consumer remembers", () => {
  const recorded = {
    id: "00000000-0000-0000-0000-000000000000" as Message.MessageId,
    streamName: "account:parked-notifier+1" as StreamName.StreamName,
    type: "",
    data: {},
    metadata: null,
    position: 0,
    globalPosition: 0,
    time: DateTime.makeUnsafe(0)
  }
  const learn = (known: KnownStreams.KnownStreams, ...events: ReadonlyArray<ParkingCategory.Event>) => {
    for (const event of events) known.learn("notifier+1", { ...event, recorded } as ParkingCategory.RecordedEvent)
  }

  it("are those in which messages wait, and those whose settled messages may be delivered again", () => {
    let position: number | undefined = 4
    const known = KnownStreams.make(() => position)
    learn(known, parked(5))
    position = 6
    known.forgetSettled()
    assert.isTrue(known.isAnyWaiting())
    position = 4
    learn(known, replayed(5))
    known.forgetSettled()
    assert.isFalse(known.isAnyWaiting())
    assert.isFalse(known.isEmpty())
    position = 5
    known.forgetSettled()
    assert.isTrue(known.isEmpty())
  })

  it("a stream that is settled when it is read is not among them", () => {
    const known = KnownStreams.make(() => 10)
    learn(known, parked(5), requested())
    assert.deepStrictEqual(known.requested(), [{ id: "notifier+1", streamName }])
    learn(known, replayed(5))
    assert.isTrue(known.isEmpty())
  })
})

describe("the names of parked streams", () => {
  it.effect.each<readonly [category: string, streamName: string, expected: string]>([
    ["account", "account-123", "account:parked-notifier+123"],
    ["account", "account-123+456", "account:parked-notifier+123"],
    ["account", "account", "account:parked-notifier"],
    ["account", "account-", "account:parked-notifier+"],
    ["account:command", "account:command-1", "account:command+parked-notifier+1"],
    ["$all", "account-123+456", "$all:parked-notifier+account-123"]
  ])("of %s: %s is parked in %s", ([category, name, expected]) =>
    Effect.gen(function*() {
      const parking = yield* ParkingCategory.make({ id: "notifier", category })
      const id = parking.idOf(name)
      assert.strictEqual(`${parking.category.categoryName}-${id}`, expected)
      assert.deepStrictEqual(parking.ownId(expected), Option.some(id))
      const other = yield* ParkingCategory.make({ id: "notifier-2", category })
      assert.deepStrictEqual(other.ownId(expected), Option.none())
    }))

  it.effect("a cardinal id that is too long is hashed, after two plus signs", () =>
    Effect.gen(function*() {
      const parking = yield* ParkingCategory.make({ id: "notifier", category: "account" })
      const long = `account-${"x".repeat(StreamName.maxBytes - "account-".length)}`
      assert.match(parking.idOf(long), /^notifier\+\+[0-9a-f-]{36}$/)
      assert.strictEqual(parking.idOf(`${long}+part`), parking.idOf(long))
      assert.notStrictEqual(parking.idOf(`${long.slice(1)}y`), parking.idOf(long))
    }))
})

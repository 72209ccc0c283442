import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import type * as FailureReport from "eventfold/FailureReport"
import * as MessageStore from "eventfold/MessageStore"
import * as Parking from "eventfold/Parking"
import * as PositionStore from "eventfold/PositionStore"
import { type It, newCategory } from "./fixtures.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { amount: Schema.Int, limit: Schema.BigInt }) {
  override get message() {
    return `refused ${this.amount}`
  }
}

/** A consumer of a category of its own that fails on the amounts in `bad`, and notes the others. */
const setUp = Effect.gen(function*() {
  const category = Category.make(yield* newCategory, { Deposited: { amount: Schema.Int } })
  const bad = new Set<number>()
  const seen: Array<number> = []
  const consumer = Consumer.make("notifier", {
    onFailure: "park",
    retry: Schedule.recurs(1),
    concurrency: 4,
    poll: { min: "10 millis", max: "50 millis" }
  }).on(category, {
    Deposited: ({ data: { amount } }) =>
      Effect.suspend(() => {
        if (bad.has(amount)) return Effect.fail(new Refused({ amount, limit: 10n ** 20n }))
        seen.push(amount)
        return Effect.void
      })
  })
  const owner: Parking.Owner = { id: "notifier", category: category.categoryName }

  const deposit = (id: string, ...amounts: ReadonlyArray<number>) =>
    category.append(id, amounts.map((amount) => category.events.Deposited({ amount })))

  /** The positions of parked messages, by id. */
  const idOf = (stream: string) => stream.slice(category.categoryName.length + 1)
  const waiting = Effect.map(
    Stream.runCollect(Parking.list(owner)),
    (streams) =>
      Object.fromEntries(
        streams.map(({ messages, stream }) => [idOf(stream), messages.map(({ position }) => position)])
      )
  )

  return {
    bad,
    consumer,
    deposit,
    owner,
    seen: (from = 0, to = Number.POSITIVE_INFINITY) => seen.filter((amount) => amount >= from && amount < to),
    waiting,
    stream: (id: string) => `${category.categoryName}-${id}`
  }
})

/** Retries an assertion until it holds, for two minutes. */
const eventually = <E, R>(assertion: Effect.Effect<void, E, R>) =>
  Effect.sandbox(assertion).pipe(
    Effect.retry(Schedule.max([Schedule.spaced("20 millis"), Schedule.recurs(6_000)])),
    Effect.catch(Effect.failCause)
  )

export const tests = (it: It) =>
  describe("parking", () => {
    it.effect("a message that fails waits with those after it, in order, until it is replayed; other streams flow", () =>
      Effect.gen(function*() {
        const { bad, consumer, deposit, owner, seen, stream, waiting } = yield* setUp
        const equals = (expected: Record<string, ReadonlyArray<number>>) =>
          eventually(Effect.map(waiting, (found) => assert.deepStrictEqual(found, expected)))
        bad.add(2).add(20)
        yield* Effect.forkChild(Consumer.run(consumer))
        yield* deposit("a", 1, 2, 3)
        yield* deposit("a+part", 4)
        yield* deposit("b", 10, 11)
        yield* deposit("c", 20, 21)
        yield* equals({ a: [1, 2, 0], c: [0, 1] })
        const owners = Stream.runCollect(Stream.filter(Parking.owners, ({ category }) => category === owner.category))
        const oldest = (yield* Stream.runCollect(Parking.list(owner)))[0]?.messages[0].time
        const parked = yield* Stream.runCollect(Parking.list(owner))
        const codec = Schema.fromJsonString(Schema.toCodecJson(Schema.Array(Parking.ParkedStream)))
        assert.deepStrictEqual(yield* Schema.decodeEffect(codec)(yield* Schema.encodeEffect(codec)(parked)), parked)
        const [known] = yield* owners
        assert.deepStrictEqual(known, { ...owner, streams: 2, messages: 5, since: known?.since })
        assert.strictEqual(known?.since.epochMilliseconds, oldest?.epochMilliseconds)
        yield* eventually(Effect.sync(() => assert.deepStrictEqual(seen(10, 20), [10, 11])))
        assert.deepStrictEqual(seen(0, 10), [1])

        // It fails again.
        assert.strictEqual(yield* Parking.replay(owner, { stream: stream("a") }), 1)
        yield* eventually(Effect.map(Stream.runCollect(Parking.list(owner)), (streams) =>
          assert.strictEqual(
            streams.find((one) => one.stream === stream("a"))?.messages[0].attempts,
            4
          )))
        bad.clear()
        assert.strictEqual(yield* Parking.replay(owner, { limit: 1 }), 2)
        yield* equals({ a: [2, 0], c: [1] })
        yield* deposit("a", 5)
        yield* equals({ a: [2, 0, 3], c: [1] })
        assert.strictEqual(yield* Parking.replay(owner), 2)
        yield* deposit("a", 6)
        yield* deposit("c", 22)
        yield* equals({})
        assert.deepStrictEqual(yield* owners, [])
        yield* eventually(Effect.sync(() => assert.deepStrictEqual(seen(20), [20, 21, 22])))
        yield* eventually(Effect.sync(() => assert.deepStrictEqual(seen(0, 10), [1, 2, 3, 4, 5, 6])))
      }))

    it.effect("a parked message keeps the tag, the message and the fields of its error", () =>
      Effect.gen(function*() {
        const { bad, consumer, deposit, owner } = yield* setUp
        bad.add(1)
        yield* Effect.forkChild(Consumer.run(consumer))
        yield* deposit("a", 1, 2)
        const failure: FailureReport.FailureReport = {
          kind: "error",
          tag: "Refused",
          message: "refused 1",
          fields: { amount: 1, limit: "100000000000000000000" }
        }
        const parkedIs = (attempts: number) =>
          eventually(Effect.map(Stream.runCollect(Parking.list(owner)), ([stream]) =>
            assert.deepStrictEqual(
              stream?.messages.map(({ attempts, failure }) => [attempts, failure]),
              [[attempts, Option.some(failure)], [0, Option.none()]]
            )))
        yield* parkedIs(2)
        // So does one that fails again.
        yield* Parking.replay(owner)
        yield* parkedIs(4)
      }))

    it.effect("a defect with strange values is parked as well as that goes", () =>
      Effect.gen(function*() {
        const { consumer, deposit, owner } = yield* setUp
        const defect = Object.assign(new Error("\u0000 \ud800"), {
          large: Array.from({ length: 10_000 }, () => "x".repeat(100)),
          "\u0000": 5n,
          self: {} as unknown
        })
        defect.self = defect
        yield* Effect.forkChild(Consumer.run({ ...consumer, handle: () => Effect.die(defect) }))
        yield* deposit("a", 1)
        yield* eventually(Effect.map(Stream.runCollect(Parking.list(owner)), ([stream]) => {
          const failure = Option.getOrThrow(stream?.messages[0].failure ?? Option.none())
          assert.deepStrictEqual([failure.kind, failure.tag, failure.message], ["defect", "Error", "\ufffd \ufffd"])
          assert.include(JSON.stringify(failure.fields["large"]), "xxx")
        }))
      }))

    it.effect("what an earlier version has parked is read", () =>
      Effect.gen(function*() {
        const { deposit, owner, stream } = yield* setUp
        const store = yield* MessageStore.MessageStore
        const { globalPosition } = yield* deposit("a", 1)
        const message = Option.getOrThrow(yield* store.lastMessage(stream("a")))
        const reference = { streamName: stream("a"), position: 0, globalPosition }
        const error = "Refused: refused 1\n    at handler (file.ts:1:1)"
        yield* store.append(`${owner.category}:parked-notifier+a`, [
          { type: "Parked", data: { ...reference, messageId: message.id, type: "Deposited", attempts: 2, error } },
          { type: "Failed", data: { ...reference, attempts: 1, error: `${error} again` } }
        ])
        const [parked] = yield* Stream.runCollect(Parking.list(owner))
        assert.deepStrictEqual(
          parked?.messages.map(({ attempts, failure }) => [attempts, failure]),
          [[3, Option.some({ kind: "error", tag: "Refused", message: `${error} again`, fields: {} })]]
        )
      }))

    it.effect("a replay requested while no consumer runs happens when one does, and dropped messages are not handled", () =>
      Effect.gen(function*() {
        const { bad, consumer, deposit, owner, seen, stream, waiting } = yield* setUp
        bad.add(1).add(10)
        yield* deposit("a", 1, 2, 3)
        yield* deposit("b", 10, 11)
        const fiber = yield* Effect.forkChild(Consumer.run(consumer))
        yield* eventually(Effect.map(waiting, (found) => assert.deepStrictEqual(found, { a: [0, 1, 2], b: [0, 1] })))
        yield* Fiber.interrupt(fiber)
        bad.clear()
        // Either stream may have been parked first.
        const parked = (yield* Stream.runCollect(Parking.list(owner))).find((one) => one.stream === stream("a"))
        const globalPosition = parked?.messages[1]?.globalPosition ?? 0
        assert.strictEqual(yield* Parking.drop(owner, { stream: stream("a"), globalPosition, reason: "test" }), 1)
        assert.strictEqual(yield* Parking.drop(owner, { stream: stream("a"), globalPosition, reason: "test" }), 0)
        assert.strictEqual(yield* Parking.drop(owner, { stream: stream("b"), reason: "test" }), 2)
        assert.strictEqual(yield* Parking.replay(owner), 1)
        yield* deposit("a", 4)
        yield* deposit("b", 12)
        assert.deepStrictEqual(seen(), [])
        yield* Effect.forkChild(Consumer.run(consumer))
        yield* eventually(Effect.sync(() => assert.deepStrictEqual(seen(0, 10), [1, 3, 4])))
        yield* eventually(Effect.sync(() => assert.deepStrictEqual(seen(10), [12])))
        yield* eventually(Effect.map(waiting, (found) => assert.deepStrictEqual(found, {})))
      }))

    it.effect("after a crash nothing is parked twice, and nothing that was replayed or dropped is handled again", () =>
      Effect.gen(function*() {
        const { bad, consumer, deposit, owner, seen, stream, waiting } = yield* setUp
        const positions = yield* PositionStore.PositionStore
        const crashing = Effect.provideService(Consumer.run(consumer), PositionStore.PositionStore, {
          ...positions,
          put: () => Effect.void
        })
        bad.add(1).add(10)
        yield* deposit("a", 1, 2)
        yield* deposit("b", 10, 11)
        const parked = { a: [0, 1], b: [0, 1] }
        const first = yield* Effect.forkChild(crashing)
        yield* eventually(Effect.map(waiting, (found) => assert.deepStrictEqual(found, parked)))
        bad.delete(1)
        yield* Parking.replay(owner, { stream: stream("a") })
        yield* eventually(Effect.sync(() => assert.deepStrictEqual(seen(), [1, 2])))
        yield* eventually(Effect.map(waiting, (found) => assert.deepStrictEqual(found, { b: [0, 1] })))
        yield* Fiber.interrupt(first)

        yield* deposit("a", 3)
        yield* deposit("b", 12)
        yield* Effect.forkChild(Consumer.run(consumer))
        yield* eventually(Effect.sync(() => assert.deepStrictEqual(seen(), [1, 2, 3])))
        yield* eventually(Effect.map(waiting, (found) => assert.deepStrictEqual(found, { b: [0, 1, 2] })))
        assert.strictEqual(yield* Parking.drop(owner, { stream: stream("b"), reason: "test" }), 3)
      }))
  })

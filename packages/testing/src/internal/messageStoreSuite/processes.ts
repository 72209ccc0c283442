import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import { MessageStore } from "eventfold/MessageStore"
import * as Metadata from "eventfold/Metadata"
import * as PositionStore from "eventfold/PositionStore"
import * as Process from "eventfold/Process"
import { StoreError } from "eventfold/StoreError"
import { type It, newCategory, readCategory, readStream, upTo } from "./fixtures.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { step: Schema.String }) {}

/** Waits until a category has this many messages. */
const awaitMessages = (category: string, count: number) =>
  Effect.scoped(Effect.gen(function*() {
    const store = yield* MessageStore
    const wakeUps = yield* store.wakeUps(category)
    while ((yield* store.countCategory(category)) < count) yield* Effect.timeoutOption(wakeUps.await, "100 millis")
  }))

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** Runs a process until a category has this many messages. */
const runUntil = <E, R>(process: Process.Process<E, R>, category: string, count: number) =>
  quietly(Effect.raceFirst(Process.run(process), awaitMessages(category, count)))

/** Without stored positions: every message is delivered again. */
const redelivering = Effect.provide(PositionStore.layerMemory)

/** A chain of reactions. Each fails, or writes something else, when it runs again after its messages are written. */
const newChain = Effect.map(newCategory, (name) => {
  const order = Category.make(`${name}order` as "order", { Placed: {}, Cancelled: {} })
  const payment = Category.make(`${name}payment:command` as "payment", { Charge: { attempt: Schema.Int } })
  const shipping = Category.make(`${name}shipping` as "shipping", { Stopped: { after: Schema.String } })
  const fulfilment = Category.make(`${name}fulfilment` as "fulfilment", { Started: {}, GivenUp: {} }, {
    unknownTypes: "refuse"
  })
  const progress = Entity.make(fulfilment, {
    state: Schema.Literals(["new", "started", "given up"]),
    initial: "new",
    evolve: { Started: () => "started", GivenUp: () => "given up" }
  })
  const process = Process.make(fulfilment.categoryName, {
    entity: progress,
    retry: Schedule.recurs(0),
    checkpoint: { every: 1 }
  })
    .deadline("payment", (state, _, id) =>
      state === "started"
        ? { events: fulfilment.events.GivenUp({}), send: Process.send(order, id, order.events.Cancelled({})) }
        : Effect.fail(new Refused({ step: "payment" })))
    .on(order, {
      Placed: (state, _, id) =>
        state === "new"
          ? {
            events: fulfilment.events.Started({}),
            send: Process.send(payment, id, [1, 2].map((attempt) => payment.events.Charge({ attempt }))),
            deadlines: { payment: 0 }
          }
          : Effect.fail(new Refused({ step: "Placed" })),
      Cancelled: (state, { recorded }, id) => ({
        send: Process.send(shipping, id, shipping.events.Stopped({ after: `${state} ${recorded.position}` }))
      })
    })
  const deadlines = `${fulfilment.categoryName}:deadline`
  const categories = [
    order.categoryName,
    payment.categoryName,
    shipping.categoryName,
    fulfilment.categoryName,
    deadlines
  ]
  return {
    order,
    payment,
    shipping,
    fulfilment,
    process,
    place: (id: string) => order.append(id, order.events.Placed({})),
    /** The types of all messages but positions, by category. */
    types: Effect.map(
      Effect.forEach(categories, (category) => readCategory(category)),
      (messages) => messages.map((messages) => messages.map(({ type }) => type))
    )
  }
})

const chainOf = (count: number) => [
  upTo(count).flatMap(() => ["Placed", "Cancelled"]),
  upTo(count).flatMap(() => ["Charge", "Charge"]),
  upTo(count).flatMap(() => ["Stopped"]),
  upTo(count).flatMap(() => ["Started", "GivenUp", "eventfold:Handled"]),
  upTo(count).flatMap(() => ["Set", "Passed"])
]

/** A store on which every write fails after a number of them: the first of these before or after it is written. */
const crashing = (store: MessageStore["Service"], after: number, when: "before" | "after") => {
  let writes = 0
  const crash = Effect.fail(new StoreError({ operation: "test", reason: "crash", isRetryable: false }))
  const write = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | StoreError> => {
      writes += 1
      if (writes <= after) return effect
      return writes === after + 1 && when === "after" ? Effect.andThen(effect, crash) : crash
    })
  return {
    hasCrashed: () => writes > after,
    service: MessageStore.of({
      ...store,
      append: (...args) => write(store.append(...args)),
      writeAll: (appends) => write(store.writeAll(appends))
    })
  }
}

const redelivery = (it: It) => {
  it.effect("writes its messages once, wherever it crashes, and when every message is delivered again", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      let crashes = 0
      for (const when of ["before", "after"] as const) {
        for (let after = 0;; after++) {
          const { place, process, shipping, types } = yield* newChain
          const { hasCrashed, service } = crashing(store, after, when)
          yield* place("1")
          const outcome = yield* Effect.exit(runUntil(process, shipping.name, 1)).pipe(
            Effect.provideService(MessageStore, service)
          )
          // When it ends, the positions that follow the last reaction are written as well.
          if (outcome._tag === "Success" && !hasCrashed()) break
          crashes += 1
          yield* runUntil(process, shipping.name, 1)
          assert.deepStrictEqual(yield* types, chainOf(1), `${when} write ${after}`)
          yield* place("2")
          yield* redelivering(runUntil(process, shipping.name, 2))
          const [orders, , , own] = yield* types
          assert.deepStrictEqual(orders, ["Placed", "Cancelled", "Placed", "Cancelled"])
          assert.deepStrictEqual(yield* types, chainOf(2), `${when} write ${after}, delivered again`)
          assert.strictEqual(own?.length, 6)
        }
      }
      // The four reactions and deadlines, and some positions, which are writes as well.
      assert.isAtLeast(crashes, 2 * 5)
    }).pipe(Effect.provide(PositionStore.layerStreams)))

  it.effect("ids and metadata say which message caused a message", () =>
    Effect.gen(function*() {
      const { fulfilment, order, payment, process, shipping } = yield* newChain
      yield* order.append(["1", "2"], order.events.Placed({}, { metadata: { properties: { tenant: "t" } } }))
      yield* runUntil(process, shipping.name, 1)
      const [placed] = yield* readStream(`${order.categoryName}-1+2`)
      const [started] = yield* readStream(`${fulfilment.categoryName}-1+2`)
      const charges = yield* readStream(`${payment.categoryName}-1+2`)
      const [set, passed] = yield* readStream(`${fulfilment.categoryName}:deadline-1+2`)
      assert(placed !== undefined && passed !== undefined)
      for (const message of [started, ...charges, set]) {
        assert.deepStrictEqual(message?.metadata, { ...Metadata.follow(placed) })
      }
      const [stopped] = yield* readStream(`${shipping.name}-1+2`)
      assert.deepStrictEqual(Metadata.fromJson(stopped?.metadata ?? null).properties, { tenant: "t" })
      assert.deepStrictEqual(stopped?.data, { after: "given up 1" })
      assert.strictEqual(new Set([started, ...charges, set, passed].map((message) => message?.id)).size, 5)
    }))
}

const races = (it: It) => {
  it.effect("reactions that race for one state each decide on what the others have written", () =>
    Effect.gen(function*() {
      const name = yield* newCategory
      const sources = ["a", "b", "c"].map((letter) => Category.make(`${name}${letter}` as "source", { Happened: {} }))
      const counter = Category.make(`${name}counter` as "counter", { Counted: { to: Schema.Int } })
      const process = sources.reduce(
        (process, source) =>
          process.on(source, { Happened: (count) => ({ events: counter.events.Counted({ to: count + 1 }) }) }, {
            id: () => "1",
            concurrency: 4
          }),
        Process.make(counter.categoryName, {
          entity: Entity.make(counter, { state: Schema.Int, initial: 0, evolve: { Counted: (_, { to }) => to } })
        }).on(Category.make(`${name}d` as "source", { Happened: {} }), {})
      )
      for (const source of sources) {
        yield* Effect.forEach(upTo(12), (i) => source.append(String(i), source.events.Happened({})))
      }
      yield* runUntil(process, counter.categoryName, 36)
      assert.deepStrictEqual(
        (yield* readCategory(counter.categoryName)).map(({ data }) => data),
        upTo(36).map((i) => ({ to: i + 1 }))
      )
    }))
}

const answers = (it: It) => {
  it.effect("an answer reaches the process that asked, and no other", () =>
    Effect.gen(function*() {
      const name = yield* newCategory
      const [asking, answering] = [`${name}asking`, `${name}answering`]
      const question = Category.make(`${answering}:command` as "question", { Asked: {} })
      const answer = Category.make(answering as "answer", { Answered: { to: Schema.String } })
      const start = Category.make(`${name}start` as "start", { Started: {} })
      const own = Category.make(asking as "asking", { Got: { to: Schema.String } })
      const memory = Entity.make(own, { state: Schema.Int, initial: 0, evolve: { Got: (count) => count + 1 } })
      const asker = Process.make(asking, { entity: memory })
        .on(start, {
          Started: (_, __, id) => ({
            send: Process.send(
              question,
              id,
              question.events.Asked({}, {
                metadata: { correlationStreamName: `${asking}-${String(id)}`, replyStreamName: `${asking}-reply` }
              })
            )
          })
        })
        .on(answer, { Answered: (_, { data }) => ({ events: own.events.Got(data) }) }, { correlation: asking })
      const answerer = Process.make(answering, {
        entity: Entity.make(Category.make(`${answering}:memory` as "memory", {}), {
          state: Schema.Null,
          initial: null,
          evolve: {}
        })
      }).on(question, {
        Asked: (_, { recorded }, id) => ({
          send: Process.send(
            answer,
            id,
            answer.events.Answered({
              to: Metadata.fromJson(recorded.metadata).correlationStreamName ?? "none"
            })
          )
        })
      })
      yield* question.append("x", question.events.Asked({}))
      yield* question.append("y", question.events.Asked({}, { metadata: { correlationStreamName: `${name}-1` } }))
      yield* start.append("1", start.events.Started({}))
      yield* runUntil(answerer, answering, 2)
      // The first answers are written before the asker begins to read.
      yield* quietly(
        Effect.raceFirst(
          Process.run(answerer),
          Effect.andThen(runUntil(asker, answering, 3), runUntil(asker, asking, 2))
        )
      )
      const got = (yield* readCategory(asking)).filter(({ type }) => type === "Got")
      assert.deepStrictEqual(got.map(({ data }) => data), [{ to: `${asking}-1` }])
      assert.strictEqual(Metadata.fromJson(got[0]?.metadata ?? null).replyStreamName, `${asking}-reply`)
      assert.strictEqual((yield* readCategory(answering)).length, 3)
    }))
}

const handles = (it: It) =>
  it.effect("is waited for by a position, here and elsewhere, and tells its lag", () =>
    Effect.gen(function*() {
      const { fulfilment, order, place, process } = yield* newChain
      const { globalPosition } = yield* place("1")
      const before = yield* Process.status(process)
      assert.deepStrictEqual([before.name, before.lag.messages], [fulfilment.categoryName, 1])

      yield* Effect.scoped(Effect.gen(function*() {
        const running = yield* Process.start(process)
        assert.deepStrictEqual(running.consumers.map(({ category }) => category), [
          order.categoryName,
          `${fulfilment.categoryName}:deadline`
        ])
        yield* running.waitFor(globalPosition)
        // It has reacted when the wait ends.
        assert.deepStrictEqual(
          (yield* readStream(`${fulfilment.categoryName}-1`)).slice(0, 1).map(({ type }) => type),
          [
            "Started"
          ]
        )
        assert.deepStrictEqual(Object.keys(yield* running.status), [
          order.categoryName,
          `${fulfilment.categoryName}:deadline`
        ])
        yield* Process.waitFor(process, globalPosition)
        yield* awaitMessages(fulfilment.categoryName, 3)
        const last = (yield* readCategory(order.categoryName)).at(-1)?.globalPosition ?? 0
        yield* running.waitFor(last)
        yield* Process.waitFor(process, last)
      }))
      assert.strictEqual((yield* Process.status(process)).lag.messages, 0)

      // A trigger that the process refuses: one consumer fails, and so does the whole.
      yield* place("1")
      yield* Effect.scoped(Effect.gen(function*() {
        const running = yield* Process.start(process)
        const refused = new Refused({ step: "Placed" })
        assert.deepStrictEqual(yield* Effect.flip(running.await), refused)
        assert.deepStrictEqual(yield* Effect.flip(running.waitFor(Number.MAX_SAFE_INTEGER)), refused)
        assert.deepStrictEqual(yield* Effect.flip(running.await), refused)
      }))
    }).pipe(quietly))

const once = (it: It) =>
  describe("process", () => {
    handles(it)
    redelivery(it)
    races(it)
    answers(it)
  })
const deadlines = (it: It) =>
  describe("process deadlines", () => {
    it.effect("pass in the order of their times, once each, also those that came due while no process ran", () =>
      Effect.gen(function*() {
        const name = yield* newCategory
        const trigger = Category.make(`${name}trigger` as "trigger", { Begun: { millis: Schema.Array(Schema.Int) } })
        const own = Category.make(`${name}own` as "own", { Late: { due: Schema.DateTimeUtc } })
        const memory = Entity.make(own, { state: Schema.Int, initial: 0, evolve: { Late: (count) => count + 1 } })
        const process = Process.make(own.categoryName, { entity: memory, checkpoint: { every: 1 } })
          .deadline("short", (_, { due }) => ({ events: own.events.Late({ due }) }))
          .deadline("long", (_, { due }) => ({ events: own.events.Late({ due }) }))
          .on(trigger, {
            Begun: (_, { data: { millis: [long = 0, short = 0] } }) => ({ deadlines: { long, short } })
          })
        const late = `${own.categoryName}:deadline`
        yield* trigger.append("1", trigger.events.Begun({ millis: [40, 20] }))
        yield* runUntil(process, late, 4)
        const [, , ...passed] = yield* readCategory(late)
        assert.deepStrictEqual(passed.map(({ type }) => type), ["Passed", "Passed"])
        yield* runUntil(process, own.categoryName, 3)
        // Set in one run, due between runs, passed in the next.
        yield* trigger.append("2", trigger.events.Begun({ millis: [2, 1] }))
        yield* runUntil(process, late, 6)
        yield* Effect.sleep("5 millis")
        yield* runUntil(process, own.categoryName, 6)
        // They do not pass again when the messages are delivered again.
        yield* trigger.append("3", trigger.events.Begun({ millis: [2, 1] }))
        yield* redelivering(runUntil(process, own.categoryName, 9))
        const types = (yield* readCategory(late)).map(({ type }) => type)
        assert.deepStrictEqual(types.filter((type) => type === "Passed").length, 6)
        assert.strictEqual((yield* memory.load("1")).state, 2)
        assert.strictEqual((yield* memory.load("2")).state, 2)
        assert.deepStrictEqual((yield* memory.load("3")).version, Option.some(2))
        for (const id of [1, 2, 3]) {
          const messages = (yield* readStream(`${own.categoryName}-${id}`)).filter(({ type }) => type === "Late")
          const times = messages.map(({ data }) => Schema.decodeUnknownSync(Due)(data).due)
          assert.deepStrictEqual(times, times.toSorted(), `of process ${id}`)
          assert.strictEqual(times.length, 2)
        }
        // What is pending is listed by the name of the process alone, though no process runs.
        yield* trigger.append("4", trigger.events.Begun({ millis: [7_200_000, 3_600_000] }))
        yield* runUntil(process, late, 14)
        const pending = yield* Process.deadlines({ name: own.categoryName })
        assert.deepStrictEqual(
          pending.map(({ id, isOverdue, name }) => [id, name, isOverdue]),
          [["4", "short", false], ["4", "long", false]]
        )
      }))
  })

const Due = Schema.Struct({ due: Schema.String })

export const tests = (it: It) => {
  once(it)
  deadlines(it)
}

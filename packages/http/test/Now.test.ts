/**
 * What happens now: how often the store is asked for it, what needs attention, and what a sender sees of it. On the memory store.
 */
import { assert, describe, it } from "@effect/vitest"
import { NowApi } from "@eventfold/http"
import { DateTime, Effect, Exit, Fiber, Layer, Schedule, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  Category,
  Consumer,
  Entity,
  MessageStore,
  Observe,
  Process,
  ReadModel,
  type Runners,
  StoreError
} from "eventfold"
import { get } from "node:http"
import * as Hub from "../src/internal/now/hub.ts"
import { makeChecker } from "./Answers.ts"
import { inProcess, secret, writer } from "./FailingStore.ts"
import { address, as, inMemory, serve } from "./Served.ts"
import { parseSse, settle } from "./support/Watching.ts"

const Account = Category.make("account", { Opened: { owner: Schema.String } })
const Order = Category.make("order", { Placed: {} })

const fulfilment = Process.make("fulfilment", {
  entity: Entity.make(Category.make("fulfilment", {}), { state: Schema.Null, initial: null, evolve: {} })
}).deadline("payment", () => ({})).on(Order, { Placed: () => ({ deadlines: { payment: "1 hour" } }) })

const refusing = (owner: string) => owner === "Eve" ? Effect.fail("no address") : Effect.void

const notifier = Consumer.make("notifier", { onFailure: "park", retry: Schedule.recurs(0) }).on(Account, {
  Opened: ({ data }) => refusing(data.owner)
})
const patient = Consumer.make("patient", { retry: Schedule.spaced("1 hour") }).on(Account, {
  Opened: ({ data }) => refusing(data.owner)
})
const brittle = Consumer.make("brittle", { retry: Schedule.recurs(0) }).on(Account, {
  Opened: ({ data }) => refusing(data.owner)
})

const balances = ReadModel.make("balances", { version: 1 }).on(Account, { Opened: () => Effect.void })

const Definitions = Observe.layer({
  consumers: [notifier, patient, brittle],
  processes: [fulfilment],
  readModels: [balances]
})

/** A store in memory that counts how often its end is asked for, and can go away. */
const counting = () => {
  let count = 0
  let isAway = false
  const away = new StoreError.StoreError({ operation: "lastPosition", reason: "away", isRetryable: true })
  const layer = Layer.effect(
    MessageStore.MessageStore,
    Effect.map(MessageStore.MessageStore, (store) => ({
      ...store,
      lastPosition: Effect.suspend(() => {
        count++
        return isAway ? Effect.fail(away) : store.lastPosition
      })
    }))
  ).pipe(Layer.provide(MessageStore.layerMemory))
  return {
    layer,
    asked: () => count,
    setAway: (value: boolean) => {
      isAway = value
    }
  }
}

/** Follows, until its scope closes, and counts what comes. */
const follow = Effect.fnUntraced(function*(hub: Hub.Hub["Service"]) {
  const scope = yield* Scope.make()
  const seen: Array<boolean> = []
  const feed = yield* Scope.provide(hub.feed, scope)
  const reading = yield* Effect.forkIn(
    Stream.runForEach(feed, (exit) => Effect.sync(() => seen.push(Exit.isSuccess(exit)))),
    scope
  )
  return { seen, leave: Effect.andThen(Scope.close(scope, Exit.void), Fiber.await(reading)) }
})

const second = settle.pipe(Effect.andThen(TestClock.adjust("1 second")), Effect.andThen(settle))

describe("looks at the store", () => {
  it.effect("are one a second for all who follow, and none when nobody does", () => {
    const { asked, layer, setAway } = counting()
    return Effect.gen(function*() {
      const hub = yield* Hub.make
      const followers = yield* Effect.replicateEffect(follow(hub), 5)
      yield* settle
      // Those who came at the same moment share the first one too.
      assert.strictEqual(asked(), 1)
      for (let count = 0; count < 10; count++) yield* second
      assert.strictEqual(asked(), 11)
      assert.deepStrictEqual(followers.map(({ seen }) => seen.length), [11, 11, 11, 11, 11])
      // Whoever asks once takes what the others have.
      yield* Effect.replicateEffect(hub.now, 3)
      assert.strictEqual(asked(), 11)

      setAway(true)
      yield* second
      setAway(false)
      yield* second
      assert.deepStrictEqual(
        followers.map(({ seen }) => seen.slice(-2)),
        Array.from({ length: 5 }, () => [false, true])
      )

      yield* Effect.forEach(followers, ({ leave }) => leave)
      const before = asked()
      for (let count = 0; count < 10; count++) yield* second
      assert.strictEqual(asked(), before)
      const samples = yield* hub.history(900)
      // Neither of the second in which the store was away, nor of those in which nobody looked.
      assert.lengthOf(samples, 12)
      assert.lengthOf(yield* hub.history(11), 1)
      for (let minute = 0; minute < 16; minute++) {
        yield* TestClock.adjust("1 minute")
        yield* hub.now
      }
      assert.isBelow((yield* hub.history(900)).length, 16)
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Observe.layer({}), layer)))
  })

  it.effect("tell the rate of what is written", () =>
    Effect.gen(function*() {
      const hub = yield* Hub.make
      assert.isNull((yield* hub.now).rate)
      for (let count = 0; count < 20; count++) {
        yield* Account.append("1", Array.from({ length: 5 }, () => Account.events.Opened({ owner: "Ann" })))
        yield* TestClock.adjust("1 second")
        yield* hub.now
      }
      assert.strictEqual((yield* hub.now).rate, 5)
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Observe.layer({}), inMemory))))
})

const kindsOf = ({ attention }: Hub.Now) =>
  attention.map(({ shown }) => `${shown.what} ${shown.what === "silent" ? "" : shown.reader}`)

describe("what needs attention", () => {
  it.effect("are readers that are stuck, stopped and have parked, and deadlines past their time", () =>
    Effect.gen(function*() {
      const hub = yield* Hub.make
      const running = yield* Scope.make()
      const started = yield* Scope.provide(
        Effect.all([Consumer.start(notifier), Consumer.start(patient), Consumer.start(brittle)]),
        running
      )
      const process = yield* Scope.provide(Process.start(fulfilment), running)
      yield* Account.append("1", Account.events.Opened({ owner: "Ann" }))
      yield* Order.append("1", Order.events.Placed({}))
      const last = yield* (yield* MessageStore.MessageStore).lastPosition
      yield* Effect.forEach(started, ({ waitFor }) => waitFor(last))
      yield* process.waitFor(last)
      for (let count = 0; count < 4; count++) yield* second
      const well = yield* hub.now
      assert.deepStrictEqual(kindsOf(well), [])
      assert.deepStrictEqual(
        well.readers.map(({ shown }) => [shown.kind, shown.reader, shown.isRunning, shown.lag.messages]),
        [
          ["consumer", "notifier", true, 0],
          ["consumer", "patient", true, 0],
          ["consumer", "brittle", true, 0],
          ["process", "fulfilment", true, 0],
          ["read model", "balances", false, 0]
        ]
      )

      yield* Account.append("2", [Account.events.Opened({ owner: "Eve" }), Account.events.Opened({ owner: "Bob" })])
      for (let count = 0; count < 20; count++) yield* second
      const ill = yield* hub.now
      assert.deepStrictEqual(kindsOf(ill), ["stopped brittle", "stuck patient", "parked notifier"])
      const { shown: parked } = ill.attention[2] ?? assert.fail("nothing is parked")
      assert.deepInclude(parked, { what: "parked", streams: 1, messages: 2 })
      assert.deepStrictEqual(
        ill.errors.map(({ shown }) => [shown.reader, shown.state, shown.streamName, shown.attempts]).toSorted(),
        [["notifier", "parked", "account-2", 1], ["patient", "retrying", "account-2", 1]]
      )

      yield* Scope.close(running, Exit.void)
      yield* TestClock.adjust("2 hours")
      const stopped = yield* hub.now
      assert.deepStrictEqual(kindsOf(stopped), [
        "stopped patient",
        "stopped brittle",
        "parked notifier",
        "overdue fulfilment"
      ])
      const { shown: overdue } = stopped.attention[3] ?? assert.fail("no deadline is past its time")
      assert.deepInclude(overdue, { what: "overdue", deadlines: 1 })
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.provideMerge(Definitions, Layer.merge(inMemory, ReadModel.layerMemory)))
    ))
})

describe("what needs attention of others", () => {
  /** A store that transactions hold back, and on which a program is silent. */
  const troubled = Layer.effect(
    MessageStore.MessageStore,
    Effect.map(MessageStore.MessageStore, (store) => {
      const silent: Runners.Runner = {
        id: "other",
        host: "web-3",
        pid: 81,
        startedAt: DateTime.makeUnsafe(0),
        toldAt: DateTime.makeUnsafe(0),
        isStale: true,
        runs: []
      }
      return {
        ...store,
        heldBack: () => Effect.succeedSome({ position: 1, writers: [writer] }),
        [inProcess]: {
          ...store[inProcess],
          runners: {
            ...store[inProcess].runners,
            list: Effect.map(store[inProcess].runners.list, (all) => [...all, silent])
          }
        }
      }
    })
  ).pipe(Layer.provide(MessageStore.layerMemory))

  const everything = Consumer.make("everything").on(Consumer.all, () => Effect.void)

  it.effect("are a program that is silent, and who holds a reader back, without the statement", () =>
    Effect.gen(function*() {
      const hub = yield* Hub.make
      yield* Account.append("1", Account.events.Opened({ owner: "Ann" }))
      const seen = yield* hub.now
      assert.deepStrictEqual(kindsOf(seen), ["silent ", "heldBack everything"])
      const [first, second] = seen.attention
      assert.deepInclude(first?.shown, { host: "web-3", pid: 81, readers: [] })
      if (second?.shown.what !== "heldBack") return assert.fail("nothing is held back")
      assert.strictEqual(second.shown.heldBack.writers[0]?.applicationName, "billing")
      assert.notInclude(JSON.stringify(second), secret)
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Observe.layer({ consumers: [everything] }), troubled))))
})

const Json = Schema.toCodecJson(NowApi.Now)

describe("over HTTP", () => {
  const app = serve().pipe(
    Layer.provide(Definitions),
    Layer.provideMerge(Layer.merge(inMemory, ReadModel.layerMemory))
  )

  it.live("is what the sender may see, once and as a feed that ends with the connection", () =>
    Effect.gen(function*() {
      const { call, url } = yield* makeChecker(yield* address)
      const now = (who: "reader" | "orders") =>
        Effect.map(call("/now", { headers: as(who) }), ({ json, status, text }) => {
          assert.strictEqual(status, 200, text)
          return Schema.decodeUnknownSync(Json)(json)
        })
      yield* Order.append("1", Order.events.Placed({}))
      yield* Account.append("1", Account.events.Opened({ owner: "Ann" }))
      const all = yield* now("reader")
      assert.deepStrictEqual(all.readers.map(({ reader }) => reader), [
        "notifier",
        "patient",
        "brittle",
        "fulfilment",
        "balances"
      ])
      assert.strictEqual(all.newest?.message.streamName, "account-1")
      const some = yield* now("orders")
      assert.deepStrictEqual([some.end, some.newest, some.readers], [2, null, []])
      const history = yield* call("/now/history?for=60", { headers: as("reader") })
      assert.strictEqual(history.status, 200, history.text)
      const { ends, readers, times } = Schema.decodeUnknownSync(NowApi.NowHistory)(history.json)
      // One look for both questions, unless a second went by between them.
      assert.isAtLeast(ends.length, 1)
      assert.isTrue(ends.every((end) => end === 2))
      assert.lengthOf(readers, 5)
      assert.isTrue(readers.every(({ ages }) => ages.length === times.length))
      assert.deepInclude((yield* call("/now/history", { headers: as("orders") })).json, { readers: [] })

      const text = yield* Effect.callback<string>((resume) => {
        const request = get(`${url}/now/feed`, { headers: as("reader") }, (incoming) => {
          assert.strictEqual(incoming.headers["content-type"], "text/event-stream")
          let received = ""
          incoming.on("data", (chunk: Buffer) => {
            received += chunk.toString("utf8")
            if (parseSse(received).length < 2) return
            request.destroy()
            resume(Effect.succeed(received))
          })
        })
        request.on("error", () => {})
        return Effect.sync(() => request.destroy())
      })
      for (const { data, event } of parseSse(text)) {
        assert.strictEqual(event, "now")
        assert.strictEqual(Schema.decodeUnknownSync(Schema.fromJsonString(Json))(data).end, 2)
      }
    }).pipe(Effect.provide(app)))
})

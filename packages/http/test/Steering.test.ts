/**
 * The routes that steer consumers and read models, over loopback on memory and PGlite. Each answer is held against the OpenAPI
 * document of the server.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Pglite } from "@eventfold/pglite"
import { Effect, Layer, Schedule, Schema, Stream } from "effect"
import {
  Administration,
  Category,
  Consumer,
  MemoryTable,
  MessageStore,
  Observe,
  ReadModel,
  ReadModelStore
} from "eventfold"
import { type ClientRequest, request } from "node:http"
import { type Answer, makeChecker, type Sent } from "./Answers.ts"
import { address, as, inMemory, type secrets, serve } from "./Served.ts"

const Account = Category.make("account", { Opened: { owner: Schema.String } })

/** The owners that the notifier refuses. */
const refused = new Set<string>()

const notifier = Consumer.make("notifier", { onFailure: "park", retry: Schedule.recurs(0) }).on(Account, {
  Opened: ({ data: { owner } }) => refused.has(owner) ? Effect.fail("no address") : Effect.void
})

const owners = MemoryTable.make<string, string>("owners", "by_stream")

const model = ReadModel.make("owners", { version: 1, retry: Schedule.recurs(0) }).on(Account, {
  Opened: ({ data, id }) => refused.has("model") ? Effect.fail("refused") : owners.set(id, data.owner)
})

const slow = ReadModel.make("slow", { version: 1, atOnce: 1 }).on(Account, { Opened: () => Effect.void })

const Definitions = Observe.layer({ consumers: [notifier], readModels: [model, slow] })

const makeCalls = Effect.gen(function*() {
  const checker = yield* makeChecker(yield* address)
  const call = (who: keyof typeof secrets, path: string, sent: Sent = {}) =>
    checker.call(path, { ...sent, headers: { ...as(who), ...sent.headers } })
  return {
    url: checker.url,
    call,
    get: (path: string) => Effect.map(call("reader", path), ({ json }) => json),
    post: (path: string, body: unknown) => call("admin", path, { body })
  }
})

const problem = ({ json, status, text }: Answer) => {
  assert.isAtLeast(status, 400, text)
  const { type } = Schema.decodeUnknownSync(Schema.Struct({ type: Schema.String }))(json)
  return [status, type.split(":").at(-1)]
}

const Parked = Schema.Struct({
  streams: Schema.Array(Schema.Struct({ stream: Schema.String, waiting: Schema.Int, last: Schema.Int }))
})

const Builds = Schema.Struct({
  stored: Schema.Array(Schema.Struct({
    build: Schema.Struct({
      number: Schema.Int,
      state: ReadModelStore.BuildState,
      checkpoint: Schema.Struct({ position: Schema.Int })
    })
  }))
})

/** The events of an SSE answer: their names, and the data of the last one. */
const eventsOf = ({ status, text }: Answer) => {
  assert.strictEqual(status, 200, text)
  const events = text.split("\n\n").filter((one) => one !== "").map((one) => {
    const [, event = "", data = ""] = /^event: (\w+)\ndata: (.*)$/.exec(one) ?? []
    return { event, data: Schema.decodeUnknownSync(Schema.Record(Schema.String, Schema.Unknown))(JSON.parse(data)) }
  })
  return { names: [...new Set(events.map(({ event }) => event))], last: events.at(-1)?.data }
}

const actions = Effect.map(
  Stream.runCollect(Administration.history()),
  (records) =>
    records.map(({ data: { action, by, details, reason, token } }) => {
      assert.strictEqual(by, "admin")
      assert.match(token ?? "", /^[0-9a-f]{12}$/)
      return [action, reason, details?.["outcome"]].filter((part) => part !== undefined)
    })
)

const served = (store: Layer.Layer<MessageStore.MessageStore>) =>
  serve().pipe(Layer.provide(Definitions), Layer.provideMerge(Layer.mergeAll(store, ReadModel.layerMemory)))

describe.each([
  ["memory", inMemory],
  ["PGlite", Layer.orDie(Pglite.layer())]
])("steering on %s", (_, store) =>
  layer(served(store), { excludeTestServices: true, timeout: "2 minutes" })((it) => {
    it.effect("replays, drops and rewinds what was looked at, with a record of each", () =>
      Effect.gen(function*() {
        const { call, get, post } = yield* makeCalls
        const end = Effect.flatMap(MessageStore.MessageStore, ({ lastPosition }) => lastPosition)
        const parked = Effect.map(
          get("/consumers/notifier/parked"),
          (json) => Schema.decodeUnknownSync(Parked)(json).streams
        )
        /** Runs the consumer until it has handled everything. */
        const caughtUp = Effect.scoped(Effect.gen(function*() {
          const { waitFor } = yield* Consumer.start(notifier)
          yield* waitFor(yield* end)
        }))
        refused.add("Eve")
        for (const id of ["1", "1", "2", "3"]) yield* Account.append(id, Account.events.Opened({ owner: "Eve" }))
        yield* caughtUp
        const [one, two, three] = yield* parked
        assert.deepStrictEqual([one?.stream, one?.waiting, two?.waiting], ["account-1", 2, 1])

        const replay = "/consumers/notifier/parked/replay"
        const stale = yield* post(replay, { stream: "account-1", expected: { messages: 1, last: one?.last } })
        assert.deepStrictEqual(problem(stale), [409, "not-as-seen"])
        assert.deepInclude(stale.json, {
          expected: { messages: 1, last: one?.last },
          actual: { messages: 2, last: one?.last },
          change: "1 more were parked since, 2 messages wait"
        })
        assert.deepStrictEqual(yield* actions, [])
        refused.clear()
        const accepted = yield* post(replay, {
          stream: "account-1",
          expected: { messages: 2, last: one?.last },
          reason: "mended"
        })
        assert.deepStrictEqual([accepted.status, accepted.text], [202, ""])
        yield* Effect.scoped(Effect.andThen(Consumer.start(notifier), until(parked, (all) => all.length === 2)))

        const drop = "/consumers/notifier/parked/drop?category=account"
        const without = yield* post(drop, { stream: "account-2", expected: { messages: 1, last: two?.last } })
        assert.deepStrictEqual(problem(without), [400, "invalid-request"])
        const dropped = yield* post(drop, { stream: "account-2", globalPosition: two?.last, reason: "gone" })
        assert.deepStrictEqual(dropped.json, { dropped: 1 })
        const again = yield* post(drop, { stream: "account-2", globalPosition: two?.last, reason: "gone" })
        assert.deepStrictEqual(problem(again), [409, "not-as-seen"])
        const foreign = yield* post(drop, { stream: "order-2", globalPosition: 1, reason: "gone" })
        assert.deepStrictEqual(problem(foreign), [400, "invalid-request"])
        const all = yield* post(replay, { expected: { streams: 1, messages: 1 } })
        assert.strictEqual(all.status, 202, all.text)
        yield* Effect.scoped(Effect.andThen(Consumer.start(notifier), until(parked, (all) => all.length === 0)))
        assert.isDefined(three)

        const rewind = "/consumers/notifier/rewind"
        const Stored = Schema.Struct({ stored: Schema.Array(Schema.Struct({ position: Schema.Int })) })
        const position = Effect.map(
          get("/consumers/notifier"),
          (json) => Schema.decodeUnknownSync(Stored)(json).stored[0]?.position
        )
        yield* Effect.scoped(Effect.gen(function*() {
          const { waitFor } = yield* Consumer.start(notifier)
          yield* waitFor(yield* end)
          const body = { to: "beginning", expected: yield* position, reason: "again" }
          assert.deepStrictEqual(problem(yield* post(rewind, body)), [409, "consumer-is-running"])
        }))
        const at = yield* position
        const moved = yield* post(rewind, { to: "beginning", expected: 0, reason: "again" })
        assert.deepStrictEqual(problem(moved), [409, "not-as-seen"])
        const noTime = { to: { time: "2026-02-30T25:00:00Z" }, expected: at, reason: "again" }
        assert.deepStrictEqual(problem(yield* post(rewind, noTime)), [400, "invalid-request"])
        const back = yield* post(rewind, { to: { time: "2001-01-01T00:00:00Z" }, expected: at, reason: "again" })
        assert.deepStrictEqual(back.json, { rewound: [{ member: null, from: at, position: 0 }] })
        assert.strictEqual(yield* position, 0)

        const body = { expected: { streams: 1, messages: 1 } }
        assert.deepStrictEqual(problem(yield* call("writer", replay, { body })), [403, "forbidden"])
        assert.deepStrictEqual(problem(yield* post("/consumers/nobody/parked/replay", body)), [
          404,
          "consumer-not-found"
        ])
        assert.deepStrictEqual(yield* actions, [
          ["Parking.replay", "mended"],
          ["Parking.drop", "gone"],
          ["Parking.replay"],
          ["Consumer.rewind", "again"]
        ])
      }))

    it.effect("rebuilds, switches, rewinds, accepts and drops, with the progress as it goes", () =>
      Effect.gen(function*() {
        const { call, get, post, url } = yield* makeCalls
        const from = (yield* actions).length
        const path = "/read-models/owners"
        const builds = Effect.map(get(path), (json) => {
          const { stored } = Schema.decodeUnknownSync(Builds)(json)
          return stored.map(({ build: { checkpoint: { position }, number, state } }) => ({ number, state, position }))
        })
        const seen = Effect.map(builds, (all) => all.map(({ number, state }) => ({ number, state })))
        yield* Account.append("9", Account.events.Opened({ owner: "Ann" }))
        const first = eventsOf(yield* post(`${path}/rebuild`, { expected: [] }))
        assert.deepStrictEqual(first.names, ["progress"])
        assert.deepInclude(first.last, { phase: "switched", build: 1 })
        const stale = yield* post(`${path}/rebuild`, { expected: [] })
        assert.deepStrictEqual(problem(stale), [409, "not-as-seen"])
        assert.deepInclude(stale.json, { expected: [], actual: [{ number: 1, state: "live" }] })

        const beside = { expected: yield* seen, switch: "manual", throttle: 10_000, reason: "try" }
        assert.deepInclude(eventsOf(yield* post(`${path}/rebuild`, beside)).last, { phase: "built", build: 2 })
        const wrong = yield* post(`${path}/switch`, { expected: { number: 1, state: "live" } })
        assert.deepStrictEqual(problem(wrong), [400, "invalid-request"])
        const switched = yield* post(`${path}/switch`, { expected: { number: 2, state: "building" }, reason: "well" })
        assert.deepInclude(eventsOf(switched).last, { phase: "switched", build: 2 })
        assert.deepStrictEqual(yield* seen, [{ number: 1, state: "retired" }, { number: 2, state: "live" }])

        refused.add("model")
        const failing = yield* post(`${path}/rebuild`, { expected: yield* seen })
        refused.clear()
        assert.deepStrictEqual(problem(failing), [500, "rebuild-failed"])
        assert.deepInclude(failing.json, { readModel: "owners", failure: "string" })

        const position = (yield* builds).at(-2)?.position
        const rewind = { to: 0, expected: { number: 2, position }, reason: "restore" }
        assert.strictEqual((yield* post(`${path}/rewind`, rewind)).status, 204)
        assert.deepStrictEqual(problem(yield* post(`${path}/rewind`, rewind)), [409, "not-as-seen"])
        const nowhere = { ...rewind, to: Number.MAX_SAFE_INTEGER, expected: { number: 2, position: 0 } }
        assert.include((yield* post(`${path}/rewind`, nowhere)).text, "\"path\":[\"payload\",\"to\"]")
        assert.strictEqual((yield* post(`${path}/accept`, { expected: { number: 2 } })).status, 204)
        const drop = (query: string) => call("admin", `${path}/builds/1?${query}`, { method: "DELETE" })
        assert.deepStrictEqual(problem(yield* drop("state=retired")), [400, "invalid-request"])
        assert.deepStrictEqual(problem(yield* drop("state=building&reason=old")), [409, "not-as-seen"])
        assert.include((yield* drop("state=retired&reason=%00")).text, "\"path\":[\"query\",\"reason\"]")
        assert.strictEqual((yield* drop("state=retired&reason=old")).status, 204)
        assert.deepStrictEqual(yield* seen, [{ number: 2, state: "live" }, { number: 3, state: "building" }])

        assert.deepStrictEqual(problem(yield* post("/read-models/none/rebuild", { expected: [] })), [
          404,
          "definition-not-loaded"
        ])
        assert.deepStrictEqual(problem(yield* call("orders", `${path}/rebuild`, { body: { expected: [] } })), [
          403,
          "forbidden"
        ])
        assert.deepStrictEqual((yield* actions).slice(from), [
          ["ReadModel.rebuild"],
          ["ReadModel.rebuild", "switched"],
          ["ReadModel.rebuild", "try"],
          ["ReadModel.rebuild", "try", "built"],
          ["ReadModel.switch", "well"],
          ["ReadModel.switch", "well", "switched"],
          ["ReadModel.rebuild"],
          ["ReadModel.rebuild", "failed"],
          ["ReadModel.rewind", "restore"],
          ["ReadModel.accept"],
          ["ReadModel.drop", "old"]
        ])

        // A rebuild ends with the connection of its client.
        for (const id of ["a", "b", "c"]) yield* Account.append(id, Account.events.Opened({ owner: "Bob" }))
        yield* post("/read-models/slow/rebuild", { expected: [] })
        yield* cutOff(`${url}/read-models/slow/rebuild`, { expected: [{ number: 1, state: "live" }], throttle: 1 })
        yield* until(actions, (all) => all.at(-1)?.at(-1) === "interrupted")
      }))
  }))

describe("a server without a store of read models", () => {
  it.live("does not steer them", () =>
    Effect.gen(function*() {
      const { post } = yield* makeCalls
      assert.deepStrictEqual(problem(yield* post("/read-models/owners/accept", { expected: { number: 1 } })), [
        501,
        "unsupported"
      ])
    }).pipe(Effect.provide(Layer.provideMerge(serve(), inMemory))))
})

describe("a sender that has as many live answers open as it may", () => {
  it.live("rebuilds nothing", () =>
    Effect.gen(function*() {
      const { post, url } = yield* makeCalls
      const rebuild = post("/read-models/owners/rebuild", { expected: [] })
      yield* Effect.scoped(Effect.gen(function*() {
        yield* held(`${url}/live`)
        assert.deepStrictEqual(problem(yield* rebuild), [429, "too-many-requests"])
      }))
      yield* until(rebuild, ({ status }) => status === 200)
    }).pipe(Effect.provide(
      serve({ limits: { openLive: 1 } }).pipe(
        Layer.provide(Definitions),
        Layer.provideMerge(Layer.mergeAll(inMemory, ReadModel.layerMemory))
      )
    )))
})

/** Has an answer open until the scope closes. */
const held = (url: string) =>
  Effect.acquireRelease(
    Effect.callback<ClientRequest>((resume) => {
      const outgoing = request(url, { headers: as("admin") }, (incoming) => {
        incoming.on("error", () => {}).resume()
        resume(Effect.succeed(outgoing))
      })
      outgoing.on("error", () => {}).end()
    }),
    (outgoing) => Effect.sync(() => outgoing.destroy())
  )

/** Asks until the answer is as it should be. */
const until = <A, E, R>(look: Effect.Effect<A, E, R>, isThere: (found: A) => boolean) =>
  look.pipe(
    Effect.flatMap((found) => isThere(found) ? Effect.void : Effect.fail("not yet" as const)),
    Effect.retry({ while: (error) => error === "not yet", schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("20 seconds")
  )

/** Sends a request, and breaks the connection at the first bytes of its answer. */
const cutOff = (url: string, body: unknown) =>
  Effect.callback<void>((resume) => {
    const headers = { ...as("admin"), "content-type": "application/json" }
    const outgoing = request(url, { method: "POST", headers }, (incoming) => {
      incoming.once("data", () => {
        outgoing.destroy()
        resume(Effect.void)
      })
      incoming.on("error", () => {})
    })
    outgoing.on("error", () => {})
    outgoing.end(JSON.stringify(body))
    return Effect.sync(() => outgoing.destroy())
  })

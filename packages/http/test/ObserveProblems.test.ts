/**
 * Each route that shows or steers an application answers what no route is spared of: no token, a scope that lacks, too many requests,
 * a wrong body, a store that is away or broken. What each does otherwise is in `Observe.test.ts` and `Steering.test.ts`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Authentication, Server } from "@eventfold/http"
import { Effect, Layer, Schedule, Schema, Stream } from "effect"
import {
  Category,
  Commands,
  Consumer,
  Entity,
  MessageStore,
  Observe,
  Process,
  ReadModel,
  ReadModelStore,
  StoreError
} from "eventfold"
import { type Answer, makeChecker, type Sent } from "./Answers.ts"
import { type Failing, layerFailing, secret } from "./FailingStore.ts"
import { address, as, inMemory, type secrets, serve } from "./Served.ts"

const Account = Category.make("account", { Opened: {} })

const Opened = Entity.make(Account, { state: Schema.Int, initial: 0, evolve: { Opened: (count) => count + 1 } })

const fulfilment = Process.make("fulfilment", {
  entity: Entity.make(Category.make("fulfilment", {}), { state: Schema.Null, initial: null, evolve: {} })
}).deadline("late", () => ({})).on(Account, { Opened: () => ({ deadlines: { late: "1 hour" } }) })

const notifier = Consumer.make("notifier", { onFailure: "park", retry: Schedule.recurs(0) }).on(Account, {
  Opened: () => Effect.fail("refused")
})

const Definitions = Observe.layer({
  consumers: [notifier],
  processes: [fulfilment],
  readModels: [ReadModel.make("balances", { version: 1 }).on(Account, { Opened: () => Effect.void })],
  entities: { account: Opened },
  commands: { account: Commands.make(Opened, { Open: { payload: {}, decide: () => Account.events.Opened({}) } }) }
})

type Scope = "read" | "append" | "admin"

const post = (body: unknown): Sent => ({ body })

const consumer = "/consumers/notifier"
const model = "/read-models/balances"
const build = { number: 1, state: "live" }
const reason = "test"

/** A request to each route, and the scope that it needs. */
const routes: ReadonlyArray<readonly [path: string, sent: Sent, scope: Scope]> = [
  ["/entities", {}, "read"],
  ["/entities/account/1", {}, "read"],
  ["/entities/account/1/changes", {}, "read"],
  ["/entities/account/1/commands/Open", post({}), "append"],
  ["/consumers", {}, "read"],
  [consumer, {}, "read"],
  [`${consumer}/parked`, {}, "read"],
  ["/runners", {}, "read"],
  ["/processes", {}, "read"],
  ["/processes/fulfilment", {}, "read"],
  ["/processes/fulfilment/deadlines", {}, "read"],
  ["/processes/fulfilment/instances", {}, "read"],
  ["/processes/fulfilment/instances/1", {}, "read"],
  ["/read-models", {}, "read"],
  [model, {}, "read"],
  ["/schemas", {}, "read"],
  ["/schemas/account/check", { method: "POST" }, "read"],
  ["/administration", {}, "read"],
  ["/now", {}, "read"],
  ["/now/feed", {}, "read"],
  ["/now/history", {}, "read"],
  ["/store", {}, "read"],
  ["/about", {}, "read"],
  ["/store/verify", { method: "POST" }, "admin"],
  [`${consumer}/parked/replay`, post({ expected: { streams: 1, messages: 1 } }), "admin"],
  [`${consumer}/parked/drop`, post({ stream: "account-1", globalPosition: 1, reason }), "admin"],
  [`${consumer}/rewind`, post({ to: "beginning", expected: 1, reason }), "admin"],
  [`${model}/rebuild`, post({ expected: [] }), "admin"],
  [`${model}/switch`, post({ expected: build }), "admin"],
  [`${model}/rewind`, post({ to: 0, expected: { number: 1, position: 1 }, reason }), "admin"],
  [`${model}/accept`, post({ expected: { number: 1 } }), "admin"],
  [`${model}/builds/1?state=retired&reason=test`, { method: "DELETE" }, "admin"]
]

/** What is answered without the store. */
const isOfServer = (path: string) => ["/entities", "/schemas", "/now/history", "/about"].includes(path)

const generic = new Set(["400", "401", "403", "413", "415", "429", "500", "501", "503"])

const seen = new Set<string>()
const documented = new Set<string>()

/** The route of any entity and command, of which the document also has those of this application. */
const anyEntity = (what: string): string =>
  what.replace("/entities/account/", "/entities/{entity}/").replace("/commands/Open", "/commands/{command}")

type Call = (path: string, sent?: Sent) => Effect.Effect<Answer>

const withRoutes = Effect.fnUntraced(function*<E, R>(use: (call: Call) => Effect.Effect<unknown, E, R>) {
  const checker = yield* makeChecker(yield* address)
  yield* use((path, sent) =>
    Effect.map(checker.call(path, sent), (answer) => {
      assert.notInclude(answer.text, secret)
      return answer
    })
  )
  checker.seen.forEach((what) => seen.add(anyEntity(what)))
  checker.documented.forEach((what) => documented.add(anyEntity(what)))
})

/** A server on a store, with the definitions. */
const served = (
  store: Layer.Layer<MessageStore.MessageStore>,
  server: ReturnType<typeof serve> = serve(),
  readModels: Layer.Layer<ReadModelStore.ReadModelStore> = ReadModel.layerMemory
) => server.pipe(Layer.provide(Definitions), Layer.provideMerge(Layer.merge(store, readModels)))

const withServer = <E>(
  store: Layer.Layer<MessageStore.MessageStore>,
  server: ReturnType<typeof serve>,
  use: (call: Call) => Effect.Effect<unknown, E>,
  readModels?: Layer.Layer<ReadModelStore.ReadModelStore>
) => Effect.provide(withRoutes(use), served(store, server, readModels))

const each = (
  call: (path: string, sent?: Sent) => Effect.Effect<Answer>,
  status: number,
  who: (scope: Scope) => keyof typeof secrets | undefined,
  some: typeof routes = routes,
  more: Sent = {}
) =>
  Effect.forEach(some, ([path, sent, scope]) => {
    const sender = who(scope)
    const headers = { ...(sender === undefined ? {} : as(sender)), ...more.headers }
    return Effect.map(call(path, { ...sent, ...more, headers }), (answer) => {
      assert.strictEqual(answer.status, status, `${path}: ${answer.text}`)
    })
  }, { discard: true })

/** Read models whose store fails. */
const failingModels = (error: StoreError.StoreError) =>
  Layer.effect(
    ReadModelStore.ReadModelStore,
    Effect.map(ReadModelStore.ReadModelStore, (store) => ({
      ...store,
      builds: () => Effect.fail(error),
      list: Effect.fail(error)
    }))
  ).pipe(Layer.provide(ReadModel.layerMemory))

/** A store without transactions, which reads forwards only. */
const withoutTransactions = Layer.effect(
  MessageStore.MessageStore,
  Effect.map(MessageStore.MessageStore, (store) => {
    const unsupported = Effect.fail(new StoreError.Unsupported({ operation: "this", remedy: "take another store" }))
    return {
      ...store,
      transaction: () => unsupported,
      readStream: (streamName: string, options?: MessageStore.ReadStreamOptions) =>
        options?.direction === "backwards" ? Stream.fromEffect(unsupported) : store.readStream(streamName, options)
    }
  })
).pipe(Layer.provide(MessageStore.layerMemory))

const isOurs = (what: string) =>
  /^[A-Z]+ \/(entities|consumers|runners|processes|read-models|schemas|administration|now|store|about)(\/| )/.test(what)

describe("the routes of an application", () => {
  it.live("need a token with the scope", () =>
    withServer(inMemory, serve(), (call) =>
      Effect.gen(function*() {
        yield* each(call, 401, () => undefined)
        const needing = routes.filter(([path]) => path !== "/about")
        yield* each(call, 403, (scope) => scope === "read" ? "appender" : "reader", needing)
      })))

  it.live("take no more than a sender may ask", () =>
    withServer(inMemory, serve({ limits: { requestsPerSecond: 0 } }), (call) => each(call, 429, () => "admin")))

  it.live("refuse what is not a request to them", () =>
    withServer(inMemory, serve({ limits: { bodyBytes: 100 } }), (call) =>
      Effect.gen(function*() {
        const withBody = routes.filter(([, { body }]) => body !== undefined)
        yield* each(call, 413, () => "admin", withBody, { body: { text: "x".repeat(100) } })
        const xml = { body: "<a/>", headers: { "content-type": "text/xml" } }
        yield* each(call, 415, () => "admin", withBody, xml)
        const ofSteering = withBody.filter(([, , scope]) => scope === "admin")
        yield* each(call, 400, () => "admin", ofSteering, { body: { by: "someone" } })
        const wrong: typeof routes = [
          ["/entities/account/1?at=-1", {}, "read"],
          ["/entities/account/1/changes?limit=0", {}, "read"],
          ["/entities/account/1/commands/Open", post({ more: 1 }), "append"],
          ["/consumers/fulfilment", {}, "read"],
          [`${consumer}/parked?after=x`, {}, "read"],
          ["/processes/fulfilment/deadlines?limit=0", {}, "read"],
          ["/processes/fulfilment/instances?state=done", {}, "read"],
          ["/processes/fulfilment/instances/1?limit=0", {}, "read"],
          ["/processes/fulfilment/instances/%00", {}, "read"],
          ["/now/history?for=0", {}, "read"],
          ["/schemas/account/check?sample=0", { method: "POST" }, "read"],
          ["/administration?from=-1", {}, "read"],
          [`${model}/builds/1?state=live&reason=test`, { method: "DELETE" }, "admin"]
        ]
        yield* each(call, 400, () => "admin", wrong)
      })))

  it.live("check nothing where the store can't", () =>
    withServer(
      layerFailing("unsupported"),
      serve(),
      (call) => each(call, 501, () => "admin", routes.filter(([path]) => path === "/store/verify"))
    ))

  it.live("steer nothing without transactions, or without a store of read models", () =>
    Effect.gen(function*() {
      yield* withRoutes(Effect.fnUntraced(function*(call) {
        yield* Account.append("1", Account.events.Opened({}))
        yield* Effect.scoped(Effect.flatMap(Consumer.start(notifier), ({ waitFor }) => waitFor(1)))
        yield* each(call, 501, () => "admin", [
          ["/administration", {}, "read"],
          ["/processes/fulfilment/instances/1", {}, "read"],
          [`${consumer}/parked/replay`, post({ expected: { streams: 1, messages: 1 } }), "admin"],
          [`${consumer}/parked/drop`, post({ stream: "account-1", globalPosition: 1, reason }), "admin"],
          [`${consumer}/rewind`, post({ to: "beginning", expected: 1, reason }), "admin"]
        ])
      })).pipe(Effect.provide(served(withoutTransactions)))
      yield* withRoutes((call) =>
        each(call, 501, () => "admin", routes.filter(([path, , scope]) => path.startsWith(model) && scope === "admin"))
      ).pipe(Effect.provide(Layer.provide(serve(), inMemory)))
    }))

  const failing: ReadonlyArray<readonly [how: Failing, status: number]> = [["away", 503], ["broken", 500]]
  it.live.each(failing)("tell of a store that is %s", ([how, status]) => {
    const error = new StoreError.StoreError({ operation: "read", reason: secret, isRetryable: how === "away" })
    return withServer(
      layerFailing(how),
      serve(),
      (call) => each(call, status, () => "admin", routes.filter(([path]) => !isOfServer(path))),
      failingModels(error)
    )
  })

  it.live("hide a defect", () =>
    withServer(
      inMemory,
      Layer.provide(
        Server.layer({ port: 0, accessLog: false }),
        Layer.succeed(Authentication.Authentication, {
          isOpen: false,
          authenticate: () => Effect.die(new Error(secret))
        })
      ),
      (call) => each(call, 500, () => "admin")
    ))

  it.live("have answered all that is documented of them", () =>
    Effect.sync(() => {
      const unseen = [...documented].filter((what) =>
        isOurs(what) && generic.has(what.split(" ").at(-1) ?? "") && !seen.has(what)
      )
      assert.deepStrictEqual(unseen, [])
    }))
})

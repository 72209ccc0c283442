/**
 * What a sender that may read some categories sees of an application.
 */
import { assert, it } from "@effect/vitest"
import { Authentication, Server } from "@eventfold/http"
import { Effect, Layer, Schema } from "effect"
import { Category, Commands, Entity, Observe, Process, ReadModel } from "eventfold"
import { ask, makeChecker, type Sent } from "./Answers.ts"
import { address, inMemory } from "./Served.ts"

const Account = Category.make("account", { Opened: {} })
const OddOrder = Category.make("order:odd", { Placed: {} })
const Fulfilment = Category.make("fulfilment", { Started: {} })

const counting = { state: Schema.Int, initial: 0 }
const Balance = Entity.make(Account, { ...counting, evolve: { Opened: (count) => count + 1 } })

const open = Commands.make(Balance, { Open: { payload: {}, decide: () => Account.events.Opened({}) } })

const Notes = Category.make("notes", { Noted: { text: Schema.String } })

const text = Entity.make(Notes, {
  state: Schema.String,
  initial: "",
  evolve: { Noted: (before, { text }) => before + text }
})

const fulfilment = Process.make("fulfilment", {
  entity: Entity.make(Fulfilment, { ...counting, evolve: { Started: (count) => count + 1 } })
}).on(Account, { Opened: () => ({ events: Fulfilment.events.Started({}) }) })

const sums = ReadModel.make("sums", { version: 1 })
  .on(OddOrder, { Placed: () => Effect.void })
  .on(Account, { Opened: () => Effect.void })

const withoutNames = (text: string, name: string) => text.replaceAll(name, "")

/** The header `x-categories` has the categories of the sender. */
const ByHeader = Layer.succeed(Authentication.Authentication, {
  isOpen: false,
  authenticate: ({ headers }) =>
    Effect.succeed({ name: "any", scopes: ["read", "append"], categories: headers["x-categories"]?.split(" ") })
})

const makeApp = (options: { readonly describesApplication?: boolean } = {}) =>
  Server.layer({ port: 0, accessLog: false, ...options }).pipe(
    Layer.provide(ByHeader),
    Layer.provide(Observe.layer({
      processes: [fulfilment],
      readModels: [sums],
      entities: { account: Balance, notes: text },
      commands: { account: open }
    })),
    Layer.provideMerge(Layer.mergeAll(inMemory, ReadModel.layerMemory))
  )

it.live("is nothing of other categories, nor that there is something", () =>
  Effect.gen(function*() {
    yield* ReadModel.start(sums)
    const { call, url } = yield* makeChecker(yield* address)
    const as = (categories: string, path: string, sent: Sent = {}) =>
      call(path, { ...sent, headers: { "x-categories": categories } })

    // One of the sources is not enough, whatever pattern it has.
    const runs = (categories: string) => Effect.map(as(categories, "/runners"), ({ text }) => text.includes("\"sums\""))
    assert.isFalse(yield* runs("order:*"))
    assert.isFalse(yield* runs("account"))
    assert.isTrue(yield* runs("order:* account"))
    assert.isTrue(yield* runs("*"))

    // What is there answers as what is not.
    for (const path of ["", "/changes", "/commands/Open"]) {
      const sent = path === "/commands/Open" ? { body: {} } : {}
      const there = yield* as("order:*", `/entities/account/1${path}`, sent)
      const absent = yield* as("order:*", `/entities/absent/1${path}`, sent)
      assert.strictEqual(there.status, 404)
      assert.strictEqual(withoutNames(there.text, "account"), withoutNames(absent.text, "absent"))
    }
    const there = yield* as("fulfilment", "/processes/fulfilment")
    assert.strictEqual(there.status, 404)
    assert.notInclude(there.text, "account")
    assert.strictEqual((yield* as("account fulfilment fulfilment:deadline", "/processes/fulfilment")).status, 200)

    // Metrics have the names of all.
    assert.strictEqual((yield* as("order:*", "/metrics")).status, 403)
    assert.strictEqual((yield* ask(`${url}/metrics`)).status, 200)
  }).pipe(Effect.scoped, Effect.provide(makeApp())))

it.live("is nothing of the application in a document that does not describe it", () =>
  Effect.gen(function*() {
    const url = yield* address
    for (const path of ["/openapi.json", "/docs"]) assert.notInclude((yield* ask(url + path)).text, "account.commands")
    assert.strictEqual((yield* ask(`${url}/entities/account/1`)).status, 200)
  }).pipe(Effect.provide(makeApp({ describesApplication: false }))))

it.live("has pages of changes that are no larger than the states allow", () =>
  Effect.gen(function*() {
    const { call } = yield* makeChecker(yield* address)
    const note = { type: "Noted", data: { text: "x".repeat(700_000) } }
    for (let count = 0; count < 6; count++) yield* call("/streams/notes-1/messages", { body: note })
    const Page = Schema.Struct({
      changes: Schema.Array(Schema.Struct({ message: Schema.Struct({ position: Schema.Int }) })),
      next: Schema.optionalKey(Schema.Int)
    })
    const page = (query: string) =>
      Effect.map(call(`/entities/notes/1/changes${query}`), ({ json }) => {
        const { changes, next } = Schema.decodeUnknownSync(Page)(json)
        return { positions: changes.map(({ message }) => message.position), next }
      })
    // The states have 0.7, 1.4, 2.1 million characters, and so on.
    assert.deepStrictEqual(yield* page(""), { positions: [0, 1], next: 2 })
    assert.deepStrictEqual(yield* page("?from=4"), { positions: [4], next: 5 })
    assert.deepStrictEqual(yield* page("?from=5"), { positions: [5], next: undefined })
    assert.deepStrictEqual(yield* page("?from=2&limit=1"), { positions: [2], next: 3 })
  }).pipe(Effect.provide(makeApp())))

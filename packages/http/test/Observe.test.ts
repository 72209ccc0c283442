/**
 * The routes that show what an application is, and run its commands, over loopback on memory and PGlite. Each answer is held against
 * the OpenAPI document of the server.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Pglite } from "@eventfold/pglite"
import { Effect, Layer, Schedule, Schema, Stream } from "effect"
import {
  Administration,
  Category,
  Commands,
  Consumer,
  Entity,
  type Message,
  MessageStore,
  Observe,
  Process,
  ReadModel,
  type StoreError
} from "eventfold"
import { type Answer, makeChecker, type Sent } from "./Answers.ts"
import { address, as, inMemory, type secrets, serve } from "./Served.ts"

const Account = Category.make("account", {
  Opened: { owner: Schema.String },
  Deposited: { cents: Schema.BigInt }
})

const Balance = Entity.make(Account, {
  state: Schema.Struct({ cents: Schema.BigInt, owner: Schema.NullOr(Schema.String) }),
  initial: { cents: 0n, owner: null },
  evolve: {
    Opened: (state, { owner }) => ({ ...state, owner }),
    Deposited: (state, { cents }) => ({ ...state, cents: state.cents + cents })
  }
})

class Full extends Schema.TaggedError<Full>()("Full", { left: Schema.BigInt }) {
  override get message(): string {
    return `there is room for ${this.left} more`
  }
}

const most = 10_000_000_000_000_000_000n

const BalanceCommands = Commands.make(Balance, {
  Open: {
    payload: { owner: Schema.NonEmptyString },
    decide: (state, { owner }) => state.owner === owner ? [] : Account.events.Opened({ owner })
  },
  Deposit: {
    payload: { cents: Schema.BigInt },
    error: Full,
    success: Schema.Struct({ cents: Schema.BigInt }),
    decide: (state, { cents }) =>
      state.cents + cents > most
        ? Effect.fail(new Full({ left: most - state.cents }))
        : Effect.succeed(Entity.reply(Account.events.Deposited({ cents }), { cents: state.cents + cents }))
  }
})

const Order = Category.make("order", { Placed: {} })

const Fulfilment = Category.make("fulfilment", { Started: {} })

const fulfilment = Process.make("fulfilment", {
  entity: Entity.make(Fulfilment, { state: Schema.Int, initial: 0, evolve: { Started: (count) => count + 1 } })
})
  .deadline("payment", () => ({}))
  .on(Order, { Placed: () => ({ events: Fulfilment.events.Started({}), deadlines: { payment: "30 minutes" } }) })

const notifier = Consumer.make("notifier", { onFailure: "park", retry: Schedule.recurs(0) }).on(Account, {
  Opened: ({ data: { owner } }) => owner === "Eve" ? Effect.fail("no address") : Effect.void
})

const balances = ReadModel.make("balances", { version: 1 }).on(Account, { Opened: () => Effect.void })

const Definitions = Observe.layer({
  consumers: [notifier],
  processes: [fulfilment],
  readModels: [balances],
  entities: { account: Balance },
  commands: { account: BalanceCommands },
  categories: [Order]
})

/** What the server of the context answers. */
const makeCalls = Effect.gen(function*() {
  const checker = yield* makeChecker(yield* address)
  const call = (who: keyof typeof secrets, path: string, sent: Sent = {}) =>
    checker.call(path, { ...sent, headers: { ...as(who), ...sent.headers } })
  return {
    ...checker,
    call,
    get: (path: string) =>
      Effect.map(call("reader", path), ({ json, status, text }) => {
        assert.strictEqual(status, 200, text)
        return json
      }),
    command: (id: string, name: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
      call("writer", `/entities/account/${id}/commands/${name}`, {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json", ...headers }
      })
  }
})

const problem = ({ json, status }: Answer) => [status, Schema.decodeUnknownSync(Problem)(json).type.split(":").at(-1)]

const Problem = Schema.Struct({ type: Schema.String })

const written = Effect.gen(function*() {
  yield* Account.append("1", [Account.events.Opened({ owner: "Ann" }), Account.events.Deposited({ cents: 5n })])
  yield* Account.append("1", Account.events.Deposited({ cents: 9_007_199_254_740_993n }))
})

const fresh = {
  memory: inMemory,
  PGlite: Pglite.layer()
}

const loaded = (store: Layer.Layer<MessageStore.MessageStore, StoreError.StoreError>) =>
  serve().pipe(
    Layer.provide(Definitions),
    Layer.provideMerge(Layer.mergeAll(store, ReadModel.layerMemory))
  )

describe.each(["memory", "PGlite"] as const)(
  "what an application is, on %s",
  (name) =>
    layer(loaded(Layer.orDie(fresh[name])), { excludeTestServices: true, timeout: "2 minutes" })((it) => {
      it.effect("entities: now, at a version, at a time, compared, and what each event changed", () =>
        Effect.gen(function*() {
          yield* written
          const { call, get } = yield* makeCalls
          assert.deepStrictEqual(yield* get("/entities"), {
            entities: [{ entity: "account", category: "account", commands: ["Open", "Deposit"] }]
          })
          const cents = "9007199254740998"
          assert.deepInclude(yield* get("/entities/account/1"), {
            streamName: "account-1",
            version: 2,
            last: 2,
            state: { cents, owner: "Ann" },
            compared: null
          })
          assert.deepInclude(yield* get("/entities/account/1?at=1&compare=0"), {
            version: 1,
            last: 2,
            state: { cents: "5", owner: "Ann" },
            compared: { version: 0, state: { cents: "0", owner: "Ann" } }
          })
          // The message that made the difference, in either direction.
          const Decisive = Schema.Struct({ decisive: Schema.NullOr(Schema.Struct({ position: Schema.Int })) })
          const decisive = (query: string) =>
            Effect.map(
              get(`/entities/account/1?${query}`),
              (json) => Schema.decodeUnknownSync(Decisive)(json).decisive?.position
            )
          assert.strictEqual(yield* decisive("at=2&compare=1"), 2)
          assert.strictEqual(yield* decisive("compare=0"), 2)
          assert.strictEqual(yield* decisive("at=0&compare=1"), 1)
          assert.isUndefined(yield* decisive("at=1&compare=1"))
          assert.isUndefined(yield* decisive("at=2"))
          assert.deepInclude(yield* get("/entities/account/1?at=2001-01-01T00:00:00%2B01:00"), {
            version: null,
            message: null,
            state: { cents: "0", owner: null }
          })
          assert.deepInclude(yield* get("/entities/account/1?at=9999-01-01T00:00:00Z"), { version: 2 })
          assert.deepInclude(yield* get("/entities/account/nobody"), { version: null, last: null })
          const first = yield* get("/entities/account/1/changes?limit=2")
          assert.propertyVal(first, "next", 2)
          const last = yield* get("/entities/account/1/changes?from=2")
          assert.notProperty(last, "next")
          const Changes = Schema.Struct({ changes: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)) })
          const [change, ...others] = Schema.decodeUnknownSync(Changes)(last).changes
          assert.strictEqual(others.length, 0)
          assert.deepInclude(change, {
            isEvent: true,
            before: { cents: "5", owner: "Ann" },
            after: { cents, owner: "Ann" }
          })
          for (
            const query of [
              "at=-1",
              "at=yesterday",
              "at=2026-13-40T00:00:00Z",
              "at=2026-02-31T00:00:00Z",
              "at=2026-01-01T00:00:00",
              "compare=x"
            ]
          ) {
            assert.deepStrictEqual(problem(yield* call("reader", `/entities/account/1?${query}`)), [
              400,
              "invalid-request"
            ])
          }
          const tooMany = yield* call("reader", "/entities/account/1/changes?limit=1001")
          assert.deepStrictEqual(problem(tooMany), [400, "invalid-request"])
          const unknown = yield* call("reader", "/entities/nothing/1")
          assert.deepStrictEqual(problem(unknown), [404, "definition-not-loaded"])
          assert.deepInclude(unknown.json, { kind: "entity", definition: "nothing" })
          assert.deepStrictEqual(problem(yield* call("orders", "/entities/account/1")), [404, "definition-not-loaded"])
          assert.deepStrictEqual((yield* call("orders", "/entities")).json, { entities: [] })
          const { append } = yield* MessageStore.MessageStore
          yield* append("account-bad", { type: "Deposited", data: { cents: "many" } })
          const undecodable = yield* call("reader", "/entities/account/bad")
          assert.deepStrictEqual(problem(undecodable), [500, "undecodable-message"])
          assert.deepInclude(undecodable.json, { streamName: "account-bad", position: 0, path: ["data", "cents"] })
        }))

      it.effect("messages: as a program gets them, by their ids, and the streams that changed last", () =>
        Effect.gen(function*() {
          const { call, get } = yield* makeCalls
          const store = yield* MessageStore.MessageStore
          yield* store.append("account-8", [
            { type: "Deposited", data: { cents: "7" } },
            { type: "Deposited", data: { cents: "some" } },
            { type: "Audited", data: {} }
          ])
          const [fits, misfit, unknown] = yield* Stream.runCollect(store.readStream("account-8"))
          if (fits === undefined || misfit === undefined || unknown === undefined) return assert.fail("nothing written")
          const decoded = (message: Message.RecordedMessage) => get(`/messages/${message.globalPosition}/decoded`)
          assert.deepStrictEqual(yield* decoded(fits), {
            isLoaded: true,
            isKnown: true,
            data: { cents: "7" },
            misfit: null
          })
          const place = { streamName: "account-8", position: 1, globalPosition: misfit.globalPosition }
          const wrong = yield* decoded(misfit)
          assert.notProperty(wrong, "data")
          assert.nestedPropertyVal(wrong, "misfit.path.1", "cents")
          assert.deepStrictEqual(yield* decoded(unknown), { isLoaded: true, isKnown: false, misfit: null })
          yield* store.append("other-1", { type: "A", data: 1 })
          const other = yield* store.lastPosition
          assert.deepInclude(yield* get(`/messages/${other}/decoded`), { isLoaded: false })

          const Misfits = Schema.Struct({
            misfits: Schema.optionalKey(Schema.Array(Schema.Record(Schema.String, Schema.Unknown)))
          })
          const misfits = (path: string) =>
            Effect.map(get(`/streams/${path}`), (json) => Schema.decodeUnknownSync(Misfits)(json).misfits)
          const [found, ...others] = (yield* misfits("account-8/messages?check=true")) ?? []
          assert.deepInclude(found, place)
          assert.isEmpty(others)
          assert.isUndefined(yield* misfits("account-8/messages"))
          assert.isUndefined(yield* misfits("other-1/messages?check=true"))

          assert.deepInclude(yield* get(`/messages/ids/${fits.id}`), { globalPosition: fits.globalPosition })
          const hidden = yield* call("orders", `/messages/ids/${fits.id}`)
          assert.deepStrictEqual(problem(hidden), [404, "message-not-found"])

          yield* store.append("account-1", { type: "Audited", data: {} })
          const Changed = Schema.Struct({
            streams: Schema.Array(Schema.Struct({ streamName: Schema.String })),
            isComplete: Schema.Boolean
          })
          const changed = Schema.decodeUnknownSync(Changed)(yield* get("/categories/account/changed?limit=2"))
          assert.deepStrictEqual(changed.streams.map(({ streamName }) => streamName), ["account-1", "account-8"])
          assert.isFalse(changed.isComplete)
        }))

      it.effect("commands: once for each key of a sender, with replies, refusals and what is wrong", () =>
        Effect.gen(function*() {
          const { call, command, get } = yield* makeCalls
          const opened = yield* command("7", "Open", { owner: "Bob" })
          assert.strictEqual(opened.status, 201)
          assert.deepInclude(opened.json, { version: 0 })
          assert.notProperty(opened.json, "reply")
          assert.strictEqual(opened.headers["etag"], "\"0\"")
          const again = yield* command("7", "Open", { owner: "Bob" })
          assert.strictEqual(again.status, 200)
          assert.deepStrictEqual(again.json, { version: 0, globalPosition: null })
          const key = { "idempotency-key": "k-1" }
          const deposited = yield* command("7", "Deposit", { cents: "9007199254740993" }, key)
          assert.strictEqual(deposited.status, 201)
          assert.deepInclude(deposited.json, { reply: { cents: "9007199254740993" }, version: 1 })
          assert.deepStrictEqual(
            (yield* command("7", "Deposit", { cents: "9007199254740993" }, key)).json,
            deposited.json
          )
          const taken = yield* command("7", "Deposit", { cents: "1" }, key)
          assert.deepStrictEqual(problem(taken), [422, "command-id-taken"])
          // The key of another sender is another key.
          const other = yield* call("admin", "/entities/account/7/commands/Deposit", {
            body: { cents: "1" },
            headers: key
          })
          assert.strictEqual(other.status, 201)
          const refused = yield* command("7", "Deposit", { cents: String(most) })
          assert.deepStrictEqual(problem(refused), [409, "command-refused"])
          assert.deepInclude(refused.json, {
            detail: "there is room for 9990992800745259006 more",
            entity: "account",
            command: "Deposit",
            refusal: { _tag: "Full", left: "9990992800745259006" }
          })
          assert.deepInclude(yield* get("/entities/account/7"), { version: 2 })
          const wrong = yield* command("7", "Open", { owner: "", name: "Bob" })
          assert.deepStrictEqual(problem(wrong), [400, "invalid-request"])
          const { errors } = Schema.decodeUnknownSync(
            Schema.Struct({ errors: Schema.Array(Schema.Struct({ path: Schema.Array(Schema.String) })) })
          )(wrong.json)
          assert.sameDeepMembers(errors.map(({ path }) => path), [["payload", "owner"], ["payload", "name"]])
          const unknown = yield* command("7", "Close", {})
          assert.deepStrictEqual(problem(unknown), [404, "command-not-found"])
          assert.deepInclude(unknown.json, { known: ["Open", "Deposit"] })
          const noBody = yield* call("writer", "/entities/account/7/commands/Open", {
            method: "POST",
            body: "{",
            headers: { "content-type": "application/json" }
          })
          assert.deepStrictEqual(problem(noBody), [400, "invalid-request"])
          const post = { body: { owner: "Bob" } }
          assert.deepStrictEqual(problem(yield* call("reader", "/entities/account/7/commands/Open", post)), [
            403,
            "forbidden"
          ])
          assert.deepStrictEqual(problem(yield* call("orders", "/entities/account/7/commands/Open", post)), [
            404,
            "definition-not-loaded"
          ])
          assert.deepStrictEqual(problem(yield* call("writer", "/entities/x/7/commands/Open", post)), [
            404,
            "definition-not-loaded"
          ])
        }))

      it.effect("consumers, what is parked, processes, deadlines and what runs where", () =>
        Effect.gen(function*() {
          const { call, get } = yield* makeCalls
          for (const id of ["e1", "e2", "e3"]) yield* Account.append(id, Account.events.Opened({ owner: "Eve" }))
          yield* Order.append("1", Order.events.Placed({}))
          const { lastPosition } = yield* MessageStore.MessageStore
          const last = yield* lastPosition
          const running = yield* Consumer.start(notifier)
          yield* running.waitFor(last)
          const runners = yield* get("/runners")
          const Running = Schema.Struct({
            runners: Schema.Array(Schema.Struct({ runs: Schema.Array(Schema.Struct({ id: Schema.String })) }))
          })
          assert.deepStrictEqual(
            Schema.decodeUnknownSync(Running)(runners).runners.map(({ runs }) => runs.map(({ id }) => id)),
            [["notifier"]]
          )
          assert.deepStrictEqual((yield* call("orders", "/runners")).json, { runners: [] })
          const one = yield* get("/consumers/notifier")
          assert.deepInclude(one, { consumer: "notifier", category: "account" })
          const Parked = Schema.Struct({
            streams: Schema.Array(Schema.Struct({
              stream: Schema.String,
              waiting: Schema.Int,
              messages: Schema.Array(Schema.Struct({ type: Schema.String, time: Schema.String }))
            })),
            next: Schema.optionalKey(Schema.Int)
          })
          const page = (query: string) =>
            Effect.map(get(`/consumers/notifier/parked${query}`), Schema.decodeUnknownSync(Parked))
          const first = yield* page("?limit=2")
          assert.deepStrictEqual(first.streams.map(({ stream, waiting }) => [stream, waiting]), [
            ["account-e1", 1],
            ["account-e2", 1]
          ])
          assert.match(first.streams[0]?.messages[0]?.time ?? "", /^\d{4}-.+Z$/)
          const second = yield* page(`?category=account&after=${first.next}`)
          assert.deepStrictEqual(second.streams.map(({ stream }) => stream), ["account-e3"])
          assert.isUndefined(second.next)

          const process = yield* Process.start(fulfilment)
          yield* process.waitFor(last)
          const Lag = Schema.Struct({ messages: Schema.Int, age: Schema.Finite })
          const Consumers = Schema.Struct({
            consumers: Schema.Array(Schema.Struct({
              consumer: Schema.String,
              category: Schema.String,
              status: Schema.NullOr(Schema.Struct({ lag: Lag })),
              parked: Schema.NullOr(Schema.Struct({ streams: Schema.Int }))
            }))
          })
          const { consumers } = Schema.decodeUnknownSync(Consumers)(yield* get("/consumers"))
          assert.deepStrictEqual(
            consumers.map(({ category, consumer, parked }) => [consumer, category, parked?.streams]),
            [["notifier", "account", 3], ["fulfilment", "order", undefined], [
              "fulfilment",
              "fulfilment:deadline",
              undefined
            ]]
          )
          const seen = Schema.decodeUnknownSync(Consumers)((yield* call("orders", "/consumers")).json)
          assert.deepStrictEqual(seen.consumers.map(({ category }) => category), ["order"])
          const ambiguous = yield* call("reader", "/consumers/fulfilment")
          assert.deepStrictEqual(problem(ambiguous), [400, "invalid-request"])
          assert.deepInclude(yield* get("/consumers/fulfilment?category=order"), { category: "order" })
          assert.deepStrictEqual(problem(yield* call("reader", "/consumers/nobody")), [404, "consumer-not-found"])
          assert.deepStrictEqual(problem(yield* call("reader", "/consumers/nobody/parked")), [
            404,
            "consumer-not-found"
          ])
          assert.deepStrictEqual(problem(yield* call("orders", "/consumers/notifier?category=account")), [
            403,
            "forbidden"
          ])

          const Deadlines = Schema.Struct({
            deadlines: Schema.Array(
              Schema.Struct({ id: Schema.String, name: Schema.String, isOverdue: Schema.Boolean })
            )
          })
          const due = { id: "1", name: "payment", isOverdue: false }
          const deadlines = (query: string) =>
            Effect.map(get(`/processes/fulfilment/deadlines${query}`), Schema.decodeUnknownSync(Deadlines))
          assert.deepStrictEqual(yield* deadlines(""), { deadlines: [due] })
          assert.deepStrictEqual(yield* deadlines("?id=1&limit=1"), { deadlines: [due] })
          assert.deepStrictEqual(yield* deadlines("?id=2"), { deadlines: [] })
          assert.deepInclude(yield* get("/processes/fulfilment"), { process: "fulfilment", pending: 1, overdue: 0 })
          assert.property(yield* get("/processes"), "processes")
          assert.deepStrictEqual((yield* call("orders", "/processes")).json, { processes: [] })
          const Readers = Schema.Struct({
            readers: Schema.Array(
              Schema.Struct({
                kind: Schema.String,
                reader: Schema.String,
                state: Schema.String,
                handles: Schema.Boolean
              })
            )
          })
          const readers = (who: keyof typeof secrets, position: number) =>
            Effect.map(call(who, `/messages/${position}/readers`), ({ json, status, text }) => {
              assert.strictEqual(status, 200, text)
              return Schema.decodeUnknownSync(Readers)(json).readers.map(({ handles, kind, reader, state }) =>
                [kind, reader, state, handles].join(" ")
              )
            })
          const { append } = yield* MessageStore.MessageStore
          const { globalPosition: opened } = yield* append("account-e1", { type: "Opened", data: { owner: "Bob" } })
          yield* running.waitFor(opened)
          // It waits behind the one that has failed.
          assert.deepStrictEqual(yield* readers("reader", opened), [
            "consumer notifier parked true",
            "read model balances behind true"
          ])
          assert.deepStrictEqual(yield* readers("orders", last), ["process fulfilment handled true"])

          const Instances = Schema.Struct({
            instances: Schema.Array(Schema.Struct({ id: Schema.String, pending: Schema.Int }))
          })
          const instances = (query: string) =>
            Effect.map(get(`/processes/fulfilment/instances${query}`), Schema.decodeUnknownSync(Instances))
          assert.deepStrictEqual(yield* instances(""), { instances: [{ id: "1", pending: 1 }] })
          assert.deepStrictEqual(yield* instances("?state=overdue"), { instances: [] })
          const Place = Schema.Struct({ streamName: Schema.String, type: Schema.String })
          const History = Schema.Struct({
            streamName: Schema.String,
            reactions: Schema.Array(Schema.Struct({
              trigger: Schema.NullOr(Schema.Int),
              message: Schema.NullOr(Place),
              events: Schema.Array(Place),
              sent: Schema.Array(Place),
              deadlines: Schema.Array(Schema.Struct({ name: Schema.String }))
            })),
            next: Schema.NullOr(Schema.Int)
          })
          const history = (id: string) =>
            Effect.map(get(`/processes/fulfilment/instances/${id}`), Schema.decodeUnknownSync(History))
          assert.deepStrictEqual(yield* history("1"), {
            streamName: "fulfilment-1",
            reactions: [{
              trigger: last,
              message: { streamName: "order-1", type: "Placed" },
              events: [{ streamName: "fulfilment-1", type: "Started" }],
              sent: [],
              deadlines: [{ name: "payment" }]
            }],
            next: null
          })
          assert.deepInclude(yield* history("nobody"), { reactions: [] })
          assert.deepStrictEqual(problem(yield* call("orders", "/processes/fulfilment/instances/1")), [
            403,
            "forbidden"
          ])

          assert.deepStrictEqual(problem(yield* call("reader", "/processes/nothing")), [404, "definition-not-loaded"])
          assert.deepStrictEqual(problem(yield* call("orders", "/processes/fulfilment")), [403, "forbidden"])
        }).pipe(Effect.scoped))

      it.effect("read models, schemas and the records of administrators", () =>
        Effect.gen(function*() {
          const { call, get } = yield* makeCalls
          const model = yield* get("/read-models/balances")
          assert.deepInclude(model, { readModel: "balances", version: 1, stored: [] })
          assert.deepStrictEqual(yield* get("/read-models"), { readModels: [model] })
          assert.deepStrictEqual(problem(yield* call("reader", "/read-models/none")), [404, "read-model-not-found"])
          assert.deepStrictEqual(problem(yield* call("orders", "/read-models")), [403, "forbidden"])

          const order = { category: "order", types: ["Placed"] }
          assert.deepStrictEqual(yield* get("/schemas"), {
            schemas: [order, { category: "account", types: ["Opened", "Deposited"] }]
          })
          assert.deepStrictEqual((yield* call("orders", "/schemas")).json, { schemas: [order] })
          const { append } = yield* MessageStore.MessageStore
          yield* append("order-bad", { type: "Refunded", data: {} })
          const check = (who: keyof typeof secrets, path: string) => call(who, `/schemas/${path}`, { method: "POST" })
          const checked = yield* check("orders", "order/check?sample=10")
          assert.strictEqual(checked.status, 200, checked.text)
          assert.deepInclude(checked.json, { category: "order", isComplete: true })
          assert.deepStrictEqual(problem(yield* check("reader", "order/check?sample=1001")), [400, "invalid-request"])
          assert.deepStrictEqual(problem(yield* check("reader", "nothing/check")), [404, "definition-not-loaded"])
          assert.deepStrictEqual(problem(yield* check("orders", "account/check")), [403, "forbidden"])

          for (const reason of ["one", "two", "three"]) {
            yield* Administration.recorded(Effect.void, () => ({ by: "ann", action: "Test", subject: "order", reason }))
          }
          const Records = Schema.Struct({
            records: Schema.Array(Schema.Struct({ position: Schema.Int, reason: Schema.String, by: Schema.String })),
            next: Schema.optionalKey(Schema.Int)
          })
          const records = (query: string) =>
            Effect.map(get(`/administration${query}`), (json) => {
              const { next, records } = Schema.decodeUnknownSync(Records)(json)
              return [records.map(({ reason }) => reason), next]
            })
          assert.deepStrictEqual(yield* records("?limit=2"), [["three", "two"], 0])
          assert.deepStrictEqual(yield* records("?from=0"), [["one"], undefined])
          assert.deepStrictEqual(yield* records("?direction=forwards&limit=1"), [["one"], 1])
          assert.deepStrictEqual(problem(yield* call("orders", "/administration")), [403, "forbidden"])
        }))

      it.effect("the store and the server", () =>
        Effect.gen(function*() {
          const { call, get } = yield* makeCalls
          const Store = Schema.Struct({
            system: Schema.String,
            serverVersion: Schema.NullOr(Schema.String),
            schemaVersion: Schema.NullOr(Schema.Int),
            bytes: Schema.NullOr(Schema.Int),
            relations: Schema.Array(
              Schema.Struct({ name: Schema.String, table: Schema.NullOr(Schema.String), bytes: Schema.Int })
            ),
            privileges: Schema.Array(
              Schema.Struct({ on: Schema.String, privilege: Schema.String, isGranted: Schema.Boolean })
            )
          })
          const store = Schema.decodeUnknownSync(Store)(yield* get("/store"))
          if (name === "memory") {
            assert.deepInclude(store, { system: "memory", serverVersion: null, relations: [], privileges: [] })
          } else {
            assert.strictEqual(store.system, "postgresql")
            assert.match(store.serverVersion ?? "", /^1\d/)
            assert.isAbove(store.schemaVersion ?? 0, 0)
            const { bytes = 0, table } = store.relations.find(({ name }) => name === "messages_category") ?? {}
            assert.strictEqual(table, "messages")
            assert.isAbove(bytes, 0)
            assert.deepInclude(store.privileges, { on: "message_store.messages", privilege: "SELECT", isGranted: true })
          }
          assert.deepStrictEqual(problem(yield* call("orders", "/store")), [403, "forbidden"])
          assert.deepInclude((yield* call("orders", "/about")).json, {
            isOpen: false,
            sender: { name: "orders", scopes: ["read", "append"], categories: ["order", "order:*"] }
          })
          assert.deepInclude((yield* call("admin", "/about")).json, {
            sender: { name: "admin", scopes: ["admin"], categories: null }
          })
        }))

      it.effect("the store is verified by administrators", () =>
        Effect.gen(function*() {
          const { call } = yield* makeCalls
          const sent = { method: "POST" }
          const { status, text } = yield* call("admin", "/store/verify", sent)
          assert.strictEqual(status, 200, text)
          assert.match(text, /^event: verified\ndata: \{"messages":\d+\}\n\n$/)
          assert.deepStrictEqual(problem(yield* call("reader", "/store/verify", sent)), [403, "forbidden"])
        }))

      it.effect("have the application's schemas in the OpenAPI document", () =>
        Effect.gen(function*() {
          const { documented, url } = yield* makeCalls
          for (
            const operation of [
              "GET /entities/account/{id} 200",
              "POST /entities/account/{id}/commands/Deposit 409",
              "POST /entities/account/{id}/commands/Open 200"
            ]
          ) assert.include(documented, operation)
          assert.notInclude(documented, "POST /entities/account/{id}/commands/Open 409")
          const document = yield* Effect.promise(() => fetch(`${url}/openapi.json`).then((response) => response.json()))
          const { components: { schemas } } = Schema.decodeUnknownSync(
            Schema.Struct({
              components: Schema.Struct({
                schemas: Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.Unknown))
              })
            })
          )(document)
          assert.deepStrictEqual(schemas["account.commands.Open.payload"], {
            type: "object",
            properties: { owner: { type: "string", minLength: 1 } },
            required: ["owner"],
            additionalProperties: false
          })
          for (const name of ["account.state", "account.commands.Deposit.refusal", "account.events.Deposited"]) {
            assert.property(schemas, name)
          }
        }))
    })
)

describe("a server without definitions", () => {
  it.live("answers what the store knows, and that definitions are not loaded", () =>
    Effect.gen(function*() {
      yield* written
      const running = yield* Consumer.start(notifier)
      yield* running.waitFor(yield* (yield* MessageStore.MessageStore).lastPosition)
      const { call, get } = yield* makeCalls
      assert.deepStrictEqual(yield* get("/entities"), { entities: [] })
      assert.deepStrictEqual(yield* get("/schemas"), { schemas: [] })
      assert.deepStrictEqual(yield* get("/processes"), { processes: [] })
      assert.deepStrictEqual(yield* get("/read-models"), { readModels: [] })
      assert.deepStrictEqual(yield* get("/processes/fulfilment/deadlines"), { deadlines: [] })
      for (const path of ["/entities/account/1", "/entities/account/1/changes", "/processes/fulfilment"]) {
        assert.deepStrictEqual(problem(yield* call("reader", path)), [404, "definition-not-loaded"])
      }
      const run = yield* call("writer", "/entities/account/1/commands/Open", { body: {} })
      assert.deepStrictEqual(problem(run), [404, "definition-not-loaded"])
      yield* Account.append("e", Account.events.Opened({ owner: "Eve" }))
      yield* running.waitFor(yield* (yield* MessageStore.MessageStore).lastPosition)
      assert.deepInclude(yield* get("/consumers/notifier"), { status: null, category: "account" })
      const Parked = Schema.Struct({ streams: Schema.Array(Schema.Struct({ stream: Schema.String })) })
      const parked = Schema.decodeUnknownSync(Parked)(yield* get("/consumers/notifier/parked"))
      assert.deepStrictEqual(parked.streams, [{ stream: "account-e" }])
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(serve(), inMemory))))
})

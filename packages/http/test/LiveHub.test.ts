import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Layer, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Message, MessageStore, StoreError } from "eventfold"
import * as Frames from "../src/internal/live/frames.ts"
import * as Hub from "../src/internal/live/hub.ts"
import type { Selection } from "../src/internal/live/selection.ts"
import { settle, watch } from "./support/Watching.ts"

const category = (category: string, types?: ReadonlyArray<string>): Selection => ({
  source: { _tag: "Category", category },
  types
})
const stream = (streamName: string, types?: ReadonlyArray<string>): Selection => ({
  source: { _tag: "Stream", streamName },
  types
})
const all = (categories?: ReadonlyArray<string>): Selection => ({ source: { _tag: "All", categories } })

const group = (member: number, size: number): Selection => ({
  source: { _tag: "Category", category: "account", consumerGroup: { member, size } }
})

/** The tag of the error with which a selection is refused. */
const refusal = (hub: Hub.Hub["Service"], selection: Selection) =>
  Effect.map(Effect.flip(hub.open(sse(selection))), ({ _tag }) => _tag)

const failure = (isRetryable: boolean) =>
  new StoreError.StoreError({ operation: "readCategory", reason: "the store is away", isRetryable })

const sse = (selection: Selection, after?: Hub.Start): Hub.Request => ({ selection, format: "sse", after })

const happened = (data: Schema.Json = {}): Message.Message => ({ type: "Happened", data })

/** Appends messages to a stream one by one. */
const append = Effect.fnUntraced(function*(streamName: string, count: number, message = happened()) {
  const store = yield* MessageStore.MessageStore
  for (let index = 0; index < count; index++) yield* store.append(streamName, message)
})

/** Lets the followers send what there is. */
const pass = (duration: "25 millis" | "1 second" | "15 seconds" = "25 millis") =>
  settle.pipe(Effect.andThen(TestClock.adjust(duration)), Effect.andThen(settle))

/** The heartbeat of a client that has everything. */
const caughtUpAt = (position: number) => JSON.stringify({ position, caughtUp: true })

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

const withHub = <A, E>(
  use: (hub: Hub.Hub["Service"]) => Effect.Effect<A, E, MessageStore.MessageStore | Scope.Scope>,
  options?: Hub.Options
) => Effect.flatMap(Hub.make(options), use).pipe(Effect.provide(MessageStore.layerMemory))

describe("frames", () => {
  it.effect("have the JSON of the schema", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      yield* store.append("account-1", {
        type: "Happened",
        data: { a: ["\u2028\n\"ü", null, 1.5] },
        metadata: { b: true }
      })
      yield* store.append("account-1", { type: "Happened", data: null })
      const { messages } = yield* store.readCategoryPage("account")
      assert.strictEqual(messages.length, 2)
      for (const message of messages) {
        const json = yield* Schema.encodeEffect(Schema.fromJsonString(Schema.toCodecJson(Message.RecordedMessage)))(
          message
        )
        assert.strictEqual(Frames.make(message).json(), json)
        assert.strictEqual(json.split("\n").length, 1)
      }
    }).pipe(Effect.provide(MessageStore.layerMemory)))
})

/** Two stores of which a program sees the first one, until `failOver`: the second one lacks the last messages. */
const failingOver = Effect.gen(function*() {
  const stores = yield* Effect.replicateEffect(Layer.build(Layer.fresh(MessageStore.layerMemory)), 2)
  const [first, second] = stores.map(Context.get(MessageStore.MessageStore))
  if (first === undefined || second === undefined) return yield* Effect.die("there are no stores")
  let current = first
  const layer = Layer.succeed(MessageStore.MessageStore, {
    ...first,
    append: (...args) => current.append(...args),
    streamVersion: (...args) => current.streamVersion(...args),
    lastCategoryMessage: (...args) => current.lastCategoryMessage(...args),
    readCategoryPage: (...args) => current.readCategoryPage(...args),
    readAllPage: (...args) => current.readAllPage(...args),
    get lastPosition() {
      return current.lastPosition
    }
  })
  yield* second.append("account-1", happened())
  return { layer, failOver: Effect.sync(() => current = second) }
})

describe("after a failover that has lost messages, a live client", () => {
  it.effect("is cut off, and refused where it resumes, rather than to wait for what others will write in their places", () =>
    Effect.gen(function*() {
      const { failOver, layer } = yield* failingOver
      yield* Effect.gen(function*() {
        const hub = yield* Hub.make()
        yield* append("account-1", 3)
        const selections = [category("account"), all(), stream("account-1")]
        const clients = yield* Effect.forEach(selections, (selection) => watch(hub, sse(selection)))
        yield* pass()
        for (const { ids } of clients) assert.lengthOf(ids(), 3)
        yield* failOver
        yield* pass("1 second")
        for (const { isOver } of clients) assert.isTrue(isOver())
        for (const selection of selections) {
          const last = selection.source._tag === "Stream" ? 2 : 3
          const refused = yield* Effect.flip(hub.open({ ...sse(selection, last), resumes: true }))
          assert.deepInclude(refused, { _tag: "PositionAhead", position: last, end: last - 2 })
        }
      }).pipe(Effect.provide(layer))
    }))

  it.effect("that begins beyond the end, as it may, keeps nothing from others", () =>
    withHub((hub) =>
      Effect.gen(function*() {
        yield* append("account-1", 1)
        const ahead = yield* watch(hub, sse(category("account"), 3))
        yield* pass()
        const client = yield* watch(hub, sse(category("account")))
        yield* pass()
        yield* append("account-1", 3)
        yield* pass("1 second")
        assert.deepStrictEqual(client.ids(), [1, 2, 3, 4])
        assert.deepStrictEqual(ahead.ids(), [4])
      })
    ))
})

describe("a live client", () => {
  it.effect("catches up with a category, then follows it", () =>
    withHub((hub) =>
      Effect.gen(function*() {
        yield* append("account-1", 100)
        yield* append("order-1", 1)
        const client = yield* watch(hub, sse(category("account")))
        yield* pass()
        assert.deepStrictEqual(client.ids(), range(1, 100))
        assert.deepStrictEqual(client.heartbeats(), [caughtUpAt(100)])
        yield* append("account-2", 3)
        yield* pass()
        assert.deepStrictEqual(client.ids(), [...range(1, 100), 102, 103, 104])
      })
    ))

  it.effect("of a stream counts by positions of the stream", () =>
    withHub((hub) =>
      Effect.gen(function*() {
        yield* append("account-1", 3)
        yield* append("account-2", 3)
        const clients = [
          yield* watch(hub, sse(stream("account-2"))),
          yield* watch(hub, sse(stream("account-2"), 1)),
          yield* watch(hub, sse(stream("account-3")))
        ]
        yield* pass()
        yield* append("account-1", 2)
        yield* append("account-2", 2)
        yield* pass()
        assert.deepStrictEqual(clients.map((client) => client.ids()), [range(0, 4), range(2, 4), []])
        assert.deepStrictEqual(clients.map((client) => client.heartbeats()[0]), [
          caughtUpAt(2),
          caughtUpAt(2),
          caughtUpAt(-1)
        ])
        assert.isUndefined(clients[2]?.events()[0]?.id)
        yield* append("account-3", 1)
        yield* pass()
        assert.deepStrictEqual(clients.map((client) => client.ids()), [range(0, 4), range(2, 4), [0]])
      })
    ))

  it.effect("of everything reads all categories, or some", () =>
    withHub((hub) =>
      Effect.gen(function*() {
        yield* append("account-1", 2)
        const [every, some] = [yield* watch(hub, sse(all())), yield* watch(hub, sse(all(["order", "account"])))]
        yield* pass()
        yield* append("order-1", 1)
        yield* append("invoice-1", 1)
        yield* append("account-1", 1)
        yield* pass()
        yield* pass()
        assert.deepStrictEqual(every.ids(), range(1, 5))
        assert.deepStrictEqual(some.ids(), [1, 2, 3, 5])
      })
    ))

  it.effect("gets what its filters let pass, and heartbeats tell how far they have looked", () =>
    withHub((hub) =>
      Effect.gen(function*() {
        const store = yield* MessageStore.MessageStore
        const rare = { type: "Rare", data: {} }
        yield* append("account-1", 2)
        yield* store.append("account-1", rare)
        yield* append("account-1", 2)
        const answer = { ...happened(), metadata: { correlationStreamName: "caller-7" } }
        const clients = [
          yield* watch(hub, sse(category("account", ["Rare"]))),
          yield* watch(hub, sse(stream("account-1", ["Rare"]))),
          yield* watch(hub, sse({ source: { _tag: "Category", category: "account", correlation: "caller" } })),
          yield* watch(
            hub,
            sse(group(0, 2))
          ),
          yield* watch(
            hub,
            sse(group(1, 2))
          )
        ]
        yield* pass()
        yield* append("account-1", 1)
        yield* store.append("account-2", rare)
        yield* store.append("account-1", rare)
        yield* append("account-3", 1, answer)
        yield* append("account-4", 20)
        yield* append("account-5", 20)
        yield* pass()
        const [types, ofStream, correlated, first, second] = clients.map((client) => client.ids())
        assert.deepStrictEqual([types, ofStream, correlated], [[3, 7, 8], [2, 6], [9]])
        assert.deepStrictEqual([...first ?? [], ...second ?? []].toSorted((a, b) => a - b), range(1, 49))
        assert.isAbove(first?.length ?? 0, 0)
        assert.isAbove(second?.length ?? 0, 0)
        yield* pass("15 seconds")
        assert.deepStrictEqual(clients.map((client) => client.heartbeats().at(-1)), [
          caughtUpAt(49),
          caughtUpAt(6),
          caughtUpAt(49),
          caughtUpAt(49),
          caughtUpAt(49)
        ])
        assert.strictEqual(clients[0]?.events().at(-1)?.id, "49")
      })
    ))

  it.effect("resumes after a position, without a read when it was here a moment ago", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      let reads = 0
      const counting = MessageStore.MessageStore.of({
        ...store,
        readCategoryPage: (category, options) => {
          reads++
          return store.readCategoryPage(category, options)
        }
      })
      const hub = yield* Effect.provideService(Hub.make(), MessageStore.MessageStore, counting)
      yield* append("account-1", 10)
      const first = yield* watch(hub, sse(category("account")))
      yield* pass()
      yield* append("account-1", 10)
      yield* pass()
      assert.deepStrictEqual(first.ids(), range(1, 20))
      yield* first.leave
      const before = reads
      const again = yield* watch(hub, sse(category("account"), 15))
      yield* settle
      assert.deepStrictEqual(again.ids(), range(16, 20))
      assert.strictEqual(reads, before)
      const older = yield* watch(hub, sse(category("account"), 5))
      const ahead = yield* watch(hub, sse(category("account"), 22))
      const end = yield* watch(hub, sse(category("account"), "end"))
      yield* append("account-1", 5)
      yield* pass()
      yield* pass()
      assert.deepStrictEqual(older.ids(), range(6, 25))
      assert.deepStrictEqual(ahead.ids(), range(23, 25))
      assert.deepStrictEqual(end.ids(), range(21, 25))
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("that comes while much is written gets each message once", () =>
    withHub((hub) =>
      Effect.gen(function*() {
        const clients = []
        for (let round = 0; round < 24; round++) {
          yield* append(`account-${round % 3}`, 40)
          yield* append(`order-${round % 3}`, 1)
          clients.push(
            [yield* watch(hub, sse(category("account"))), range(1, 24 * 41).filter((n) => n % 41 !== 0)] as const,
            [yield* watch(hub, sse(stream("account-1"))), range(0, 319)] as const,
            [yield* watch(hub, sse(all())), range(1, 24 * 41)] as const
          )
          if (round % 2 === 0) yield* TestClock.adjust("7 millis")
        }
        for (let index = 0; index < 20; index++) yield* pass()
        for (const [client, expected] of clients) assert.deepStrictEqual(client.ids(), expected)
      })
    ))

  it.effect("gets what is written within the gap in one chunk", () =>
    withHub((hub) =>
      Effect.gen(function*() {
        const client = yield* watch(hub, sse(category("account")))
        yield* pass()
        yield* append("account-1", 1)
        yield* settle
        // The first message is sent at once.
        assert.deepStrictEqual(client.ids(), [1])
        const before = client.chunks()
        for (let index = 0; index < 9; index++) {
          yield* append("account-1", 1)
          yield* settle
        }
        assert.strictEqual(client.chunks(), before)
        yield* pass()
        assert.deepStrictEqual(client.ids(), range(1, 10))
        assert.strictEqual(client.chunks(), before + 1)
      })
    ))

  it.effect("gets NDJSON", () =>
    withHub((hub) =>
      Effect.gen(function*() {
        const client = yield* watch(hub, { selection: category("account"), format: "ndjson" })
        yield* pass()
        yield* append("account-1", 2)
        yield* pass()
        const lines = client.text().trimEnd().split("\n").map((line): unknown => JSON.parse(line))
        assert.deepStrictEqual(lines[0], { heartbeat: { position: 0, caughtUp: true } })
        const messages = yield* Schema.decodeUnknownEffect(Schema.Array(Schema.toCodecJson(Message.RecordedMessage)))(
          lines.slice(1)
        )
        assert.deepStrictEqual(messages.map(({ globalPosition }) => globalPosition).toSorted(), [1, 2])
      })
    ))

  it.effect("gets a heartbeat each 15 seconds, with the position looked through", () =>
    withHub((hub) =>
      Effect.gen(function*() {
        yield* append("order-1", 7)
        const [client, everything] = [
          yield* watch(hub, sse(category("account"))),
          yield* watch(hub, sse(all(["account"])))
        ]
        yield* pass()
        for (const _ of range(1, 3)) yield* pass("15 seconds")
        assert.deepStrictEqual(client.heartbeats(), Array(4).fill(caughtUpAt(0)))
        assert.deepStrictEqual(everything.heartbeats().at(-1), caughtUpAt(7))
      })
    ))

  it.effect("is told by a heartbeat while it catches up that this is not all", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore.MessageStore
      const answered = yield* Deferred.make<void>()
      let pages = 0
      const slow = MessageStore.MessageStore.of({
        ...store,
        readCategoryPage: (...args) =>
          Effect.andThen(pages++ === 0 ? Effect.void : Deferred.await(answered), store.readCategoryPage(...args))
      })
      yield* append("account-1", 100)
      yield* Effect.gen(function*() {
        const hub = yield* Hub.make()
        const client = yield* watch(hub, sse(category("account")))
        yield* pass("15 seconds")
        assert.deepStrictEqual(client.ids(), range(1, 64))
        assert.deepStrictEqual(client.heartbeats(), [JSON.stringify({ position: 64, caughtUp: false })])
        yield* Deferred.succeed(answered, undefined)
        yield* pass()
        assert.deepStrictEqual(client.ids(), range(1, 100))
        assert.deepStrictEqual(client.heartbeats().slice(1), [caughtUpAt(100)])
      }).pipe(Effect.provideService(MessageStore.MessageStore, slow))
    }).pipe(Effect.provide(MessageStore.layerMemory)))
})

describe("a client that reads slowly", () => {
  const big = happened("x".repeat(1_000))

  it.effect("is cut off when its queue is full, and holds up nobody", () =>
    withHub((hub) =>
      Effect.gen(function*() {
        const slow = yield* watch(hub, sse(category("account")), Effect.never)
        const other = yield* watch(hub, sse(category("account")))
        yield* pass()
        for (let index = 0; index < 40; index++) {
          yield* append("account-1", 1, big)
          yield* pass()
          yield* pass()
        }
        assert.isFalse(slow.isOver())
        yield* pass("1 second")
        for (let index = 0; index < 40; index++) {
          yield* append("account-1", 1, big)
          yield* pass()
          yield* pass()
        }
        assert.isTrue(Exit.hasInterrupts(yield* slow.exit))
        assert.deepStrictEqual(other.ids(), range(1, 80))
        assert.isFalse(other.isOver())
        assert.strictEqual(hub.size(), 1)
      }), { queueBytes: 50_000, patience: "2 seconds" }))

  it.effect("but has just taken something reads by itself, and misses nothing", () =>
    withHub((hub) =>
      Effect.gen(function*() {
        const slow = yield* watch(hub, sse(category("account")), Effect.sleep("200 millis"))
        const ofStream = yield* watch(hub, sse(stream("account-1")), Effect.sleep("200 millis"))
        yield* pass()
        for (let index = 0; index < 20; index++) {
          yield* append("account-1", 20, big)
          yield* pass()
        }
        for (let index = 0; index < 60; index++) yield* pass("1 second")
        assert.deepStrictEqual(slow.ids(), range(1, 400))
        assert.deepStrictEqual(ofStream.ids(), range(0, 399))
      }), { queueBytes: 50_000, heartbeat: "1 hour" }))

  it.effect("is cut off when it takes nothing for long, though its queue is not full", () =>
    withHub((hub) =>
      Effect.gen(function*() {
        const slow = yield* watch(hub, sse(category("account")), Effect.never)
        yield* pass("15 seconds")
        assert.isFalse(slow.isOver())
        yield* pass("15 seconds")
        yield* pass("15 seconds")
        assert.isTrue(Exit.hasInterrupts(yield* slow.exit))
        assert.strictEqual(hub.size(), 0)
      })
    ))
})

describe("a store that fails", () => {
  /** A store whose reads of categories fail while there is a failure. */
  const failing = Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    const state: { failure: StoreError.StoreError | undefined } = { failure: undefined }
    const orFail = <A, E>(read: Effect.Effect<A, E>) =>
      Effect.suspend((): Effect.Effect<A, E | StoreError.StoreError> =>
        state.failure === undefined ? read : Effect.fail(state.failure)
      )
    const hub = yield* Effect.provideService(
      Hub.make(),
      MessageStore.MessageStore,
      MessageStore.MessageStore.of({
        ...store,
        readCategoryPage: (category, options) => orFail(store.readCategoryPage(category, options)),
        lastCategoryMessage: (category) => orFail(store.lastCategoryMessage(category))
      })
    )
    return { hub, state }
  })

  it.effect("for a while keeps the clients, which then get everything", () =>
    Effect.gen(function*() {
      const { hub, state } = yield* failing
      yield* append("account-1", 100)
      const following = yield* watch(hub, sse(category("account")))
      yield* pass()
      state.failure = failure(true)
      yield* append("account-1", 3)
      yield* pass("15 seconds")
      assert.deepStrictEqual(following.ids(), range(1, 100))
      assert.deepStrictEqual(following.heartbeats(), [caughtUpAt(100), caughtUpAt(100)])
      // A request is answered with a problem while the store is away.
      assert.strictEqual(yield* Effect.flip(hub.open(sse(category("account"), 3))), state.failure)
      state.failure = undefined
      for (let index = 0; index < 5; index++) yield* pass("1 second")
      assert.deepStrictEqual(following.ids(), range(1, 103))
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("for good ends the clients with its failure, and those that come later are served when it works", () =>
    Effect.gen(function*() {
      const { hub, state } = yield* failing
      const following = yield* watch(hub, sse(category("account")))
      yield* pass()
      state.failure = failure(false)
      yield* append("account-1", 1)
      yield* pass()
      assert.isTrue(Exit.isFailure(yield* following.exit))
      state.failure = undefined
      const later = yield* watch(hub, sse(category("account")))
      yield* append("account-1", 1)
      yield* pass()
      assert.deepStrictEqual(later.ids(), [1, 2])
      assert.strictEqual(hub.size(), 1)
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it.effect("is not asked for what makes no sense", () =>
    withHub((hub) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* refusal(hub, stream("account")), "InvalidStreamName")
        assert.strictEqual(yield* refusal(hub, category("account-1")), "InvalidCategory")
        assert.strictEqual(yield* refusal(hub, all(["account-1"])), "InvalidCategory")
        for (const wrong of [category("account", []), all([]), group(1, 1), group(-1, 2), group(0.5, 2), group(0, 0)]) {
          assert.strictEqual(yield* refusal(hub, wrong), "InvalidArgument")
        }
      })
    ))
})

describe("the end", () => {
  it.effect("ends all clients, also those that come later, and those that read nothing", () =>
    withHub((hub) =>
      Effect.gen(function*() {
        yield* append("account-1", 200, happened("x".repeat(1_000)))
        const following = yield* watch(hub, sse(category("account")))
        const stuck = yield* watch(hub, sse(category("account")), Effect.never)
        yield* pass()
        const ending = yield* Effect.forkScoped(hub.end)
        yield* pass("1 second")
        assert.isNotNull(ending.pollUnsafe())
        assert.isTrue(Exit.isSuccess(yield* following.exit))
        assert.isTrue(Exit.hasInterrupts(yield* stuck.exit))
        const late = yield* watch(hub, sse(category("account")))
        yield* pass()
        assert.isTrue(Exit.isSuccess(yield* late.exit))
        assert.strictEqual(hub.size(), 0)
      })
    ))

  it.effect("of a scope ends the clients", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const hub = yield* Scope.provide(Hub.make(), scope)
      const client = yield* watch(hub, sse(all()))
      yield* pass()
      const closing = yield* Effect.forkScoped(Scope.close(scope, Exit.void))
      yield* pass("1 second")
      assert.isTrue(Exit.isSuccess(yield* client.exit))
      assert.isDefined(closing.pollUnsafe())
    }).pipe(Effect.provide(MessageStore.layerMemory)))
})

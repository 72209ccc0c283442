import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { MessageStore, Tail } from "eventfold"

const typesOf = (messages: ReadonlyArray<{ readonly type: string }>) => messages.map(({ type }) => type)

const dataOf = (messages: ReadonlyArray<{ readonly data: unknown }>) => messages.map(({ data }) => data)

/** Twenty messages of two categories and four streams, `T0` to `T19`, of which every fifth is `Rare`. */
const filled = Effect.gen(function*() {
  const store = yield* MessageStore.MessageStore
  for (let index = 0; index < 20; index++) {
    const category = index % 2 === 0 ? "even" : "odd"
    const type = index % 5 === 0 ? "Rare" : `T${index}`
    yield* store.append(`${category}-${index % 4}`, { type, data: index })
  }
})

/** As many messages as will be there, while `write` writes them. */
const followed = (place: Tail.Place, count: number, options: Tail.FollowOptions, write: Effect.Effect<unknown>) =>
  Effect.gen(function*() {
    const following = yield* Effect.forkChild(
      Stream.runCollect(Stream.take(Tail.follow(place, options), count)),
      { startImmediately: true }
    )
    yield* write
    yield* TestClock.adjust("1 minute")
    return typesOf(yield* Fiber.join(following))
  })

describe("Tail", () => {
  layer(MessageStore.layerMemory)((it) => {
    it.effect("gives the last messages of each kind of place, in their order", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* Tail.last("everything", 3), [])
        yield* filled
        assert.deepStrictEqual(typesOf(yield* Tail.last("everything", 3)), ["T17", "T18", "T19"])
        assert.deepStrictEqual(typesOf(yield* Tail.last({ category: "even" }, 2)), ["T16", "T18"])
        assert.deepStrictEqual(typesOf(yield* Tail.last({ stream: "odd-1" }, 2)), ["T13", "T17"])
        assert.deepStrictEqual(yield* Tail.last({ stream: "odd-9" }, 2), [])
        assert.deepStrictEqual(yield* Tail.last({ category: "none" }, 2), [])
        assert.deepStrictEqual(yield* Tail.last("everything", 0), [])
        assert.lengthOf(yield* Tail.last("everything", 50), 20)
      }))

    it.effect("looks further back for types that are rare", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(dataOf(yield* Tail.last("everything", 3, { types: ["Rare"] })), [5, 10, 15])
        assert.deepStrictEqual(dataOf(yield* Tail.last({ category: "even" }, 9, { types: ["Rare"] })), [0, 10])
        assert.deepStrictEqual(dataOf(yield* Tail.last({ stream: "even-0" }, 1, { types: ["Rare"] })), [0])
        assert.deepStrictEqual(yield* Tail.last({ stream: "even-0" }, 1, { types: ["Never"] }), [])
      }))

    it.effect("refuses a number of messages and a position that are none", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Effect.flip(Tail.last("everything", -1)))._tag, "InvalidArgument")
        const follow = Stream.runDrain(Tail.follow("everything", { from: -1 }))
        assert.strictEqual((yield* Effect.flip(follow))._tag, "InvalidArgument")
        const category = Stream.runDrain(Tail.follow({ category: "a-b" }))
        assert.strictEqual((yield* Effect.flip(category))._tag, "InvalidCategory")
      }))
  })

  layer(MessageStore.layerMemory)((it) => {
    it.effect("follows each kind of place from its end, and from a position", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore.MessageStore
        yield* filled
        const write = Effect.gen(function*() {
          yield* store.append("even-0", { type: "New", data: {} })
          yield* store.append("odd-1", { type: "Newer", data: {} })
          yield* store.append("even-2", { type: "Newest", data: {} })
        }).pipe(Effect.orDie)
        assert.deepStrictEqual(yield* followed("everything", 3, {}, write), ["New", "Newer", "Newest"])
        assert.deepStrictEqual(yield* followed({ category: "even" }, 2, {}, write), ["New", "Newest"])
        assert.deepStrictEqual(yield* followed({ stream: "odd-1" }, 1, {}, write), ["Newer"])
        assert.deepStrictEqual(yield* followed("everything", 2, { types: ["Newest", "New"] }, write), ["New", "Newest"])
        assert.deepStrictEqual(
          yield* followed("everything", 3, { from: 19 }, Effect.void),
          ["T18", "T19", "New"]
        )
        assert.deepStrictEqual(yield* followed({ stream: "odd-1" }, 3, { from: 4 }, Effect.void), [
          "T17",
          "Newer",
          "Newer"
        ])
        assert.deepStrictEqual(
          yield* followed({ stream: "new-1" }, 1, {}, Effect.orDie(store.append("new-1", { type: "First", data: {} }))),
          ["First"]
        )
      }))
  })
})

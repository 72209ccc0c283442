import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Message from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import * as Metadata from "eventfold/Metadata"
import type * as StreamName from "eventfold/StreamName"
import * as Trace from "eventfold/Trace"
import { type It, newCategory } from "./fixtures.ts"

const write = (streamName: string, type: string, metadata?: Metadata.Metadata | Schema.JsonObject) =>
  Effect.gen(function*() {
    const store = yield* MessageStore
    yield* store.append(streamName, { type, data: null, metadata })
    return Option.getOrThrow(yield* store.lastMessage(streamName))
  })

/** Begun causes Asked twice, the first of which causes Done; each in a stream of its own, with others between. */
const conversation = Effect.gen(function*() {
  const category = yield* newCategory
  const correlation = `${category}-1`
  const begun = yield* write(correlation, "Begun", { correlationStreamName: correlation })
  yield* write(`${category}-2`, "Other", { correlationStreamName: `${category}-11` })
  const first = yield* write(`${category}-3`, "Asked", Metadata.follow(begun))
  yield* write(`${category}-4`, "Other")
  const second = yield* write(`${category}-5`, "Asked", Metadata.follow(begun))
  const done = yield* write(`${category}-6`, "Done", Metadata.follow(first))
  return { begun, category, correlation, done, first, second }
})

const placesOf = (found: ReadonlyArray<{ readonly message: Message.MessagePlace }>) =>
  found.map(({ message }) => message.globalPosition)

export const tests = (it: It) =>
  describe("traces", () => {
    it.effect("find the effects of a message, by pages, and no others", () =>
      Effect.gen(function*() {
        const { begun, category, first, second } = yield* conversation
        // Metadata that names the position, but of another store, and what could not be an effect.
        const { causationMessageStreamName: _, ...withoutStream } = Metadata.follow(begun)
        yield* write(`${category}-7`, "Copied", { ...withoutStream, causationMessageStreamName: "other-1" })
        yield* write(`${category}-7`, "Copied", { ...withoutStream, causationMessagePosition: 5 })
        yield* write(`${category}-7`, "Odd", { causationMessageGlobalPosition: null })
        yield* write(`${category}-7`, "Odd", { ...withoutStream, causationMessagePosition: "first" })
        yield* write(`${category}-7`, "Odd", { causationMessageGlobalPosition: `0${begun.globalPosition}` })
        const bare = yield* write(`${category}-8`, "Bare", { causationMessageGlobalPosition: begun.globalPosition })
        const expected = [first, second, bare].map(({ globalPosition }) => globalPosition)

        const all = yield* Trace.effects(begun.globalPosition)
        assert.deepStrictEqual(placesOf(all.effects), expected)
        assert.isTrue(all.isComplete)
        assert.strictEqual(all.lookedFrom, begun.globalPosition + 1)
        assert.isAtLeast(all.lookedThrough, bare.globalPosition)
        const { data: _data, metadata: _metadata, ...place } = first
        assert.deepStrictEqual(all.effects[0]?.message, place)
        for (const { wait } of all.effects) {
          assert.isAtLeast(wait.millis, 0)
          assert.isFalse(wait.clockDiffers)
        }

        const beyond = { after: Number.MAX_SAFE_INTEGER }
        const nothing = yield* Trace.effects(begun, beyond)
        assert.deepStrictEqual([nothing.effects, nothing.isComplete], [[], true])
        yield* Schema.encodeEffect(Schema.toCodecJson(Trace.EffectsPage))(nothing)
        assert.deepStrictEqual((yield* Trace.correlated(`${category}-1`, beyond)).messages, [])

        const page = yield* Trace.effects(begun, { limit: 1 })
        assert.deepStrictEqual(placesOf(page.effects), expected.slice(0, 1))
        assert.deepStrictEqual([page.isComplete, page.lookedThrough], [false, first.globalPosition])
        const rest = yield* Trace.effects(begun, { after: page.lookedThrough, limit: 2 })
        assert.deepStrictEqual(placesOf(rest.effects), expected.slice(1))
        assert.isTrue(rest.isComplete)
        const none = yield* Trace.effects(bare)
        assert.deepStrictEqual([none.effects, none.isComplete], [[], true])
      }))

    it.effect("find the messages of a correlation by its whole name, each with its cause", () =>
      Effect.gen(function*() {
        const { begun, correlation, done, first, second } = yield* conversation
        const found = yield* Trace.correlated(correlation)
        assert.deepStrictEqual(
          placesOf(found.messages),
          [begun, first, second, done].map(({ globalPosition }) => globalPosition)
        )
        assert.deepStrictEqual(
          found.messages.map(({ cause }) =>
            Option.getOrNull(Option.map(cause, ({ globalPosition }) => globalPosition))
          ),
          [null, begun.globalPosition, begun.globalPosition, first.globalPosition]
        )
        const page = yield* Trace.correlated(correlation, { after: begun.globalPosition, limit: 1 })
        assert.deepStrictEqual(placesOf(page.messages), [first.globalPosition])
        assert.isFalse(page.isComplete)
        const rest = yield* Trace.correlated(correlation, { after: page.lookedThrough })
        assert.deepStrictEqual(placesOf(rest.messages), [second.globalPosition, done.globalPosition])
        assert.isTrue(rest.isComplete)
        assert.deepStrictEqual((yield* Trace.correlated(`${correlation}0`)).messages, [])
      }))

    it.effect("make a tree of both, bounded in depth and number", () =>
      Effect.gen(function*() {
        const { begun, correlation, done, first, second } = yield* conversation
        const outline = [[begun, 0], [first, 1], [done, 2], [second, 1]] as const
        for (const from of [begun.globalPosition, correlation]) {
          const tree = yield* Trace.tree(from)
          assert.deepStrictEqual(
            tree.nodes.map(({ depth, message }) => [message.globalPosition, depth]),
            outline.map(([{ globalPosition }, depth]) => [globalPosition, depth])
          )
          assert.deepStrictEqual(tree.nodes.map(({ wait }) => Option.isSome(wait)), [false, true, true, true])
          assert.isFalse(tree.isCut)

          const flat = yield* Trace.tree(from, { depth: 1 })
          assert.deepStrictEqual(placesOf(flat.nodes), [begun, first, second].map((one) => one.globalPosition))
          assert.deepStrictEqual([flat.isCut, flat.isComplete], [true, false])
          const three = yield* Trace.tree(from, { limit: 3 })
          assert.lengthOf(three.nodes, 3)
          assert.deepStrictEqual([three.isCut, three.isComplete], [true, false])
          assert.isFalse((yield* Trace.tree(from, { depth: 2, limit: 4 })).isCut)
        }
        const sub = yield* Trace.tree(first.globalPosition)
        assert.deepStrictEqual(placesOf(sub.nodes), [first.globalPosition, done.globalPosition])
        assert.isTrue(sub.isComplete)
        const codec = Schema.fromJsonString(Schema.toCodecJson(Trace.Tree))
        assert.deepStrictEqual(yield* Schema.decodeEffect(codec)(yield* Schema.encodeEffect(codec)(sub)), sub)
      }))

    it.effect("refuse what can't be looked for", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const missing = yield* Effect.flip(Trace.effects((yield* store.lastPosition) + 1_000))
        assert.strictEqual(missing._tag, "InvalidArgument")
        assert.include(missing.message, "the global position of a message")
        const failures: ReadonlyArray<
          Effect.Effect<unknown, Trace.TraceError | StreamName.InvalidStreamName, MessageStore>
        > = [
          Trace.effects(1, { limit: 0 }),
          Trace.effects(1, { window: 0 }),
          Trace.correlated("a-1", { after: -1 }),
          Trace.correlated("a-1", { around: 0.5 }),
          Trace.tree("a-1", { depth: -1 })
        ]
        for (const failure of failures) assert.strictEqual((yield* Effect.flip(failure))._tag, "InvalidArgument")
        assert.strictEqual((yield* Effect.flip(Trace.correlated("")))._tag, "InvalidStreamName")
      }))
  })

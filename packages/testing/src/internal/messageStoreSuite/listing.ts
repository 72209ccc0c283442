import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Listing from "eventfold/Listing"
import { MessageStore } from "eventfold/MessageStore"
import * as StreamName from "eventfold/StreamName"
import * as Streams from "eventfold/Streams"
import { type It, newCategory, numbered, type Supports } from "./fixtures.ts"
import { note } from "./streams.ts"

/** All pages of a list, each of this size. */
const allPages = <Page extends { readonly next: Option.Option<string> }, E, R>(
  read: (after: string | undefined) => Effect.Effect<Page, E, R>
) =>
  Effect.gen(function*() {
    const pages: Array<Page> = []
    let after: string | undefined
    do {
      const page = yield* read(after)
      pages.push(page)
      after = Option.getOrUndefined(page.next)
    } while (after !== undefined)
    return pages
  })

const categories = (options: Listing.Options) =>
  Effect.flatMap(MessageStore, (store) =>
    Effect.map(
      allPages((after) => store.categories({ ...options, after })),
      (pages) => pages.flatMap(({ categories }) => categories)
    ))

const streams = (options: Listing.StreamsOptions) =>
  Effect.flatMap(MessageStore, (store) =>
    Effect.map(
      allPages((after) => store.streams({ ...options, after })),
      (pages) => pages.flatMap(({ streams }) => streams)
    ))

const namesOf = (found: ReadonlyArray<Listing.StreamSummary>) => found.map(({ streamName }) => streamName)

/** Names that languages sort otherwise than by bytes. */
const ids = ["1", "10", "2", "A", "a", "B", "b", "a b", "a-b", "ä", "z", "\u{ff5e}", "\u{1f600}"]

export const tests = (it: It, supports: Supports): void => {
  describe("lists of categories", () => {
    it.effect("sorts them by bytes, each with its last message, whatever the page", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const prefix = yield* newCategory
        const names = ["", ":command", ":position", "+x", "A", "a", "B", "b", "ä", "\u{ff5e}", "\u{1f600}"]
          .map((end) => `${prefix}${end}`)
        yield* Effect.forEach(names, (name) => store.append(`${name}-1`, numbered(2)))
        yield* store.append(`${prefix}-2`, { type: "Last", data: null })
        const expected = names.toSorted(StreamName.Order)
        for (const limit of [1, 4, 11, 100]) {
          const found = yield* categories({ prefix, limit })
          assert.deepStrictEqual(found.map(({ category }) => category), expected)
        }
        const [first] = (yield* store.categories({ prefix, limit: 1 })).categories
        assert.deepStrictEqual(
          [first?.category, first?.last.streamName, first?.last.type, first?.last.position],
          [prefix, `${prefix}-2`, "Last", 0]
        )
        const recorded = Option.getOrThrow(yield* store.lastCategoryMessage(prefix))
        const { data: _data, metadata: _metadata, ...place } = recorded
        assert.deepStrictEqual(first?.last, place)
        if (first !== undefined && Option.isSome(first.size)) {
          assert.isAtLeast(first.size.value.messages, 1)
          if (first.size.value.isExact) assert.strictEqual(first.size.value.messages, 3)
        }
      }))

    it.effect("continues after a name that need not exist, and ends with the last of a prefix", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const prefix = yield* newCategory
        yield* Effect.forEach(["a", "c"], (end) => store.append(`${prefix}${end}-1`, numbered(1)))
        const after = yield* store.categories({ prefix, after: `${prefix}b` })
        assert.deepStrictEqual(after.categories.map(({ category }) => category), [`${prefix}c`])
        assert.deepStrictEqual(after.next, Option.none())
        const none = yield* store.categories({ prefix: `${prefix}b` })
        assert.deepStrictEqual(none, { categories: [], next: Option.none() })
      }))

    it.effect("refuses a limit of 0, and texts that no name has", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const limit = yield* Effect.flip(store.categories({ limit: 0 }))
        assert.strictEqual(limit._tag, "InvalidArgument")
        const prefix = yield* Effect.flip(store.categories({ prefix: "a\u0000" }))
        assert.include(prefix.message, "prefix")
        const after = yield* Effect.flip(store.streams({ after: "\ud800" }))
        assert.include(after.message, "after")
      }))

    it.effect("encodes to JSON", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        yield* store.append(`${category}-1`, numbered(1))
        const pages = {
          categories: yield* store.categories({ prefix: category, limit: 1 }),
          streams: yield* store.streams({ category, limit: 1 })
        }
        const codec = Schema.fromJsonString(
          Schema.toCodecJson(Schema.Struct({ categories: Listing.CategoriesPage, streams: Listing.StreamsPage }))
        )
        assert.deepStrictEqual(yield* Schema.decodeEffect(codec)(yield* Schema.encodeEffect(codec)(pages)), pages)
      }))
  })

  describe("lists of streams", () => {
    it.effect("sorts those of a category by bytes, each with its version, whatever the page", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        const names = [category, ...ids.map((id) => `${category}-${id}`)]
        yield* Effect.forEach(names, (name, i) => store.append(name, numbered(i + 1)))
        // Beside the category, before and between its names.
        yield* Effect.forEach(
          [`${category}+x-1`, `${category}:position-1`, `${category}1-1`, `${category}a`],
          (name) => store.append(name, numbered(1))
        )
        const expected = names.toSorted(StreamName.Order)
        for (const limit of [1, 5, 14, 100]) {
          assert.deepStrictEqual(namesOf(yield* streams({ category, limit })), expected)
        }
        for (const { last, streamName, version } of yield* streams({ category })) {
          assert.deepStrictEqual(Option.some(version), yield* store.streamVersion(streamName))
          const { data: _data, metadata: _metadata, ...place } = Option.getOrThrow(yield* store.lastMessage(streamName))
          assert.deepStrictEqual(last, place)
        }
      }))

    it.effect("selects by a prefix of the name, and continues after a name", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        const names = ["1", "10", "100", "11", "2"].map((id) => `${category}-${id}`)
        yield* Effect.forEach([category, ...names], (name) => store.append(name, numbered(1)))
        const list = (options: Listing.StreamsOptions) =>
          Effect.map(streams({ category, ...options }), (found) =>
            namesOf(found).map((name) => name.slice(category.length)))
        for (const limit of [1, 2, 100]) {
          assert.deepStrictEqual(yield* list({ prefix: `${category}-1`, limit }), ["-1", "-10", "-100", "-11"])
          assert.deepStrictEqual(yield* list({ prefix: `${category}-`, limit }), ["-1", "-10", "-100", "-11", "-2"])
          assert.deepStrictEqual(yield* list({ prefix: `${category}-3`, limit }), [])
          assert.deepStrictEqual(yield* list({ prefix: "no such name", limit }), [])
          assert.deepStrictEqual(yield* list({ prefix: category.slice(0, 6), limit }), [
            "",
            "-1",
            "-10",
            "-100",
            "-11",
            "-2"
          ])
        }
        const page = yield* store.streams({ category, prefix: `${category}-1`, after: `${category}-10`, limit: 1 })
        assert.deepStrictEqual(namesOf(page.streams), [`${category}-100`])
        assert.deepStrictEqual(page.next, Option.some(`${category}-100`))
        for (const after of [`${category}!`, category]) {
          const { streams: [first] } = yield* store.streams({ category, after, limit: 1 })
          assert.strictEqual(first?.streamName, `${category}-1`)
        }
        assert.deepStrictEqual((yield* store.streams({ category, after: `${category}.` })).streams, [])
      }))

    it.effect("by their last change: the newest first, of those among the newest messages", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        const none = yield* store.changedStreams(category)
        assert.deepStrictEqual(none, { streams: [], isComplete: true })
        yield* Effect.forEach(["1", "2", "3", "1"], (id) => store.append(`${category}-${id}`, numbered(2)))
        const changed = (options?: Listing.ChangedOptions) =>
          Effect.map(store.changedStreams(category, options), ({ isComplete, streams }) => [
            ...streams.map(({ streamName, version }) => `${streamName.slice(category.length)} ${version}`),
            isComplete
          ])
        assert.deepStrictEqual(yield* changed(), ["-1 3", "-3 1", "-2 1", true])
        assert.deepStrictEqual(yield* changed({ limit: 2 }), ["-1 3", "-3 1", false])
        assert.deepStrictEqual(yield* changed({ window: 3 }), ["-1 3", "-3 1", false])
        assert.deepStrictEqual(yield* changed({ window: 8 }), ["-1 3", "-3 1", "-2 1", true])
        const { streams: [first] } = yield* store.changedStreams(category)
        const recorded = Option.getOrThrow(yield* store.lastCategoryMessage(category))
        const { data: _data, metadata: _metadata, ...place } = recorded
        assert.deepStrictEqual(first?.last, place)
        assert.strictEqual((yield* Effect.flip(store.changedStreams("a-1")))._tag, "InvalidCategory")
        assert.strictEqual((yield* Effect.flip(store.changedStreams(category, { window: 0 })))._tag, "InvalidArgument")
      }))

    it.effect("gives none of a category without messages", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        assert.deepStrictEqual(yield* store.streams({ category }), { streams: [], next: Option.none() })
        assert.strictEqual((yield* Effect.flip(store.streams({ category: "a-1" })))._tag, "InvalidCategory")
      }))

    if (supports("streams")) {
      it.effect("leaves out deleted streams and those without messages, and goes on past them", () =>
        Effect.gen(function*() {
          const store = yield* MessageStore
          const category = yield* newCategory
          const kept = Streams.make({ category })
          yield* Effect.forEach(["1", "2", "3", "4"], (id) => store.append(`${category}-${id}`, numbered(2)))
          yield* kept.add({ id: "25" })
          yield* kept.delete("2", note)
          yield* kept.delete("3", note)
          yield* store.append(`${category}-3`, numbered(1))
          const changed = yield* store.changedStreams(category)
          assert.deepStrictEqual(namesOf(changed.streams), ["3", "4", "1"].map((id) => `${category}-${id}`))
          for (const limit of [1, 2, 100]) {
            assert.deepStrictEqual(
              namesOf(yield* streams({ category, limit })),
              ["1", "3", "4"].map((id) => `${category}-${id}`)
            )
          }
        }))
    }
  })
}

import { assert, describe } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { MessageStore } from "eventfold/MessageStore"
import { parseJson } from "eventfold/StoreBackend"
import { type It, newCategory, newStream, readStream } from "./fixtures.ts"

/** JSON without NUL characters and lone surrogates, which PostgreSQL can't store. */
const storable = Arbitrary.filter(
  Arbitrary.schema(Schema.Json),
  (json) => !/\\u(0000|d[89a-f])/.test(JSON.stringify(json))
)

const names = Arbitrary.filter(
  Arbitrary.schema(Schema.NonEmptyString),
  (text) => text.isWellFormed() && !text.includes("\u0000")
)

const check = <A>(
  arbitrary: Arbitrary.Arbitrary<A>,
  property: (value: A) => Effect.Effect<void, unknown, MessageStore>
) =>
  Arbitrary.checkEffect(arbitrary, (value) => Effect.as(Effect.orDie(property(value)), true), { runs: 30 }).pipe(
    Effect.map((result) => assert.isUndefined(Arbitrary.formatCheckFailure(result)))
  )

export const tests = (it: It) =>
  describe("what is stored", () => {
    it.effect("JSON comes back as it was", () =>
      Effect.flatMap(newStream, (stream) =>
        check(
          Arbitrary.all({ data: storable, metadata: Arbitrary.schema(Schema.Struct({ x: Schema.Json })) }),
          Effect.fnUntraced(function*({ data }) {
            const store = yield* MessageStore
            const metadata = { nested: data }
            const { version } = yield* store.append(stream, { type: "A", data, metadata })
            const [message] = yield* readStream(stream, { from: version })
            assert.deepStrictEqual(message?.data, parseJson(JSON.stringify(data)))
            assert.deepStrictEqual(message?.metadata, parseJson(JSON.stringify(metadata)))
          })
        )))

    it.effect("keys with escapes keep their names, whatever has been read before", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const stream = yield* newStream
        const values = ["\\", "\t", "\"", "\\t", "\t1"].map((key) => ({ a: 1, [key]: { [key]: key } }))
        for (const value of values) yield* store.append(stream, { type: "A", data: value, metadata: value })
        const messages = yield* readStream(stream)
        assert.deepStrictEqual(messages.map((message) => message.data), values)
        assert.deepStrictEqual(messages.map((message) => message.metadata), values)
      }))

    it.effect("numbers keep every digit that a number has", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const stream = yield* newStream
        const data = [0.1, 1 / 3, Number.MAX_VALUE, Number.MIN_VALUE, -1e-7, 2 ** 53 - 1, 1e21, 123456789.12345678]
        yield* store.append(stream, { type: "A", data })
        const [message] = yield* readStream(stream)
        assert.deepStrictEqual(message?.data, data)
      }))

    it.effect("null as data, and no metadata, come back as null", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const stream = yield* newStream
        yield* store.append(stream, { type: "A", data: null })
        const [message] = yield* readStream(stream)
        assert.isNull(message?.data)
        assert.isNull(message?.metadata)
      }))

    it.effect("names and types may be any text", () =>
      Effect.flatMap(newCategory, (category) =>
        check(
          Arbitrary.all({ id: names, type: names }),
          Effect.fnUntraced(function*({ id, type }) {
            const store = yield* MessageStore
            const stream = `${category}-${id}`
            const { version } = yield* store.append(stream, { type, data: 0 })
            const [message] = yield* readStream(stream, { from: version })
            assert.strictEqual(message?.type, type)
            assert.strictEqual(message?.streamName, stream)
          })
        )))

    it.effect("hostile names are just names", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const category = yield* newCategory
        for (
          const id of ["'; DROP TABLE messages; --", "\\", "%", "_", "$1", "a b\nc\t", "\"", "é日本🙂", "--", "+", "{}"]
        ) {
          const { version } = yield* store.append(`${category}-${id}`, { type: id, data: id })
          assert.strictEqual(version, 0)
          assert.strictEqual((yield* readStream(`${category}-${id}`))[0]?.data, id)
        }
      }))

    it.effect("a message of a megabyte", () =>
      Effect.gen(function*() {
        const store = yield* MessageStore
        const stream = yield* newStream
        const data = { text: "é".repeat(500_000) }
        yield* store.append(stream, { type: "Large", data })
        assert.deepStrictEqual((yield* readStream(stream))[0]?.data, data)
      }))
  })

import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Administration from "eventfold/Administration"
import { InvalidMessage, Unsupported } from "eventfold/StoreError"
import { type It, readStream, type Supports } from "./fixtures.ts"
import { newStreams, note } from "./streams.ts"

class Cancelled extends Schema.TaggedError<Cancelled>()("Cancelled", {}) {}

const record = (subject: string, details?: Administration.Administered["details"]): Administration.Administered => ({
  by: "ann",
  token: "3f2a",
  action: "Streams.delete",
  subject,
  reason: note.reason,
  ...(details === undefined ? {} : { details })
})

/** The records of one subject. */
const recordsOf = (subject: string) =>
  Effect.map(
    Stream.runCollect(Administration.history()),
    (all) => all.map(({ data }) => data).filter((one) => one.subject === subject)
  )

/** A stream, and its deletion with a record. */
const newDeletable = Effect.gen(function*() {
  const streams = yield* newStreams
  const name = `${streams.category}-1`
  yield* streams.addMessage("1", { text: "a" })
  const deleted = (details?: Administration.Administered["details"]) =>
    Administration.recorded(
      streams.delete("1", note),
      (wasThere) => wasThere ? record(name, details) : undefined
    )
  return { name, deleted, isThere: Effect.map(streams.countMessages("1"), (count) => count === 1) }
})

const withoutTransactions = (it: It) => {
  it.effect("are Unsupported without transactions, before anything is done", () =>
    Effect.gen(function*() {
      const { deleted, isThere } = yield* newDeletable
      assert.instanceOf(yield* Effect.flip(deleted()), Unsupported)
      assert.isTrue(yield* isThere)
    }))
}

const withTransactions = (it: It) => {
  it.effect("are written with what was done, and not when nothing was done", () =>
    Effect.gen(function*() {
      const { deleted, name } = yield* newDeletable
      assert.isTrue(yield* deleted({ streams: 1 }))
      assert.isFalse(yield* deleted({ streams: 1 }))
      assert.deepStrictEqual(yield* recordsOf(name), [record(name, { streams: 1 })])
      const [newest] = yield* Stream.runCollect(
        Stream.take(Administration.history({ direction: "backwards", batchSize: 1 }), 1)
      )
      assert.strictEqual(newest?.data.subject, name)
      // The notice of the deletion is the only other trace.
      assert.lengthOf(yield* readStream(name), 1)
    }))

  it.effect("are not written when the operation fails, is refused, or is undone with its transaction", () =>
    Effect.gen(function*() {
      const { deleted, isThere, name } = yield* newDeletable
      const failing = Administration.recorded(
        Effect.andThen(deleted(), new Cancelled()),
        () => record(name)
      )
      assert.instanceOf(yield* Effect.flip(failing), Cancelled)
      assert.deepStrictEqual(yield* recordsOf(name), [])
      assert.isTrue(yield* isThere)
    }))

  it.effect("undo the operation when they can't be written", () =>
    Effect.gen(function*() {
      const { deleted, isThere, name } = yield* newDeletable
      assert.instanceOf(yield* Effect.flip(deleted({ text: "\u0000" })), InvalidMessage)
      assert.deepStrictEqual(yield* recordsOf(name), [])
      assert.isTrue(yield* isThere)
      assert.isTrue(yield* deleted())
      assert.deepStrictEqual(yield* recordsOf(name), [record(name)])
    }))
}

export const tests = (it: It, supports: Supports) => {
  describe("records of administration", () => supports("transactions") ? withTransactions(it) : withoutTransactions(it))
}

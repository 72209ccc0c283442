import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { Category, Entity, StoreError, StoreFailure, StreamName } from "eventfold"
import { Balance, deposited, onMemory } from "./support/account.ts"

class Overdrawn extends Schema.TaggedError<Overdrawn>()("Overdrawn", { balance: Schema.Int }) {}

/** An error of a program's own, with the tag of one of the library's. */
class Impostor extends Schema.TaggedError<Impostor>()("StoreError", { reason: Schema.String }) {}

const wrongVersion = { streamName: "account-1", expected: 3, actual: Option.some(4) } as const
const failures: ReadonlyArray<StoreFailure.StoreFailure> = [
  new StoreError.WrongExpectedVersion(wrongVersion),
  new Entity.Conflict({ ...wrongVersion, attempts: 2, missed: [] }),
  new StoreError.DuplicateMessageId({ id: "an id", streamName: "account-1" }),
  new StoreError.InvalidMessage({ streamName: "account-1", index: 0, type: "Deposited", path: [], reason: "is empty" }),
  new StoreError.InvalidArgument({ argument: "from", value: "1.5", expected: "a whole number" }),
  new StoreError.Unsupported({ operation: "writeAll", remedy: "install the schema" }),
  new StoreError.NotPermitted({ operation: "delete", remedy: "grant it" }),
  new StoreError.StoreError({ operation: "append", reason: "disk full", isRetryable: true }),
  new StreamName.InvalidStreamName({ streamName: "", reason: "is empty" }),
  new StreamName.InvalidCategory({ category: "", reason: "is empty" }),
  new Category.DecodeError({
    streamName: "account-1",
    position: 0,
    globalPosition: 1,
    type: "Deposited",
    path: ["data"],
    reason: "Missing key"
  })
]
const others = [
  new Overdrawn({ balance: 1 }),
  new Impostor({ reason: "none" }),
  new Error("any"),
  "text",
  undefined,
  null
]

describe("is", () => {
  it("knows what the library answers", () => {
    for (const failure of failures) assert.isTrue(StoreFailure.is(failure), failure._tag)
  })

  it("is false for anything else, also with the same tag", () => {
    for (const other of others) assert.isFalse(StoreFailure.is(other))
  })
})

describe("catchAll", () => {
  it.effect("handles each of them, and leaves anything else", () =>
    Effect.gen(function*() {
      for (const failure of failures) {
        assert.strictEqual(
          yield* StoreFailure.catchAll(Effect.fail(failure), (caught) => Effect.succeed(caught)),
          failure
        )
      }
      for (const other of others) {
        const caught = Effect.fail(other).pipe(StoreFailure.catchAll(() => Effect.succeed("caught")))
        assert.strictEqual(yield* Effect.flip(caught), other)
      }
      assert.strictEqual(yield* StoreFailure.catchAll(Effect.succeed(1), () => Effect.succeed(2)), 1)
    }))

  it.effect("gives what the handler fails with", () =>
    Effect.gen(function*() {
      const [failure] = failures
      const failed = StoreFailure.catchAll(Effect.fail(failure), () => Effect.fail("unavailable"))
      assert.strictEqual(yield* Effect.flip(failed), "unavailable")
    }))

  it.effect("leaves the refusals of a transaction in its type", () =>
    Effect.gen(function*() {
      const withdraw = (id: string) =>
        Balance.transact(id, ({ balance }) => balance < 5 ? new Overdrawn({ balance }) : deposited(-5))
      const own: Effect.Effect<string, Overdrawn, never> = withdraw("1").pipe(
        Effect.as("done"),
        StoreFailure.catchAll((failure) => Effect.succeed(failure.message)),
        onMemory
      )
      assert.deepStrictEqual(yield* Effect.flip(own), new Overdrawn({ balance: 0 }))
      const guarded: Effect.Effect<string, Overdrawn, never> = withdraw("").pipe(
        Effect.as("done"),
        Effect.catchIf(StoreFailure.is, (failure) => Effect.succeed(failure._tag)),
        onMemory
      )
      assert.strictEqual(yield* guarded, "InvalidStreamName")
    }))
})

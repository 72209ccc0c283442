/** Which operations have spans, and when. */
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Fiber, Latch, Option, Schema, Stream, type Tracer } from "effect"
import * as Category from "../src/Category.ts"
import * as Entity from "../src/Entity.ts"
import { layerMemory, MessageStore } from "../src/MessageStore.ts"
import { TraceContext } from "../src/TraceContext.ts"
import { makeTracer } from "./support/tracer.ts"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (state, { amount }) => state + amount }
})

/** The name of the span that a span is in. */
const parentOf = ({ parent }: Tracer.NativeSpan) =>
  Option.getOrUndefined(Option.map(parent, (span) => span._tag === "Span" ? span.name : undefined))

const currentSpan = Effect.map(Effect.option(Effect.currentSpan), Option.map(({ name }) => name))

/** The name of the span that a decision is in. */
const spanOfDecision = (id: string) =>
  Effect.map(
    Balance.transact(id, () =>
      Effect.map(currentSpan, (name) => Entity.reply(Account.events.Deposited({ amount: 1 }), name))),
    ({ reply }) =>
      Option.getOrUndefined(reply)
  )

layer(layerMemory)("the spans of what is done often", (it) => {
  it.effect("are made for a tracer, one in the other, and end as the operation does", () =>
    Effect.gen(function*() {
      const { spans, tracer } = makeTracer()
      const refused = Balance.transact("1", () => Effect.fail("refused"))
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* spanOfDecision("1"), "Entity.transact")
        yield* Effect.exit(refused)
        yield* Stream.runDrain(Account.readStream("1"))
      }).pipe(Effect.withTracer(tracer))
      assert.deepStrictEqual(
        spans.map((span) => [
          span.name,
          parentOf(span),
          span.attributes.get("eventfold.stream"),
          span.status._tag === "Ended" ? span.status.exit._tag : undefined
        ]),
        [
          ["Entity.transact", undefined, "account-1", "Success"],
          ["MessageStore.readStream", "Entity.transact", "account-1", "Success"],
          ["MessageStore.append", "Entity.transact", "account-1", "Success"],
          ["Entity.transact", undefined, "account-1", "Failure"],
          ["MessageStore.readStream", "Entity.transact", "account-1", "Success"],
          ["MessageStore.readStream", undefined, "account-1", "Success"]
        ]
      )
    }))

  it.effect("end also when the operation is interrupted, and when its stream is cut short", () =>
    Effect.gen(function*() {
      const { spans, tracer } = makeTracer()
      const { append, readAll, readCategory, readStream } = yield* MessageStore
      yield* append("account-cut", [{ type: "T", data: 1 }, { type: "T", data: 2 }])
      const reads: ReadonlyArray<Stream.Stream<unknown, unknown>> = [
        readStream("account-cut", { batchSize: 1 }),
        readCategory("account", { batchSize: 1 }),
        readAll({ batchSize: 1 })
      ]
      const begun = Latch.makeUnsafe()
      const waits = Effect.andThen(begun.open, Effect.never)
      const interrupted: ReadonlyArray<Effect.Effect<unknown, unknown, MessageStore>> = [
        Balance.transact("cut", () => waits),
        ...reads.map(Stream.runForEach(() => waits))
      ]
      yield* Effect.gen(function*() {
        for (const read of reads) yield* Stream.runDrain(Stream.take(read, 1))
        for (const operation of interrupted) {
          const fiber = yield* Effect.forkChild(operation)
          yield* begun.await
          yield* begun.close
          yield* Fiber.interrupt(fiber)
        }
      }).pipe(Effect.withTracer(tracer))
      const readNames = ["MessageStore.readStream", "MessageStore.readCategory", "MessageStore.readAll"]
      assert.deepStrictEqual(
        spans.map(({ name, status }) => [name, status._tag]),
        [
          ...readNames,
          "Entity.transact",
          "MessageStore.readStream",
          ...readNames
        ].map((name) => [name, "Ended"])
      )
    }))

  it.effect("are made for readers of messages, who get the span of the writer", () =>
    Effect.gen(function*() {
      const name = yield* Effect.provideService(spanOfDecision("2"), TraceContext, true)
      assert.strictEqual(name, "Entity.transact")
      const store = yield* MessageStore
      const last = Option.getOrThrow(yield* store.lastMessage("account-2"))
      assert.hasAllKeys(last.metadata, ["traceparent"])
    }))

  it.effect("are not made where nothing sees them: what the operation runs is in the caller's span", () =>
    Effect.gen(function*() {
      assert.isUndefined(yield* spanOfDecision("3"))
      assert.strictEqual(yield* Effect.withSpan(spanOfDecision("3"), "own"), "own")
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(Stream.runDrain(Account.readStream("3")))))
    }))
})

/** Writes of one category that wait for one another. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, Tracer } from "effect"
import * as JointWrites from "../src/internal/store/jointWrites.ts"
import { deriveId } from "../src/Message.ts"
import type { AppendResult, EncodedAppend } from "../src/StoreBackend.ts"
import * as StreamName from "../src/StreamName.ts"

const append = (streamName: string, expectedVersion = 0, data = "{}"): EncodedAppend => ({
  streamName: StreamName.StreamName.make(streamName),
  expectedVersion,
  messages: [{ id: deriveId(streamName, `${expectedVersion}`), type: "T", data, metadata: null }]
})

interface Refused {
  readonly _tag: "Refused" | "Down"
  readonly streamName: string
}

/** A store that records its writes, each of which waits for the test, and refuses the streams that it is told of. */
const setUp = (refuses: (streamName: string) => Refused["_tag"] | undefined = () => undefined) => {
  const writes: Array<ReadonlyArray<string>> = []
  const gate = Deferred.makeUnsafe<void>()
  const write = JointWrites.make<Refused>(
    (appends) =>
      Effect.suspend(() => {
        writes.push(appends.map(({ streamName }) => streamName))
        const refused = appends.find(({ streamName }) => refuses(streamName) !== undefined)
        const result: Effect.Effect<ReadonlyArray<AppendResult>, Refused> = refused === undefined
          ? Effect.succeed(appends.map(({ expectedVersion, streamName }) => ({
            version: Number(expectedVersion) + 1,
            globalPosition: streamName.length
          })))
          : Effect.fail({ _tag: refuses(refused.streamName) ?? "Refused", streamName: refused.streamName })
        return Effect.andThen(Deferred.await(gate), result)
      }),
    ({ _tag }) => _tag === "Down"
  )
  return { gate, write, writes }
}

/** Starts a write for each of the streams, the first of which is under way while the others come. */
const writeAll = Effect.fnUntraced(function*(
  { gate, write }: ReturnType<typeof setUp>,
  streams: ReadonlyArray<ReadonlyArray<string>>
) {
  const fibers = yield* Effect.forEach(
    streams,
    (names) => Effect.forkChild(write(names.map((name, index) => append(name, index))), { startImmediately: true })
  )
  yield* Deferred.succeed(gate, undefined)
  return yield* Effect.forEach(fibers, Fiber.await)
})

const versions = (exit: Exit.Exit<ReadonlyArray<AppendResult>, Refused>) =>
  Exit.isSuccess(exit) ? exit.value.map(({ version }) => version) : Option.getOrThrow(Exit.findErrorOption(exit))._tag

describe("writes that come while one of their category is under way", () => {
  it.effect("are one, and each gets its own results", () =>
    Effect.gen(function*() {
      const store = setUp()
      const exits = yield* writeAll(store, [["a-1", "a-1"], ["a-2", "a-2", "a-2"], ["a-3"], ["b-1", "b-1"]])
      assert.deepStrictEqual(exits.map(versions), [[1, 2], [1, 2, 3], [1], [1, 2]])
      assert.deepStrictEqual(store.writes, [["a-1", "a-1"], ["b-1", "b-1"], ["a-2", "a-2", "a-2", "a-3"]])
    }))

  it.effect("are made by themselves when the joint one is refused, so that only one of them is", () =>
    Effect.gen(function*() {
      const store = setUp((name) => name === "a-3" ? "Refused" : undefined)
      const exits = yield* writeAll(store, [["a-1"], ["a-2"], ["a-3"], ["a-4"]])
      assert.deepStrictEqual(exits.map(versions), [[1], [1], "Refused", [1]])
      assert.deepStrictEqual(store.writes, [["a-1"], ["a-2", "a-3", "a-4"], ["a-2"], ["a-3"], ["a-4"]])
    }))

  it.effect("all fail when the store does, and are not asked for again", () =>
    Effect.gen(function*() {
      const store = setUp((name) => name === "a-3" ? "Down" : undefined)
      const exits = yield* writeAll(store, [["a-1"], ["a-2"], ["a-3"]])
      assert.deepStrictEqual(exits.map(versions), [[1], "Down", "Down"])
      assert.deepStrictEqual(store.writes, [["a-1"], ["a-2", "a-3"]])
    }))

  it.effect("are made in the context of the first of them, and not of one that has its result", () =>
    Effect.gen(function*() {
      const gate = Deferred.makeUnsafe<void>()
      const traces: Array<string | undefined> = []
      const write = JointWrites.make<never>((appends) =>
        Effect.gen(function*() {
          const span = yield* Effect.option(Effect.currentParentSpan)
          traces.push(Option.getOrUndefined(span)?.spanId)
          yield* Deferred.await(gate)
          return appends.map(() => ({ version: 0, globalPosition: 1 }))
        }), () => true)
      const spanned = (name: string) =>
        Effect.withParentSpan(write([append(name)]), Tracer.externalSpan({ traceId: "t", spanId: name }))
      const fibers = yield* Effect.forEach(
        ["a-1", "a-2", "a-3"],
        (name) => Effect.forkChild(spanned(name), { startImmediately: true })
      )
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(traces, ["a-1", "a-2"])
    }))

  it.effect("are not one when that would be too large", () =>
    Effect.gen(function*() {
      const { gate, write, writes } = setUp()
      const large = "x".repeat(1_200 * 4_096)
      const fibers = yield* Effect.forEach(["a-1", "a-2", "a-3", "a-4"], (name) =>
        Effect.forkChild(write([append(name, 0, name === "a-4" ? "{}" : large)]), { startImmediately: true }))
      yield* Deferred.succeed(gate, undefined)
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      assert.deepStrictEqual(exits.map(versions), [[1], [1], [1], [1]])
      assert.deepStrictEqual(writes, [["a-1"], ["a-2"], ["a-3", "a-4"]])
    }))

  it.effect("are made also when the one before is interrupted", () =>
    Effect.gen(function*() {
      const { gate, write, writes } = setUp()
      const first = yield* Effect.forkChild(write([append("a-1")]), { startImmediately: true })
      const second = yield* Effect.forkChild(write([append("a-2")]), { startImmediately: true })
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(versions(yield* Fiber.await(second)), [1])
      const third = yield* Effect.exit(write([append("a-3")]))
      assert.deepStrictEqual(versions(third), [1])
      assert.deepStrictEqual(writes, [["a-1"], ["a-2"], ["a-3"]])
    }))
})

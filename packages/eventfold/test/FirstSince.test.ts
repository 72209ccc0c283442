import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Schema, Stream } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { Message, StreamName } from "eventfold"
import { afterWhich, margin } from "../src/internal/consumer/firstSince.ts"

const begin = Date.UTC(2026, 0, 1)

const at = (millis: number) => DateTime.makeUnsafe(begin + millis)

/** A log by the positions and times of its messages, which counts its reads. */
const logOf = Effect.fnUntraced(
  function*(messages: ReadonlyArray<{ readonly position: number; readonly millis: number }>) {
    const streamName = yield* StreamName.parse("account-1")
    const id = yield* Message.nextId
    const recorded = messages.map(({ millis, position }): Message.RecordedMessage => ({
      id,
      streamName,
      type: "Happened",
      position,
      globalPosition: position,
      data: null,
      metadata: null,
      time: at(millis)
    }))
    let reads = 0
    let scanned = 0
    return {
      reads: () => reads,
      scanned: () => scanned,
      end: messages.at(-1)?.position ?? 0,
      log: {
        firstFrom: (from: number) =>
          Effect.sync(() => {
            reads += 1
            return recorded.find(({ globalPosition }) => globalPosition >= from)
          }),
        from: (from: number) =>
          Stream.fromIterable(recorded.filter(({ globalPosition }) => globalPosition >= from)).pipe(
            Stream.tap(() =>
              Effect.sync(() => {
                scanned += 1
              })
            )
          )
      }
    }
  }
)

describe("the first message since a time", () => {
  it.effect("is found whatever the positions are, and times that go back by less than the margin", () =>
    Arbitrary.checkEffect(
      Arbitrary.schema(Schema.Struct({
        steps: Schema.Array(Schema.Struct({
          gap: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 })),
          pause: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 120_000 })),
          took: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Duration.toMillis(margin) - 1 }))
        })),
        time: Schema.Int.check(Schema.isBetween({ minimum: -1, maximum: 1_000_000 }))
      })),
      Effect.fnUntraced(function*({ steps, time }) {
        let position = 0
        let now = 0
        const messages = steps.map(({ gap, pause, took }) => ({
          position: position += gap,
          millis: (now += pause) - took
        }))
        const { end, log } = yield* logOf(messages)
        const first = messages.find(({ millis }) => millis >= time)
        const before = messages.filter((message) => first === undefined || message.position < first.position)
        assert.strictEqual(yield* afterWhich(log, at(time), end), before.at(-1)?.position ?? 0)
        return true
      }),
      { runs: 300 }
    ).pipe(Effect.map((result) => assert.isUndefined(Arbitrary.formatCheckFailure(result)))))

  it.effect("takes as many reads as the log can be halved, and those of the margin", () =>
    Effect.gen(function*() {
      const count = 100_000
      // One message a second.
      const { end, log, reads, scanned } = yield* logOf(
        Array.from({ length: count }, (_, i) => ({ position: i + 1, millis: i * 1_000 }))
      )
      assert.strictEqual(yield* afterWhich(log, at(70_000_000), end), 70_000)
      assert.isAtMost(reads(), 17)
      assert.isAtMost(scanned(), 62)
    }))
})

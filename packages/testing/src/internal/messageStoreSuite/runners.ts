import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Consumer from "eventfold/Consumer"
import { MessageStore } from "eventfold/MessageStore"
import * as Runners from "eventfold/Runners"
import { type It, newCategory, numbered } from "./fixtures.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

/** The runs of a category. */
const runsOf = (category: string) =>
  Effect.map(
    Runners.list,
    (all) =>
      all.flatMap(({ id, runs }) => runs.map((run) => ({ runner: id, ...run }))).filter((run) =>
        run.category === category
      )
  )

export const tests = (it: It) =>
  describe("runners", () => {
    it.effect("are listed with what they do, as long as they run", () =>
      Effect.gen(function*() {
        const category = yield* newCategory
        const store = yield* MessageStore
        const tried = yield* Queue.unbounded<void>()
        const go = yield* Deferred.make<void>()
        const consumer = Consumer.make("test", { retry: Schedule.spaced("1 millis") }).on(category, {
          Numbered: () =>
            Effect.andThen(Queue.offer(tried, undefined), Deferred.isDone(go)).pipe(
              Effect.flatMap((isDone) => isDone ? Effect.void : Effect.fail(new Refused()))
            )
        })
        assert.deepStrictEqual(yield* runsOf(category), [])
        yield* store.append(`${category}-1`, numbered(1, 1))
        yield* Effect.scoped(Effect.gen(function*() {
          const running = yield* Consumer.start(consumer)
          // The second attempt begins after the first failure is noted.
          yield* Queue.takeN(tried, 2)
          const [run, ...others] = yield* runsOf(category)
          assert.deepStrictEqual(others, [])
          assert.deepStrictEqual([run?.kind, run?.id, run?.status.isActive], ["consumer", "test", true])
          assert.deepStrictEqual(run?.status.stuck.map(({ failure, message }) => [failure.tag, message.streamName]), [
            ["Refused", `${category}-1`]
          ])
          const json = yield* Schema.encodeEffect(Schema.toCodecJson(Schema.Array(Runners.Runner)))(yield* Runners.list)
          assert.deepStrictEqual(JSON.parse(JSON.stringify(json)), json)
          yield* Deferred.succeed(go, undefined)
          yield* running.waitFor(yield* store.lastPosition)
          const [later] = yield* runsOf(category)
          assert.deepStrictEqual([later?.status.handled, later?.status.stuck], [1, []])
        }))
        assert.deepStrictEqual(yield* runsOf(category), [])
      }))
  })

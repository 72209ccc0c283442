import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { PeerError } from "../BenchError.ts"
import { type Answer, type Build, comparable, compare, type Outcome, type Pair, type Question } from "../Builds.ts"
import type { Databases } from "../Databases.ts"
import type { Row } from "../Rounds.ts"
import { all } from "../Rows.ts"

const row = (name: string, overrides: Partial<Row<Databases>> = {}): Row<Databases> => ({
  name,
  description: "",
  unit: "messages/s",
  ours: Effect.never,
  peers: [{ name: "a peer", side: Effect.never }],
  ...overrides
})

const effort = { rounds: 4, millis: 1, warmUp: 0 }

type Answers = (question: Question, measured: number) => Effect.Effect<Answer, PeerError>

/** A build that writes down what it is asked, and answers the measurements by their number. */
const build = (name: string, log: Array<string>, answers: Answers): Build => {
  let measured = 0
  return {
    name,
    ask: (question) =>
      Effect.suspend(() => {
        log.push(question._tag === "Prepare" ? `${name} prepares ${question.row}` : name)
        return answers(question, question._tag === "Measure" ? measured++ : measured)
      })
  }
}

const measuring = (rates: ReadonlyArray<number>): Answers => ({ _tag }, measured) =>
  Effect.succeed(
    _tag === "Prepare" ? { _tag: "Ready" } : { _tag: "Measured", samples: [rates[measured % rates.length] ?? 0] }
  )

const run = (rows: ReadonlyArray<Row<Databases>>, start: Effect.Effect<Pair>) =>
  Effect.gen(function*() {
    const told: Array<Outcome> = []
    const outcomes = yield* compare(rows, effort, start, (outcome) => Effect.sync(() => void told.push(outcome)))
    assert.deepStrictEqual(told, outcomes)
    return outcomes
  })

describe("compare", () => {
  it.effect("lets the builds take turns, with the first turn of a round to each in turn", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const pair = {
        ours: build("ours", log, measuring([1])),
        other: build("other", log, measuring([1]))
      }
      yield* run([row("a")], Effect.succeed(pair))
      const [warmUp, ...turns] = ["ours other", "ours other, other ours, ours other, other ours"]
      assert.strictEqual(
        log.join(" "),
        `ours prepares a other prepares a ${warmUp} ${turns.join().replaceAll(",", "")}`
      )
    }))

  it.effect("pairs the rounds, so that what slows both down is in no ratio", () =>
    Effect.gen(function*() {
      const pair = {
        ours: build("ours", [], measuring([1, 100, 10, 200, 40])),
        other: build("other", [], measuring([1, 50, 5, 100, 20]))
      }
      const [outcome] = yield* run([row("a")], Effect.succeed(pair))
      assert.strictEqual(outcome?._tag, "Compared")
      const results = outcome?._tag === "Compared" ? outcome.results : []
      assert.deepStrictEqual(results.map(({ name, peers }) => [name, peers.map(({ ratio }) => ratio)]), [
        ["a", [{ low: 2, median: 2, high: 2 }]]
      ])
    }))

  it.effect("says why a row is not comparable, and compares the next one, with new processes when one has ended", () =>
    Effect.gen(function*() {
      let pairs = 0
      let ended = 0
      let preparedRow = ""
      const start = Effect.acquireRelease(
        Effect.sync(() => {
          pairs++
          return {
            ours: build("this build", [], measuring([1])),
            other: build("the other build", [], (question, measured) => {
              if (question._tag === "Prepare") preparedRow = question.row
              return question._tag === "Prepare" && question.row === "b"
                ? Effect.succeed({ _tag: "Failed", reason: "no such export" })
                : question._tag === "Measure" && preparedRow === "c"
                ? Effect.fail(new PeerError({ message: "the process ended", cause: 1 }))
                : measuring([2])(question, measured)
            })
          }
        }),
        () => Effect.sync(() => void ended++)
      )
      const outcomes = yield* run(["a", "b", "c", "d"].map((name) => row(name)), start as Effect.Effect<Pair>)
      assert.deepStrictEqual(
        outcomes.map((outcome) =>
          outcome._tag === "Compared" ? outcome.results[0]?.peers[0]?.ratio.median : [outcome.name, outcome.reason]
        ),
        [
          0.5,
          ["b", "the other build: no such export"],
          ["c", "the other build: the process ended"],
          0.5
        ]
      )
      assert.deepStrictEqual([pairs, ended], [2, 2])
    }))
})

it("compares what is ours, and what is slow by its name only", async () => {
  const rows = await all()
  const names = (selected: ReadonlyArray<string>) => comparable(rows, selected).map(({ name }) => name)
  assert.includeMembers(names([]), ["append-256", "read-model", "consume", "category-start"])
  assert.notInclude(names([]).join(), "limit-")
  assert.notInclude(names([]).join(), "scale-")
  assert.include(names(["scale"]), "scale-append-256")
  assert.include(names(["processes"]), "processes-1-category")
  assert.deepStrictEqual(names(["limit"]), [])
})

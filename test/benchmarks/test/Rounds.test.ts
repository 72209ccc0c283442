import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { alone, measure, results, type Round, type Row, select } from "../Rounds.ts"
import { all } from "../Rows.ts"

const row = (overrides: Partial<Row> = {}): Row => ({
  name: "row",
  description: "",
  unit: "messages/s",
  ours: Effect.never,
  peers: [{ name: "peer", budget: 2, side: Effect.never }, { name: "other", side: Effect.never }],
  ...overrides
})

const names = (selected: ReadonlyArray<Pick<Row, "name">>) => selected.map(({ name }) => name)

describe("select", () => {
  const known = [
    row({ name: "append-1" }),
    row({ name: "append-bulk" }),
    row({ name: "appended" }),
    row({ name: "scale-append", slow: true }),
    row({ name: "latency", percentiles: [{ share: 0.5 }, { share: 0.99 }] })
  ]

  it("takes a name for itself and for what begins with it", () => {
    assert.deepStrictEqual(names(select(known, ["append"], false)), ["append-1", "append-bulk"])
    assert.deepStrictEqual(names(select(known, ["append-bulk"], false)), ["append-bulk"])
    assert.deepStrictEqual(names(select(known, ["append-bul"], false)), [])
  })

  it("finds a row by what its percentiles are called", () => {
    assert.deepStrictEqual(names(select(known, ["latency-p99"], false)), ["latency"])
  })

  it("leaves out of a quick run what is slow, unless it is asked for", () => {
    assert.notInclude(names(select(known, [], true)), "scale-append")
    assert.deepStrictEqual(names(select(known, [], false)), names(known))
    assert.deepStrictEqual(names(select(known, ["scale"], true)), ["scale-append"])
  })
})

it("there is a row for everything that has a budget, and no two of one name", async () => {
  const rows = await all()
  const known = names(rows)
  assert.deepStrictEqual(known, [...new Set(known)])
  for (
    const name of [
      "append-256",
      "append-1",
      "append-bulk",
      "read-category",
      "load-100",
      "load-100-cached",
      "transact-64",
      "transact-64-cached",
      "latency",
      "consume",
      "scale-append-256",
      "scale-read-category",
      "memory",
      "processes-1-category",
      "processes-4-categories",
      "write",
      "category-start"
    ]
  ) {
    assert.include(known, name)
    assert.isNotEmpty(rows.find((row) => row.name === name)?.peers ?? [])
  }
})

describe("results", () => {
  it("compares round by round, so that a slow moment of the machine is in both", () => {
    const [result] = results(row(), [[[10], [5], [20]], [[100], [50], [200]], [[40], [10], [80]]])
    assert.deepStrictEqual(result?.ours, { low: 25, median: 40, high: 70 })
    assert.deepStrictEqual(result?.peers.map(({ budget, name, ratio }) => [name, budget, ratio.median]), [
      ["peer", 2, 2],
      ["other", undefined, 0.5]
    ])
  })

  it("less is better of milliseconds and of memory", () => {
    const [result] = results(row({ unit: "ms" }), [[[2], [10], [1]]])
    assert.deepStrictEqual(result?.peers.map(({ ratio }) => ratio.median), [5, 0.5])
  })

  it("looks for a rare case in all rounds", () => {
    const percentiles = [{ share: 0.5 }, { share: 1, goal: 10 }]
    const found = results(row({ unit: "ms", percentiles }), [[[1, 2, 3], [4], [4]], [[3, 9, 1], [4], [4]]])
    assert.deepStrictEqual(found.map(({ goal, name, ours }) => [name, goal, ours.median]), [
      ["row-p50", undefined, 2.5],
      ["row-p100", 10, 9]
    ])
  })
})

/** A row whose sides write down when it is their turn, and get better with each round. */
const watched = (turns: Array<string>, overrides: Partial<Row> = {}) => {
  const side = (name: string) => {
    let round = 0
    return Effect.succeed(() =>
      Effect.sync(() => {
        turns.push(name)
        return round++
      })
    )
  }
  return row({
    ours: side("ours"),
    peers: [{ name: "peer", side: side("peer") }, { name: "other", side: side("other") }],
    ...overrides
  })
}

describe("measure", () => {
  it.effect("leaves the first round out, and lets another side begin each round", () =>
    Effect.gen(function*() {
      const turns: Array<string> = []
      const [result] = yield* measure(watched(turns), { rounds: 3, millis: 1, warmUp: 0 })
      assert.strictEqual(result?.ours.median, 2)
      assert.strictEqual(
        turns.join(" "),
        "ours peer other ours peer other peer other ours other ours peer"
      )
    }))

  it.effect("takes its time to warm up, as much as the row asks for and the effort allows", () =>
    Effect.gen(function*() {
      const asked: Array<number> = []
      const round: Round = (millis) => Effect.sync(() => asked.push(millis))
      const ours = Effect.succeed(round)
      yield* measure(row({ ours, peers: [], millis: 20, warmUp: 500 }), { rounds: 2, millis: 10, warmUp: 1_000 })
      yield* measure(row({ ours, peers: [], warmUp: 500 }), { rounds: 1, millis: 10, warmUp: 100 })
      yield* measure(row({ ours, peers: [] }), { rounds: 1, millis: 10, warmUp: 100 })
      assert.deepStrictEqual(asked, [500, 20, 20, 100, 10, 10, 10])
    }))

  it.effect("measures once what takes long", () =>
    Effect.gen(function*() {
      const turns: Array<string> = []
      yield* measure(watched(turns, { once: true }), { rounds: 3, millis: 1, warmUp: 0 })
      assert.strictEqual(turns.join(" "), "ours peer other")
    }))

  it.effect("measures ours alone for a profile", () =>
    Effect.gen(function*() {
      const turns: Array<string> = []
      const [result] = yield* measure(alone(watched(turns)), { rounds: 1, millis: 1, warmUp: 0 })
      assert.deepStrictEqual(result?.peers, [])
      assert.strictEqual(turns.join(" "), "ours ours")
    }))

  it.effect("ends what was made ready with the row", () =>
    Effect.gen(function*() {
      let ended = false
      const ours = Effect.andThen(
        Effect.addFinalizer(() => Effect.sync(() => ended = true)),
        Effect.succeed(() => Effect.succeed(1))
      )
      yield* measure(row({ peers: [], ours }), { rounds: 1, millis: 1, warmUp: 0 })
      assert.isTrue(ended)
    }))
})

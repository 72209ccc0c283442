/**
 * What the page computes without a browser.
 */
import { assert, describe, it } from "@effect/vitest"
import { distance, duration } from "../../page/data/durations.ts"
import { Exact, field, isSmall, parse, type Value, write, writeStart } from "../../page/data/exact.ts"
import { meanings } from "../../page/data/meanings.ts"
import { pathOf } from "../../page/data/paths.ts"
import { spanOf, tree } from "../../page/views/causes.ts"
import { add, caughtUp, empty, kept, perSecond, sampled } from "../../page/views/sample.ts"

describe("JSON of the page", () => {
  it("keeps numbers as they are written", () => {
    const text = `{"id":90071992547409931234567890,"price":1.50,"small":12,"list":[1e2,-0,0.1]}`
    const value = parse(text) as Value
    assert.deepStrictEqual(field(value, "id"), new Exact("90071992547409931234567890"))
    assert.strictEqual(field(value, "small"), 12)
    assert.strictEqual(write(value), text)
  })

  it("takes names of objects for names", () => {
    const value = parse(`{"__proto__":{"a":1},"constructor":2}`) as Value
    assert.strictEqual(field(value, "constructor"), 2)
    assert.isUndefined(field(value, "toString"))
    assert.strictEqual(write(value), `{"__proto__":{"a":1},"constructor":2}`)
  })

  it("is written with line breaks, and reads the same", () => {
    const value: Value = { a: [1, { b: null }], c: {}, d: [], e: "\u202e\"" }
    assert.strictEqual(write(value, 2), JSON.stringify(value, null, 2))
  })
})

describe("the beginning of a value", () => {
  it("is the JSON text, cut where it is long", () => {
    const value: Value = { a: [1, "two", null], b: { c: true, d: new Exact("1.50") }, e: [], f: {} }
    assert.strictEqual(writeStart(value, 400), write(value))
    for (let most = 0; most < write(value).length; most++) {
      assert.strictEqual(writeStart(value, most), `${write(value).slice(0, most)}…`)
    }
    assert.strictEqual(writeStart("x".repeat(1_000), 5), `"xxxx…`)
    assert.strictEqual(writeStart("😀😀", 2), `"\ufffd…`)
  })

  it("is written of a value whose parts no stack could hold", () => {
    let deep: Value = "here"
    for (let level = 0; level < 100_000; level++) deep = [deep]
    assert.strictEqual(writeStart(deep, 3), "[[[…")
    assert.isFalse(isSmall(deep, 300))
    assert.isTrue(isSmall([[["here"]]], 4))
    assert.isFalse(isSmall({ a: [1, 2, 3] }, 4))
  })
})

describe("durations of the page", () => {
  it.each([
    [0, "0 ms"],
    [999, "999 ms"],
    [1_000, "1.0 s"],
    [9_960, "9.9 s"],
    [12_345, "12 s"],
    [59_999, "59 s"],
    [192_000, "3 m 12 s"],
    [3_600_000, "1 h"],
    [90_000_000, "1 d 1 h"]
  ])("writes %d milliseconds as %s", (milliseconds, written) => {
    assert.strictEqual(duration(milliseconds), written)
  })

  it("writes how far a time is", () => {
    assert.deepStrictEqual([0, 3_000, 200_000, -60_000].map((ago) => distance(1e12 - ago, 1e12)), [
      "now",
      "3 s ago",
      "3 m ago",
      "in 1 m"
    ])
  })
})

const first = (text: string) => meanings(text)[0]?.to

describe("the search box", () => {
  it.each([
    ["account-123", "streams/account-123"],
    ["#48,211", "messages/48211"],
    ["48211", "messages/48211"],
    ["account", "streams?category=account"],
    ["order 7", "streams/order-7"],
    ["order #7", "streams/order-7"],
    ["corr:order-7", "correlations/order-7"],
    ["01a2293a-7f69-38e2-9340-d153224b7925", "messages?id=01a2293a-7f69-38e2-9340-d153224b7925"],
    [" payment:command-a/b?c ", "streams/payment%3Acommand-a%2Fb%3Fc"]
  ])("takes %s for %s", (text, to) => {
    assert.strictEqual(first(text), to)
  })

  it("takes nothing for nothing, and a number that is no position for a category", () => {
    assert.deepStrictEqual(meanings("  "), [])
    assert.strictEqual(first("99999999999999999999"), "streams?category=99999999999999999999")
  })
})

describe("addresses of the page", () => {
  it("are percent-encoded, also where a name is half a character", () => {
    assert.strictEqual(
      pathOf("/streams/:name", { name: "a;b/c\ud800" }, { at: 3, type: ["x", "y&z"], none: undefined }),
      "streams/a%3Bb%2Fc%EF%BF%BD?at=3&type=x&type=y%26z"
    )
  })
})

const message = (globalPosition: number, time: string) => ({
  id: `${globalPosition}`,
  streamName: `order-${globalPosition}`,
  type: "Placed",
  position: 0,
  globalPosition,
  time
})

describe("causes and effects", () => {
  it("are read from cause to effect, whatever their order, and never wait for less than nothing", () => {
    const nodes = tree([
      { message: message(1, "2026-01-01T00:00:00.000Z") },
      { message: message(2, "2026-01-01T00:00:00.500Z"), cause: { globalPosition: 1 } },
      { message: message(3, "2026-01-01T00:00:00.200Z"), cause: { globalPosition: 2 } },
      { message: message(4, "2026-01-01T00:00:02.000Z"), cause: { globalPosition: 1 } },
      // Its cause is not among them, and one that names itself has none.
      { message: message(5, "2026-01-01T00:00:01.000Z"), cause: { globalPosition: 99 } },
      { message: message(6, "2026-01-01T00:00:01.000Z"), cause: { globalPosition: 6 } }
    ])
    assert.deepStrictEqual(
      nodes.map(({ clockDiffers, depth, message, wait }) => [message.globalPosition, depth, wait, clockDiffers]),
      [[1, 0, undefined, false], [2, 1, 500, false], [3, 2, undefined, true], [4, 1, 2_000, false], [
        5,
        0,
        undefined,
        false
      ], [6, 0, undefined, false]]
    )
    assert.strictEqual(spanOf(nodes).length, 2_000)
  })
})

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

describe("the live tail", () => {
  it("shows all of what a person can read, and a sample of the rest with its last one", () => {
    assert.deepStrictEqual(sampled(range(5), 5), range(5))
    assert.deepStrictEqual(sampled(range(10), 5), [1, 3, 5, 7, 9])
    // However they come: one by one, or a second's at once.
    const calm = add(empty, range(perSecond), 250)
    assert.deepStrictEqual([calm.messages.length, calm.oneIn, calm.seen], [perSecond, 1, perSecond])
    const rush = add<number>(calm, range(1_000), 250)
    assert.deepStrictEqual([rush.messages.length, rush.oneIn, rush.seen], [perSecond + perSecond / 4, 20, 1_200])
    assert.strictEqual(rush.messages.at(-1), 999)
  })

  it("says that it is a sample whenever one message is left out, and for a while after", () => {
    const full = add(empty, range(perSecond), 0)
    const over = add<number>(full, range(60), 250)
    assert.deepStrictEqual([over.messages.length, over.oneIn], [perSecond + 50, 2])
    const less = add<number>(over, [1], 250)
    assert.deepStrictEqual([less.messages.length, less.oneIn], [perSecond + 51, 2])
    assert.strictEqual(add<number>(less, [], 10_000).oneIn, 1)
  })

  it("keeps the newest", () => {
    const full = add<number>(caughtUp<number>(empty, range(kept)), [7], 250)
    assert.deepStrictEqual([full.messages.length, full.oneIn], [kept, 1])
    assert.deepStrictEqual([full.messages[0], full.messages.at(-1)], [1, 7])
  })
})

import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import { ExpectedVersion, StoreError } from "eventfold"

/** Expected version, and whether a missing stream (-1), a stream of one message (0) and one at 7 are as expected. */
const table: ReadonlyArray<
  readonly [expected: ExpectedVersion.ExpectedVersion, missing: boolean, first: boolean, seventh: boolean]
> = [
  ["any", true, true, true],
  ["noStream", true, false, false],
  [-1, true, false, false],
  ["exists", false, true, true],
  [0, false, true, false],
  [7, false, false, true],
  // Numbers that no version can be match none, rather than fail.
  [6.5, false, false, false],
  [-2, false, false, false],
  [Number.NaN, false, false, false],
  [Number.POSITIVE_INFINITY, false, false, false]
]

describe("matches", () => {
  it.each(table)("%s", (expected, missing, first, seventh) => {
    assert.deepStrictEqual([-1, 0, 7].map((version) => ExpectedVersion.matches(expected, version)), [
      missing,
      first,
      seventh
    ])
  })

  it.prop("an exact version is that one and no other", [
    Schema.Int.check(Schema.isGreaterThanOrEqualTo(-1)),
    Schema.Int.check(Schema.isGreaterThanOrEqualTo(-1))
  ], ([expected, version]) => {
    assert.strictEqual(ExpectedVersion.matches(expected, version), expected === version)
    assert.isTrue(ExpectedVersion.matches(version, version))
  })
})

const message = (expected: ExpectedVersion.ExpectedVersion, actual: Option.Option<number>) =>
  new StoreError.WrongExpectedVersion({ streamName: "account-1", expected, actual }).message

it("is described for people, as the error does", () => {
  assert.deepStrictEqual((["any", "noStream", -1, "exists", 3] as const).map(ExpectedVersion.format), [
    "any version",
    "no stream",
    "no stream",
    "an existing stream",
    "version 3"
  ])
  assert.strictEqual(
    message("noStream", Option.some(4)),
    "stream account-1 is at version 4; the append expected no stream"
  )
  assert.strictEqual(
    message("exists", Option.none()),
    "stream account-1 does not exist; the append expected an existing stream"
  )
  assert.strictEqual(message(3, Option.some(4)), "stream account-1 is at version 4; the append expected version 3")
})

it("is a schema", () => {
  const isExpectedVersion = Schema.is(ExpectedVersion.ExpectedVersion)
  assert.isTrue(table.every(([expected]) => isExpectedVersion(expected)))
  assert.isFalse(["", "noSuch", "0", null, undefined, 1n].some(isExpectedVersion))
})

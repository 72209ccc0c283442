import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Option, Schema } from "effect"
import { StreamName } from "eventfold"
import { createHash } from "node:crypto"

/** Name, category, id, cardinal id: as Message DB 1.3.0 answers. */
const names: ReadonlyArray<
  readonly [name: string, category: string, id: string | undefined, cardinalId: string | undefined]
> = [
  ["account-123", "account", "123", "123"],
  ["account", "account", undefined, undefined],
  ["", "", undefined, undefined],
  ["-", "", "", ""],
  ["-123", "", "123", "123"],
  ["account-", "account", "", ""],
  ["account-123-456", "account", "123-456", "123-456"],
  ["account-123+456", "account", "123+456", "123"],
  ["account-123+456+789", "account", "123+456+789", "123"],
  ["account-+456", "account", "+456", ""],
  ["account-123+", "account", "123+", "123"],
  ["account-1-2+3-4", "account", "1-2+3-4", "1-2"],
  ["account--1", "account", "-1", "-1"],
  ["account:command-123", "account:command", "123", "123"],
  ["account:command+position-123", "account:command+position", "123", "123"],
  ["account:command+position-123+456", "account:command+position", "123+456", "123"],
  ["a+b-c", "a+b", "c", "c"],
  ["$all", "$all", undefined, undefined],
  ["über-日本+é", "über", "日本+é", "日本"]
]

/** What Message DB's `hash_64` gives. */
const hashes: ReadonlyArray<readonly [text: string, hash: bigint]> = [
  ["someStream", 2053039834977696644n],
  ["someStream-123", -6897031765186548867n],
  ["account", -2132379389342958165n],
  ["account:command", 4331363904667975395n],
  ["testStream-5a3d", 6890946414463808648n],
  ["", -3162216497309240828n],
  ["a", 919145239626757800n],
  ["123", 2318431741638412123n],
  ["é日本", 1028686337839764386n]
]

/** Any Unicode text: astral planes, NUL and control characters; long enough for several blocks of MD5. */
const UnicodeText = Arbitrary.map(
  Arbitrary.array(
    Arbitrary.filter(
      Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0x10ffff }))),
      (point) => point < 0xd800 || point > 0xdfff
    ),
    { maxLength: 80 }
  ),
  (points) => String.fromCodePoint(...points)
)

const nodeMd5 = (text: string): Buffer => createHash("md5").update(text).digest()

const message = <A, E extends { readonly message: string }>(effect: Effect.Effect<A, E>): Effect.Effect<string, A> =>
  Effect.map(Effect.flip(effect), (error) => error.message)

describe("the parts of a name", () => {
  it.each(names)("%j", (name, category, id, cardinalId) => {
    assert.strictEqual(StreamName.category(name), category)
    assert.deepStrictEqual(StreamName.id(name), Option.fromUndefinedOr(id))
    assert.deepStrictEqual(StreamName.cardinalId(name), Option.fromUndefinedOr(cardinalId))
    assert.strictEqual(StreamName.isCategory(name), id === undefined)
  })

  it.prop("category and id make up the name again", [Schema.String], ([name]) => {
    const id = StreamName.id(name)
    assert.strictEqual(
      Option.match(id, {
        onNone: () => StreamName.category(name),
        onSome: (id) => `${StreamName.category(name)}-${id}`
      }),
      name
    )
  })

  it("types of a category", () => {
    assert.deepStrictEqual(StreamName.categoryTypes("account-123"), [])
    assert.deepStrictEqual(StreamName.categoryTypes("account"), [])
    assert.deepStrictEqual(StreamName.categoryTypes("account:command-123"), ["command"])
    assert.deepStrictEqual(StreamName.categoryTypes("account:command+position"), ["command", "position"])
    assert.deepStrictEqual(StreamName.categoryTypes("account:command+position-123+456"), ["command", "position"])
    assert.deepStrictEqual(StreamName.categoryTypes("account-123:no+type"), [])
  })
})

describe("hash64", () => {
  it.each(hashes)("of %j is %s", (text, hash) => {
    assert.strictEqual(StreamName.hash64(text), hash)
  })

  it.prop("is the head of the MD5 of any text's UTF-8", [UnicodeText], ([text]) => {
    assert.strictEqual(StreamName.hash64(text), nodeMd5(text).readBigInt64BE(0))
  }, { arbitrary: { runs: 500 } })

  it("is right at every length about the borders of MD5's blocks", () => {
    const text = Array.from({ length: 260 }, (_, i) => String.fromCharCode((i * 31) % 128)).join("")
    for (let length = 0; length <= text.length; length++) {
      const head = text.slice(0, length)
      assert.strictEqual(StreamName.hash64(head), nodeMd5(head).readBigInt64BE(0), `${length} bytes`)
    }
  })
})

/** The ids from 1 to 8 that each member of a group of a size gets. */
const members = (size: number) =>
  Array.from(
    { length: size },
    (_, member) =>
      ["1", "2", "3", "4", "5", "6", "7", "8"].filter((id) =>
        Option.contains(StreamName.groupMember(`account-${id}`, size), member)
      )
  )

describe("groupMember", () => {
  it("distributes as Message DB does", () => {
    assert.deepStrictEqual(members(1), [["1", "2", "3", "4", "5", "6", "7", "8"]])
    assert.deepStrictEqual(members(2), [["1", "3", "7"], ["2", "4", "5", "6", "8"]])
    assert.deepStrictEqual(members(3), [["1", "4", "5"], ["2", "8"], ["3", "6", "7"]])
  })

  it("gives a stream without an id to no member, and one with an empty id to one", () => {
    assert.deepStrictEqual(StreamName.groupMember("account", 1), Option.none())
    assert.deepStrictEqual(StreamName.groupMember("account-", 1), Option.some(0))
  })

  it.prop("is the absolute hash of the cardinal id modulo the size, whatever follows the plus", {
    id: Arbitrary.map(UnicodeText, (text) => text.replaceAll("+", "")),
    rest: UnicodeText,
    // Message DB stops at 32767; eventfold doesn't.
    size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))
  }, ({ id, rest, size }) => {
    const hash = nodeMd5(id).readBigInt64BE(0)
    const member = Option.some(Number((hash < 0n ? -hash : hash) % BigInt(size)))
    assert.deepStrictEqual(StreamName.groupMember(`account-${id}`, size), member)
    assert.deepStrictEqual(StreamName.groupMember(`other-${id}+${rest}`, size), member)
  })
})

describe("make", () => {
  it.effect("joins a category with an id or the parts of a compound id", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* StreamName.make("account", "123"), "account-123")
      assert.strictEqual(yield* StreamName.make("account:command", "123"), "account:command-123")
      assert.strictEqual(yield* StreamName.make("account", "1-2"), "account-1-2")
      assert.strictEqual(yield* StreamName.make("account", "123+456"), "account-123+456")
      assert.strictEqual(yield* StreamName.make("account", ["123"]), "account-123")
      assert.strictEqual(yield* StreamName.make("account", ["123", "456"]), "account-123+456")
      assert.strictEqual(yield* StreamName.make("account", ["123", "456", "7+8"]), "account-123+456+7+8")
    }))

  it.effect("keeps the first part as the cardinal id, and refuses what would not", () =>
    Effect.gen(function*() {
      const name = yield* StreamName.make("account", ["1-2", "3+4"])
      assert.deepStrictEqual(StreamName.cardinalId(name), Option.some("1-2"))
      assert.strictEqual(
        yield* message(StreamName.make("account", ["1+2", "3"])),
        `the stream name "account-1+2+3" has a + within a part of its compound id`
      )
    }))

  it.effect.each<readonly [category: string, id: string | ReadonlyArray<string>, message: string]>([
    ["account", "", `the stream name "account-" has an empty id`],
    ["account", [], `the stream name "account-" has an empty id`],
    ["account", ["123", ""], `the stream name "account-123+" has an empty id`],
    ["account", ["", "123"], `the stream name "account-+123" has an empty id`],
    ["", "123", `the stream name "-123" has a category that is empty`],
    [
      "my-account",
      "123",
      `the stream name "my-account-123" has a category that is the name of a stream: a category is the part before the first dash`
    ],
    [
      "account",
      "1\u00002",
      `the stream name "account-1\\u00002" contains a NUL character, which PostgreSQL cannot store`
    ],
    [
      "account\ud800",
      "1",
      `the stream name "account\\ud800-1" has a category that contains a lone surrogate, which is not valid Unicode`
    ]
  ])("refuses %j", ([category, id, expected]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(StreamName.make(category, id))
      assert.instanceOf(error, StreamName.InvalidStreamName)
      assert.strictEqual(error.message, expected)
    }))

  it.effect.prop("what it makes comes apart again", {
    category: Arbitrary.filter(
      Arbitrary.schema(Schema.NonEmptyString),
      (text) => text.isWellFormed() && !/[-\0]/.test(text)
    ),
    parts: Arbitrary.array(
      Arbitrary.filter(Arbitrary.schema(Schema.NonEmptyString), (text) => text.isWellFormed() && !/[+\0]/.test(text)),
      { minLength: 1, maxLength: 4 }
    )
  }, ({ category, parts }) =>
    Effect.gen(function*() {
      const name = yield* StreamName.make(category, parts)
      assert.strictEqual(StreamName.category(name), category)
      assert.deepStrictEqual(Option.map(StreamName.id(name), (id) => id.split("+")), Option.some(parts))
    }))
})

describe("what a name may be", () => {
  const longest = StreamName.maxBytes

  it.effect("a stream's: also a bare category, which is the name of a stream of its own", () =>
    Effect.gen(function*() {
      for (const name of ["account-123", "account", "-", "account-", "über-日本", "x".repeat(longest), "😀 \n-\t"]) {
        assert.strictEqual(yield* StreamName.parse(name), name)
        assert.strictEqual(yield* Schema.decodeEffect(StreamName.StreamName)(name), name)
      }
    }))

  const refused: ReadonlyArray<readonly [name: string, reason: string]> = [
    ["", "is empty"],
    ["account-1\u0000", "contains a NUL character, which PostgreSQL cannot store"],
    ["account-\ud800", "contains a lone surrogate, which is not valid Unicode"],
    ["account-\udc00\ud800", "contains a lone surrogate, which is not valid Unicode"],
    ["x".repeat(longest + 1), `is longer than ${longest} bytes`],
    // The limit is one of bytes, not of characters.
    ["é".repeat(longest / 2 + 1), `is longer than ${longest} bytes`],
    ["日".repeat(Math.ceil(longest / 3)), `is longer than ${longest} bytes`],
    ["😀".repeat(longest / 4 + 1), `is longer than ${longest} bytes`]
  ]

  it.effect("a stream's: not empty, not too long in UTF-8, well-formed, without NUL", () =>
    Effect.gen(function*() {
      for (const fits of ["é".repeat(longest / 2), "日".repeat(Math.floor(longest / 3)), "😀".repeat(longest / 4)]) {
        assert.strictEqual(yield* StreamName.parse(fits), fits)
      }
      for (const [name, reason] of refused) {
        const error = yield* Effect.flip(StreamName.parse(name))
        assert.deepStrictEqual(error, new StreamName.InvalidStreamName({ streamName: name, reason }))
        assert.strictEqual(error.message, `the stream name ${JSON.stringify(name)} ${reason}`)
        const issue = yield* Effect.flip(Schema.decodeEffect(StreamName.StreamName)(name))
        assert.include(issue.message, `a stream name that ${reason}`)
      }
    }))

  it.effect("one with an id, where Message DB says `Must be a stream name`", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* StreamName.parseWithId("account-123"), "account-123")
      assert.strictEqual(yield* StreamName.parseWithId("account-"), "account-")
      assert.strictEqual(
        yield* message(StreamName.parseWithId("account")),
        `the stream name "account" is the name of a category: a stream name has a dash and an id`
      )
      assert.strictEqual(yield* message(StreamName.parseWithId("")), `the stream name "" is empty`)
      assert.include(yield* message(StreamName.parseWithId("a-\u0000")), "contains a NUL character")
    }))

  it.effect("a category's: the same without a dash", () =>
    Effect.gen(function*() {
      for (const name of ["account", "account:command+position", "$all", "über", "x".repeat(longest)]) {
        assert.strictEqual(yield* StreamName.parseCategory(name), name)
        assert.strictEqual(yield* Schema.decodeEffect(StreamName.CategoryName)(name), name)
      }
      const dash = "is the name of a stream: a category is the part before the first dash"
      const withDash = ["account-123", "-", "account-"].map((name) => [name, dash] as const)
      const withoutDash = refused.filter(([name]) => !name.includes("-"))
      for (const [name, reason] of [...withDash, ...withoutDash]) {
        const error = yield* Effect.flip(StreamName.parseCategory(name))
        assert.deepStrictEqual(error, new StreamName.InvalidCategory({ category: name, reason }))
        assert.strictEqual(error.message, `the category name ${JSON.stringify(name)} ${reason}`)
        const issue = yield* Effect.flip(Schema.decodeEffect(StreamName.CategoryName)(name))
        assert.include(issue.message, `a category name that ${reason}`)
      }
    }))
})

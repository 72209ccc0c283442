import { assert, describe, it } from "@effect/vitest"
import { Cause, Data, DateTime, Duration, Effect, HashMap, Option, Redacted, Schema } from "effect"
import { FailureReport } from "eventfold"
import { jsonProblem } from "../src/internal/runtime/storableJson.ts"

const reportOf = (error: unknown, cause: Cause.Cause<unknown> = Cause.fail(error)) =>
  Effect.runSync(FailureReport.fromCause(cause))

class Refused extends Schema.TaggedError<Refused>()("Refused", {
  amount: Schema.BigInt,
  at: Schema.DateTimeUtc,
  every: Schema.optionalKey(Schema.Duration)
}) {
  override get message() {
    return `refused ${this.amount}`
  }
}

class RefusedAgain extends Refused.extend<RefusedAgain>("RefusedAgain")({ times: Schema.Int }) {}

class Local extends Data.TaggedError("Local")<{ readonly why: unknown; readonly cause?: unknown }> {}

const at = DateTime.makeUnsafe("2026-11-28T12:00:00Z")

const assertStorable = (report: FailureReport.FailureReport) => {
  assert.isUndefined(jsonProblem(report))
  assert.deepStrictEqual(JSON.parse(JSON.stringify(report)), report)
  assert.deepStrictEqual(Schema.decodeUnknownSync(FailureReport.FailureReport)(report), report)
  assert.isBelow(JSON.stringify(report).length, 60_000)
}

/** An object that throws whenever it is looked at. */
const hostile = (target: object) =>
  new Proxy(target, {
    get: () => {
      throw new Error("get")
    },
    getPrototypeOf: () => {
      throw new Error("getPrototypeOf")
    },
    has: () => {
      throw new Error("has")
    },
    ownKeys: () => {
      throw new Error("ownKeys")
    }
  })

describe("a report of a failure", () => {
  it("has the tag, the message and the fields of an error, encoded by the schema of its class", () => {
    assert.deepStrictEqual(reportOf(new Refused({ amount: 12n, at, every: Duration.minutes(1) })), {
      kind: "error",
      tag: "Refused",
      message: "refused 12",
      fields: {
        amount: "12",
        at: "2026-11-28T12:00:00.000Z",
        every: Schema.encodeSync(Schema.toCodecJson(Schema.Duration))(Duration.minutes(1))
      }
    })
    const { fields, tag } = reportOf(new RefusedAgain({ amount: 1n, at, times: 3 }))
    assert.deepStrictEqual([tag, fields["amount"], fields["times"]], ["Refused", "1", 3])
  })

  it("takes the fields of other errors as JSON, and says what JSON does not have", () => {
    const circular: { self?: unknown } = {}
    circular.self = circular
    const why = {
      big: 5n,
      circular,
      date: new Date(0),
      invalid: Number.NaN,
      map: new Map([["a", new Set([1])]]),
      none: undefined,
      option: HashMap.make(["a", 1]),
      f: () => 1,
      symbol: Symbol("s"),
      bytes: new Uint8Array(1_000_000),
      get broken(): string {
        throw new Error("a getter")
      }
    }
    const report = reportOf(new Local({ why }))
    assertStorable(report)
    const fields = report.fields["why"]
    assert(typeof fields === "object" && fields !== null && !Array.isArray(fields))
    const { option: _, ...others } = fields as Record<string, unknown>
    assert.deepStrictEqual(others, {
      big: "5",
      circular: { self: "(circular)" },
      date: "1970-01-01T00:00:00.000Z",
      invalid: "NaN",
      map: [["a", [1]]],
      f: "(a function)",
      symbol: "Symbol(s)",
      bytes: "(1000000 bytes)"
    })
  })

  it("is about an error that is not an object, too", () => {
    assert.deepStrictEqual(reportOf("no"), { kind: "error", tag: "string", message: "no", fields: {} })
    assert.deepStrictEqual(reportOf(5n), { kind: "error", tag: "bigint", message: "bigint", fields: { value: "5" } })
    assert.deepStrictEqual(reportOf(null).fields, { value: null })
    assert.deepStrictEqual(reportOf({ _tag: "Plain", x: 1 }), {
      kind: "error",
      tag: "Plain",
      message: "Plain",
      fields: { x: 1 }
    })
  })

  it("is about the defect when there is no error, and about the interruption when there is neither", () => {
    assert.deepStrictEqual(reportOf(undefined, Cause.die(new TypeError("a bug"))), {
      kind: "defect",
      tag: "TypeError",
      message: "a bug",
      fields: {}
    })
    assert.deepStrictEqual(reportOf(undefined, Cause.interrupt(7)), {
      kind: "interruption",
      tag: "Interrupt",
      message: "interrupted by fiber #7",
      fields: {}
    })
    assert.strictEqual(reportOf(undefined, Cause.empty).tag, "Empty")
    const both = reportOf(
      undefined,
      Cause.combine(Cause.die("bug"), Cause.combine(Cause.interrupt(1), Cause.fail("no")))
    )
    assert.deepStrictEqual([both.kind, both.message], ["error", "no"])
    assert.deepStrictEqual(both.others?.map(({ kind, message }) => [kind, message]), [["defect", "bug"]])
  })

  it("has the causes of an error, up to five", () => {
    const nested = (depth: number): Error =>
      depth === 0 ? new Error("0") : new Error(String(depth), { cause: nested(depth - 1) })
    const report = reportOf(new Local({ why: "it", cause: nested(20) }))
    const messages = []
    for (let next: FailureReport.FailureReport | undefined = report; next !== undefined; next = next.cause) {
      messages.push(next.message)
    }
    assert.deepStrictEqual(messages, ["Local", "20", "19", "18", "17", "16"])
    assert.notProperty(report.fields, "cause")

    const self = new Error("self")
    self.cause = self
    assertStorable(reportOf(self))
    const inner = reportOf(new Local({ why: "", cause: Cause.fail(new Refused({ amount: 1n, at })) })).cause
    assert.deepInclude(inner, { tag: "Refused", message: "refused 1" })
    const all = reportOf(new AggregateError([new Error("a"), new Error("b")], "none was reached"))
    assert.deepStrictEqual(all.others?.map(({ message }) => message), ["a", "b"])
  })

  it("keeps redacted values redacted, also where the schema of a field shows them", () => {
    const secret = "hunter2"
    class Denied extends Schema.TaggedError<Denied>()("Denied", {
      user: Schema.String,
      password: Schema.Redacted(Schema.String),
      raw: Schema.RedactedFromValue(Schema.String),
      nested: Schema.Struct({ at: Schema.DateTimeUtc, key: Schema.Redacted(Schema.String, { label: "key" }) }),
      many: Schema.Array(Schema.Option(Schema.Redacted(Schema.String)))
    }) {}
    const redacted = Redacted.make(secret)
    const denied = new Denied({
      user: "ann",
      password: redacted,
      raw: redacted,
      nested: { at, key: Redacted.make(secret, { label: "key" }) },
      many: [Option.some(redacted)]
    })
    for (const error of [denied, new Local({ why: denied }), new Local({ why: new Map([[redacted, redacted]]) })]) {
      const report = reportOf(error)
      assert.notInclude(JSON.stringify(report), secret)
      assertStorable(report)
    }
    const { fields } = reportOf(denied)
    assert.deepStrictEqual([fields["user"], fields["password"], fields["raw"]], ["ann", "<redacted>", "<redacted>"])
    assert.deepStrictEqual(fields["nested"], { at: "2026-11-28T12:00:00.000Z", key: "<redacted:key>" })
  })

  it("has no stack, unless it is asked for", () => {
    class Wrapped extends Schema.TaggedError<Wrapped>()("Wrapped", {
      reason: Schema.Defect({ includeStack: true }),
      inner: Schema.Unknown
    }) {}
    const error = new Wrapped({ reason: new Error("a"), inner: { deep: [new Local({ why: 1 })] } })
    assert.notInclude(JSON.stringify(reportOf(error)), import.meta.filename)
    assert.deepStrictEqual(reportOf(error).fields["reason"], { name: "Error", message: "a" })
    const whole = Effect.runSync(
      Effect.provideService(FailureReport.fromCause(Cause.die(error)), FailureReport.IncludeStack, true)
    )
    assert.include(whole.stack, import.meta.filename)
    assertStorable(whole)
  })

  it("is bounded, however large the error is", () => {
    const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`key${index}`, "v".repeat(10_000)]))
    type Nested = { readonly next?: Nested }
    let deep: Nested = {}
    for (let depth = 0; depth < 50_000; depth++) deep = { next: deep }
    class Huge extends Schema.TaggedError<Huge>()("Huge", { items: Schema.Array(Schema.String), n: Schema.BigInt }) {}
    const huge = new Huge({ items: Array.from({ length: 100_000 }, () => "item"), n: 10n ** 5_000n })
    for (
      const error of [
        new Error("m".repeat(1_000_000)),
        new Local({ why: wide }),
        new Local({ why: deep }),
        new Local({ why: Array.from({ length: 1_000_000 }, (_, index) => index) }),
        huge
      ]
    ) {
      const report = reportOf(error)
      assertStorable(report)
      assert.isBelow(JSON.stringify(report).length, 12_000)
    }
    assert.deepStrictEqual(reportOf(huge).fields["n"], "(a bigint of more than 1000 digits)")
    const { fields } = reportOf(new Local({ why: Array.from({ length: 1_000 }, () => "item") }))
    assert.strictEqual(JSON.stringify(fields["why"]).endsWith(`"item","(900 more)"]`), true)
    const after = reportOf(Object.assign(new Error("x"), { first: "v".repeat(900), all: wide, after: 1, last: 2 }))
    assert.deepStrictEqual([Object.keys(after.fields), after.fields["(more)"]], [["first", "all", "(more)"], 2])
    const cut = reportOf(new Local({ why: ["a".repeat(999) + "\ud83d\ude00"] }))
    assertStorable(cut)
  })

  it("never throws, whatever an error does when it is looked at", () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    class Odd extends Error {
      override get message(): string {
        throw new Error("message")
      }
      get _tag(): string {
        throw new Error("tag")
      }
    }
    const throwing = {
      toJSON: () => {
        throw new Error("toJSON")
      }
    }
    for (
      const error of [
        hostile({}),
        hostile(() => 1),
        proxy,
        new Odd(),
        throwing,
        Object.create(null),
        new Local({ why: [hostile({}), proxy, throwing, new Odd(), Object.create(null)] }),
        new Local({ why: JSON.parse(`{ "__proto__": { "a": 1 }, "constructor": 5 }`) }),
        new Error("x", { cause: hostile({}) }),
        new AggregateError([hostile({})])
      ]
    ) {
      assertStorable(reportOf(error))
      assertStorable(reportOf(error, Cause.die(error)))
    }
  })

  it.effect.prop(
    "is JSON that every store keeps, for any values in any fields",
    { tag: Schema.String, message: Schema.String, fields: Schema.Record(Schema.String, Schema.Unknown) },
    ({ fields, message, tag }) =>
      Effect.gen(function*() {
        const error = Object.assign(new Error(message), fields)
        const tagged = { ...fields, _tag: tag, message, cause: error }
        for (const one of [fields, error, tagged, new Local({ why: fields, cause: tagged })]) {
          assertStorable(yield* FailureReport.fromCause(Cause.fail(one)))
          assertStorable(yield* FailureReport.fromCause(Cause.die(one)))
        }
      })
  )

  it("is one line for a person", () => {
    assert.strictEqual(
      FailureReport.format(reportOf(new Refused({ amount: 12n, at }))),
      "Refused: refused 12 {\"amount\":\"12\",\"at\":\"2026-11-28T12:00:00.000Z\"}"
    )
    assert.strictEqual(FailureReport.format(reportOf(new Error("one\ntwo"))), "Error: one two")
    assert.strictEqual(FailureReport.format(reportOf(new Local({ why: undefined }))), "Local")
  })
})

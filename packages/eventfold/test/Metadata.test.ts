import { assert, describe, it } from "@effect/vitest"
import { DateTime, Schema } from "effect"
import { Message, Metadata, StreamName } from "eventfold"

const recorded = (metadata: Schema.Json): Message.RecordedMessage => ({
  id: Schema.decodeSync(Message.MessageId)("0190163d-8694-739b-aea5-966c26f8ad90"),
  streamName: Schema.decodeSync(StreamName.StreamName)("account:command-123"),
  type: "Deposit",
  position: 4,
  globalPosition: 40,
  data: {},
  metadata,
  time: DateTime.makeUnsafe(0)
})

const causation = {
  causationMessageStreamName: "account:command-123",
  causationMessagePosition: 4,
  causationMessageGlobalPosition: 40
}

describe("follow", () => {
  it("makes the preceding message the cause, also when it has no metadata", () => {
    for (const nothing of [null, {}, [], "text", 5, true]) {
      assert.deepStrictEqual(Metadata.follow(recorded(nothing)), causation)
    }
  })

  it("carries correlation, reply stream and properties on, and nothing else", () => {
    const preceding = recorded({
      correlationStreamName: "order-7",
      replyStreamName: "order:reply-7",
      properties: { tenant: "a", trace: { id: 1 } },
      causationMessageStreamName: "order-7",
      causationMessagePosition: 1,
      causationMessageGlobalPosition: 2,
      schemaVersion: "3",
      somethingLocal: true
    })
    assert.deepStrictEqual(Metadata.follow(preceding), {
      correlationStreamName: "order-7",
      replyStreamName: "order:reply-7",
      properties: { tenant: "a", trace: { id: 1 } },
      ...causation
    })
  })

  it("lets the following message say otherwise, properties key by key", () => {
    const preceding = recorded({
      correlationStreamName: "order-7",
      replyStreamName: "order:reply-7",
      properties: { tenant: "a", user: "x" }
    })
    assert.deepStrictEqual(
      Metadata.follow(preceding, {
        correlationStreamName: "transfer-1",
        replyStreamName: null,
        properties: { user: "y", more: 1 },
        schemaVersion: "1",
        somethingLocal: [1]
      }),
      {
        correlationStreamName: "transfer-1",
        replyStreamName: null,
        ...causation,
        properties: { tenant: "a", user: "y", more: 1 },
        schemaVersion: "1",
        somethingLocal: [1]
      }
    )
  })

  it("has no correlation when the preceding message had none, and no key for it", () => {
    assert.notProperty(Metadata.follow(recorded({ correlationStreamName: null })), "correlationStreamName")
  })

  it("follows a chain: the correlation of the first, the cause of the last", () => {
    const first = recorded({ correlationStreamName: "order-7", properties: { tenant: "a" } })
    const second = { ...recorded(Metadata.follow(first)), position: 5, globalPosition: 41 }
    assert.deepStrictEqual(Metadata.follow(second), {
      correlationStreamName: "order-7",
      properties: { tenant: "a" },
      ...causation,
      causationMessagePosition: 5,
      causationMessageGlobalPosition: 41
    })
  })

  it("takes from another client's metadata only what has the type it should have", () => {
    const preceding = recorded({ correlationStreamName: 5, replyStreamName: ["x"], properties: "none" })
    assert.deepStrictEqual(Metadata.follow(preceding), causation)
  })
})

describe("fromJson", () => {
  it("is the whole object when all its defined keys have their types", () => {
    const metadata = {
      correlationStreamName: "order-7",
      causationMessageStreamName: null,
      causationMessagePosition: 0,
      causationMessageGlobalPosition: 1,
      replyStreamName: "order:reply-7",
      properties: { nested: { list: [1, null, "x"] } },
      schemaVersion: "2",
      other: { free: [true] }
    }
    assert.deepStrictEqual(Metadata.fromJson(metadata), metadata)
  })

  it("is empty for what is no object", () => {
    for (const json of [null, true, 0, "", "text", [], [{ correlationStreamName: "order-7" }]]) {
      assert.deepStrictEqual(Metadata.fromJson(json), {})
    }
  })

  it("leaves out the keys of another type, and only those", () => {
    assert.deepStrictEqual(
      Metadata.fromJson({
        correlationStreamName: 5,
        causationMessageStreamName: false,
        causationMessagePosition: "4",
        causationMessageGlobalPosition: 1.5,
        replyStreamName: {},
        properties: [1],
        schemaVersion: 1,
        userId: 7
      }),
      { userId: 7 }
    )
    assert.deepStrictEqual(Metadata.fromJson({ schemaVersion: 1, correlationStreamName: "order-7" }), {
      correlationStreamName: "order-7"
    })
  })

  it("takes no key from a prototype that foreign JSON brings along", () => {
    for (
      const text of [
        `{"__proto__":{"correlationStreamName":"evil-1"}}`,
        `{"schemaVersion":1,"__proto__":{"correlationStreamName":"evil-1"}}`
      ]
    ) {
      const metadata = Metadata.fromJson(JSON.parse(text))
      assert.isUndefined(metadata.correlationStreamName)
      assert.notProperty(Metadata.follow(recorded(JSON.parse(text))), "correlationStreamName")
    }
  })

  it.prop("takes any JSON, and what it gives is metadata", [Schema.Json], ([json]) => {
    assert.isTrue(Schema.is(Metadata.Metadata)(Metadata.fromJson(json)))
    assert.isTrue(Schema.is(Metadata.Metadata)(Metadata.follow(recorded(json))))
  })

  it.prop("takes any values under the defined keys", {
    correlationStreamName: Schema.Json,
    causationMessagePosition: Schema.Json,
    properties: Schema.Json,
    schemaVersion: Schema.Json
  }, (json) => {
    const metadata = Metadata.fromJson(json)
    assert.isTrue(Schema.is(Metadata.Metadata)(metadata))
    for (const [key, value] of Object.entries(json)) {
      if (typeof value === "string" && (key === "correlationStreamName" || key === "schemaVersion")) {
        assert.strictEqual(metadata[key], value)
      }
    }
  })
})

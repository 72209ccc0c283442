import { assert, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import { Category, StoreError, StreamName } from "eventfold"

const samples = [
  [
    StoreError.WrongExpectedVersion,
    new StoreError.WrongExpectedVersion({ streamName: "account-1", expected: 3, actual: Option.none() }),
    "stream account-1 does not exist; the append expected version 3"
  ],
  [
    StoreError.DuplicateMessageId,
    new StoreError.DuplicateMessageId({ id: "0190163d-8694-739b-aea5-966c26f8ad90", streamName: "account-1" }),
    "message id 0190163d-8694-739b-aea5-966c26f8ad90 is already taken by another message; nothing was written to account-1"
  ],
  [
    StoreError.InvalidMessage,
    new StoreError.InvalidMessage({
      streamName: "account-1",
      index: 2,
      type: "Deposited",
      path: ["data", "lines", 0, "amount"],
      reason: "is NaN, which JSON does not have"
    }),
    "message 2 (Deposited) to account-1: data.lines.0.amount is NaN, which JSON does not have"
  ],
  [
    StoreError.InvalidMessage,
    new StoreError.InvalidMessage({
      streamName: "account-1",
      index: 0,
      type: "none",
      path: [],
      reason: "the append has no messages: append at least one"
    }),
    "cannot append to account-1: the append has no messages: append at least one"
  ],
  [
    StoreError.InvalidArgument,
    new StoreError.InvalidArgument({ argument: "limit", value: "-1", expected: "an integer of at least 0" }),
    "limit is -1, and must be an integer of at least 0"
  ],
  [
    StoreError.Unsupported,
    new StoreError.Unsupported({ operation: "writeAll", remedy: "install the eventfold schema" }),
    "this store does not support writeAll: install the eventfold schema"
  ],
  [
    StoreError.NotPermitted,
    new StoreError.NotPermitted({ operation: "Streams.delete", remedy: "grant it to the role app" }),
    "Streams.delete is not permitted: grant it to the role app"
  ],
  [
    StoreError.StoreError,
    new StoreError.StoreError({ operation: "append", reason: "the connection was lost", isRetryable: true }),
    "append: the connection was lost"
  ],
  [
    StreamName.InvalidStreamName,
    new StreamName.InvalidStreamName({ streamName: "", reason: "is empty" }),
    `the stream name "" is empty`
  ],
  [
    StreamName.InvalidCategory,
    new StreamName.InvalidCategory({ category: "", reason: "is empty" }),
    `the category name "" is empty`
  ],
  [
    Category.DecodeError,
    new Category.DecodeError({
      streamName: "account-1",
      position: 4,
      globalPosition: 40,
      type: "Deposited",
      path: ["data", "lines", 0],
      reason: "Expected number, got null"
    }),
    "cannot decode Deposited at position 4 of stream account-1: data.lines.0: Expected number, got null"
  ]
] as const

it.each(samples)("%s says what happened, and is the same after a journey as JSON", (errorClass, error, message) => {
  assert.strictEqual(error.message, message)
  const json = Schema.toCodecJson<Schema.Codec<unknown, unknown>>(errorClass)
  const arrived = Schema.decodeUnknownSync(json)(JSON.parse(JSON.stringify(Schema.encodeUnknownSync(json)(error))))
  assert.isTrue(arrived instanceof errorClass)
  assert.deepStrictEqual(arrived, error)
  assert.propertyVal(arrived, "message", message)
})

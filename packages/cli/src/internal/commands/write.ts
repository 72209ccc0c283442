/**
 * The command that writes.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { ExpectedVersion } from "eventfold/ExpectedVersion"
import type { Message } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import { Metadata } from "eventfold/Metadata"
import { parseExactJson, parseJson } from "eventfold/StoreBackend"
import * as Stores from "../connection/stores.ts"
import { UsageError } from "../failures/errors.ts"
import { unreadable } from "../failures/files.ts"
import { inWords } from "../output/cells.ts"
import * as Print from "../output/print.ts"

const JsonText = Schema.fromJsonString(Schema.Json)

const MetadataText = Schema.fromJsonString(Metadata)

/** A message as a line of input has it. What `eventfold read` prints has more fields, which are another message's. */
const Line = Schema.Struct({
  id: Schema.optionalKey(Schema.String),
  type: Schema.NonEmptyString,
  data: Schema.optionalKey(Schema.Json),
  metadata: Schema.optionalKey(Metadata)
})

const Written = Schema.Struct({
  streamName: Schema.String,
  messages: Schema.Int,
  /** The position of the last message. */
  version: Schema.Int,
  globalPosition: Schema.Int
})

/** More than an append takes in one statement. What is larger is moved with `eventfold import`. */
const mostMessages = 10_000

/** A number that JavaScript does not have would be written as another one. */
const requireExact = Effect.fnUntraced(function*(text: string, what: string) {
  if (JSON.stringify(parseExactJson(text)) === JSON.stringify(parseJson(text))) return
  return yield* new UsageError({
    message: `${what} has a number that would be changed, because it has more digits than a JavaScript number keeps`,
    hint: "write it as a text, in quotes"
  })
})

const decodeText = <A>(schema: Schema.Codec<A, string>, what: string) => (text: string) =>
  Effect.tap(
    Effect.mapError(
      Schema.decodeEffect(schema)(text),
      (error) => new UsageError({ message: `${what} can't be read: ${error.message}` })
    ),
    () => requireExact(text, what)
  )

/** The text of bytes in UTF-8. Others would become replacement characters, and be written as such. */
const decodeUtf8 = <E, R>(input: Stream.Stream<Uint8Array, E, R>, from: string) =>
  Stream.suspend(() => {
    const decoder = new TextDecoder("utf-8", { fatal: true })
    const decode = (bytes: Uint8Array | undefined) =>
      Effect.try({
        try: () => decoder.decode(bytes, { stream: bytes !== undefined }),
        catch: () =>
          new UsageError({ message: `${from} is not text in UTF-8`, hint: "iconv -f latin1 -t utf-8 converts a text" })
      })
    return Stream.concat(Stream.mapEffect(input, decode), Stream.fromEffect(decode(undefined)))
  })

/** The messages of lines of JSON. Empty lines count for nothing. */
const fromLines = Effect.fnUntraced(function*<E, R>(input: Stream.Stream<Uint8Array, E, R>, from: string) {
  const decode = Schema.decodeEffect(Schema.fromJsonString(Line), { onExcessProperty: "error", errors: "all" })
  const lines = decodeUtf8(input, from).pipe(
    Stream.splitLines,
    Stream.zipWithIndex,
    Stream.filter(([line]) => line.trim() !== ""),
    Stream.mapEffect(([line, index]) =>
      Effect.mapError(
        decode(line),
        (error) =>
          new UsageError({
            message: `line ${index + 1} of ${from} is no message: ${error.message}`,
            hint: `a line has the form {"type":"Deposited","data":{"amount":11}}, with metadata and id if you like`
          })
      ).pipe(Effect.tap(() => requireExact(line, `line ${index + 1} of ${from}`)))
    ),
    Stream.take(mostMessages + 1)
  )
  const messages = yield* Stream.runCollect(lines)
  if (messages.length === 0) return yield* new UsageError({ message: `${from} has no message` })
  if (messages.length > mostMessages) {
    return yield* new UsageError({
      message: `${from} has more than ${mostMessages} messages, and they would be one transaction`,
      hint: "split it, or move whole streams with eventfold import"
    })
  }
  return messages.map(({ data = {}, id, metadata, type }): Message => ({ id, type, data, metadata }))
})

const parseExpected = (text: string): Option.Option<ExpectedVersion> => {
  if (text === "none" || text === "-1") return Option.some("noStream")
  if (text === "exists" || text === "any") return Option.some(text)
  return /^\d{1,15}$/.test(text) ? Option.some(Number(text)) : Option.none()
}

const expectedVersion = Flag.String("expected").pipe(
  Flag.filterMap(parseExpected, () => "must be a number, none, exists or any"),
  Flag.optional,
  Flag.withDescription("What the stream's version must be: a number, none (no stream yet), exists, or any")
)

/** Appends messages to a stream. */
export const write = Command.make("write", {
  stream: Argument.String("stream").pipe(Argument.withDescription("The stream, such as account-123")),
  type: Argument.String("type").pipe(Argument.optional, Argument.withDescription("The type of the message")),
  data: Argument.String("data").pipe(Argument.optional, Argument.withDescription("Its data, as JSON; {} by default")),
  metadata: Flag.String("metadata").pipe(Flag.optional, Flag.withDescription("Its metadata, as a JSON object")),
  id: Flag.String("id").pipe(
    Flag.optional,
    Flag.withDescription("Its id, a UUID: written again under the same id, it is written once")
  ),
  file: Flag.String("file").pipe(
    Flag.withAlias("f"),
    Flag.optional,
    Flag.withDescription("Messages as lines of JSON from a file, or from stdin with -, all of them or none")
  ),
  expected: expectedVersion
}, ({ data, expected, file, id, metadata, stream, type }) =>
  Effect.gen(function*() {
    const messages = yield* Option.match(file, {
      onNone: () => fromArguments({ data, id, metadata, type }),
      onSome: (file) => {
        if (Option.isSome(type) || Option.isSome(metadata) || Option.isSome(id)) {
          return Effect.fail(
            new UsageError({ message: "--file has the messages: leave out the type, the data, --metadata and --id" })
          )
        }
        return Effect.gen(function*() {
          if (file === "-") return yield* fromLines((yield* Stdio.Stdio).stdin, "stdin")
          const fs = yield* FileSystem.FileSystem
          return yield* fromLines(Stream.mapError(fs.stream(file), unreadable(`the file ${file}`)), file)
        })
      }
    })
    const written = yield* Effect.gen(function*() {
      const store = yield* MessageStore
      return yield* store.append(stream, messages, { expectedVersion: Option.getOrUndefined(expected) })
    }).pipe(Effect.provide(Stores.messageStore()))
    yield* Print.done(
      `${inWords(messages.length, "message")} written to ${stream}: it is at version ` +
        `${written.version}, global position ${written.globalPosition}`,
      { streamName: stream, messages: messages.length, ...written },
      Written
    )
  })).pipe(
    Command.withDescription(
      "Appends a message to a stream, or the messages of a file, all of them or none. Exit code 5 when the stream is not at the expected version"
    ),
    Command.withShortDescription("Append messages"),
    Command.withExamples([
      { command: `eventfold write account-123 Deposited '{"amount": 11}'` },
      {
        command: `eventfold write account-123 Opened '{"owner": "Ann"}' --expected none`,
        description: "Only if it is new"
      },
      { command: "eventfold write account-123 --file messages.ndjson", description: "From a file; - for stdin" }
    ])
  )

/** One message of the arguments. */
const fromArguments = Effect.fnUntraced(function*({ data, id, metadata, type }: {
  readonly data: Option.Option<string>
  readonly id: Option.Option<string>
  readonly metadata: Option.Option<string>
  readonly type: Option.Option<string>
}) {
  if (Option.isNone(type)) {
    return yield* new UsageError({
      message: "the message has no type",
      hint: "eventfold write STREAM TYPE [DATA], or --file"
    })
  }
  const message: Message = {
    id: Option.getOrUndefined(id),
    type: type.value,
    data: Option.isNone(data) ? {} : yield* decodeText(JsonText, "the data")(data.value),
    metadata: Option.isNone(metadata) ? undefined : yield* decodeText(MetadataText, "--metadata")(metadata.value)
  }
  return [message]
})

/**
 * The messages of a request to append: decoded, with their ids.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Headers from "effect/http/Headers"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Message from "eventfold/Message"
import { parseJson } from "eventfold/StoreBackend"
import { TraceContext } from "eventfold/TraceContext"
import { NewMessage, NewMessages } from "../../Api.ts"
import type * as Problem from "../../Problem.ts"
import { issuesOf, ofIssues } from "../problems/answers.ts"

/** A message of a request. */
export type New = typeof NewMessage.Type

/** A message with its id. */
export type Identified = Message.Message & { readonly id: Message.MessageId }

const decodeLine = Schema.decodeUnknownExit(Schema.fromJsonString(Schema.toCodecJson(NewMessage)), {
  errors: "all",
  onExcessProperty: "error"
})

/** The messages of lines of JSON. Empty lines count for nothing, such as the one after the last. */
export const fromLines = (text: string): Effect.Effect<ReadonlyArray<New>, Problem.InvalidRequest> => {
  const messages: Array<New> = []
  const errors: Array<typeof Problem.Issue.Type> = []
  text.split("\n").forEach((line, index) => {
    if (line.trim() === "") return
    const exit = decodeLine(line)
    if (Exit.isSuccess(exit)) return void messages.push(exit.value)
    const error = Option.getOrThrow(Cause.findErrorOption(exit.cause))
    errors.push(...issuesOf(error.issue, ["payload", index]))
  })
  if (errors.length > 0) return Effect.fail(ofIssues(errors))
  return messages.length === 0
    ? Effect.fail(ofIssues([{ path: ["payload"], message: "must have at least one message" }]))
    : Effect.succeed(messages)
}

/** The messages of a body, and the version that it expects. */
export interface Body extends Pick<typeof NewMessages.Type, "expectedVersion"> {
  readonly messages: ReadonlyArray<New>
}

/** What a body of any form says. */
export const fromBody = (
  body: typeof NewMessages.Type | New | string
): Effect.Effect<Body, Problem.InvalidRequest> => {
  if (typeof body === "string") return Effect.map(fromLines(body), (messages) => ({ messages }))
  return Effect.succeed("messages" in body ? body : { messages: [body] })
}

const strict = { onExcessProperty: "error" } as const
const decodeOne = Schema.decodeUnknownOption(Schema.toCodecJson(NewMessage), strict)
const decodeSeveral = Schema.decodeUnknownOption(Schema.toCodecJson(NewMessages), strict)
const parse = Option.liftThrowable(parseJson)

/** What a JSON body says when it is as the API wants it. What is wrong with others takes longer to find. */
export const fromJson = (text: string): Option.Option<Body> =>
  Option.flatMap(
    parse(text),
    (json): Option.Option<Body> =>
      typeof json === "object" && json !== null && "messages" in json
        ? decodeSeveral(json)
        : Option.map(decodeOne(json), (message) => ({ messages: [message] }))
  )

/** What makes the ids of messages that have none. */
export interface IdSource {
  readonly sender: string
  readonly key: string | undefined
}

const derived = (streamName: string, sender: string, key: string, index: number): Message.MessageId =>
  Message.deriveId("http", sender, streamName, key, String(index))

/** The id that one more message of the same request would have; nothing when the request has no key. */
export const following = (
  count: number,
  streamName: string,
  { key, sender }: IdSource
): Message.MessageId | undefined => key === undefined ? undefined : derived(streamName, sender, key, count)

/**
 * The messages with their ids. Those without one get it of the sender, the stream, the key of the request and their index, so that a
 * request which is sent again has the same; or a new one without a key.
 */
export const identified = (
  messages: ReadonlyArray<New>,
  streamName: string,
  { key, sender }: IdSource,
  firstIndex = 0
): Effect.Effect<ReadonlyArray<Identified>> =>
  Effect.forEach(messages, (message, index) => {
    if (message.id !== undefined) return Effect.succeed({ ...message, id: message.id })
    return key === undefined
      ? Effect.map(Message.nextId, (id) => ({ ...message, id }))
      : Effect.succeed({
        ...message,
        id: derived(streamName, sender, key, firstIndex + index)
      })
  })

/**
 * What to write into the metadata of messages of a request with this `traceparent`: that, where it is one of W3C's. A program with the
 * layer `TraceContext` writes the span of the append itself, which continues that trace.
 */
export const writerTrace = (traceparent: string | undefined): Effect.Effect<{ readonly traceparent?: string }> => {
  if (traceparent === undefined) return Effect.succeed({})
  const isValid = Option.isSome(HttpTraceContext.w3c(Headers.fromRecordUnsafe({ traceparent })))
  return Effect.map(TraceContext, (isWritten) => isWritten || !isValid ? {} : { traceparent })
}

/** The messages with the {@link writerTrace} of the request in their metadata, where they have none. */
export const traced = (
  messages: ReadonlyArray<Identified>,
  traceparent: string | undefined
): Effect.Effect<ReadonlyArray<Identified>> =>
  Effect.map(writerTrace(traceparent), (trace) =>
    trace.traceparent === undefined
      ? messages
      : messages.map((message) => ({ ...message, metadata: { ...trace, ...message.metadata } })))

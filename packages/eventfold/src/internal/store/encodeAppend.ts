import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { ExpectedVersion } from "../../ExpectedVersion.ts"
import { idMaker, type Message, type MessageId } from "../../Message.ts"
import * as Metadata from "../../Metadata.ts"
import type { EncodedAppend, EncodedMessage, StoreBackend } from "../../StoreBackend.ts"
import { DuplicateMessageId, InvalidMessage } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import * as TraceContext from "../../TraceContext.ts"
import { jsonProblem, textProblem } from "../runtime/storableJson.ts"

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** An id as stores keep it, in lower case; `undefined` when it is not a UUID. */
export const messageId = (id: string): MessageId | undefined =>
  uuid.test(id) ? id.toLowerCase() as MessageId : undefined

/** Why no store can keep a message, and where in the message. */
interface Problem {
  readonly path: ReadonlyArray<string | number>
  readonly reason: string
}

const problemIn = (part: string, value: unknown): Problem | undefined => {
  const problem = jsonProblem(value)
  return problem === undefined ? undefined : { path: [part, ...problem.path], reason: problem.reason }
}

const problemOf = ({ data, id, metadata, type }: Message): Problem | undefined => {
  if (id !== undefined && !uuid.test(id)) {
    return { path: ["id"], reason: `is ${JSON.stringify(id)}, which is not a UUID` }
  }
  const reason = type === "" ? "is empty" : textProblem(type)
  if (reason !== undefined) return { path: ["type"], reason }
  return problemIn("data", data) ?? (metadata === undefined ? undefined : problemIn("metadata", metadata))
}

/** The metadata of a message, and what the context adds to it. */
const withAmbient = (
  own: Metadata.Metadata | undefined,
  ambient: Metadata.Ambient | undefined
): Metadata.Metadata | undefined => {
  if (ambient === undefined) return own
  const base = Metadata.ambientFor(ambient, own)
  return own === undefined && Object.keys(base).length === 0 ? undefined : Metadata.merge(base, own ?? {})
}

const withTrace = (
  metadata: Metadata.Metadata | undefined,
  traceparent: string | undefined
): Metadata.Metadata | undefined =>
  traceparent === undefined || metadata?.traceparent !== undefined ? metadata : { ...metadata, traceparent }

const encodeMessage = (
  { data, id, metadata: given, type }: Message,
  newId: () => MessageId,
  ambient: Metadata.Ambient | undefined,
  traceparent: string | undefined
): EncodedMessage => {
  const metadata = withTrace(withAmbient(given, ambient), traceparent)
  return {
    id: id === undefined ? newId() : id.toLowerCase() as MessageId,
    type,
    data: JSON.stringify(data),
    metadata: metadata === undefined ? null : JSON.stringify(metadata)
  }
}

interface GivenAppend {
  readonly streamName: string
  readonly messages: Message | ReadonlyArray<Message>
  readonly expectedVersion?: ExpectedVersion | undefined
}

/** Whether an append may be without messages, and so check its stream. */
type Checks = "mayCheck" | "mayNotCheck"

/** Why an append without messages is refused. A check must expect a version. */
const refusedCheck = (expectedVersion: ExpectedVersion, checks: Checks): string | undefined => {
  if (checks === "mayNotCheck") {
    return "the append has no messages: append at least one, or check the stream with writeAll"
  }
  return expectedVersion === "any"
    ? "the append has no messages: append at least one, or give the expected version that the stream must have"
    : undefined
}

const encodeWith = (
  context: Context.Context<never>,
  append: GivenAppend,
  streamName: StreamName.StreamName,
  checks: Checks
): Effect.Effect<EncodedAppend, InvalidMessage> => {
  const { expectedVersion = "any" } = append
  const given = Arr.ensure(append.messages)
  const reason = given.length === 0 ? refusedCheck(expectedVersion, checks) : undefined
  if (reason !== undefined) {
    return Effect.fail(new InvalidMessage({ streamName, index: 0, type: "none", path: [], reason }))
  }
  const newId = idMaker(context)
  const traceparent = TraceContext.currentIn(context)
  const ambient = Context.get(context, Metadata.Ambient)
  const ambientProblem = ambient === undefined
    ? undefined
    : problemIn("metadata", Metadata.ambientFor(ambient, undefined))
  const messages: Array<EncodedMessage> = []
  for (const message of given) {
    const problem = problemOf(message) ?? ambientProblem
    if (problem !== undefined) {
      return Effect.fail(new InvalidMessage({ streamName, index: messages.length, type: message.type, ...problem }))
    }
    messages.push(encodeMessage(message, newId, ambient, traceparent))
  }
  return Effect.succeed({
    streamName,
    expectedVersion: expectedVersion === -1 ? "noStream" : expectedVersion,
    messages
  })
}

/**
 * Checks an append, gives ids to messages without one, and encodes them. One pass does all three, because there may be many
 * messages.
 *
 * It checks the name even if `StreamName.make` has built it: at runtime nothing tells a checked name from another string. The
 * check takes about 0.1 microseconds.
 */
export const encodeAppend = (
  append: GivenAppend,
  checks: Checks
): Effect.Effect<EncodedAppend, StreamName.InvalidStreamName | InvalidMessage> =>
  Effect.flatMapEager(
    StreamName.parse(append.streamName),
    (streamName) =>
      Effect.contextWith((context: Context.Context<never>) => encodeWith(context, append, streamName, checks))
  )

/** How large an append is, in messages; a large message counts for several. */
export const sizeOf = ({ messages }: EncodedAppend): number =>
  messages.reduce((size, { data }) => size + 1 + Math.floor(data.length / 4_096), 0)

/** The refusal of the first message that a backend could not read back. */
const findUnreadable = (
  { unreadable }: Pick<StoreBackend, "unreadable">,
  appends: ReadonlyArray<EncodedAppend>
): InvalidMessage | undefined => {
  if (unreadable === undefined) return undefined
  for (const { messages, streamName } of appends) {
    for (const [index, message] of messages.entries()) {
      const found = unreadable(streamName, message)
      if (found === undefined) continue
      const { part, reason } = found
      return new InvalidMessage({ streamName, index, type: message.type, path: [part], reason })
    }
  }
  return undefined
}

/** The refusal when one call gives an id twice. No earlier append can have both messages, so the store need not be asked. */
const findRepeatedId = (appends: ReadonlyArray<EncodedAppend>): DuplicateMessageId | undefined => {
  if (appends.length === 1 && appends[0]?.messages.length === 1) return undefined
  const seen = new Set<string>()
  for (const { messages, streamName } of appends) {
    for (const { id } of messages) {
      if (seen.size === seen.add(id).size) return new DuplicateMessageId({ id, streamName })
    }
  }
  return undefined
}

/**
 * Why appends are refused before the backend is asked: it could not read one of the messages back, or one call gives an id twice.
 * A value and not an effect, because each append asks.
 */
export const findRefusal = (
  backend: Pick<StoreBackend, "unreadable">,
  appends: ReadonlyArray<EncodedAppend>
): InvalidMessage | DuplicateMessageId | undefined => findUnreadable(backend, appends) ?? findRepeatedId(appends)

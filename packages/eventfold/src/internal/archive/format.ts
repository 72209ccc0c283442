/**
 * The format of an archive: lines of JSON in chunks.
 *
 * The first line is the header. Messages and attributes of streams follow in chunks; the line after a chunk says how many records it
 * has, and the SHA-256 of its lines. The last line says how much there was, so that an archive that was cut off is known as one.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ArchivedAttributes, ArchivedMessage } from "../../ArchiveBackend.ts"
import { MessageId } from "../../Message.ts"
import { StoreIdentity } from "../../StoreBackend.ts"
import * as StreamName from "../../StreamName.ts"
import { messageId } from "../store/encodeAppend.ts"
import { InvalidArchive } from "./errors.ts"
import { rawFields } from "./rawFields.ts"

/** The version of the format that this library writes, and the only one that it reads. */
export const formatVersion = 1

/** The first line of an archive: what it is, and where it came from. */
export const Header = Schema.Struct({
  eventfold: Schema.Literal("archive"),
  version: Schema.Int,
  exportedAt: Schema.DateTimeUtcFromString,
  /** The store that was exported. */
  source: Schema.Struct(StoreIdentity.fields).mapFields((fields) => ({
    system: Schema.NullOr(fields.system.members[0]),
    database: Schema.NullOr(fields.database.members[0]),
    databaseName: Schema.NullOr(fields.databaseName.members[0]),
    timeline: Schema.NullOr(fields.timeline.members[0])
  })),
  category: Schema.NullOr(Schema.String),
  streamName: Schema.NullOr(Schema.String),
  /** The messages have global positions from here, inclusive, */
  from: Schema.Int,
  /** up to here, inclusive: the archive has all that the filters let pass. */
  through: Schema.Int,
  /** The last message before `from` that the filters let pass. A store that ends with it can continue with this archive. */
  previous: Schema.NullOr(Schema.Struct({ globalPosition: Schema.Int, id: MessageId }))
})

export type Header = typeof Header.Type

export const HeaderLine = Schema.fromJsonString(Header)

const Footer = Schema.Struct({
  chunk: Schema.Int,
  kind: Schema.Literals(["header", "attributes", "messages"]),
  records: Schema.Int,
  /** Of all lines since the last such line, each with its line feed. */
  sha256: Schema.String
})

/** The line after a chunk. */
export type Footer = typeof Footer.Type

const FooterLine = Schema.fromJsonString(Footer)

const End = Schema.Struct({
  end: Schema.Literal(true),
  chunks: Schema.Int,
  messages: Schema.Int,
  streams: Schema.Int
})

/** The last line of an archive. */
export type End = typeof End.Type

const EndLine = Schema.fromJsonString(End)

const utf8 = new TextEncoder()

export const bytesOf = (text: string): Uint8Array<ArrayBuffer> => utf8.encode(text)

export const encodeHeader = (header: Header) => `${Schema.encodeSync(HeaderLine)(header)}\n`

export const encodeFooter = (footer: Footer) => `${JSON.stringify(footer)}\n`

export const encodeEnd = (end: End) => `${JSON.stringify(end)}\n`

const invalid = (line: number, reason: string) => new InvalidArchive({ line, reason })

const decoding = <A>(schema: Schema.ConstraintDecoder<A>, what: string) => {
  const decode = Schema.decodeUnknownEffect(schema)
  return (text: string, line: number): Effect.Effect<A, InvalidArchive> =>
    Effect.mapError(decode(text), ({ message }) => invalid(line, `this is no ${what}: ${message}`))
}

const VersionLine = Schema.fromJsonString(
  Schema.Struct({ eventfold: Schema.Literal("archive"), version: Schema.Int })
)

/** Decodes the first line. Its version is looked at first: a later one may have other fields. */
export const decodeHeader = Effect.fnUntraced(function*(text: string): Effect.fn.Return<Header, InvalidArchive> {
  const first = Schema.decodeUnknownOption(VersionLine)(text)
  if (Option.isNone(first)) return yield* invalid(1, "an archive of eventfold begins with its header, and this is none")
  const { version } = first.value
  if (version !== formatVersion) {
    return yield* invalid(
      1,
      `the archive has the format ${version}, and this version of eventfold reads ${formatVersion}`
    )
  }
  return yield* decoding(HeaderLine, "header")(text, 1)
})

export const decodeFooter = decoding(FooterLine, "end of a chunk")

export const decodeEnd = decoding(EndLine, "end of an archive")

/** The value of a field that is a string or a number, and small. */
const valueOf = (text: string | undefined): unknown => {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const isPosition = (value: unknown, least: number): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= least

const isStreamName = Schema.is(StreamName.StreamName)

const isTime = (value: unknown): value is string => typeof value === "string" && value !== ""

/** Decodes the line of a message; data and metadata stay as they are written. */
export const decodeMessage = (
  text: string,
  line: number
): Effect.Effect<ArchivedMessage, InvalidArchive> => {
  const fields = rawFields(text)
  if (fields === undefined) return Effect.fail(invalid(line, "this is no JSON object"))
  const [streamName, type, time] = [
    valueOf(fields.get("streamName")),
    valueOf(fields.get("type")),
    valueOf(fields.get("time"))
  ]
  const [position, globalPosition] = [valueOf(fields.get("position")), valueOf(fields.get("globalPosition"))]
  const given = valueOf(fields.get("id"))
  const id = typeof given === "string" ? messageId(given) : undefined
  const wrong = !isStreamName(streamName)
    ? "streamName"
    : typeof type !== "string"
    ? "type"
    : id === undefined
    ? "id"
    : !isPosition(position, 0)
    ? "position"
    : !isPosition(globalPosition, 1)
    ? "globalPosition"
    : !isTime(time)
    ? "time"
    : {
      id,
      streamName,
      type,
      position,
      globalPosition,
      time,
      data: fields.get("data"),
      metadata: fields.get("metadata")
    }
  return typeof wrong === "string"
    ? Effect.fail(invalid(line, `the ${wrong} of the message is missing, or not what it can be`))
    : Effect.succeed(wrong)
}

export const encodeAttributes = ({ addedAt, attributes, category, id }: ArchivedAttributes): string =>
  `{"category":${JSON.stringify(category)},"id":${JSON.stringify(id)}${
    addedAt === undefined ? "" : `,"addedAt":${JSON.stringify(addedAt)}`
  },"attributes":${attributes}}\n`

/** Decodes the line of the attributes of a stream, which stay as they are written. */
export const decodeAttributes = (
  text: string,
  line: number
): Effect.Effect<ArchivedAttributes, InvalidArchive> => {
  const fields = rawFields(text)
  const [category, id, addedAt] = ["category", "id", "addedAt"].map((name) => valueOf(fields?.get(name)))
  const attributes = fields?.get("attributes")
  return typeof category !== "string" || typeof id !== "string" || attributes === undefined ||
      (addedAt !== undefined && !isTime(addedAt))
    ? Effect.fail(invalid(line, "these are no attributes of a stream"))
    : Effect.succeed({ category, id, attributes, addedAt })
}

import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as StreamName from "../../StreamName.ts"
import { firstIssue, type Misfit } from "./jsonCodec.ts"

/** An id as it is in a stream name: a string, or the parts of a compound id. */
type Plain = string | ReadonlyArray<string>

/** The ids of the streams of recorded messages. Every message that is read needs one, so it costs next to nothing. */
export interface RecordedIds<Id> {
  /** The id of a stream that needs no decoding; none for others, and for those without an id. */
  readonly known: (streamName: string) => Id | undefined
  readonly decode: (streamName: string) => Effect.Effect<Id, Misfit>
}

/** Between the ids of a category and the names of its streams. A compound id without a schema is read as one text. */
export interface IdCodec<Id, RecordedId> {
  readonly streamName: (id: Id) => Effect.Effect<StreamName.StreamName, StreamName.InvalidStreamName>
  readonly id: (streamName: string) => Effect.Effect<RecordedId, StreamName.InvalidStreamName>
  readonly recorded: RecordedIds<RecordedId>
}

const misfit = (name: string) => (error: Schema.SchemaError) => {
  const { path, reason } = firstIssue(error)
  const part = path.length === 0 ? "" : ` at ${path.join(".")}`
  return new StreamName.InvalidStreamName({
    streamName: name,
    reason: `has an id that does not fit its schema${part}: ${reason}`
  })
}

/** An id that does not fit its schema, for a message: as it would be in a name. */
const shown = (id: unknown): string =>
  typeof id === "string" ? id : Array.isArray(id) ? id.map(shown).join("+") : Formatter.format(id)

const hasPlus = (plain: Plain): boolean => typeof plain !== "string" && plain.some((part) => part.includes("+"))

/**
 * Without a schema an id is the text in the name. With a schema each id has exactly one name, so that a program that reads
 * `account-007` does not load `account-7`.
 */
export const idCodec = <Id, RecordedId>(
  category: string,
  schema: Schema.Codec<unknown, Plain> | undefined
): IdCodec<Id, RecordedId> => {
  const encode = schema === undefined ? undefined : Schema.encodeUnknownEffect(schema)
  const decode = schema === undefined ? undefined : Schema.decodeUnknownEffect(schema)
  const isCompound = schema !== undefined && SchemaAST.isArrays(Schema.toEncoded(schema).ast)

  const streamName = (id: Id): Effect.Effect<StreamName.StreamName, StreamName.InvalidStreamName> => {
    if (encode === undefined) return StreamName.make(category, id as Plain)
    return Effect.flatMapEager(
      Effect.mapErrorEager(encode(id), (error) => misfit(`${category}-${shown(id)}`)(error)),
      (plain) =>
        Effect.flatMapEager(StreamName.make(category, plain), (name) => {
          // Without a schema the last part may have one, because nothing takes the id apart again.
          if (!hasPlus(plain)) return Effect.succeed(name)
          return Effect.fail(
            new StreamName.InvalidStreamName({ streamName: name, reason: "has a + within a part of its compound id" })
          )
        })
    )
  }

  const id = Effect.fnUntraced(function*(name: string) {
    yield* StreamName.parseWithId(name)
    if (StreamName.category(name) !== category) {
      return yield* new StreamName.InvalidStreamName({
        streamName: name,
        reason: `does not belong to the category ${category}`
      })
    }
    const text = Option.getOrElse(StreamName.id(name), () => "")
    if (text === "") return yield* new StreamName.InvalidStreamName({ streamName: name, reason: "has an empty id" })
    if (decode === undefined) return text as RecordedId
    const id = (yield* Effect.mapError(decode(isCompound ? text.split("+") : text), misfit(name))) as Id & RecordedId
    const own = yield* streamName(id)
    if (own === name) return id
    return yield* new StreamName.InvalidStreamName({
      streamName: name,
      reason: `is not the name of its id's stream, which is ${own}`
    })
  })

  const decodeRecorded = (name: string) =>
    Effect.mapErrorEager(id(name), ({ reason }): Misfit => ({ path: ["streamName"], reason }))

  if (decode === undefined) {
    const prefix = `${category}-`
    // A name that is recorded has been checked, so the rest of it is the id.
    const known = (name: string) =>
      name.length > prefix.length && name.startsWith(prefix) ? name.slice(prefix.length) as RecordedId : undefined
    return { streamName, id, recorded: { known, decode: decodeRecorded } }
  }

  // Messages of one stream often come together. The id depends on the name alone.
  let last: { readonly name: string; readonly id: RecordedId } | undefined
  const recorded: RecordedIds<RecordedId> = {
    known: (name) => name === last?.name ? last.id : undefined,
    decode: (name) =>
      Effect.mapEager(decodeRecorded(name), (id) => {
        last = { name, id }
        return id
      })
  }
  return { streamName, id, recorded }
}

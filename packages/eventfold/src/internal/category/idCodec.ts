import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as StreamName from "../../StreamName.ts"
import { issueAt } from "./schemaIssue.ts"

/** An id as it stands in a stream name: whole, or the parts of a compound one. */
type Plain = string | ReadonlyArray<string>

/** The way between the ids of a category and the names of its streams. */
export interface IdCodec<Id> {
  readonly streamName: (id: Id) => Effect.Effect<StreamName.StreamName, StreamName.InvalidStreamName>
  readonly id: (streamName: string) => Effect.Effect<Id, StreamName.InvalidStreamName>
}

const misfit = (name: string) => (error: Schema.SchemaError) => {
  const { path, reason } = issueAt(error)
  const part = path.length === 0 ? "" : ` at ${path.join(".")}`
  return new StreamName.InvalidStreamName({ name, reason: `has an id that does not fit its schema${part}: ${reason}` })
}

const hasPlus = (plain: Plain): boolean => typeof plain !== "string" && plain.some((part) => part.includes("+"))

/**
 * Without a schema an id is what it is in the name. With one there is one name for an id and one id for a name, or none:
 * who reads `account-007` is not to load `account-7`.
 */
export const idCodec = <Id>(category: string, schema: Schema.Codec<unknown, Plain> | undefined): IdCodec<Id> => {
  const encode = schema === undefined ? undefined : Schema.encodeUnknownEffect(schema)
  const decode = schema === undefined ? undefined : Schema.decodeUnknownEffect(schema)
  const isCompound = schema !== undefined && SchemaAST.isArrays(Schema.toEncoded(schema).ast)

  const streamName = (id: Id): Effect.Effect<StreamName.StreamName, StreamName.InvalidStreamName> => {
    if (encode === undefined) return StreamName.make(category, id as Plain)
    return Effect.flatMapEager(
      Effect.mapErrorEager(encode(id), (error) => misfit(`${category}-${Formatter.format(id)}`)(error)),
      (plain) =>
        Effect.flatMapEager(StreamName.make(category, plain), (name) => {
          // Without a schema the last part may have one, since the id is not taken apart again.
          if (!hasPlus(plain)) return Effect.succeed(name)
          return Effect.fail(
            new StreamName.InvalidStreamName({ name, reason: "has a + within a part of its compound id" })
          )
        })
    )
  }

  const id = Effect.fnUntraced(function*(name: string) {
    yield* StreamName.parseWithId(name)
    if (StreamName.category(name) !== category) {
      return yield* new StreamName.InvalidStreamName({ name, reason: `is not of the category ${category}` })
    }
    const text = Option.getOrElse(StreamName.id(name), () => "")
    if (text === "") return yield* new StreamName.InvalidStreamName({ name, reason: "has an empty id" })
    if (decode === undefined) return text as Id
    const id = (yield* Effect.mapError(decode(isCompound ? text.split("+") : text), misfit(name))) as Id
    const own = yield* streamName(id)
    if (own === name) return id
    return yield* new StreamName.InvalidStreamName({ name, reason: `has an id whose stream is ${own}` })
  })

  return { streamName, id }
}

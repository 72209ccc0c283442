import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as StreamName from "../StreamName.ts"
import { issueAt } from "./issue.ts"

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

/** Without a schema an id is what it is in the name. */
export const idCodec = <Id>(category: string, schema: Schema.Codec<unknown, Plain> | undefined): IdCodec<Id> => {
  const encode = schema === undefined ? undefined : Schema.encodeUnknownEffect(schema)
  const decode = schema === undefined ? undefined : Schema.decodeUnknownEffect(schema)
  const isCompound = schema !== undefined && SchemaAST.isArrays(Schema.toEncoded(schema).ast)

  const streamName = (id: Id) =>
    encode === undefined
      ? StreamName.make(category, id as Plain)
      : encode(id).pipe(
        Effect.mapError(misfit(`${category}-${String(id)}`)),
        Effect.flatMap((plain) => StreamName.make(category, plain))
      )

  const id = Effect.fnUntraced(function*(name: string) {
    yield* StreamName.parseWithId(name)
    if (StreamName.category(name) !== category) {
      return yield* new StreamName.InvalidStreamName({ name, reason: `is not of the category ${category}` })
    }
    const text = Option.getOrElse(StreamName.id(name), () => "")
    if (text === "") return yield* new StreamName.InvalidStreamName({ name, reason: "has an empty id" })
    const plain = isCompound ? text.split("+") : text
    return (decode === undefined ? plain : yield* Effect.mapError(decode(plain), misfit(name))) as Id
  })

  return { streamName, id }
}

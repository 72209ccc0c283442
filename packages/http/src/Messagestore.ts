/**
 * Which streams Messagestore's routes serve: those of one category, as `Streams` defines them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Streams from "eventfold/Streams"
import { segmentOf } from "./internal/problems/answers.ts"

/**
 * Streams whose attributes are in their JSON form. Streams without a schema for their attributes are such streams; {@link make}
 * makes them of others.
 *
 * @category models
 * @since 0.1.0
 */
export interface Messagestore extends Omit<Streams.Streams<Streams.Attributes>, "Stream" | "purge"> {}

/**
 * The streams that are served where no option says otherwise: those of the category `stream`, with any attributes.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultStreams: Messagestore = Streams.make({ category: "stream" })

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

/** Attributes under a key, so that they have the schema of a stream. */
const streamWith = (attributes: unknown) => ({ id: "", attributes })

/**
 * Serves streams with a schema for their attributes.
 *
 * **Details**
 *
 * A request whose attributes don't fit the schema is answered with 400.
 *
 * @example
 * ```ts
 * import { Messagestore, Routes } from "@eventfold/http"
 * import { Schema } from "effect"
 * import { Streams } from "eventfold"
 *
 * const Rooms = Streams.make({
 *   category: "room",
 *   attributes: Schema.Struct({ title: Schema.optionalKey(Schema.String) })
 * })
 *
 * const Served = Routes.layer({ messagestore: Messagestore.make(Rooms) })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>(streams: Streams.Streams<A>): Messagestore => {
  const { category } = streams
  const codec = Schema.toCodecJson(streams.Stream)
  const decode = Schema.decodeUnknownEffect(codec, { errors: "all" })
  const encode = Schema.encodeEffect(codec)
  const asJson = Schema.decodeUnknownEffect(Schema.Struct({ id: Schema.String, attributes: Streams.Attributes }))

  const misfit = (id: string) => ({ issue }: Schema.SchemaError) => {
    const [first] = formatIssues(issue).issues
    const path = (first?.path ?? []).slice(1).map(segmentOf)
    return new Streams.InvalidAttributes({ category, id, path, reason: first?.message ?? "does not fit its schema" })
  }
  const fromJson = (id: string, attributes: Streams.Attributes) =>
    Effect.mapBoth(decode(streamWith(attributes)), { onFailure: misfit(id), onSuccess: (stream) => stream.attributes })
  const toJson = (stream: Streams.Stream<A>) =>
    Effect.mapError(Effect.flatMap(encode(stream), asJson), misfit(stream.id))

  return {
    ...streams,
    add: Effect.fnUntraced(function*(stream = {}) {
      const { attributes: given, id } = stream
      const attributes = given === undefined ? undefined : yield* fromJson(id ?? "", given)
      return yield* toJson(yield* streams.add({ id, attributes }))
    }),
    set: Effect.fnUntraced(function*(id, given) {
      return yield* toJson(yield* streams.set(id, yield* fromJson(id, given)))
    }),
    get: Effect.fnUntraced(function*(id) {
      const found = yield* streams.get(id)
      return Option.isNone(found) ? Option.none() : Option.some(yield* toJson(found.value))
    }),
    list: Effect.fnUntraced(function*(options) {
      return yield* Effect.forEach(yield* streams.list(options), toJson)
    })
  }
}

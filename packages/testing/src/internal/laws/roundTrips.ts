import * as Arbitrary from "effect/Arbitrary"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Category from "eventfold/Category"
import * as Message from "eventfold/Message"
import * as StreamName from "eventfold/StreamName"
import { compare } from "../report/compare.ts"
import { show, showEvents, type Shown } from "../report/format.ts"
import { type Broken, bySchema, check, type CheckOptions, type Fault, forms } from "./check.ts"
import { type AnyCodec, newestOf, pastOf } from "./eventSchemas.ts"
import { valuesOf } from "./values.ts"

interface Generated extends Shown {
  readonly metadata?: unknown
}

const misfit = ({ path, reason }: { readonly path: ReadonlyArray<string | number>; readonly reason: string }): string =>
  `${path.join(".")}: ${reason}`

const streamNameOf = (category: string) => StreamName.StreamName.make(`${category}-law`)

const metadataSchemaOf = (options: Category.Options): AnyCodec<unknown> | undefined =>
  options.metadata === undefined ? undefined : Schema.Struct({ ...options.metadata })

/** Generates events of a type, with metadata where that has a schema. */
const eventsOf = (type: string, schema: AnyCodec<unknown>, metadata: AnyCodec<unknown> | undefined) => () =>
  Arbitrary.map(
    Arbitrary.all({
      data: valuesOf(schema),
      metadata: metadata === undefined ? Arbitrary.Constant(undefined) : valuesOf(metadata)
    }),
    (generated): Generated => metadata === undefined ? { type, data: generated.data } : { type, ...generated }
  )

/** Decodes a message as if a store had returned it. */
const decodeWith =
  <E extends Category.Events, O extends Category.Options>(category: Category.Category<E, O>) =>
  (type: string, data: Schema.Json, metadata: Schema.Json) =>
    Effect.map(
      category.decode({
        id: Message.deriveId(type),
        streamName: streamNameOf(category.categoryName),
        type,
        position: 0,
        globalPosition: 1,
        data,
        metadata,
        time: DateTime.makeUnsafe(0)
      }),
      Option.getOrUndefined
    )

/** Events of a type are the same after they are written and read. */
const survives = <E extends Category.Events, O extends Category.Options>(
  category: Category.Category<E, O>,
  type: string,
  schema: AnyCodec<unknown>,
  options: CheckOptions | undefined
): Effect.Effect<void, Broken, Category.Services<Category.Category<E, O>>> => {
  const metadataSchema = metadataSchemaOf(category.Options)
  const dataComparison = bySchema(schema)
  const metadataComparison = metadataSchema === undefined ? { equals: () => true } : bySchema(metadataSchema)
  const decode = decodeWith(category)

  const holds = Effect.fnUntraced(function*(generated: Generated) {
    const { data, metadata } = generated
    const messages = yield* Effect.mapError(
      category.encode(streamNameOf(category.categoryName), [generated as Category.Event<Category.Category<E, O>>]),
      (error): Fault => ({ reasons: [`it can't be written: ${misfit(error)}`] })
    )
    for (const message of messages) {
      const written = `it is written as ${JSON.stringify(message.data)}`
      for (const form of forms({ data: message.data, metadata: (message.metadata ?? null) as Schema.Json })) {
        const event = yield* Effect.mapError(
          decode(type, form.data, form.metadata),
          (error): Fault => ({ reasons: [written, `and can't be read: ${misfit(error)}`] })
        )
        const difference = compare(event?.data, data, dataComparison)
        if (difference !== undefined) {
          const reasons = [written, `and read as ${show(event?.data)}${difference.remark}`]
          return yield* Effect.fail<Fault>({ reasons, actual: event?.data, expected: data })
        }
        const readMetadata = event !== undefined && "metadata" in event ? event.metadata : undefined
        const metadataDifference = compare(readMetadata, metadata, metadataComparison)
        if (metadataDifference !== undefined) {
          const reasons = [
            `its metadata is written as ${JSON.stringify(message.metadata)}`,
            `and read as ${show(readMetadata)}${metadataDifference.remark}`
          ]
          return yield* Effect.fail<Fault>({ reasons, actual: readMetadata, expected: metadata })
        }
      }
    }
  })

  return check({
    says: `${type} to be the same after it is written and read`,
    values: eventsOf(type, schema, metadataSchema),
    show: (event) => showEvents([event]),
    holds
  }, options)
}

/** Events of an older version can be read as the newest one. */
const isUpcast = <E extends Category.Events, O extends Category.Options>(
  category: Category.Category<E, O>,
  type: string,
  { newest, schema, version }: {
    readonly schema: AnyCodec<Category.Services<Category.Category<E, O>>>
    readonly version: number
    readonly newest: number
  },
  options: CheckOptions | undefined
): Effect.Effect<void, Broken, Category.Services<Category.Category<E, O>>> => {
  type Services = Category.Services<Category.Category<E, O>>
  const metadataSchema = metadataSchemaOf(category.Options)
  const decode = decodeWith(category)
  const encode = Schema.encodeUnknownEffect(Schema.toCodecJson(schema))
  const encodeMetadata = metadataSchema === undefined
    ? () => Effect.succeed({})
    : Schema.encodeUnknownEffect(Schema.toCodecJson(metadataSchema as AnyCodec<Services>))

  return check({
    says: `version ${version} of ${type} to be read as version ${newest}`,
    values: eventsOf(type, schema as AnyCodec<unknown>, metadataSchema),
    show: (event) => showEvents([event]),
    holds: Effect.fnUntraced(function*({ data, metadata }) {
      const [json, own] = yield* Effect.mapError(
        Effect.all([encode(data), encodeMetadata(metadata)]),
        (error): Fault => ({ reasons: [`it can't be written: ${error.message}`] })
      )
      const written = { data: json, metadata: { ...own as Schema.JsonObject, schemaVersion: String(version) } }
      for (const form of forms(written)) {
        yield* Effect.mapError(decode(type, form.data, form.metadata), (error): Fault => ({
          reasons: [`it is written as ${JSON.stringify(json)}`, `and can't be read: ${misfit(error)}`]
        }))
      }
    })
  }, options)
}

/** All versions of all events of a category survive being written and read. */
export const roundTrips = <E extends Category.Events, O extends Category.Options>(
  category: Category.Category<E, O>,
  options: CheckOptions | undefined
): Effect.Effect<void, Broken, Category.Services<Category.Category<E, O>>> =>
  Effect.forEach(Object.entries(category.Events), ([type, definition]) => {
    const past = pastOf<Category.Services<Category.Category<E, O>>>(definition)
    return Effect.andThen(
      Effect.forEach(
        past,
        (schema, index) => isUpcast(category, type, { schema, version: index + 1, newest: past.length + 1 }, options),
        { discard: true }
      ),
      survives(category, type, newestOf(definition), options)
    )
  }, { discard: true })

import * as Schema from "effect/Schema"
import type * as Category from "eventfold/Category"

export type AnyCodec<R> = Schema.Codec<unknown, unknown, R, R>

const schemaOf = (definition: Category.Definition): AnyCodec<unknown> =>
  Schema.isSchema(definition) ? definition as AnyCodec<unknown> : Schema.Struct({ ...definition as Category.Fields })

/** An event with versions has a list where other events have a schema, or fields that are schemas. */
const isVersioned = (definition: Category.Definition | Category.AnyVersioned): definition is Category.AnyVersioned =>
  !Schema.isSchema(definition) && Array.isArray(definition["past"])

/** The schema of an event's newest version. */
export const newestOf = (definition: Category.Definition | Category.AnyVersioned): AnyCodec<unknown> =>
  schemaOf(isVersioned(definition) ? definition.newest : definition)

/** The schemas of an event's older versions, the first version first. */
export const pastOf = <R>(definition: Category.Definition | Category.AnyVersioned): ReadonlyArray<AnyCodec<R>> =>
  isVersioned(definition) ? definition.past.map(({ schema }) => schema as AnyCodec<R>) : []

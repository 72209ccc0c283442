import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type EventCodec, eventCodec, type PastVersion, versionedCodec } from "./eventCodec.ts"

/**
 * The fields of a struct by name, each with its schema.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fields {
  readonly [field: string]: Schema.Codec<unknown, unknown, unknown, unknown>
}

/**
 * The schema of an event's data, or the fields of a struct.
 *
 * **Details**
 *
 * A schema may need services, for example to decrypt a field. They become requirements of every operation that reads or
 * writes the category.
 *
 * @category models
 * @since 0.1.0
 */
export type Definition = Schema.Codec<unknown, unknown, unknown, unknown> | Fields

const VersionedTypeId = "~eventfold/Category/Versioned"

/**
 * Any {@link Versioned}, as a bound of type parameters.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnyVersioned {
  readonly [VersionedTypeId]: typeof VersionedTypeId
  readonly newest: Definition
  readonly past: ReadonlyArray<PastVersion<unknown>>
}

/**
 * An event whose data has had several versions: see {@link version}. `R` is the services that the older versions need.
 *
 * @category models
 * @since 0.1.0
 */
export interface Versioned<D extends Definition, R = never> extends AnyVersioned {
  /** The version that is written, and the only one that a program sees. */
  readonly newest: D
  /** The other versions, the oldest first. */
  readonly past: ReadonlyArray<PastVersion<R>>
  /**
   * Adds the next version, and how its data follows from the version before: a function or an effect. If the effect fails,
   * the message is a `DecodeError`. The result is checked against the schema.
   */
  readonly upcast: <
    Next extends Definition,
    A extends Data<Next> | Effect.Effect<Data<Next>, { readonly message: string }, unknown>
  >(
    definition: Next,
    step: (data: Data<D>) => A
  ) => Versioned<Next, R | StepServices<A> | DefinitionServices<D>>
}

/**
 * What a step needs. Not a type parameter of `upcast`: where a definition is expected, the compiler would take it for
 * `unknown`.
 */
type StepServices<A> = A extends Effect.Effect<infer _B, infer _E, infer R> ? R : never

/**
 * The type of an event's data, by its definition.
 *
 * @category models
 * @since 0.1.0
 */
export type Data<D> = D extends Schema.Codec<infer T, unknown, unknown, unknown> ? T
  : D extends { readonly newest: infer Newest } & AnyVersioned ? Data<Newest>
  : D extends Schema.Struct.Fields ? Schema.Struct.Type<D>
  : never

/** The services that the schemas of a definition need. */
export type DefinitionServices<D> = D extends Schema.Codec<unknown, unknown, infer RD, infer RE> ? RD | RE
  : D extends { readonly newest: infer Newest; readonly past: ReadonlyArray<PastVersion<infer R>> }
    ? R | DefinitionServices<Newest>
  : D extends Fields ? { readonly [K in keyof D]: DefinitionServices<D[K]> }[keyof D]
  : never

const isSchema = (definition: Definition): definition is Schema.Codec<unknown, unknown, unknown, unknown> =>
  Schema.isSchema(definition)

const isVersioned = (definition: Definition | AnyVersioned): definition is AnyVersioned => VersionedTypeId in definition

const schemaOf = (definition: Definition): Schema.Codec<unknown, unknown, unknown, unknown> =>
  isSchema(definition) ? definition : Schema.Struct({ ...definition })

/** The codec of an event, by its definition. */
export const codecOf = (definition: Definition | AnyVersioned): EventCodec<unknown> =>
  isVersioned(definition)
    ? versionedCodec(definition.past, schemaOf(definition.newest))
    : eventCodec(schemaOf(definition))

const versioned = <D extends Definition, R>(newest: D, past: ReadonlyArray<PastVersion<unknown>>): Versioned<D, R> => ({
  [VersionedTypeId]: VersionedTypeId,
  newest,
  past: past as ReadonlyArray<PastVersion<R>>,
  upcast: (next, step) => {
    const upcast = (data: unknown) => {
      const result = step(data as Data<D>)
      return (Effect.isEffect(result) ? result : Effect.succeed(result)) as Effect.Effect<
        unknown,
        { readonly message: string },
        unknown
      >
    }
    return versioned(next, [...past, { schema: schemaOf(newest), upcast }])
  }
})

/**
 * The first version of an event whose data has changed since. Each `upcast` adds the next version.
 *
 * **When to use**
 *
 * When a new version needs other data than the stored events have: a field is renamed, split or given another unit. A new
 * optional field needs no version.
 *
 * **Details**
 *
 * Events are written in the newest version, with `schemaVersion` in their metadata: `"1"`, `"2"` and so on, under Eventide's
 * key. When an older event is read, the upcasts turn it into the newest version, so the rest of the program knows only that
 * one. A message without `schemaVersion` is of the first version. A message of a version that this program does not know yet
 * is a `DecodeError`.
 *
 * @example
 * ```ts
 * import { Category } from "eventfold"
 * import { Schema } from "effect"
 *
 * const Account = Category.make("account", {
 *   Deposited: Category.version({ amount: Schema.Finite })
 *     .upcast({ cents: Schema.Int }, ({ amount }) => ({ cents: Math.round(amount * 100) }))
 *     .upcast({ cents: Schema.Int, currency: Schema.String }, ({ cents }) => ({ cents, currency: "EUR" }))
 * })
 *
 * const deposited = Account.events.Deposited({ cents: 1_100, currency: "EUR" })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const version = <D extends Definition>(definition: D): Versioned<D> => versioned(definition, [])

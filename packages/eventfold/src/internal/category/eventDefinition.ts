import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type EventCodec, eventCodec, type PastVersion, type Step, versionedCodec } from "./eventCodec.ts"

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
  ) => Upcasted<Next, D, R | StepServices<A> | DefinitionServices<D>>
}

/**
 * A {@link Versioned} event whose newest version is not its first, so that it can be written as the version before: see
 * {@link version}. `Before` is the version before.
 *
 * @category models
 * @since 0.1.0
 */
export interface Upcasted<D extends Definition, Before extends Definition, R = never> extends Versioned<D, R> {
  /**
   * Goes on writing the version before, for as long as programs read that know no newer one: how its data follows from the
   * newest, by a function or an effect.
   *
   * **When to use**
   *
   * In the first deployment of a new version. Remove it in a later deployment, when every program that reads the category
   * knows the new version.
   *
   * **Details**
   *
   * The program itself gives and gets the newest version. A transaction folds what a reader of the stored message gets, so
   * what is lost on the way back is lost at once, and not at the next load. When the effect fails, or when the result could not
   * be read again, the write is an `InvalidMessage`.
   *
   * With several versions, each may be written as the one before: the event is then written as the oldest version to which
   * this leads from the newest, without a gap.
   */
  readonly writeAsBefore: <
    A extends Data<Before> | Effect.Effect<Data<Before>, { readonly message: string }, unknown>
  >(
    step: (data: Data<D>) => A
  ) => Versioned<D, R | StepServices<A>>
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

/**
 * The services that the schemas of a definition need.
 *
 * @category models
 * @since 0.1.0
 */
export type DefinitionServices<D> = D extends Schema.Codec<unknown, unknown, infer RD, infer RE> ? RD | RE
  : D extends { readonly newest: infer Newest; readonly past: ReadonlyArray<PastVersion<infer R>> }
    ? R | DefinitionServices<Newest>
  : D extends Fields ? { readonly [K in keyof D]: DefinitionServices<D[K]> }[keyof D]
  : never

const isSchema = (definition: Definition): definition is Schema.Codec<unknown, unknown, unknown, unknown> =>
  Schema.isSchema(definition)

const isVersioned = (definition: Definition | AnyVersioned): definition is AnyVersioned => VersionedTypeId in definition

/** The schema of a definition: that of a struct for fields. */
export const schemaOf = (definition: Definition): Schema.Codec<unknown, unknown, unknown, unknown> =>
  isSchema(definition) ? definition : Schema.Struct({ ...definition })

/** The schema by which an event is written. */
export const newestSchemaOf = (
  definition: Definition | AnyVersioned
): Schema.Codec<unknown, unknown, unknown, unknown> =>
  schemaOf(isVersioned(definition) ? definition.newest : definition)

/** The codec of an event, by its definition. */
export const codecOf = (
  definition: Definition | AnyVersioned,
  schemaVersions: "check" | "ignore"
): EventCodec<unknown> =>
  isVersioned(definition)
    ? versionedCodec(definition.past, schemaOf(definition.newest))
    : eventCodec(schemaOf(definition), schemaVersions)

/** A step of any kind as one that gives an effect. */
const effectful = <A>(step: (data: A) => unknown): Step<unknown> => (data) => {
  const result = step(data as A)
  return (Effect.isEffect(result) ? result : Effect.succeed(result)) as ReturnType<Step<unknown>>
}

const versioned = <D extends Definition, R>(newest: D, past: ReadonlyArray<PastVersion<unknown>>): Versioned<D, R> => ({
  [VersionedTypeId]: VersionedTypeId,
  newest,
  past: past as ReadonlyArray<PastVersion<R>>,
  upcast: (next, step) => upcasted(next, past, { schema: schemaOf(newest), upcast: effectful(step) })
})

const upcasted = <D extends Definition, Before extends Definition, R>(
  newest: D,
  past: ReadonlyArray<PastVersion<unknown>>,
  before: PastVersion<unknown>
): Upcasted<D, Before, R> => ({
  ...versioned<D, R>(newest, [...past, before]),
  writeAsBefore: (step) => versioned(newest, [...past, { ...before, downcast: effectful(step) }])
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
 * one. A message without `schemaVersion` is of the first version, as are events that are declared without versions. A message
 * of a version that this program does not know yet is a `DecodeError`.
 *
 * **Gotchas**
 *
 * Programs that are still running when a new version is deployed cannot read it. Let the new program write the old version
 * with `writeAsBefore` until all of them are replaced: see the guide to entities.
 *
 * @example
 * ```ts
 * import { Category } from "eventfold"
 * import { Schema } from "effect"
 *
 * // Bounded, so that every amount has cents that are an integer: `Laws.roundTrips` checks that.
 * const Euros = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))
 *
 * const Account = Category.make("account", {
 *   Deposited: Category.version({ amount: Euros })
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

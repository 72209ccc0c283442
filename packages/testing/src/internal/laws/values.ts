import * as Arbitrary from "effect/Arbitrary"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/**
 * What JSON forms of different values share: `Schema.toCodecJson` writes numbers that are not finite, large integers, times and URLs
 * as text. A union with texts takes such a text for the other. A generator hardly ever makes one by chance.
 */
const lookalikes: ReadonlyArray<string | number> = [
  "NaN",
  "Infinity",
  "0",
  "1970-01-01T00:00:00.000Z",
  "http://localhost/",
  Number.NaN,
  Number.POSITIVE_INFINITY
]

/** Values as they are generated come first, because a counter-example shrinks to the first. */
const Choice = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 * lookalikes.length - 1 }))

/** A record or an instance of a `Schema.Class`. */
const isFields = (value: unknown): value is Readonly<Record<string, unknown>> => {
  if (!Predicate.isObject(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || Schema.isSchema(Reflect.get(value, "constructor"))
}

/** The same with another value in a field. None when the class does not take it: a schema of instances does not look into them. */
const withField = (fields: object, key: string, value: unknown): Option.Option<object> => {
  const schema: unknown = Reflect.get(fields, "constructor")
  const changed = { ...fields, [key]: value }
  return Schema.isSchema(schema)
    ? Option.filter(schema.makeOption(changed), Predicate.isObject)
    : Option.some(Object.assign(Object.create(Object.getPrototypeOf(fields)), changed))
}

/** Puts another value in each place within a value where it fits. Records stay records: a schema of no fields takes anything. */
const replace = (whole: unknown, lookalike: unknown, fits: (whole: unknown) => boolean): unknown => {
  const within = (part: unknown, fitsWith: (part: unknown) => boolean): unknown => {
    if (Option.isOption(part)) {
      return Option.map(part, (value) => within(value, (value) => fitsWith(Option.some(value))))
    }
    if (Array.isArray(part)) {
      return part.reduce<ReadonlyArray<unknown>>(
        (parts, each, i) => parts.with(i, within(each, (each) => fitsWith(parts.with(i, each)))),
        part
      )
    }
    if (!isFields(part)) return fitsWith(lookalike) ? lookalike : part
    return Object.entries(part).reduce<object>((fields, [key, value]) => {
      const fitsHere = (value: unknown) => Option.exists(withField(fields, key, value), fitsWith)
      return Option.getOrElse(withField(fields, key, within(value, fitsHere)), () => fields)
    }, part)
  }
  return within(whole, fits)
}

/** Values of a schema. Half of them have one of the lookalikes wherever it fits. */
export const valuesOf = <A>(schema: Schema.Schema<A>): Arbitrary.Arbitrary<A> => {
  const fits = Schema.is(schema)
  return Arbitrary.map(
    Arbitrary.all({ value: Arbitrary.schema(schema), choice: Arbitrary.schema(Choice) }),
    ({ choice, value }) => {
      const lookalike = lookalikes[choice - lookalikes.length]
      if (lookalike === undefined) return value
      const replaced = replace(value, lookalike, fits)
      return fits(replaced) ? replaced : value
    }
  )
}

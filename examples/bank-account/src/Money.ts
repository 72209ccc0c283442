/**
 * Money: whole cents in the program and in the store, decimal text for people.
 */
import { type Effect, Option, Schema } from "effect"

/** An amount to move, in cents: from one cent to ten billion euros. */
export const Amount = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000_000 })).pipe(
  Schema.brand("Amount")
)

export type Amount = typeof Amount.Type

const decodeAmount = Schema.decodeEffect(Amount)

const text = /^(0|[1-9]\d{0,10})(?:\.(\d\d))?$/

/** Parses a text such as `12.50` or `12`. Refuses `12.505`, `-1`, `1e3` and `0`. */
export const parse = (input: string): Option.Option<Amount> => {
  const [, euros, cents = "00"] = text.exec(input) ?? []
  return euros === undefined ? Option.none() : Option.liftPredicate(Number(euros + cents), Schema.is(Amount))
}

const euros = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" })

/** Formats cents: 1250 is `€12.50`. */
export const format = (cents: number): string =>
  // A text with an exponent is exact. A number of euros would be rounded to a binary fraction.
  euros.format(`${cents}e-2` as `${number}`)

/** An amount as a number of euros with a fraction: of those that are an {@link Amount} in cents. */
export const Euros = Schema.Finite.check(Schema.isBetween({ minimum: 0.01, maximum: 10_000_000_000 }))

/** Makes an amount of a number of euros with a fraction. */
export const fromEuros = (euros: number): Effect.Effect<Amount, Schema.SchemaError> =>
  decodeAmount(Math.round(euros * 100))

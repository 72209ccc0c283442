import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

/** A length of time whose JSON form is a number of milliseconds, where `Schema.Duration` has an object of its own. */
export const AgeInMillis: Schema.Codec<Duration.Duration, number> = Schema.Finite.annotate({
  description: "In milliseconds"
}).pipe(Schema.decodeTo(Schema.Duration, {
  decode: SchemaGetter.transform(Duration.millis),
  encode: SchemaGetter.transform(Duration.toMillis)
}))

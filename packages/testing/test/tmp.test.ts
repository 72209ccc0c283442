import { it } from "@effect/vitest"
import { Laws } from "@eventfold/testing"
import { Effect, Schema } from "effect"
import { Category } from "eventfold"
const ambiguous = {
  "number first": Schema.Union([Schema.Number, Schema.String]),
  "text first": Schema.Union([Schema.String, Schema.Number]),
  "integers": Schema.Union([Schema.BigInt, Schema.String]),
  "times": Schema.Union([Schema.DateTimeUtc, Schema.String]),
  "dates": Schema.Union([Schema.Date, Schema.String]),
  "addresses": Schema.Union([Schema.URL, Schema.String])
}
it.effect("x", () => Effect.gen(function*() {
  for (const [name, answer] of Object.entries(ambiguous)) {
        class Reply extends Schema.Class<Reply>("test/Reply")({ answer }) {}
        for (const [i, schema] of [answer, Schema.Option(Schema.Array(answer)), Reply].entries()) {
          for (const seed of ["eventfold", 1, 2]) {
            const r = yield* Effect.result(Laws.roundTrips(Category.make("form", { Filled: { at: Schema.DateTimeUtc, schema } }), { seed }))
            console.log(name, i, seed, r._tag, r._tag === "Failure" ? r.failure.message : "")
          }
        }
  }
}))

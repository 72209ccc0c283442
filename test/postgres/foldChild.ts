/**
 * Not a test: a process of its own, which a test gives little memory. `foldChild.ts URL ID` loads an entity and says
 * what it has come to.
 */
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"

const Counter = Category.make("counter", { Added: { n: Schema.Int, note: Schema.String } })

const Sum = Entity.make(Counter, {
  state: Schema.Struct({ count: Schema.Int, sum: Schema.Int, letters: Schema.Int }),
  initial: { count: 0, sum: 0, letters: 0 },
  evolve: {
    Added: ({ count, letters, sum }, { n, note }) => ({
      count: count + 1,
      sum: sum + n,
      letters: letters + note.length
    })
  }
})

const [, , url = "", id = ""] = process.argv

const { state, version } = await Effect.runPromise(
  Sum.load(id).pipe(Effect.provide(Postgres.layer({ url: Redacted.make(url) })))
)
process.stdout.write(JSON.stringify({ state, version }))

/**
 * Not a test: a process of its own that takes a lease, for tests that kill or freeze it. `leaseHolder.ts URL NAME` says
 * `held`, and when the lease is lost, `lost`.
 */
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { MessageStore } from "eventfold/MessageStore"

const [, , url = "", name = ""] = process.argv

const say = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))

const program = Effect.gen(function*() {
  const store = yield* MessageStore
  const lease = yield* store.lease(name)
  yield* say(Option.isSome(lease) ? "held" : "none")
  yield* Effect.flatMap(Effect.fromOption(lease), ({ lost }) => lost)
  yield* say("lost")
})

await Effect.runPromise(
  program.pipe(Effect.scoped, Effect.provide(Postgres.layer({ url: Redacted.make(url) })))
)

/**
 * Consumers at rest on PostgreSQL, which one look serves: what other clients write reaches them, also when it commits late.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Consumer from "eventfold/Consumer"
import { MessageStore } from "eventfold/MessageStore"
import * as Database from "../support/Database.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

/** A session that writes as Message DB's clients do: it wakes nobody. */
const session = Effect.gen(function*() {
  const sql = yield* Database.session((yield* Database.Database).url)
  return {
    begin: sql`BEGIN`,
    write: (category: string) =>
      sql`SELECT message_store.write_message(gen_random_uuid()::text, ${`${category}-1`}, 'A', '{}')`,
    commit: sql`COMMIT`
  }
})

layer(Database.layer(), { excludeTestServices: true })("forty consumers at rest", (it) => {
  it.effect("ask the server a few times for all, and get what other clients write, early and late", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const proxy = yield* Proxy.start(url)
      const store = yield* Store.open(proxy.url)
      const handled: Array<string> = []
      const inStore = Effect.provideService(MessageStore, store)
      yield* Effect.forEach(range(40), (n) =>
        Effect.forkScoped(inStore(
          Consumer.run(
            Consumer.make(`consumer${n}`).on(`rest${n}`, () => Effect.sync(() => handled.push(`rest${n}`)))
          )
        )))
      const [early, late] = [yield* session, yield* session]
      // Its position is taken before the others, and it is visible after them.
      yield* late.begin
      yield* late.write("rest3")

      // Nobody reads any more when a whole look's time passes with less than a statement for each.
      let before = yield* proxy.roundTrips
      yield* until(
        "all rest",
        Effect.gen(function*() {
          yield* Effect.sleep("6 seconds")
          const now = yield* proxy.roundTrips
          const taken = now - before
          before = now
          return taken < 20
        })
      )
      assert.deepStrictEqual(handled, [])

      yield* early.write("rest5")
      yield* until("the early message is handled", Effect.sync(() => handled.length === 1))
      // A look has seen a message behind the one that is not visible yet.
      yield* early.write("rest6")
      yield* until("the second message is handled", Effect.sync(() => handled.length === 2))
      yield* late.commit
      yield* until("the late message is handled", Effect.sync(() => handled.length === 3))
      assert.deepStrictEqual(handled, ["rest5", "rest6", "rest3"])
    }))
})

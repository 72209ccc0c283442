/** In whose spans the statements are that several callers share. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import { MessageStore } from "eventfold/MessageStore"
import * as Database from "../support/Database.ts"
import * as Store from "../support/Store.ts"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const deposit = (amount: number) => Account.events.Deposited({ amount })

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (state, { amount }) => state + amount }
})

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

const append = Effect.withSpan(Account.append("one", deposit(1)), "request", { root: true })

const transact = (id: number) =>
  Effect.withSpan(Balance.transact(`many-${id}`, () => deposit(1)), "request", { root: true })

const store = Layer.effect(
  MessageStore,
  Effect.flatMap(Database.Database, ({ url }) => Store.openWarm(url, 4))
)

/** Notes the spans that begin in one that has ended. */
const watching = () => {
  const inEnded: Array<string> = []
  const statements: Array<string> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      const parent = Option.getOrUndefined(options.parent)
      if (options.kind === "client" && parent?._tag === "Span") statements.push(parent.name)
      if (parent?._tag === "Span" && parent.status._tag === "Ended") inEnded.push(parent.name)
      return span
    }
  })
  return { inEnded, statements, tracer }
}

layer(Layer.provideMerge(store, Database.layer()), { excludeTestServices: true })(
  "the statements of requests",
  (it) => {
    it.effect("that append one after the other are each in the trace of its own request", () =>
      Effect.gen(function*() {
        const { inEnded, statements, tracer } = watching()
        yield* Effect.forEach(range(20), () => append).pipe(Effect.withTracer(tracer))
        assert.strictEqual(statements.filter((name) => name === "MessageStore.append").length, 20)
        assert.deepStrictEqual(inEnded, [])
      }))

    it.effect("that load and append at the same time are in the trace of one that they serve", () =>
      Effect.gen(function*() {
        const { inEnded, statements, tracer } = watching()
        yield* Effect.forEach(range(400), transact, { concurrency: 64 }).pipe(Effect.withTracer(tracer))
        assert.include(statements, "MessageStore.readStream")
        assert.include(statements, "MessageStore.append")
        assert.deepStrictEqual(inEnded, [])
      }))
  }
)

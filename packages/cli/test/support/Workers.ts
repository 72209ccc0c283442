/**
 * What the application runs, on the store that a test shares.
 */
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Consumer from "eventfold/Consumer"
import { MessageStore } from "eventfold/MessageStore"
import * as Process from "eventfold/Process"
import * as ReadModel from "eventfold/ReadModel"
import { balances, mailer, reminder } from "../fixtures/observe.ts"
import { Shared } from "./Command.ts"

/** Runs what the application has, one after the other, until each has handled everything. */
export const workers = Effect.gen(function*() {
  const shared = yield* Shared
  const services = Layer.provideMerge(SqlReadModel.layer(), Postgres.layerClient()).pipe(
    Layer.provideMerge(Layer.succeedContext(shared))
  )
  yield* Effect.gen(function*() {
    const store = yield* MessageStore
    const last = yield* store.lastPosition
    yield* Effect.scoped(Effect.flatMap(Consumer.start(mailer), ({ waitFor }) => waitFor(last)))
    yield* Effect.scoped(Effect.gen(function*() {
      const { waitFor } = yield* Process.start(reminder)
      yield* waitFor(last)
      // Also what it has written itself, which sets its deadlines.
      yield* waitFor(yield* store.lastPosition)
    }))
    yield* Effect.scoped(Effect.flatMap(ReadModel.start(balances), ({ waitFor }) => waitFor(last)))
  }).pipe(Effect.provide(services), Effect.provideService(References.MinimumLogLevel, "None"))
})

import { assert, describe, it } from "@effect/vitest"
import { Scenario, type ScenarioFailed } from "@eventfold/testing"
import { Context, Effect, Layer, Option, Ref, Schedule, Schema } from "effect"
import { Category, Consumer, MemoryTable, Message, MessageStore, ReadModel, ReadModelStore } from "eventfold"

const Order = Category.make("order", { Placed: { total: Schema.Int }, Cancelled: {} })
const Invoice = Category.make("invoice", { Issued: { total: Schema.Int } })

const { Cancelled, Placed } = Order.events
const { Issued } = Invoice.events

const open = MemoryTable.make<string, number>("open_orders", "by_stream")
const OpenOrders = ReadModel.make("open_orders", { version: 1 }).on(Order, {
  Placed: ({ data, recorded }) => open.set(recorded.streamName, data.total),
  Cancelled: ({ recorded }) => open.remove(recorded.streamName)
})

const sums = MemoryTable.make<string, number>("invoice_sums", "by_stream")
const InvoiceSums = ReadModel.make("invoice_sums", { version: 1 }).on(Invoice, {
  Issued: ({ data, recorded }) => sums.update(recorded.streamName, (sum) => Option.getOrElse(sum, () => 0) + data.total)
})

const invoicing = Consumer.make("invoicing").on(Order, {
  Placed: ({ data: { total }, recorded }) =>
    Invoice.append("1", Issued({ total }, { id: Message.deriveId("invoicing", recorded.id) }))
})

class Rate extends Context.Service<Rate, { readonly of: (total: number) => number }>()("test/Rate") {}

class TooMuch extends Schema.TaggedError<TooMuch>()("TooMuch", { total: Schema.Int }) {}

const failing = (options: Partial<ReadModel.Options> = {}) =>
  ReadModel.make("failing", { version: 1, retry: Schedule.recurs(1), ...options }).on(Order, {
    Placed: ({ data: { total } }) => total > 10 ? Effect.fail(new TooMuch({ total })) : Effect.void
  })

const message = <R>(scenario: Effect.Effect<void, ScenarioFailed, R>) =>
  Effect.map(Effect.flip(scenario), (error) => error.message)

const text = (...lines: ReadonlyArray<string>) => lines.join("\n")

describe("a scenario of read models that holds", () => {
  it.effect("of what a query gives", () =>
    Scenario(OpenOrders)
      .given([Order, "1", Placed({ total: 5 })], [Order, "2", Placed({ total: 6 })])
      .when([Order, "1", Cancelled({})])
      .thenQuery(open.entries, [["order-2", 6]])
      .thenQuery(open.get("order-1"), Option.none())
      .then())

  it.effect("of what consumers write as well, however long the way", () =>
    Scenario(OpenOrders, invoicing, InvoiceSums)
      .when([Order, "1", Placed({ total: 5 })], [Order, "2", Placed({ total: 6 })])
      .then([Invoice, "1", [Issued({ total: 5 }), Issued({ total: 6 })]])
      .thenQuery(sums.entries, [["invoice-1", 11]])
      .thenQuery(Effect.map(open.entries, ({ length }) => length), 2)
      .thenIdempotent()
      .thenQuery(sums.entries, [["invoice-1", 11]]))

  it.effect("of nothing that concerns the read model", () =>
    Effect.gen(function*() {
      yield* Scenario(OpenOrders).when().thenQuery(open.entries, [])
      yield* Scenario(OpenOrders).when([Invoice, "1", Issued({ total: 1 })]).thenQuery(open.entries, [])
      yield* Scenario(OpenOrders).when(["order-1", { type: "Unknown", data: {} }]).thenQuery(open.entries, [])
      yield* Scenario(invoicing).when().thenQuery(Effect.succeed(1), 1)
    }))

  it.effect("of many messages", () =>
    Scenario(OpenOrders, InvoiceSums, invoicing)
      .given(...Array.from({ length: 1_500 }, (_, index) => [Order, String(index), Placed({ total: 1 })] as const))
      .after("1 day")
      .thenQuery(sums.get("invoice-1"), Option.some(1_500))
      .thenQuery(Effect.map(open.entries, ({ length }) => length), 1_500))

  it.effect("of a handler that fails at first, or that skips a message", () =>
    Effect.gen(function*() {
      const failures = yield* Ref.make(3)
      const retried = ReadModel.make("open_orders", { version: 1 }).on(Order, {
        Placed: ({ data, recorded }) =>
          Effect.gen(function*() {
            if ((yield* Ref.getAndUpdate(failures, (left) => left - 1)) > 0) return yield* new TooMuch(data)
            yield* open.set(recorded.streamName, data.total)
          })
      })
      yield* Scenario(retried).when([Order, "1", Placed({ total: 5 })]).thenQuery(open.entries, [["order-1", 5]])
      yield* Scenario(failing({ onFailure: "skip" })).when([Order, "1", Placed({ total: 11 })]).then()
    }))

  it.effect("of a read model that fails, as expected", () =>
    Effect.gen(function*() {
      const scenario = Scenario(failing()).when([Order, "1", Placed({ total: 11 })])
      yield* scenario.thenFails(new TooMuch({ total: 11 }))
      yield* scenario.thenFails(TooMuch)
      yield* scenario.thenFails(({ _tag }) => _tag === "TooMuch").then()
      yield* Scenario(OpenOrders)
        .when(["order-1", { type: "Placed", data: { total: "much" } }])
        .thenFails(Category.DecodeError)
    }))

  it.effect("of handlers and queries with services, and of side effects that write", () => {
    const rated = ReadModel.make("open_orders", { version: 1 }).on(Order, {
      Placed: ({ data, recorded }) =>
        Effect.gen(function*() {
          const { of } = yield* Rate
          yield* open.set(recorded.streamName, of(data.total))
          yield* ReadModel.sideEffect(Effect.orDie(Invoice.append("1", Issued({ total: of(data.total) }))))
        })
    })
    return Scenario(rated)
      .provide(Layer.succeed(Rate, { of: (total) => total * 2 }))
      .given([Order, "1", Placed({ total: 1 })])
      .when([Order, "2", Placed({ total: 5 })])
      .then([Invoice, "1", Issued({ total: 10 })])
      .thenQuery(Effect.flatMap(Rate, ({ of }) => Effect.map(open.get("order-2"), Option.map(of))), Option.some(20))
  })

  it.effect("on a store that is provided, not on one in memory", () =>
    Effect.gen(function*() {
      const asked = yield* Ref.make(0)
      const Counted = Layer.effect(
        ReadModelStore.ReadModelStore,
        Effect.map(ReadModelStore.ReadModelStore, (store) => ({
          ...store,
          builds: (readModel: string) =>
            Effect.andThen(Ref.update(asked, (count) => count + 1), store.builds(readModel))
        }))
      ).pipe(Layer.provideMerge(ReadModel.layerMemory))
      yield* Scenario(OpenOrders)
        .provide(Counted)
        .when([Order, "1", Placed({ total: 5 })])
        .thenQuery(open.entries, [["order-1", 5]])
      assert.isAbove(yield* Ref.get(asked), 0)
    }))

  it.effect("and does not touch the stores of the test", () =>
    Effect.gen(function*() {
      yield* Scenario(OpenOrders).when([Order, "1", Placed({ total: 5 })]).thenQuery(open.entries, [["order-1", 5]])
      assert.deepStrictEqual(yield* open.entries, [])
    }).pipe(Effect.provide(Layer.merge(MessageStore.layerMemory, ReadModel.layerMemory))))
})

describe("a scenario of read models that fails", () => {
  it.effect("says what a query gave, or failed with", () =>
    Effect.gen(function*() {
      const scenario = Scenario(OpenOrders).when([Order, "1", Placed({ total: 5 })])
      const error = yield* Effect.flip(scenario.thenQuery(open.entries, [["order-1", 6]]))
      assert.strictEqual(
        error.message,
        text(
          `when order-1 [Placed {"total":5}]`,
          `then expected the query to give [["order-1",6]], but it gave [["order-1",5]]`
        )
      )
      assert.deepStrictEqual(error.expected, [["order-1", 6]])
      assert.deepStrictEqual(error.actual, [["order-1", 5]])
      assert.include(error.stack, "ScenarioReadModel.test.ts")
      const failed = yield* Effect.flip(
        scenario.thenQuery(Effect.as(Effect.fail(new TooMuch({ total: 1 })), 1), 1)
      )
      assert.include(failed.message, `then expected the query to give 1, but it failed: TooMuch {"total":1}`)
      assert.deepStrictEqual(failed.actual, { error: { _tag: "TooMuch", total: 1 } })
    }))

  it.effect("because a read model failed, and on which message", () =>
    Effect.gen(function*() {
      const scenario = Scenario(invoicing, failing()).when([Order, "1", [Placed({ total: 1 }), Placed({ total: 11 })]])
      const told = `when order-1 [Placed {"total":1}, Placed {"total":11}]`
      assert.strictEqual(
        yield* message(scenario.thenQuery(Effect.succeed(1), 1)),
        text(
          told,
          `then expected no consumer or read model to fail, but failing on Placed at order-1/1 failed: TooMuch {"total":11}`
        )
      )
      assert.strictEqual(
        yield* message(scenario.thenFails(new TooMuch({ total: 12 }))),
        text(
          told,
          `then expected the error TooMuch {"total":12}, but failing on Placed at order-1/1 failed: TooMuch {"total":11}`
        )
      )
      assert.include(
        yield* message(Scenario(failing()).when([Order, "1", Placed({ total: 1 })]).thenFails(TooMuch)),
        "then expected the error TooMuch, but no consumer or read model failed, and they wrote nothing"
      )
      const undecoded = yield* message(Scenario(OpenOrders).when(["order-1", { type: "Placed", data: 1 }]).then())
      assert.include(undecoded, "to fail, but open_orders on Placed at order-1/0 failed: DecodeError")
    }))

  it.effect("says which messages a read model has skipped", () =>
    Effect.gen(function*() {
      const skipping = failing({ onFailure: "skip" })
      assert.include(
        yield* message(Scenario(skipping).when([Order, "1", Placed({ total: 11 })]).thenQuery(Effect.succeed(1), 2)),
        text(
          `then expected the query to give 2, but it gave 1`,
          `(failing on Placed at order-1/0 failed: TooMuch {"total":11})`
        )
      )
    }))

  it.effect("of a read model that a store refuses, or whose handler never ends", () =>
    Effect.gen(function*() {
      const tables = ReadModel.make("tables", { version: 1, tables: ["CREATE TABLE t ()"] }).on(Order, {})
      assert.match(
        yield* message(Scenario(tables).when([Order, "1", Cancelled({})]).then()),
        /to fail, but tables failed: Unsupported/
      )
      const stuck = ReadModel.make("stuck", { version: 1 }).on(Order, { Cancelled: () => Effect.never })
      assert.match(
        yield* message(Scenario(stuck).when([Order, "1", Cancelled({})]).then()),
        /then the consumers and read models did not finish: .*; still running: stuck on Cancelled at order-1\/0/
      )
    }))
})

/** That this compiles is the test: each `@ts-expect-error` is a mistake that the compiler must find. */
export const misused = () => {
  const scenario = Scenario(OpenOrders, failing()).when()
  const closed: Effect.Effect<void, ScenarioFailed> = scenario.thenQuery(open.entries, [])
  // @ts-expect-error a row of another type
  const row = scenario.thenQuery(open.entries, [["order-1", "5"]])
  // @ts-expect-error an error that none of them has
  const failure = scenario.thenFails(Effect.never)
  // @effect-diagnostics missingEffectContext:off -- the compiler reports it as well
  // @ts-expect-error a service that nothing provides
  const missing = Effect.runPromise(scenario.thenQuery(Effect.as(Rate, 1), 1))
  // @effect-diagnostics missingEffectContext:error
  return [closed, row, failure, missing]
}

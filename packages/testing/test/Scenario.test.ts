import { assert, describe, it } from "@effect/vitest"
import { Scenario, ScenarioFailed } from "@eventfold/testing"
import { Clock, Context, DateTime, Effect, Exit, Layer, Random, Ref, Schedule, Schema, SchemaGetter } from "effect"
import { TestClock } from "effect/testing"
import { Category, Consumer, Entity, Message, MessageStore, Metadata, Streams } from "eventfold"
import { inspect } from "node:util"

const Order = Category.make("order", {
  Placed: { total: Schema.Int },
  Paid: { at: Schema.DateTimeUtc },
  Refused: {}
})

const Account = Category.make("account", {
  Deposited: { amount: Schema.Int },
  Withdrawn: { amount: Schema.Int },
  Refused: { orderId: Schema.String }
})

const Invoice = Category.make("invoice", { Issued: { total: Schema.Int } })

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: {
    Deposited: (balance, { amount }) => balance + amount,
    Withdrawn: (balance, { amount }) => balance - amount,
    Refused: (balance) => balance
  }
})

const { Paid, Placed } = Order.events
const { Deposited, Refused, Withdrawn } = Account.events
const { Issued } = Invoice.events

class Closed extends Schema.TaggedError<Closed>()("Closed", { order: Schema.String }) {}
class Away extends Schema.TaggedError<Away>()("Away", {}) {}

/** The same id each time that a message is handled. */
const once = (recorded: Message.RecordedMessage, purpose: string) => ({ id: Message.deriveId(purpose, recorded.id) })

const invoicing = Consumer.make("invoicing").on(Order, {
  Placed: ({ data: { total }, recorded }) =>
    Invoice.append("1", Issued({ total }, { ...once(recorded, "invoice"), metadata: Metadata.follow(recorded) }))
})

/** From orders to an account, and from there back to orders. */
const withdrawing = Consumer.make("withdrawing").on(Order, {
  Placed: ({ data: { total }, recorded }) =>
    Balance.transact("1", (balance) =>
      balance < total
        ? Refused({ orderId: recorded.streamName.slice(6) })
        : Withdrawn({ amount: total }), { commandId: recorded.id })
})
const answering = Consumer.make("answering").on(Account, {
  Refused: ({ data: { orderId }, recorded }) =>
    Order.append(orderId, Order.events.Refused({}, once(recorded, "answer")))
})

/** A consumer of orders that does something when one is placed. */
const placed = <A extends Effect.Effect<unknown, unknown, unknown>>(
  handle: (total: number, recorded: Message.RecordedMessage) => A,
  options: Consumer.Options = {}
) => Consumer.make("shop", { ...options }).on(Order, { Placed: ({ data, recorded }) => handle(data.total, recorded) })

const paidAt = (time: string) => Paid({ at: DateTime.makeUnsafe(time) })

const failure = <R>(scenario: Effect.Effect<void, ScenarioFailed, R>) => Effect.flip(scenario)
const message = <R>(scenario: Effect.Effect<void, ScenarioFailed, R>) =>
  Effect.map(failure(scenario), (error) => error.message)
const diff = ({ actual, expected }: ScenarioFailed) => ({ actual, expected })
const text = (...lines: ReadonlyArray<string>) => lines.join("\n")

describe("a scenario that holds", () => {
  it.effect("of one message and what is written for it, by types", () =>
    Scenario(invoicing)
      .when([Order, "1", Placed({ total: 5 })])
      .then([Invoice, "1", Issued({ total: 5 })]))

  it.effect("of messages as they are stored", () =>
    Scenario(invoicing)
      .when(["order-1", [{ type: "Placed", data: { total: 5 } }, { type: "Unknown", data: null }]])
      .then(["invoice-1", { type: "Issued", data: { total: 5 } }]))

  it.effect("of messages that no consumer writes anything for", () =>
    Effect.gen(function*() {
      const scenario = Scenario(invoicing).when([Account, "1", Deposited({ amount: 1 })])
      yield* scenario.then()
      yield* scenario.then([Invoice, "1", []])
      yield* Scenario(invoicing).when().then()
      yield* Scenario(invoicing).when([Order, "1", []]).then()
    }))

  it.effect("of what a consumer deletes: neither the messages nor what is left of them count", () => {
    const note = { by: "cleaner", reason: "refused" }
    const invoices = Streams.make({ category: "invoice" })
    const cleaning = Consumer.make("cleaning").on(Order, { Refused: () => invoices.delete("1", note) })
    return Scenario(invoicing, cleaning)
      .given([Order, "1", Placed({ total: 1 })])
      .when([Order, "1", Order.events.Refused({})], [Order, "2", Placed({ total: 2 })])
      .then([Invoice, "1", Issued({ total: 2 })])
  })

  it.effect("of several streams, and several events in each", () =>
    Scenario(invoicing, withdrawing)
      .given([Account, "1", [Deposited({ amount: 5 }), Deposited({ amount: 6 })]])
      .when([Order, "1", [Placed({ total: 5 }), Placed({ total: 6 })]], [Order, "2", Placed({ total: 1 })])
      .then(
        [Account, "1", [Withdrawn({ amount: 5 }), Withdrawn({ amount: 6 }), Refused({ orderId: "2" })]],
        [Invoice, "1", Issued({ total: 5 })],
        [Invoice, "1", [Issued({ total: 6 }), Issued({ total: 1 })]]
      )
      .thenState(Balance, "1", 0))

  it.effect("of a chain of consumers", () =>
    Scenario(withdrawing, answering)
      .when([Order, "1", Placed({ total: 1 })])
      .then([Account, "1", Refused({ orderId: "1" })], [Order, "1", Order.events.Refused({})])
      .thenIdempotent())

  it.effect("does not count what was given, nor what was written for it, though both are in the store", () =>
    Scenario(withdrawing)
      .given([Account, "1", Deposited({ amount: 7 })])
      .given([Order, "1", Placed({ total: 3 })])
      .when([Order, "2", Placed({ total: 2 })])
      .then([Account, "1", Withdrawn({ amount: 2 })])
      .thenState(Balance, "1", 2))

  it.effect("takes one step after the other", () => {
    const seen: Array<number> = []
    return Effect.gen(function*() {
      yield* Scenario(placed((total) => Effect.delay(Effect.sync(() => seen.push(total)), "1 hour")), withdrawing)
        .when([Order, "1", Placed({ total: 1 })])
        .when([Account, "1", Deposited({ amount: 2 })])
        .when([Order, "1", Placed({ total: 2 })])
        .then([Account, "1", [Refused({ orderId: "1" }), Withdrawn({ amount: 2 })]])
      assert.deepStrictEqual(seen, [1, 2])
    })
  })

  it.effect("compares ids and metadata where they are expected", () =>
    Effect.gen(function*() {
      const id = Message.deriveId("an order")
      const scenario = Scenario(invoicing).when([Order, "1", Placed({ total: 5 }, { id })])
      const metadata = {
        causationMessageStreamName: "order-1",
        causationMessagePosition: 0,
        causationMessageGlobalPosition: 1
      }
      yield* scenario.then([
        Invoice,
        "1",
        Issued({ total: 5 }, { id: Message.deriveId("invoice", id), metadata })
      ])
      yield* scenario.then(["invoice-1", { type: "Issued", data: { total: 5 }, metadata }])
      const error = yield* failure(scenario.then([Invoice, "1", Issued({ total: 5 }, { id })]))
      assert.deepStrictEqual(diff(error), {
        actual: { "invoice-1": [{ type: "Issued", data: { total: 5 }, id: Message.deriveId("invoice", id) }] },
        expected: { "invoice-1": [{ type: "Issued", data: { total: 5 }, id }] }
      })
    }))

  it.effect("knows a message by its id, however that is written", () =>
    Scenario(placed(() => Effect.void))
      .when([Order, "1", Placed({ total: 5 }, { id: "0198A000-0000-7000-8000-00000000000A" })])
      .then())

  it.effect("runs once for all its expectations", () =>
    Effect.gen(function*() {
      const count = yield* Ref.make(0)
      yield* Scenario(placed(() => Ref.update(count, (n) => n + 1)))
        .when([Order, "1", Placed({ total: 5 })])
        .then()
        .thenState(Balance, "1", 0)
      assert.strictEqual(yield* Ref.get(count), 1)
    }))

  it.effect("takes no random numbers from the handlers", () =>
    Effect.gen(function*() {
      const drawn = yield* Random.nextInt.pipe(Random.withSeed("a seed"))
      let found = 0
      yield* Scenario(placed(() => Effect.map(Random.nextInt, (number) => found = number)))
        .given([Account, "1", Deposited({ amount: 1 })])
        .when([Order, "1", Placed({ total: 1 })])
        .then()
        .pipe(Random.withSeed("a seed"))
      assert.strictEqual(found, drawn)
    }))

  it.effect("begins with the first message, wherever the consumer begins otherwise", () =>
    Effect.gen(function*() {
      for (const start of ["end", { position: 10 }, { time: DateTime.makeUnsafe("2026-01-01") }] as const) {
        yield* Scenario(placed((amount) => Account.append("1", Deposited({ amount })), { start }))
          .when([Order, "1", Placed({ total: 1 })])
          .then([Account, "1", Deposited({ amount: 1 })])
      }
    }))

  it.effect("leaves the test's store alone", () =>
    Effect.gen(function*() {
      yield* Order.append("1", Placed({ total: 9 }))
      yield* Scenario(invoicing).when([Order, "1", Placed({ total: 5 })]).then([Invoice, "1", Issued({ total: 5 })])
      assert.strictEqual((yield* Balance.load("1")).state, 0)
      const store = yield* MessageStore.MessageStore
      assert.strictEqual(yield* store.countCategory("invoice"), 0)
    }).pipe(Effect.provide(MessageStore.layerMemory)))

  it("runs on a real clock as well", () =>
    Effect.runPromise(
      Scenario(placed((total) => Effect.delay(Invoice.append("1", Issued({ total })), "1 hour")))
        .when([Order, "1", Placed({ total: 5 })])
        .after("365 days")
        .then([Invoice, "1", Issued({ total: 5 })])
    ))
})

describe("consumers", () => {
  const count = Consumer.batch("counting", {
    from: Order,
    handle: (events) => Invoice.append("1", Issued({ total: events.length })),
    atOnce: 3
  })

  it.effect("of batches get together what is written together", () =>
    Scenario(count)
      .when([Order, "1", [1, 2, 3, 4].map((total) => Placed({ total }))], [Order, "2", Placed({ total: 5 })])
      .when([Order, "1", Placed({ total: 6 })])
      .then([Invoice, "1", [Issued({ total: 3 }), Issued({ total: 2 }), Issued({ total: 1 })]]))

  it.effect("that are members of a group get their share, and no more", () =>
    Effect.gen(function*() {
      const ids = Array.from({ length: 20 }, (_, i) => String(i))
      const seen: Array<string> = []
      const member = (...members: ReadonlyArray<number>) =>
        placed((_, { streamName }) => Effect.sync(() => seen.push(streamName)), { group: { size: 3, members } })
      const orders = ids.map((id) => [Order, id, Placed({ total: 1 })] as const)
      yield* Scenario(member(1)).when(...orders).then()
      assert.isAbove(seen.length, 0)
      assert.isBelow(seen.length, 20)
      yield* Scenario(member(0), member(2)).when(...orders).then()
      assert.deepStrictEqual(new Set(seen).size, 20)
      assert.strictEqual(seen.length, 20)
    }))

  it.effect("that want answers to their own messages only get these", () =>
    Scenario(placed((total) => Invoice.append("1", Issued({ total })), { correlation: "shop" }))
      .when(
        [Order, "1", Placed({ total: 1 })],
        [Order, "2", Placed({ total: 2 }, { metadata: { correlationStreamName: "shop-1" } })]
      )
      .then([Invoice, "1", Issued({ total: 2 })]))

  it.effect("of many streams at the same time, whose handlers wait for each other's streams", () =>
    Scenario(placed(
      (amount) =>
        Balance.transact("1", () => Effect.as(Effect.sleep("1 minute"), Deposited({ amount })), {
          retry: Schedule.recurs(20)
        }),
      { concurrency: 10 }
    ))
      .when(...Array.from({ length: 5 }, (_, i) => [Order, `${i}`, Placed({ total: 10 ** i })] as const))
      .thenState(Balance, "1", 11_111))

  it.effect("that decide on an entity at the same time, with its retries", () =>
    Scenario(
      placed((amount) => Balance.transact("1", () => Effect.as(Effect.sleep("1 milli"), Deposited({ amount }))), {
        concurrency: 10
      })
    )
      .when(...Array.from({ length: 3 }, (_, i) => [Order, `${i}`, Placed({ total: 10 ** i })] as const))
      .thenState(Balance, "1", 111))

  it.effect("that wait for promises end before the clock moves", () =>
    Effect.gen(function*() {
      const slow = Effect.promise(() => new Promise((resolve) => setImmediate(() => setImmediate(resolve))))
      yield* Scenario(placed((total) =>
        slow.pipe(
          Effect.timeoutOrElse({ duration: "1 second", orElse: () => new Away() }),
          Effect.andThen(Invoice.append("1", Issued({ total })))
        )
      ))
        .when([Order, "1", Placed({ total: 5 })])
        .then([Invoice, "1", Issued({ total: 5 })])
    }))

  it.effect("that keep snapshots: they count only where they are expected", () => {
    const Snapshotted = Entity.make(Account, {
      state: Schema.Int,
      initial: 0,
      evolve: { Deposited: (n, { amount }) => n + amount, Withdrawn: (n) => n, Refused: (n) => n },
      snapshots: { version: 1, every: 1 }
    })
    return Effect.gen(function*() {
      const scenario = Scenario(placed((amount) => Snapshotted.transact("1", () => Deposited({ amount }))))
        .when([Order, "1", Placed({ total: 1 })])
      yield* scenario.then([Account, "1", Deposited({ amount: 1 })])
      const error = yield* failure(
        scenario.then([Account, "1", Deposited({ amount: 1 })], ["account:snapshot-1", { type: "Recorded", data: {} }])
      )
      assert.deepStrictEqual(Object.keys(error.actual as object), ["account-1", "account:snapshot-1"])
    })
  })

  it.effect("that belong together are given together", () =>
    Scenario({ consumers: [withdrawing, answering] })
      .when([Order, "1", Placed({ total: 1 })])
      .then([Account, "1", Refused({ orderId: "1" })], [Order, "1", Order.events.Refused({})]))
})

describe("the clock", () => {
  const stamping = placed((_, { streamName }) =>
    Effect.flatMap(DateTime.now, (at) => Order.append(`${streamName.slice(6)}0`, Paid({ at })))
  )

  it.effect("begins with the test's, stands still, and moves by what passes", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2026-01-02T00:00:00Z"))
      yield* Scenario(stamping)
        .when([Order, "1", Placed({ total: 1 })])
        .after("30 minutes")
        .after("1 hour")
        .when([Order, "2", Placed({ total: 1 })])
        .then(
          [Order, "10", paidAt("2026-01-02T00:00:00Z")],
          [Order, "20", paidAt("2026-01-02T01:30:00Z")]
        )
      assert.strictEqual(yield* Clock.currentTimeMillis, Date.parse("2026-01-02T00:00:00Z"))
    }))

  it.effect("moves by itself to the end of the pauses of handlers, and not further", () =>
    Effect.gen(function*() {
      let attempts = 0
      yield* Scenario(
        placed(() =>
          Effect.gen(function*() {
            if (++attempts < 3) return yield* new Away()
            yield* Order.append("10", Paid({ at: yield* DateTime.now }))
          }), { retry: Schedule.spaced("10 minutes") })
      )
        .when([Order, "1", Placed({ total: 1 })])
        .then([Order, "10", paidAt("1970-01-01T00:20:00Z")])
    }))
})

describe("a consumer that fails", () => {
  const closed = placed((_, { streamName: order }) => new Closed({ order }), { retry: Schedule.recurs(1) })
  const scenario = Scenario(closed).when([Order, "1", Placed({ total: 1 })])

  it.effect("is expected to: by the same fields, by the class, by a predicate", () =>
    Effect.gen(function*() {
      yield* scenario.thenFails(new Closed({ order: "order-1" }))
      yield* scenario.thenFails(Closed)
      yield* scenario.thenFails((error) => error._tag === "Closed" && error.order === "order-1")
    }))

  it.effect("after its attempts, and after what it has written", () => {
    let attempts = 0
    const half = placed((total) =>
      Effect.gen(function*() {
        attempts += 1
        if (total === 2) return yield* new Away()
        yield* Invoice.append("1", Issued({ total }))
      })
    )
    return Effect.gen(function*() {
      yield* Scenario(half)
        .when([Order, "1", [Placed({ total: 1 }), Placed({ total: 2 })]])
        .then([Invoice, "1", Issued({ total: 1 })])
        .thenFails(Away)
      assert.strictEqual(attempts, 7)
    })
  })

  it.effect("and is not expected to fails every expectation", () =>
    Effect.gen(function*() {
      const expected = text(
        "when order-1 [Placed {\"total\":1}]",
        "then expected no consumer to fail, but shop on Placed at order-1/0 failed: Closed {\"order\":\"order-1\"}"
      )
      for (const unmet of [scenario.then(), scenario.thenState(Balance, "1", 0), scenario.thenIdempotent()]) {
        const error = yield* failure(unmet)
        assert.strictEqual(error.message, expected)
        assert.deepStrictEqual(diff(error), {
          actual: { error: { _tag: "Closed", order: "order-1" } },
          expected: {}
        })
      }
    }))

  it.effect("on a given message ends the scenario", () =>
    Effect.gen(function*() {
      let count = 0
      const first = placed(() => Effect.suspend(() => ++count === 1 ? new Away() : Effect.void), {
        retry: Schedule.recurs(0)
      })
      assert.strictEqual(
        yield* message(
          Scenario(first).given([Order, "1", Placed({ total: 1 })]).when([Order, "2", Placed({ total: 1 })]).then()
        ),
        text(
          "given order-1 [Placed {\"total\":1}]",
          "when order-2 [Placed {\"total\":1}]",
          "then expected no consumer to fail, but shop on Placed at order-1/0 failed: Away"
        )
      )
      assert.strictEqual(count, 1)
    }))

  it.effect("with another error, or not at all", () =>
    Effect.gen(function*() {
      const other = yield* failure(scenario.thenFails(new Closed({ order: "order-2" })))
      assert.strictEqual(
        other.message,
        text(
          "when order-1 [Placed {\"total\":1}]",
          "then expected the error Closed {\"order\":\"order-2\"}, but shop on Placed at order-1/0 failed: Closed {\"order\":\"order-1\"}"
        )
      )
      assert.deepStrictEqual(diff(other), {
        actual: { _tag: "Closed", order: "order-1" },
        expected: { _tag: "Closed", order: "order-2" }
      })
      const none = yield* failure(
        Scenario(placed((total) => total === 2 ? new Away() : Invoice.append("1", Issued({ total }))))
          .when([Order, "1", Placed({ total: 1 })])
          .thenFails(new Away())
      )
      assert.include(
        none.message,
        "then expected the error Away, but no consumer failed, and they wrote invoice-1 [Issued {\"total\":1}]"
      )
      assert.deepStrictEqual(diff(none), {
        actual: { written: { "invoice-1": [{ type: "Issued", data: { total: 1 } }] } },
        expected: { error: { _tag: "Away" } }
      })
      assert.include(
        yield* message(scenario.thenFails((error) => error._tag === "DecodeError")),
        "that matches the predicate"
      )
    }))

  it.effect("because a message does not fit its schema", () =>
    Scenario(invoicing)
      .when(["order-1", { type: "Placed", data: { total: "many" } }])
      .thenFails(Category.DecodeError))

  it.effect("because its options are wrong", () =>
    Scenario(placed(() => Effect.void, { concurrency: 0 }))
      .when([Order, "1", Placed({ total: 1 })])
      .thenFails((error) => error._tag === "InvalidArgument"))

  it.effect("and skips the message: the failure says why", () =>
    Effect.gen(function*() {
      const skipping = placed((total) => total === 1 ? new Away() : Invoice.append("1", Issued({ total })), {
        onFailure: "skip"
      })
      const skipped = Scenario(skipping).when([Order, "1", [Placed({ total: 1 }), Placed({ total: 2 })]])
      yield* skipped.then([Invoice, "1", Issued({ total: 2 })])
      assert.strictEqual(
        yield* message(skipped.then([Invoice, "1", [Issued({ total: 1 }), Issued({ total: 2 })]])),
        text(
          "when order-1 [Placed {\"total\":1}, Placed {\"total\":2}]",
          "then expected the consumers to write invoice-1 [Issued {\"total\":1}, Issued {\"total\":2}], but they wrote invoice-1 [Issued {\"total\":2}]",
          "(shop on Placed at order-1/0 failed: Away)"
        )
      )
    }))

  it.effect("and parks the message, with those behind it in its stream", () =>
    Effect.gen(function*() {
      const parking = placed((total) => total === 1 ? new Away() : Invoice.append("1", Issued({ total })), {
        onFailure: "park"
      })
      const parked = Scenario(parking)
        .given([Order, "1", Placed({ total: 1 })])
        .when([Order, "1", Placed({ total: 2 })], [Order, "2", Placed({ total: 3 })])
      yield* parked
        .then([Invoice, "1", Issued({ total: 3 })])
        .thenParked([Order, "1", [Placed({ total: 1 }), Placed({ total: 2 })]])
      const error = yield* failure(parked.thenParked([Order, "1", Placed({ total: 1 })]))
      assert.include(
        error.message,
        "then expected the consumers to park order-1 [Placed {\"total\":1}], but they parked order-1 [Placed {\"total\":1}, Placed {\"total\":2}]"
      )
      yield* Scenario(parking).when([Order, "1", Placed({ total: 2 })]).thenParked()
      assert.include(
        yield* message(parked.thenParked()),
        "then expected the consumers to park nothing, but they parked order-1"
      )
    }))

  it.effect("by a defect, which stays a defect", () =>
    Effect.gen(function*() {
      const bug = new Error("a bug")
      const exit = yield* Effect.exit(
        Scenario(placed(() => Effect.die(bug))).when([Order, "1", Placed({ total: 1 })]).then()
      )
      assert.deepStrictEqual(exit, Exit.die(bug))
    }))
})

describe("what is handled a second time", () => {
  const twice = placed((total) => Invoice.append("1", Issued({ total })))

  it.effect("may not be written again", () =>
    Effect.gen(function*() {
      const error = yield* failure(
        Scenario(twice)
          .when([Order, "1", Placed({ total: 5 })])
          .thenIdempotent()
          .then([Invoice, "1", Issued({ total: 5 })])
      )
      assert.strictEqual(
        error.message,
        text(
          "when order-1 [Placed {\"total\":5}]",
          "then expected the consumers to write nothing when they handle everything again, but they wrote invoice-1 [Issued {\"total\":5}]"
        )
      )
      assert.deepStrictEqual(diff(error), {
        actual: { "invoice-1": [{ type: "Issued", data: { total: 5 } }] },
        expected: {}
      })
    }))

  it.effect("also what was given is handled again", () =>
    Effect.gen(function*() {
      const scenario = Scenario(twice).given([Order, "1", Placed({ total: 5 })]).after("1 second").then()
      yield* scenario
      assert.include(
        yield* message(scenario.thenIdempotent()),
        "when they handle everything again, but they wrote invoice-1"
      )
    }))

  it.effect("also by a consumer that begins at the end", () =>
    Effect.gen(function*() {
      const late = placed((total) => Invoice.append("1", Issued({ total })), { start: "end" })
      yield* failure(Scenario(late).when([Order, "1", Placed({ total: 5 })]).thenIdempotent())
    }))

  it.effect("may not fail", () =>
    Effect.gen(function*() {
      const creating = placed((total) => Invoice.append("1", Issued({ total }), { expectedVersion: "noStream" }))
      const scenario = Scenario(creating).when([Order, "1", Placed({ total: 5 })])
      yield* scenario.then([Invoice, "1", Issued({ total: 5 })])
      assert.include(
        yield* message(scenario.thenIdempotent()),
        "then expected no consumer to fail when they handle everything again, but shop on Placed at order-1/0 failed: WrongExpectedVersion"
      )
    }))
})

describe("a scenario that fails says", () => {
  it.effect("what was given, what happened, what was expected, and what came of it", () =>
    Effect.gen(function*() {
      const scenario = Scenario(invoicing, withdrawing)
        .given([Account, "1", Deposited({ amount: 5 })], [Order, "1", Placed({ total: 5 })])
        .when([Order, "2", Placed({ total: 6 })])
        .after("30 minutes")
      const story = [
        "given",
        "  account-1 [Deposited {\"amount\":5}]",
        "  order-1 [Placed {\"total\":5}]",
        "when order-2 [Placed {\"total\":6}]",
        "after 30m"
      ]
      const error = yield* failure(
        scenario.then([Account, "1", Withdrawn({ amount: 6 })], [Invoice, "1", Issued({ total: 6 })])
      )
      assert.strictEqual(
        error.message,
        text(
          ...story,
          "then expected the consumers to write:",
          "  account-1 [Withdrawn {\"amount\":6}]",
          "  invoice-1 [Issued {\"total\":6}]",
          "but they wrote:",
          "  account-1 [Refused {\"orderId\":\"2\"}]",
          "  invoice-1 [Issued {\"total\":6}]"
        )
      )
      assert.deepStrictEqual(diff(error), {
        actual: {
          "account-1": [{ type: "Refused", data: { orderId: "2" } }],
          "invoice-1": [{ type: "Issued", data: { total: 6 } }]
        },
        expected: {
          "account-1": [{ type: "Withdrawn", data: { amount: 6 } }],
          "invoice-1": [{ type: "Issued", data: { total: 6 } }]
        }
      })
      assert.strictEqual(
        yield* message(scenario.thenState(Balance, "1", 5)),
        text(...story, "then expected the state 5 of account \"1\", but it was 0")
      )
    }))

  it.effect("that nothing, or something, was written", () =>
    Effect.gen(function*() {
      const scenario = Scenario(invoicing).when([Account, "1", Deposited({ amount: 1 })])
      assert.strictEqual(
        yield* message(scenario.then([Invoice, "1", Issued({ total: 1 })])),
        text(
          "when account-1 [Deposited {\"amount\":1}]",
          "then expected the consumers to write invoice-1 [Issued {\"total\":1}], but they wrote nothing"
        )
      )
      assert.strictEqual(
        yield* message(Scenario(invoicing).when([Order, "1", Placed({ total: 1 })]).then()),
        text(
          "when order-1 [Placed {\"total\":1}]",
          "then expected the consumers to write nothing, but they wrote invoice-1 [Issued {\"total\":1}]"
        )
      )
    }))

  it.effect("which message a store would refuse", () =>
    Effect.gen(function*() {
      const bad = [Order, "1", Placed({ total: 0.5 })] as const
      const refused =
        /order-1 \[Placed \{"total":0\.5\}\], which a store would refuse: .*data\.total does not fit its schema/
      assert.match(yield* message(Scenario(invoicing).given(bad).when().then()), refused)
      assert.match(yield* message(Scenario(invoicing).when(bad).then()), refused)
      assert.match(yield* message(Scenario(invoicing).when().then(bad)), refused)
      assert.match(
        yield* message(Scenario(invoicing).when([Order, "", Placed({ total: 1 })]).then()),
        /^when order \[Placed \{"total":1\}\], which a store would refuse/
      )
      assert.match(
        yield* message(Scenario(invoicing).when(["order-1", { type: "", data: 1 }]).then()),
        /then the store refused the messages: /
      )
    }))

  it.effect("that the consumers never finish, or wait for something that never comes", () =>
    Effect.gen(function*() {
      const endless = placed((total) => Order.append("1", Placed({ total: total + 1 })))
      assert.match(
        yield* message(Scenario(endless).when([Order, "1", Placed({ total: 1 })]).then()),
        /then the consumers did not finish: handlers ran more than 5000 times/
      )
      const stubborn = placed(() => new Away(), { retry: Schedule.spaced("1 day") })
      const lazy = placed(() => Effect.forever(Effect.sleep("1 day")))
      for (const consumer of [stubborn, lazy]) {
        assert.match(
          yield* message(Scenario(consumer).when([Order, "1", Placed({ total: 1 })]).then()),
          /then the consumers did not finish: handlers made no progress in 500 pauses/
        )
      }
      const silent = placed(() => Effect.never)
      assert.match(
        yield* message(Scenario(silent).when([Order, "1", Placed({ total: 1 })]).then()),
        /then the consumers did not finish: handlers wait for something that does not come; still running: shop on Placed at order-1\/0/
      )
    }))

  it.effect("to a test runner where the expectation is", () =>
    Effect.gen(function*() {
      const error = yield* failure(Scenario(invoicing).when([Order, "1", Placed({ total: 1 })]).then())
      assert.instanceOf(error, Error)
      assert.strictEqual(error.name, "ScenarioFailed")
      assert.deepStrictEqual(Object.keys(error).toSorted(), ["actual", "expected", "name"])
      const [first, , frame = "", ...frames] = error.stack?.split("\n") ?? []
      assert.strictEqual(first, "ScenarioFailed: when order-1 [Placed {\"total\":1}]")
      assert.match(frame, /packages[\\/]testing[\\/]test[\\/]Scenario\.test\.ts:\d+:\d+/)
      assert.deepStrictEqual(frames.filter((line) => line.includes("node_modules")), [])
      assert.strictEqual(inspect(error), error.stack)
      const tagged = Scenario(invoicing).when([Order, "1", Placed({ total: 1 })]).then()
      assert.strictEqual(yield* Effect.catchTag(tagged, "ScenarioFailed", () => Effect.succeed(1)), 1)
    }))

  it.effect("that it is not a promise", () =>
    Effect.gen(function*() {
      const scenario = Scenario(invoicing).when()
      for (const thenable of [scenario, scenario.then(), scenario.thenIdempotent()]) {
        const [adopted] = yield* Effect.promise(() => Promise.allSettled([thenable]))
        assert(adopted.status === "rejected" && adopted.reason instanceof ScenarioFailed)
        assert.match(
          adopted.reason.message,
          /a scenario is an effect, not a promise: return it to it\.effect or yield\* it; do not await it/
        )
      }
      const misused = scenario.then((() => {}) as unknown as readonly ["invoice-1", []])
      assert.match(
        yield* message(misused),
        /a scenario is an effect, not a promise: return it to it\.effect or yield\* it; do not await it/
      )
    }))
})

class Limits extends Context.Service<Limits, { readonly daily: number }>()("test/Limits") {}

class Shop extends Context.Service<Shop, {
  readonly sell: (total: number) => Effect.Effect<void, MessageStore.AppendError>
}>()("test/Shop") {
  static readonly layer = Layer.effect(
    Shop,
    Effect.gen(function*() {
      const { daily } = yield* Limits
      const context = yield* Effect.context<MessageStore.MessageStore>()
      return {
        sell: (total: number) =>
          Effect.provideContext(Invoice.append("1", Issued({ total: Math.min(total, daily) })), context)
      }
    })
  )
}

class Cipher extends Context.Service<Cipher, { readonly key: string }>()("test/Cipher") {}

const Secret = Schema.String.pipe(
  Schema.decodeTo(Schema.String, {
    decode: SchemaGetter.transformEffect((text: string) => Effect.map(Cipher, ({ key }) => text.slice(key.length))),
    encode: SchemaGetter.transformEffect((text: string) => Effect.map(Cipher, ({ key }) => key + text))
  })
)
const Letter = Category.make("letter", { Sent: { text: Secret } })
const writing = placed((total) => Letter.append("1", Letter.events.Sent({ text: String(total) })))

describe("services", () => {
  const limited = placed((total) =>
    Effect.flatMap(Limits, ({ daily }) => Invoice.append("1", Issued({ total: Math.min(total, daily) })))
  )
  const selling = placed((total) => Effect.flatMap(Shop, ({ sell }) => sell(total)))

  it.effect("of handlers are the test's to provide", () =>
    Scenario(limited)
      .when([Order, "1", Placed({ total: 5 })])
      .then([Invoice, "1", Issued({ total: 3 })])
      .pipe(Effect.provideService(Limits, { daily: 3 })))

  it.effect("that need the store are built on the scenario's", () =>
    Scenario(selling)
      .provide(Shop.layer)
      .when([Order, "1", Placed({ total: 5 })])
      .then([Invoice, "1", Issued({ total: 3 })])
      .pipe(Effect.provideService(Limits, { daily: 3 })))

  it.effect("may need those that are provided after them, and the clock", () =>
    Effect.gen(function*() {
      const time = Layer.effect(Limits, Effect.map(Clock.currentTimeMillis, (daily) => ({ daily })))
      yield* TestClock.setTime(4)
      yield* Scenario(selling)
        .provide(Shop.layer)
        .provide(time)
        .when([Order, "1", Placed({ total: 5 })])
        .then([Invoice, "1", Issued({ total: 4 })])
    }))

  it.effect("of schemas, too", () =>
    Scenario(writing)
      .given([Letter, "2", Letter.events.Sent({ text: "a" })])
      .when([Order, "1", Placed({ total: 5 })])
      .then([Letter, "1", Letter.events.Sent({ text: "5" })])
      .pipe(Effect.provideService(Cipher, { key: "key:" })))
})

/** Compiles only when both types are the same. */
const exactly: <A, B>(...same: Same<A, B> extends true ? [] : [never]) => void = () => {}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
type Needs<T> = T extends Effect.Effect<infer _A, infer _E, infer R> ? R : never
type Failure<T> = T extends Effect.Effect<infer _A, infer E, infer _R> ? E : never

// @effect-diagnostics missingEffectError:off -- tagged errors are effects, too, and here they are the wrong ones
/** That this compiles is the test: each `@ts-expect-error` is a mistake that the compiler must find. */
export const types = () => {
  const OrderId = Schema.String.pipe(Schema.brand("OrderId"))
  const Branded = Category.make("branded", { Opened: {} }, { id: OrderId })
  const scenario = Scenario(invoicing)
  const when = scenario.when([Order, "1", Placed({ total: 1 })])

  // @ts-expect-error an event of another category
  scenario.given([Order, "1", Deposited({ amount: 1 })])
  // @ts-expect-error one among others
  scenario.when([Order, "1", [Placed({ total: 1 }), Deposited({ amount: 1 })]])
  // @ts-expect-error an id that is none of the category's
  scenario.when([Branded, "1", Branded.events.Opened({})])
  scenario.when([Branded, OrderId.make("1"), Branded.events.Opened({})])
  // @ts-expect-error no message
  scenario.when(["order-1", { data: 1 }])
  // @ts-expect-error an expected event of another category
  void when.then([Invoice, "1", Placed({ total: 1 })])
  // @ts-expect-error a state of another type
  void when.thenState(Balance, "1", "0")
  // @ts-expect-error an error that no consumer has
  void when.thenFails(new Closed({ order: "" }))
  // @ts-expect-error nor its class
  void when.thenFails(Closed)
  // @ts-expect-error what is expected comes last
  void when.then().when()
  // @ts-expect-error and what is given, first
  void when.given()
  // @ts-expect-error nothing has happened that something could come of
  void scenario.given().then()

  const plain = when.then([Invoice, "1", Issued({ total: 1 })]).thenState(Balance, "1", 0).thenIdempotent()
  exactly<Needs<typeof plain>, never>()
  exactly<Failure<typeof plain>, ScenarioFailed>()
  const needy = Scenario(placed(() => Limits), invoicing).when([Letter, "1", []]).then()
  exactly<Needs<typeof needy>, Limits | Cipher>()
  const encrypted = when.then([Letter, "1", Letter.events.Sent({ text: "" })])
  exactly<Needs<typeof encrypted>, Cipher>()
  const provided = Scenario(placed(() => Shop)).provide(Shop.layer).when().then()
  exactly<Needs<typeof provided>, Limits>()

  // @ts-expect-error nothing is expected yet
  Effect.runFork(when)
  // @ts-expect-error a scenario is no promise
  const awaited = async () => await plain
  return awaited
}

import { assert, it } from "@effect/vitest"
import {
  Clock,
  Context,
  DateTime,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Logger,
  Option,
  Queue,
  Ref,
  References,
  Schedule,
  Schema,
  Stream,
  Tracer
} from "effect"
import { TestClock } from "effect/testing"
import {
  Category,
  Consumer,
  Entity,
  MessageStore,
  Metadata,
  Parking,
  PositionStore,
  Process,
  StoreError,
  StreamName
} from "eventfold"

const Order = Category.make("order", { Placed: { minutes: Schema.Array(Schema.Int) }, Cancelled: {} })
const Shipping = Category.make("shipping", { Shipped: { count: Schema.Int } })
const Fulfilment = Category.make("fulfilment", { Started: {}, Ended: {} })
const Progress = Entity.make(Fulfilment, {
  state: Schema.Struct({ open: Schema.Boolean, count: Schema.Int }),
  initial: { open: true, count: 0 },
  evolve: {
    Started: ({ count, open }) => ({ open, count: count + 1 }),
    Ended: ({ count }) => ({ open: false, count })
  }
})

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

const place = (id: string, ...minutes: ReadonlyArray<number>) => Order.append(id, Order.events.Placed({ minutes }))

const read = (category: string) =>
  Effect.flatMap(MessageStore.MessageStore, (store) => Stream.runCollect(store.readCategory(category)))

const types = (category: string) => Effect.map(read(category), (messages) => messages.map(({ type }) => type))

/** Waits until a category has `count` messages. */
const awaitMessages = (category: string, count: number) =>
  Effect.scoped(Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    const wakeUps = yield* store.wakeUps(category)
    while ((yield* store.countCategory(category)) < count) yield* wakeUps.await
  }))

const runUntil = <E, R>(process: Process.Process<E, R>, category: string, count: number) =>
  Effect.raceFirst(Process.run(process), awaitMessages(category, count))

/** How many messages wait in each parked stream. */
const parked = (owner: Parking.Owner) =>
  Effect.map(Stream.runCollect(Parking.list(owner)), (streams) => streams.map(({ messages }) => messages.length))

/** Without recorded positions: every message is delivered again. */
const redelivering = Effect.provide(PositionStore.layerMemory)

const fresh = Effect.provide(MessageStore.layerMemory)

/** Polls seldom, for tests that move the clock by days. */
const seldom = { poll: { max: "1 hour" }, checkpoint: { every: 1, interval: "1 hour" } } as const

/** A process whose deadlines write nothing, and the ids and times at which they passed. */
const makeReminder = Effect.gen(function*() {
  const reminded = yield* Queue.unbounded<readonly [id: unknown, minute: number, due: number]>()
  const process = Process.make("reminder", { entity: Progress, ...seldom })
    .deadline(
      "reminder",
      Effect.fnUntraced(function*(_, { due }, id) {
        yield* Queue.offer(reminded, [id, (yield* Clock.currentTimeMillis) / 60_000, due.epochMilliseconds / 60_000])
      })
    )
    .on(Order, {
      Placed: (_, { data: { minutes: [first = 0] } }) => ({ deadlines: { reminder: Duration.minutes(first) } })
    })
  return { process, reminded }
})

it.effect("a deadline passes at its time, not before, and once", () =>
  Effect.gen(function*() {
    const { process, reminded } = yield* makeReminder
    yield* place("1", 30)
    const running = yield* Effect.forkChild(Process.run(process))
    yield* awaitMessages("reminder:deadline", 1)
    yield* TestClock.adjust(Duration.millis(30 * 60_000 - 1))
    assert.deepStrictEqual(yield* types("reminder:deadline"), ["Set"])
    yield* TestClock.adjust("1 millis")
    assert.deepStrictEqual(yield* Queue.take(reminded), ["1", 30, 30])
    yield* TestClock.adjust("1 day")
    yield* Fiber.interrupt(running)
    assert.deepStrictEqual(yield* types("reminder:deadline"), ["Set", "Passed"])
    assert.strictEqual(yield* Queue.size(reminded), 0)
  }).pipe(fresh))

/** The pending deadlines of the reminder: their ids, names and minutes, and whether they are overdue. */
const pendingDeadlines = (options?: { readonly id?: string; readonly limit?: number }) =>
  Effect.map(
    Process.deadlines({ name: "reminder" }, options),
    (found) =>
      found.map(({ due, id, isOverdue, name }) => [id, name, due.epochMilliseconds / 60_000, isOverdue] as const)
  )

it.effect("pending deadlines are listed by the name of the process, the earliest first, whether it runs or not", () =>
  Effect.gen(function*() {
    const { process } = yield* makeReminder
    assert.deepStrictEqual(yield* pendingDeadlines(), [])
    yield* place("late", 60)
    yield* place("early", 1)
    yield* place("soon", 2)
    const running = yield* Effect.forkChild(Process.run(process))
    yield* awaitMessages("reminder:deadline", 3)
    const [early, soon, late] = [
      ["early", "reminder", 1, false] as const,
      ["soon", "reminder", 2, false] as const,
      ["late", "reminder", 60, false] as const
    ]
    assert.deepStrictEqual(yield* pendingDeadlines(), [early, soon, late])
    assert.deepStrictEqual(yield* pendingDeadlines({ limit: 2 }), [early, soon])
    assert.deepStrictEqual(yield* pendingDeadlines({ id: "soon" }), [soon])
    yield* TestClock.adjust("1 minute")
    yield* awaitMessages("reminder:deadline", 4)
    yield* Fiber.interrupt(running)
    assert.deepStrictEqual(yield* pendingDeadlines(), [soon, late])
    yield* TestClock.adjust("2 minutes")
    assert.deepStrictEqual(yield* pendingDeadlines(), [["soon", "reminder", 2, true], late])
    const json = yield* Schema.encodeEffect(Schema.toCodecJson(Schema.Array(Process.PendingDeadline)))(
      yield* Process.deadlines(process)
    )
    assert.deepStrictEqual(JSON.parse(JSON.stringify(json)), json)
    assert.instanceOf(yield* Effect.flip(pendingDeadlines({ limit: 0 })), StoreError.InvalidArgument)
    assert.instanceOf(yield* Effect.flip(Process.deadlines({ name: "a-b" })), StreamName.InvalidCategory)
  }).pipe(fresh))

it.effect("a deadline that came due while no process ran passes at once, and a restart skips those that have passed", () =>
  Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    const { process, reminded } = yield* makeReminder
    yield* place("long", 60)
    yield* place("short", 1)
    const first = yield* Effect.forkChild(Process.run(process))
    yield* awaitMessages("reminder:deadline", 2)
    yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(yield* Queue.take(reminded), ["short", 1, 1])
    yield* Fiber.interrupt(first)

    yield* TestClock.adjust("1 day")
    const written = yield* Ref.make<ReadonlyArray<string>>([])
    const counting = MessageStore.MessageStore.of({
      ...store,
      append: (streamName, ...rest) =>
        Effect.andThen(
          Ref.update(written, (names) => [...names, streamName]),
          store.append(streamName, ...rest)
        )
    })
    const second = yield* Effect.forkChild(
      Effect.provideService(Process.run(process), MessageStore.MessageStore, counting)
    )
    assert.deepStrictEqual(yield* Queue.take(reminded), ["long", 24 * 60 + 1, 60])
    yield* Fiber.interrupt(second)
    assert.deepStrictEqual(
      (yield* Ref.get(written)).filter((name) => StreamName.category(name) === "reminder:deadline"),
      ["reminder:deadline-long"]
    )
    assert.strictEqual(yield* Queue.size(reminded), 0)
    const positions = yield* PositionStore.PositionStore
    const last = (yield* read("reminder:deadline")).at(-1)?.globalPosition ?? 0
    assert.deepStrictEqual(
      yield* positions.get({ category: "reminder:deadline", consumerId: "reminder:timer" }),
      Option.some({ position: last })
    )
  }).pipe(fresh))

it.effect("a store that hangs delays the end of a process for five seconds at most", () =>
  Effect.gen(function*() {
    const positions = yield* PositionStore.PositionStore
    const isAsked = yield* Deferred.make<void>()
    const hanging: PositionStore.Service = {
      ...positions,
      put: (key, position) =>
        key.consumerId.endsWith(":timer")
          ? Effect.andThen(Deferred.succeed(isAsked, undefined), Effect.never)
          : positions.put(key, position)
    }
    const { process } = yield* makeReminder
    yield* place("1", 60)
    const running = yield* Effect.forkChild(
      Effect.provideService(Process.run(process), PositionStore.PositionStore, hanging)
    )
    yield* awaitMessages("reminder:deadline", 1)
    const ended = yield* Effect.forkChild(Fiber.interrupt(running))
    yield* Deferred.await(isAsked)
    yield* TestClock.adjust("4 seconds")
    assert.isUndefined(ended.pollUnsafe())
    yield* TestClock.adjust("1 second")
    yield* Fiber.join(ended)
  }).pipe(fresh))

it.effect("without positions, a deadline that has passed does not pass again", () =>
  Effect.gen(function*() {
    const { process, reminded } = yield* makeReminder
    yield* place("1", 0)
    yield* redelivering(runUntil(process, "reminder:deadline", 2))
    yield* place("2", 0)
    yield* redelivering(runUntil(process, "reminder:deadline", 4))
    assert.deepStrictEqual((yield* types("reminder:deadline")).toSorted(), ["Passed", "Passed", "Set", "Set"])
    assert.isAtLeast(yield* Queue.size(reminded), 1)
  }).pipe(fresh))

it.effect.prop("deadlines pass in the order in which they are due", {
  minutes: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 50 }))).check(
    Schema.isMinLength(1),
    Schema.isMaxLength(40)
  )
}, ({ minutes }) =>
  Effect.gen(function*() {
    const { process, reminded } = yield* makeReminder
    yield* Effect.forEach(minutes, (minute, i) => place(String(i), minute))
    const running = yield* Effect.forkChild(Process.run(process))
    yield* awaitMessages("reminder:deadline", minutes.length)
    for (const minute of minutes.toSorted((a, b) => a - b)) {
      const now = (yield* Clock.currentTimeMillis) / 60_000
      if (minute > now) yield* TestClock.adjust(Duration.minutes(minute - now))
      const [, at, due] = yield* Queue.take(reminded)
      assert.strictEqual(due, minute)
      assert.strictEqual(at, minute)
    }
    yield* Fiber.interrupt(running)
  }).pipe(fresh))

it.effect("a deadline may be a time in the past, or infinite, and its reaction may set the next one", () =>
  Effect.gen(function*() {
    const process = Process.make("clock", { entity: Progress, ...seldom })
      .deadline(
        "tick",
        ({ count }) => count < 3 ? { events: Fulfilment.events.Started({}), deadlines: { tick: "1 minute" } } : {}
      )
      .on(Order, {
        Placed: () => ({ deadlines: { tick: DateTime.makeUnsafe(-5) } }),
        Cancelled: () => ({ deadlines: { tick: Duration.infinity } })
      })
    yield* Order.append("never", Order.events.Cancelled({}))
    yield* place("1")
    const running = yield* Effect.forkChild(Process.run(process))
    yield* awaitMessages("fulfilment", 2)
    yield* TestClock.adjust("1 minute")
    yield* awaitMessages("fulfilment", 3)
    yield* TestClock.adjust("1 day")
    yield* awaitMessages("clock:deadline", 8)
    yield* Fiber.interrupt(running)
    assert.strictEqual((yield* Progress.load("1")).state.count, 3)
    assert.deepStrictEqual((yield* Progress.load("never")).version, Option.none())
    const times = (yield* read("clock:deadline")).flatMap(({ data, type }) => type === "Set" ? [data] : [])
    assert.deepStrictEqual(times, [
      { name: "tick", due: "1969-12-31T23:59:59.995Z" },
      { name: "tick", due: "1970-01-01T00:01:00.000Z" },
      { name: "tick", due: "1970-01-01T00:02:00.000Z" },
      { name: "tick", due: "1970-01-01T00:03:00.000Z" }
    ])
  }).pipe(fresh))

it.effect("a deadline that the process no longer defines is skipped with a warning", () => {
  const logged: Array<unknown> = []
  return Effect.gen(function*() {
    const { process } = yield* makeReminder
    yield* place("1", 0)
    yield* runUntil(process, "reminder:deadline", 1)
    const next = Process.make("reminder", { entity: Progress })
      .deadline("other", () => ({ events: Fulfilment.events.Started({}) }))
      .on(Order, { Cancelled: () => ({ deadlines: { other: 0 } }) })
    yield* Order.append("2", Order.events.Cancelled({}))
    yield* runUntil(next, "fulfilment", 3)
    assert.include(JSON.stringify(logged), "\"deadline\":\"reminder\"")
  }).pipe(
    fresh,
    Effect.provide(Logger.layer([
      Logger.make(({ fiber }) => void logged.push(fiber.getRef(References.CurrentLogAnnotations)))
    ]))
  )
})

it.effect("a deadline that does not decode is left to the failure policy, and does not stop the timer", () =>
  Effect.gen(function*() {
    const store = yield* MessageStore.MessageStore
    const { process } = yield* makeReminder
    yield* store.append("reminder:deadline-1", { type: "Set", data: { name: "reminder", due: "soon" } })
    const error = yield* Effect.flip(Process.run(process))
    assert(error instanceof Category.DecodeError)
    assert.deepStrictEqual(error.path, ["data", "due"])

    const skipping = Process.make("reminder", { entity: Progress, onFailure: "skip" })
      .deadline("reminder", () => ({ events: Fulfilment.events.Ended({}) }))
      .on(Order, { Placed: () => ({ deadlines: { reminder: 0 } }) })
    yield* place("2")
    yield* runUntil(skipping, "fulfilment", 2)
    assert.isFalse((yield* Progress.load("2")).state.open)
  }).pipe(fresh))

it.effect("a refusal is retried, and then stops the process with nothing written, or is skipped", () =>
  Effect.gen(function*() {
    let attempts = 0
    const make = (onFailure: "stop" | "skip") =>
      Process.make("fulfilment", { entity: Progress, retry: Schedule.recurs(2), onFailure }).on(Order, {
        Placed: (_, { data: { minutes } }) => {
          if (minutes.length > 0) return { events: Fulfilment.events.Started({}) }
          attempts += 1
          return Effect.fail(new Refused())
        }
      })
    yield* place("1")
    assert.instanceOf(yield* Effect.flip(Process.run(make("stop"))), Refused)
    assert.strictEqual(attempts, 3)
    assert.deepStrictEqual(yield* types("fulfilment"), [])
    yield* place("1", 1)
    yield* runUntil(make("skip"), "fulfilment", 1)
    assert.strictEqual(attempts, 6)
  }).pipe(fresh))

it.effect("an event or deadline that a process refuses is parked and replayed", () =>
  Effect.gen(function*() {
    let refuses = true
    const orRefused = <A>(reaction: A) => refuses ? Effect.fail(new Refused()) : Effect.succeed(reaction)
    const process = Process.make("fulfilment", { entity: Progress, retry: Schedule.recurs(0), onFailure: "park" })
      .deadline("now", ({ count }) => orRefused({ events: count === 1 ? Fulfilment.events.Ended({}) : [] }))
      .on(Order, {
        Placed: () => ({ deadlines: { now: 0 } }),
        Cancelled: () => orRefused({ events: Fulfilment.events.Started({}) })
      })
    yield* Order.append("1", [Order.events.Cancelled({}), Order.events.Placed({ minutes: [] })])
    yield* place("2")
    const [orders, deadlines] = [
      { id: "fulfilment", category: "order" },
      { id: "fulfilment", category: "fulfilment:deadline" }
    ]

    yield* runUntil(process, "fulfilment:deadline+parked", 1)
    assert.deepStrictEqual(yield* parked(orders), [2])
    assert.deepStrictEqual(yield* parked(deadlines), [1])
    assert.deepStrictEqual(yield* types("fulfilment"), ["eventfold:Handled"])

    refuses = false
    yield* Parking.replay(orders)
    yield* Parking.replay(deadlines)
    yield* runUntil(process, "fulfilment", 4)
    assert.deepStrictEqual(yield* parked(orders), [])
    assert.deepStrictEqual((yield* Progress.load("1")).state, { open: false, count: 1 })
    assert.deepStrictEqual((yield* Progress.load("2")).version, Option.some(0))
  }).pipe(fresh))

it.effect("ends the program that launches it when it fails", () =>
  Effect.gen(function*() {
    const process = Process.make("fulfilment", { entity: Progress, retry: Schedule.recurs(0) })
      .deadline("now", () => ({ events: Fulfilment.events.Ended({}) }))
      .on(Order, { Placed: () => ({ deadlines: { now: 0 } }), Cancelled: () => Effect.fail(new Refused()) })
    yield* place("1")
    const launched = Consumer.launch(Process.layer(process))
    yield* Effect.raceFirst(launched, awaitMessages("fulfilment", 2))
    yield* Order.append("1", Order.events.Cancelled({}))
    assert.instanceOf(yield* Effect.flip(launched), Refused)
    const twice = Process.layer(process.on(Order, {}))
    assert.instanceOf(yield* Effect.flip(Consumer.launch(twice)), StoreError.InvalidArgument)
  }).pipe(fresh))

it.effect("when one of its consumers fails, the others stop", () =>
  Effect.gen(function*() {
    let reactions = 0
    const process = Process.make("fulfilment", { entity: Progress, retry: Schedule.recurs(0) })
      .on(Order, { Placed: () => Effect.fail(new Refused()) })
      .on(Shipping, () => void (reactions += 1))
    const { await: failure, consumers } = yield* Process.start(process)
    yield* Shipping.append("1", Shipping.events.Shipped({ count: 1 }))
    yield* place("1")
    assert.instanceOf(yield* Effect.flip(failure), Refused)
    const [, shipping] = consumers
    assert.isTrue(Exit.isFailure(yield* Effect.exit(shipping?.await ?? Effect.void)))
    const before = reactions
    yield* Shipping.append("1", Shipping.events.Shipped({ count: 2 }))
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(reactions, before)
  }).pipe(fresh, Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None")))

it.effect("without a source it is refused, however it is run", () =>
  Effect.gen(function*() {
    const process = Process.make("fulfilment", { entity: Progress })
    const refusals = [
      Process.run(process),
      Effect.scoped(Process.start(process)),
      Process.status(process),
      Process.waitFor(process, 1),
      Consumer.launch(Process.layer(process))
    ]
    for (const refused of refusals) {
      const { message } = yield* Effect.flip(Effect.asVoid(refused))
      assert.include(message, "from is none, and must be at least one source: add one with .on(category, reactions)")
    }
  }).pipe(fresh))

it.effect("a reaction tells its span the highest position of what it wrote", () =>
  Effect.gen(function*() {
    const spans: Array<Tracer.Span> = []
    const tracer = Tracer.make({
      span(options) {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const process = Process.make("fulfilment", { entity: Progress })
      .on(Order, {
        Placed: (_, __, id) => ({
          events: Fulfilment.events.Started({}),
          send: Process.send(Shipping, id, [1, 2].map((count) => Shipping.events.Shipped({ count })))
        }),
        Cancelled: () => {}
      })
    yield* place("1")
    yield* Order.append("1", Order.events.Cancelled({}))
    const reactions = () => spans.filter(({ name }) => name === "Process.react")
    const run = Effect.scoped(Effect.gen(function*() {
      const running = yield* Process.start(process)
      yield* running.waitFor(2)
    }))
    yield* Effect.withTracer(run, tracer)
    const last = (yield* read("shipping")).at(-1)?.globalPosition
    assert.deepStrictEqual(reactions().map(({ attributes }) => attributes.get("eventfold.written_position")), [
      last,
      undefined
    ])
    // What was written then, when the message is delivered again.
    yield* redelivering(Effect.withTracer(run, tracer))
    assert.strictEqual(reactions()[2]?.attributes.get("eventfold.written_position"), last)
  }).pipe(fresh))

it.effect("the failure policy applies to the reaction to a deadline", () =>
  Effect.gen(function*() {
    const process = Process.make("fulfilment", { entity: Progress, retry: Schedule.recurs(0) })
      .deadline("now", () => Effect.fail(new Refused()))
      .on(Order, { Placed: () => ({ deadlines: { now: 0 } }) })
    yield* place("1")
    assert.instanceOf(yield* Effect.flip(Process.run(process)), Refused)
    assert.instanceOf(yield* Effect.flip(Process.run(process)), Refused)
    assert.deepStrictEqual(yield* types("fulfilment:deadline"), ["Set", "Passed"])
  }).pipe(fresh))

class Stock extends Context.Service<Stock, { readonly left: Effect.Effect<number> }>()("test/Stock") {}

it.effect("a reaction may be an effect that needs a service, and is decided again after a conflict", () =>
  Effect.gen(function*() {
    const seen: Array<number> = []
    const process = Process.make("fulfilment", { entity: Progress }).on(Order, {
      Placed: Effect.fnUntraced(function*({ count }, _, id) {
        seen.push(count)
        // Another writer is faster.
        if (count === 0) yield* Effect.orDie(Fulfilment.append(id, Fulfilment.events.Started({})))
        const left = yield* Effect.flatMap(Stock, (stock) => stock.left)
        return {
          events: [Fulfilment.events.Started({}), Fulfilment.events.Ended({})],
          send: Process.send(Shipping, id, Shipping.events.Shipped({ count: count + left }))
        }
      })
    })
    yield* place("1")
    const running = yield* Effect.forkChild(
      Effect.provideService(Process.run(process), Stock, { left: Effect.succeed(10) })
    )
    yield* awaitMessages("fulfilment", 1)
    yield* TestClock.adjust("1 second")
    yield* awaitMessages("shipping", 1)
    yield* Fiber.interrupt(running)
    assert.deepStrictEqual(seen, [0, 1])
    assert.deepStrictEqual((yield* read("shipping")).map(({ data }) => data), [{ count: 11 }])
    assert.deepStrictEqual((yield* Progress.load("1")).state, { open: false, count: 2 })
  }).pipe(fresh))

it.effect("a handled message stays handled when the process changes", () =>
  Effect.gen(function*() {
    const before = Process.make("fulfilment", { entity: Progress }).on(Order, {
      Placed: (_, __, id) => ({ send: Process.send(Shipping, id, Shipping.events.Shipped({ count: 1 })) })
    })
    yield* place("1")
    yield* runUntil(before, "shipping", 1)
    const after = Process.make("fulfilment", { entity: Progress })
      .deadline("late", () => {})
      .on(Order, {
        Placed: (_, __, id) => ({
          events: [Fulfilment.events.Started({}), Fulfilment.events.Ended({})],
          send: Process.send(Shipping, id, Shipping.events.Shipped({ count: 2 })),
          deadlines: { late: 0 }
        })
      })
    yield* place("2")
    yield* redelivering(runUntil(after, "shipping", 2))
    assert.deepStrictEqual(
      (yield* read("shipping")).map(({ data, streamName }) => [streamName, data]),
      [["shipping-1", { count: 1 }], ["shipping-2", { count: 2 }]]
    )
    assert.deepStrictEqual(yield* types("fulfilment"), ["eventfold:Handled", "Started", "Ended"])
    const deadlines = new Set((yield* read("fulfilment:deadline")).map(({ streamName }) => streamName))
    assert.deepStrictEqual([...deadlines], ["fulfilment:deadline-2"])
  }).pipe(fresh))

it.effect("typed metadata is written over what follows from the cause, and markers need none", () =>
  Effect.gen(function*() {
    const metadata = { userId: Schema.String }
    const Own = Category.make("own", { Noted: {} }, { metadata, unknownTypes: "refuse" })
    const Other = Category.make("other:command", { Do: {} }, {
      metadata: { ...metadata, properties: Schema.Struct({ a: Schema.Int }) },
      id: Schema.FiniteFromString
    })
    const memory = Entity.make(Own, { state: Schema.Int, initial: 0, evolve: { Noted: (count) => count + 1 } })
    const process = Process.make("own", { entity: memory }).on(Order, {
      Placed: (count) => ({
        ...(count === 0 ? {} : { events: Own.events.Noted({}, { metadata: { userId: "u" } }) }),
        send: [
          Process.send(Other, 7, Other.events.Do({}, { metadata: { userId: "v", properties: { a: 1 } } })),
          Process.send(Other, 7, [Other.events.Do({}, { metadata: { userId: "w", properties: { a: 2 } } })])
        ]
      }),
      Cancelled: () => ({ events: Own.events.Noted({}, { metadata: { userId: "u" } }) })
    })
    const placing = Order.events.Placed({ minutes: [] }, { metadata: { properties: { a: 0, b: 0 } } })
    yield* Order.append("1", [placing, Order.events.Cancelled({}), placing])
    yield* runUntil(process, "other:command", 4)
    assert.deepStrictEqual(yield* types("own"), ["eventfold:Handled", "Noted", "Noted"])
    assert.strictEqual((yield* memory.load("1")).state, 2)
    const events = yield* Stream.runCollect(Own.readStream("1"))
    assert.deepStrictEqual(
      events.map(({ metadata: { causationMessagePosition, userId } }) => [userId, causationMessagePosition]),
      [
        ["u", 1],
        ["u", 2]
      ]
    )
    const sent = yield* read("other:command")
    assert.deepStrictEqual(sent.map(({ streamName }) => streamName), Array.from(sent, () => "other:command-7"))
    assert.deepStrictEqual(sent.map(({ metadata }) => Metadata.fromJson(metadata).properties), [
      { a: 1, b: 0 },
      { a: 2, b: 0 },
      { a: 1, b: 0 },
      { a: 2, b: 0 }
    ])
    assert.deepStrictEqual(sent.map(({ metadata }) => Metadata.fromJson(metadata)["userId"]), ["v", "w", "v", "w"])
  }).pipe(fresh))

it.effect("an event is for the process of the id that the source gives, of its stream's id, or for none", () =>
  Effect.gen(function*() {
    const process = Process.make("fulfilment", { entity: Progress })
      .on(Order, { Placed: () => ({ events: Fulfilment.events.Started({}) }) })
      .on(Shipping, { Shipped: () => ({ events: Fulfilment.events.Ended({}) }) }, {
        id: ({ data: { count } }) => count === 0 ? undefined : ["of", String(count)]
      })
    yield* place("1+2")
    yield* Shipping.append("x", [Shipping.events.Shipped({ count: 0 }), Shipping.events.Shipped({ count: 3 })])
    yield* runUntil(process, "fulfilment", 2)
    assert.deepStrictEqual((yield* read("fulfilment")).map(({ streamName }) => streamName).toSorted(), [
      "fulfilment-1+2",
      "fulfilment-of+3"
    ])
  }).pipe(fresh))

it.effect("consumers have the options of their source or else of the process; that of the deadlines starts at the beginning", () =>
  Effect.gen(function*() {
    const process = Process.make("fulfilment", {
      entity: Progress,
      start: "end",
      concurrency: 8,
      group: { size: 2, members: [1] }
    })
      .deadline("late", () => {})
      .on(Order, { Placed: () => {} }, { concurrency: 2, correlation: "fulfilment" })
      .on(Shipping, { Shipped: () => {} })
    assert.deepStrictEqual(
      process.consumers.map(({ category, id, options: { concurrency, correlation, group, start } }) => ({
        id,
        category,
        concurrency,
        correlation,
        start,
        size: group?.size
      })),
      [
        { id: "fulfilment", category: "order", concurrency: 2, correlation: "fulfilment", start: "end", size: 2 },
        { id: "fulfilment", category: "shipping", concurrency: 8, correlation: undefined, start: "end", size: 2 },
        {
          id: "fulfilment",
          category: "fulfilment:deadline",
          concurrency: 8,
          correlation: undefined,
          start: undefined,
          size: undefined
        }
      ]
    )
    assert.deepStrictEqual(process.consumers[0]?.selection, {
      categories: ["order"],
      types: ["Placed"],
      bookkeeping: false
    })

    const twice = process.on(Order, { Cancelled: () => {} })
    const error = yield* Effect.flip(Process.run(twice))
    assert(error instanceof StoreError.InvalidArgument)
    assert.strictEqual(error.value, "order")

    const dashed = Process.make("my-process", { entity: Progress }).deadline("late", () => {})
    assert.instanceOf(yield* Effect.flip(Process.run(dashed)), StreamName.InvalidCategory)
  }).pipe(fresh))

const shipped = (count: number) => Process.send(Shipping, "1", Shipping.events.Shipped({ count }))

/** A reaction in words: what it reacted to, and what it wrote. */
const placed = (position: number, minutes: number) =>
  `Placed ${position}, Started, Started, Shipped, Shipped, late ${minutes}`

/** The ids that wait, with how many deadlines they have and when the next one is due. */
const waitingIds = (options?: Parameters<typeof Process.waiting>[1]) =>
  Effect.map(
    Process.waiting({ name: "fulfilment" }, options),
    (found) => found.map(({ id, next, pending }) => [id, pending, next.due.epochMilliseconds / 60_000])
  )

it.effect("tells what one has done as groups of what each reaction wrote, page by page, and which ids wait", () =>
  Effect.gen(function*() {
    const fulfilment = Process.make("fulfilment", { entity: Progress })
      .deadline("late", () => undefined)
      .on(Order, {
        Placed: (_, { data: { minutes: [first = 0] } }) => ({
          events: [Fulfilment.events.Started({}), Fulfilment.events.Started({})],
          send: [shipped(1), shipped(2)],
          deadlines: { late: Duration.minutes(first) }
        }),
        // Without events of its own.
        Cancelled: () => ({ send: shipped(3) })
      })
    // Another one that reacts to the same messages, and has its state in the same streams.
    const audit = Process.make("audit", { entity: Progress }).on(Order, { Placed: () => ({ send: shipped(9) }) })
    yield* place("1", 30)
    yield* place("1", 90)
    yield* Order.append("1", Order.events.Cancelled({}))
    yield* place("2", 60)
    yield* Fulfilment.append("3", Fulfilment.events.Started({}))
    yield* runUntil(audit, "shipping", 3)
    yield* runUntil(fulfilment, "shipping", 10)

    const history = (id: string, options?: Parameters<typeof Process.history>[2]) =>
      Effect.map(Process.history(fulfilment, id, options), ({ next, reactions }) => ({
        next: Option.getOrUndefined(next),
        reactions: reactions.map(({ deadlines, events, message, sent }) =>
          [
            Option.match(message, { onNone: () => "nothing", onSome: ({ position, type }) => `${type} ${position}` }),
            ...events.map(({ type }) => type),
            ...sent.map(({ type }) => type),
            ...deadlines.map(({ due, name }) => `${name} ${due.epochMilliseconds / 60_000}`)
          ].join(", ")
        )
      }))
    const cancelled = "Cancelled 2, Shipped"
    assert.deepStrictEqual(yield* history("1"), {
      reactions: [cancelled, placed(1, 90), placed(0, 30)],
      next: undefined
    })
    const first = yield* history("1", { limit: 2 })
    assert.deepStrictEqual(first, { reactions: [cancelled, placed(1, 90)], next: 4 })
    // What the other process wrote takes a place of the page.
    assert.deepStrictEqual(yield* history("1", { before: 4, limit: 2 }), { reactions: [placed(0, 30)], next: 1 })
    assert.deepStrictEqual(yield* history("1", { before: 1, limit: 2 }), { reactions: [], next: undefined })
    assert.deepStrictEqual(yield* history("3"), { reactions: ["nothing, Started"], next: undefined })
    assert.deepStrictEqual(yield* history("nobody"), { reactions: [], next: undefined })
    for (const options of [{ limit: 0 }, { before: -1 }, { window: 0 }]) {
      assert.instanceOf(yield* Effect.flip(Process.history(fulfilment, "1", options)), StoreError.InvalidArgument)
    }

    assert.deepStrictEqual(yield* waitingIds(), [["1", 2, 30], ["2", 1, 60]])
    assert.deepStrictEqual(yield* waitingIds({ limit: 1 }), [["1", 2, 30]])
    assert.deepStrictEqual(yield* waitingIds({ overdue: true }), [])
    yield* TestClock.adjust("45 minutes")
    assert.deepStrictEqual(yield* waitingIds({ overdue: true }), [["1", 2, 30]])
  }).pipe(fresh))

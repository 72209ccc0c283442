import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Layer, Logger, Option, References, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Category, Consumer, FailureReport, MessageStore, Metadata, TraceContext } from "eventfold"
import { counted, series, stateOf, withOwnMetrics } from "./support/shownMetrics.ts"
import { makeTracer } from "./support/tracer.ts"

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const deposit = (id: string, amount: number) => Account.append(id, Account.events.Deposited({ amount }))

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

it.layer(MessageStore.layerMemory)("metrics", (it) => {
  it.effect("count handled, retried and skipped messages, and show the lag", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const consumer = Consumer.make("test", { concurrency: 3, retry: Schedule.recurs(2), onFailure: "skip" }).on(
        Account,
        {
          Deposited: ({ data: { amount } }) =>
            amount < 0
              ? Effect.fail(new Refused())
              : amount === 0
              ? Deferred.await(gate)
              : Effect.sleep(`${amount} seconds`)
        }
      )
      yield* deposit("a", 2)
      yield* deposit("b", -1)
      yield* TestClock.adjust("10 seconds")
      yield* deposit("c", 0)
      yield* deposit("c", 0)
      const running = yield* Consumer.start(consumer)
      yield* TestClock.adjust("30 seconds")

      const own = { "messaging.consumer.group.name": "test", "messaging.destination.name": "account" }
      const conventional = {
        ...own,
        "messaging.system": "eventfold",
        "messaging.operation.name": "Consumer.handle"
      }
      const refused = { ...conventional, "error.type": "Refused" }
      const metrics = yield* series
      const count = (name: string) => stateOf(metrics, `eventfold.consumer.${name}`, own)
      assert.deepStrictEqual(stateOf(metrics, "messaging.client.consumed.messages", conventional), counted(1))
      assert.deepStrictEqual(stateOf(metrics, "messaging.client.consumed.messages", refused), counted(1))
      assert.deepStrictEqual(count("retries"), counted(2))
      assert.deepStrictEqual(count("skips"), counted(1))
      assert.deepStrictEqual(count("parkings"), counted(0))
      assert.deepStrictEqual(count("in_flight"), { value: 1 })
      assert.deepStrictEqual(count("pending.messages"), { value: 2 })
      assert.deepStrictEqual(count("pending.positions"), { value: 2 })
      assert.deepStrictEqual(count("pending.age"), { value: 30 })
      const durations = (attributes: typeof conventional) => stateOf(metrics, "messaging.process.duration", attributes)
      assert.deepInclude(durations(conventional), { count: 1, sum: 2, min: 2, max: 2 })
      assert.deepInclude(durations(refused), { count: 3, sum: 0 })

      yield* Deferred.succeed(gate, undefined)
      yield* running.waitFor(4)
      const after = yield* series
      assert.deepStrictEqual(stateOf(after, "eventfold.consumer.pending.age", own), { value: 0 })
      assert.deepStrictEqual(stateOf(after, "eventfold.consumer.pending.positions", own), { value: 0 })
    }).pipe(
      Effect.scoped,
      Effect.andThen(series),
      Effect.tap((left) =>
        Effect.sync(() => {
          const names = left.map(({ name }) => name)
          assert.notInclude(names, "eventfold.consumer.in_flight", "a gauge goes with the consumer")
          assert.include(names, "eventfold.consumer.retries", "a count stays")
        })
      ),
      withOwnMetrics
    ))

  it.effect("tell members of a group apart, and what is parked", () =>
    Effect.gen(function*() {
      const { globalPosition } = yield* deposit("parked", -1)
      yield* deposit("parked", 1)
      const start = { position: globalPosition }
      const consumer = Consumer.make("parking", {
        start,
        retry: Schedule.recurs(0),
        onFailure: "park",
        group: { size: 1, members: [0] }
      }).on(Account, { Deposited: ({ data: { amount } }) => amount < 0 ? new Refused() : Effect.void })
      yield* handleAll(consumer, globalPosition + 1)
      assert.deepStrictEqual(
        stateOf(yield* series, "eventfold.consumer.parkings", {
          "messaging.consumer.group.name": "parking",
          "messaging.destination.name": "account",
          "eventfold.members": "0"
        }),
        counted(2)
      )
    }).pipe(withOwnMetrics))
})

/** Runs the consumer until it has handled all messages. */
const handleAll = <E, R>(consumer: Consumer.Consumer<E, R>, last: number) =>
  Effect.scoped(Effect.flatMap(Consumer.start(consumer), ({ waitFor }) => waitFor(last)))

it.layer(MessageStore.layerMemory)("tracing", (it) => {
  it.effect("each handling is a trace of its own, linked to the trace that wrote the message", () => {
    const { named, tracer } = makeTracer()
    return Effect.gen(function*() {
      yield* Effect.provide(deposit("a", 1), TraceContext.layer)
      yield* deposit("b", 2)
      const consumer = Consumer.make("test", { retry: Schedule.recurs(1), onFailure: "skip" }).on(Account, {
        Deposited: ({ data, recorded }) =>
          data.amount === 2
            ? new Refused()
            : Effect.provide(
              MessageStore.MessageStore.use((store) =>
                store.append("answer-1", { type: "Answer", data: {}, metadata: Metadata.follow(recorded) })
              ),
              TraceContext.layer
            )
      })
      yield* handleAll(consumer, 2)

      const [append] = named("MessageStore.append")
      const [first, second] = named("Consumer.handle")
      assert.strictEqual(named("Consumer.handle").length, 2)
      assert.strictEqual(first?.kind, "consumer")
      assert.deepStrictEqual(first?.parent, Option.none())
      assert.deepStrictEqual(first?.links.map(({ span }) => [span.traceId, span.spanId]), [[
        append?.traceId,
        append?.spanId
      ]])
      const { "messaging.message.id": id, ...attributes } = Object.fromEntries(first?.attributes ?? [])
      assert.isString(id)
      assert.deepStrictEqual(attributes, {
        "messaging.system": "eventfold",
        "messaging.operation.name": "Consumer.handle",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": "test",
        "messaging.destination.name": "account",
        "eventfold.stream": "account-a",
        "eventfold.position": 0,
        "eventfold.global_position": 1,
        "eventfold.type": "Deposited"
      })
      assert.deepStrictEqual(second?.links, [])
      assert(second?.status._tag === "Ended")
      assert.isTrue(Exit.isFailure(second.status.exit), "a failed handling is a failed span, also when it is skipped")
      // A message that a handler writes links to the handling.
      const store = yield* MessageStore.MessageStore
      const answer = Option.getOrThrow(yield* store.lastMessage("answer-1"))
      assert.include(Metadata.fromJson(answer.metadata).traceparent, first?.traceId)
    }).pipe(Effect.withTracer(tracer))
  })

  it.effect("a batch is one span with all its links", () => {
    const { named, tracer } = makeTracer()
    return Effect.gen(function*() {
      const ids = ["1", "2", "3"]
      const written = yield* Effect.provide(Effect.forEach(ids, (id) => deposit(id, 1)), TraceContext.layer)
      const first = written[0]?.globalPosition ?? 0
      const consumer = Consumer.batch("batch", { from: Account, handle: () => Effect.void, start: { position: first } })
      yield* handleAll(consumer, first + 2)
      const [span, ...others] = named("Consumer.handle")
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(
        span?.links.map(({ span }) => span.spanId),
        named("MessageStore.append").slice(0, 3).map(({ spanId }) => spanId)
      )
      assert.strictEqual(span?.attributes.get("messaging.batch.message_count"), 3)
    }).pipe(Effect.withTracer(tracer))
  })

  it.effect("there is no span for a message when no tracer would see it", () =>
    Effect.gen(function*() {
      const { globalPosition } = yield* deposit("a", 1)
      const seen: Array<string | undefined> = []
      const consumer = (id: string) =>
        Consumer.make(id, { start: { position: globalPosition } }).on(Account, {
          Deposited: () =>
            Effect.map(Effect.option(Effect.currentSpan), (span) => seen.push(Option.getOrUndefined(span)?.name))
        })
      yield* handleAll(consumer("untraced"), globalPosition)
      yield* Effect.provide(handleAll(consumer("traced"), globalPosition), TraceContext.layer)
      assert.deepStrictEqual(seen, [undefined, "Consumer.handle"])
    }))
})

interface Line {
  readonly level: string
  readonly message: string
  readonly about: unknown
}

/** Runs an effect and gives its log lines. */
const logsOf = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const lines: Array<Line> = []
  const logger = Logger.make(({ fiber, logLevel, message }) => {
    lines.push({ level: logLevel, message: String(message), about: fiber.getRef(References.CurrentLogAnnotations) })
  })
  return effect.pipe(
    Effect.as(lines),
    Effect.provide(Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "All")))
  )
}

class TooMuch extends Schema.TaggedError<TooMuch>()("TooMuch", { amount: Schema.Int, limit: Schema.BigInt }) {}

const tooMuch = { kind: "error", tag: "TooMuch", message: "TooMuch", fields: { amount: 5, limit: "4" } }

const consumerOf = (id: string, options: Consumer.Options) =>
  Consumer.make(id, { retry: Schedule.recurs(1), ...options }).on(Account, {
    Deposited: ({ data: { amount } }) => new TooMuch({ amount, limit: 4n })
  })

/** The lines that have a failure: what they say, and the failure. */
const failures = (lines: ReadonlyArray<Line>) =>
  lines.flatMap(({ about, message }) =>
    typeof about === "object" && about !== null && "error" in about ? [[message, about.error]] : []
  )

it.layer(MessageStore.layerMemory)("logs of failures", (it) => {
  it.effect("have the tag and the fields of the error, whether it is retried, skipped, parked or stops the consumer", () =>
    Effect.gen(function*() {
      const { globalPosition } = yield* deposit("a", 5)
      const retried = ["consumer failed to handle a message and retries it", tooMuch]
      for (
        const [onFailure, words] of [
          ["skip", "consumer failed to handle a message and skips it"],
          ["park", "consumer failed to handle a message; it parks the message and later ones with its cardinal id"]
        ] as const
      ) {
        const lines = yield* logsOf(handleAll(consumerOf(onFailure, { onFailure }), globalPosition))
        assert.deepStrictEqual(failures(lines), [retried, [words, tooMuch]])
      }
      const stopped = yield* logsOf(Effect.flip(Consumer.run(consumerOf("stop", {}))))
      assert.deepStrictEqual(failures(stopped), [
        retried,
        ["consumer failed to handle a message and stops", tooMuch]
      ])
      const ignored = yield* logsOf(
        Consumer.launch(Consumer.layer(consumerOf("ignore", {}), { onStop: "ignore" })).pipe(
          Effect.timeoutOption("1 minute"),
          (launched) => Effect.raceFirst(launched, Effect.andThen(TestClock.adjust("2 minutes"), Effect.never))
        )
      )
      assert.deepInclude(failures(ignored), ["consumer failed; the program continues without it", tooMuch])
      assert.notInclude(JSON.stringify([stopped, ignored]), import.meta.filename)
    }))

  it.effect("have the stack only when the switch is set", () =>
    Effect.gen(function*() {
      yield* deposit("b", 5)
      const lines = yield* logsOf(Effect.flip(Consumer.run(consumerOf("stacks", {})))).pipe(
        Effect.provideService(FailureReport.IncludeStack, true)
      )
      assert.include(JSON.stringify(failures(lines)), "ConsumerObservability.test.ts")
    }))
})

it.layer(MessageStore.layerMemory)("logs", (it) => {
  it.effect("lines name the message, and show nothing of its content", () => {
    const lines: Array<Line> = []
    const logger = Logger.make(({ fiber, logLevel, message }) => {
      lines.push({ level: logLevel, message: String(message), about: fiber.getRef(References.CurrentLogAnnotations) })
    })
    return Effect.gen(function*() {
      yield* deposit("a", 424_242)
      const consumer = Consumer.make("test", { retry: Schedule.recurs(2) }).on(Account, {
        Deposited: () => new Refused()
      })
      yield* Effect.flip(Consumer.run(consumer))
      assert.deepStrictEqual(lines.map(({ level, message }) => [level, message]), [
        ["Info", "consumer started"],
        ["Debug", "consumer failed to handle a message and retries it"],
        ["Warn", "consumer failed to handle a message and retries it"],
        ["Error", "consumer failed to handle a message and stops"],
        ["Info", "consumer stopped"]
      ])
      const failed = lines[3]?.about
      assert.deepInclude(failed, {
        consumer: "test",
        streamName: "account-a",
        position: 0,
        globalPosition: 1,
        type: "Deposited",
        attempts: 3
      })
      assert.notInclude(JSON.stringify(lines), "424242")
      assert.deepInclude(failed, { error: { kind: "error", tag: "Refused", message: "Refused", fields: {} } })
      assert.deepInclude(lines[4]?.about, { why: "failed", handled: 0 })
    }).pipe(
      Effect.provide(Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "All")))
    )
  })
})

import { assert, describe, it } from "@effect/vitest"
import {
  Arbitrary,
  Cause,
  Clock,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Option,
  Ref,
  Schedule,
  Schema,
  Stream
} from "effect"
import { TestClock } from "effect/testing"
import { Category, Entity, type Message, MessageStore, StoreError, StreamName } from "eventfold"

const Account = Category.make("account", {
  Opened: { owner: Schema.String },
  Deposited: { amount: Schema.Int },
  Withdrawn: { amount: Schema.Int }
})

const Balance = Entity.make(Account, {
  state: Schema.Struct({ balance: Schema.Int }),
  initial: { balance: 0 },
  evolve: {
    Opened: (state) => state,
    Deposited: (state, { amount }) => ({ balance: state.balance + amount }),
    Withdrawn: (state, { amount }) => ({ balance: state.balance - amount })
  }
})

class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", { balance: Schema.Int }) {}

const deposited = (amount: number) => Account.events.Deposited({ amount })

const withdraw = (id: string, amount: number) =>
  Balance.transact(id, ({ balance }) =>
    balance < amount
      ? Effect.fail(new InsufficientFunds({ balance }))
      : Effect.succeed(Account.events.Withdrawn({ amount })))

const events = (id: string) =>
  Stream.runCollect(Account.readStream(id)).pipe(
    Effect.map((events) => events.map(({ data, type }) => ({ type, data })))
  )

const write = (message: Message.Message) =>
  Effect.flatMap(MessageStore.MessageStore, (store) => store.append("account-1", message))

const onMemory = Effect.provide(MessageStore.layerMemory)

/** A decision that another writer is faster than, as often as it is asked to be, and how often it was made. */
const overtaken = (times: number, decision: Entity.Decision<Category.Event<typeof Account>> = deposited(1)) => {
  const states: Array<number> = []
  const decide = ({ balance }: { readonly balance: number }) =>
    Effect.gen(function*() {
      states.push(balance)
      if (states.length <= times) yield* Account.append("1", deposited(100))
      return decision
    })
  return { decide, states }
}

/** A store in memory that notes from where each stream was read, and how many messages were. */
const observed = Effect.gen(function*() {
  const store = yield* MessageStore.MessageStore
  const reads: Array<{ from: number; messages: number }> = []
  const readStream: typeof store.readStream = (name, options) => {
    const read = { from: options?.from ?? 0, messages: 0 }
    reads.push(read)
    return Stream.tap(store.readStream(name, options), () => Effect.sync(() => read.messages++))
  }
  return { reads, store: MessageStore.MessageStore.of({ ...store, readStream }) }
}).pipe(onMemory)

describe("load", () => {
  it.effect("a stream that does not exist is the initial state, without a version", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Balance.load("1"), { state: { balance: 0 }, version: Option.none() })
    }).pipe(onMemory))

  it.effect("folds every event once and in order, over several pages", () =>
    Effect.gen(function*() {
      const Log = Category.make("log", { Added: Schema.Int })
      const Digest = Entity.make(Log, {
        state: Schema.Struct({ count: Schema.Int, digest: Schema.Int }),
        initial: { count: 0, digest: 0 },
        // Depends on the order, and on each of them.
        evolve: { Added: ({ count, digest }, n) => ({ count: count + 1, digest: (digest * 31 + n) % 1_000_003 }) }
      })
      const numbers = Array.from({ length: 3 * MessageStore.defaultBatchSize + 17 }, (_, i) => (i * 7_919) % 10_007)
      yield* Log.append("1", numbers.map((n) => Log.events.Added(n)))
      assert.deepStrictEqual(yield* Digest.load("1"), {
        state: { count: numbers.length, digest: numbers.reduce((digest, n) => (digest * 31 + n) % 1_000_003, 0) },
        version: Option.some(numbers.length - 1)
      })
    }).pipe(onMemory))

  it.effect("stops at the end of a page that is full", () =>
    Effect.gen(function*() {
      yield* Account.append("1", Array.from({ length: MessageStore.defaultBatchSize }, () => deposited(1)))
      assert.deepStrictEqual(yield* Balance.load("1"), { state: { balance: 1_024 }, version: Option.some(1_023) })
    }).pipe(onMemory))

  it.effect("skips types that the category does not name, and counts them in the version", () =>
    Effect.gen(function*() {
      yield* Account.append("1", deposited(5))
      for (const type of ["Foreign", "constructor", "__proto__", "toString"]) {
        yield* write({ type, data: { amount: 1 } })
      }
      assert.deepStrictEqual(yield* Balance.load("1"), { state: { balance: 5 }, version: Option.some(4) })
      assert.deepStrictEqual((yield* Balance.transact("1", () => deposited(1))).version, Option.some(5))
    }).pipe(onMemory))

  it.effect("folds types named like what every object has", () =>
    Effect.gen(function*() {
      const Odd = Category.make("odd", { constructor: Schema.Int, ["__proto__"]: Schema.Int, toString: Schema.Int })
      const Sum = Entity.make(Odd, {
        state: Schema.Int,
        initial: 0,
        evolve: {
          constructor: (sum, n) => sum + n,
          ["__proto__"]: (sum, n) => sum + 10 * n,
          toString: (sum, n) => sum + 100 * n
        }
      })
      const { constructor, toString, ["__proto__"]: proto } = Odd.events
      assert.strictEqual((yield* Sum.transact("1", () => [constructor(1), proto(2), toString(3)])).state, 321)
      assert.strictEqual((yield* Sum.load("1")).state, 321)
    }).pipe(onMemory))

  it.effect("fails with where a message does not fit", () =>
    Effect.gen(function*() {
      yield* Account.append("1", deposited(5))
      yield* write({ type: "Deposited", data: { amount: "5" } })
      for (const effect of [Balance.load("1"), Balance.transact("1", () => deposited(1))]) {
        const error = yield* Effect.flip(effect)
        assert.instanceOf(error, Category.DecodeError)
        assert.deepStrictEqual([error.streamName, error.position, error.type, error.path], [
          "account-1",
          1,
          "Deposited",
          ["data", "amount"]
        ])
      }
    }).pipe(onMemory))

  it.effect("takes a compound id, and refuses an empty one", () =>
    Effect.gen(function*() {
      yield* Account.append(["1", "2"], deposited(5))
      assert.deepStrictEqual((yield* Balance.load(["1", "2"])).state, { balance: 5 })
      for (const effect of [Balance.load(""), Balance.transact("", () => deposited(1))]) {
        assert.instanceOf(yield* Effect.flip(effect), StreamName.InvalidStreamName)
      }
    }).pipe(onMemory))
})

describe("transact", () => {
  type Decision = Entity.Decision<Category.Event<typeof Account>>
  const decisions: ReadonlyArray<
    readonly [name: string, decide: () => Decision | Effect.Effect<Decision>, amounts: ReadonlyArray<number>]
  > = [
    ["an event", () => deposited(1), [1]],
    ["several", () => [deposited(1), deposited(2)], [1, 2]],
    ["an effect of one", () => Effect.succeed(deposited(1)), [1]],
    ["an effect of several", () => Effect.succeed([deposited(1), deposited(2)]), [1, 2]],
    ["none", () => [], []],
    ["an effect of none", () => Effect.succeed([]), []]
  ]
  it.effect.each(decisions)("decides %s", ([, decide, amounts]) =>
    Effect.gen(function*() {
      for (const [before, start] of [[10, Option.some(0)], [0, Option.none()]] as const) {
        const id = String(before)
        if (before > 0) yield* Account.append(id, deposited(before))
        const decided = amounts.map(deposited)
        const version = amounts.length === 0
          ? start
          : Option.some(amounts.length - 1 + Option.match(start, { onNone: () => 0, onSome: (at) => at + 1 }))
        const state = { balance: amounts.reduce((sum, n) => sum + n, before) }
        const result = yield* Balance.transact(id, decide)
        const last = yield* Account.lastEvent(id)
        assert.deepStrictEqual(result, {
          state,
          version,
          events: decided,
          reply: undefined,
          globalPosition: amounts.length === 0
            ? Option.none()
            : Option.map(last, ({ recorded }) => recorded.globalPosition)
        })
        assert.deepStrictEqual(yield* Balance.load(id), { state, version })
        assert.deepStrictEqual(yield* events(id), [...(before > 0 ? [deposited(before)] : []), ...decided])
      }
    }).pipe(onMemory))

  it.effect("shows decide the state and the version", () =>
    Effect.gen(function*() {
      const seen: Array<readonly [number, Option.Option<number>]> = []
      const look = Balance.transact("1", ({ balance }, version) => {
        seen.push([balance, version])
        return [deposited(2), deposited(3)]
      })
      yield* Effect.all([look, look])
      assert.deepStrictEqual(seen, [[0, Option.none()], [5, Option.some(1)]])
    }).pipe(onMemory))

  it.effect("none writes nothing and checks nothing", () =>
    Effect.gen(function*() {
      const { decide, states } = overtaken(1, [])
      assert.deepStrictEqual(yield* Balance.transact("1", decide), {
        state: { balance: 0 },
        version: Option.none(),
        events: [],
        reply: undefined,
        globalPosition: Option.none()
      })
      assert.deepStrictEqual(states, [0])
      assert.deepStrictEqual(yield* events("1"), [deposited(100)])
    }).pipe(onMemory))

  it.effect("keeps the id and the metadata of an event", () =>
    Effect.gen(function*() {
      const id = "0190163d-8694-739b-aea5-966c26f8ad90"
      const metadata = { correlationStreamName: "order-7" }
      yield* Balance.transact("1", () => Account.events.Deposited({ amount: 1 }, { id, metadata }))
      const [event] = yield* Stream.runCollect(Account.readStream("1"))
      assert.deepStrictEqual<unknown>([event?.recorded.id, event?.recorded.metadata], [id, metadata])
    }).pipe(onMemory))

  it.effect("does not count events again that had been recorded under the same ids", () =>
    Effect.gen(function*() {
      const once = Balance.transact("1", () =>
        Account.events.Deposited({ amount: 5 }, { id: "0190163d-8694-739b-aea5-966c26f8ad90" }))
      yield* once
      yield* Account.append("1", deposited(100))
      const { state, version } = yield* once
      assert.deepStrictEqual({ state, version }, yield* Balance.load("1"))
      assert.deepStrictEqual(state, { balance: 105 })
    }).pipe(onMemory))

  it.effect.prop("gives the state that is loaded then, and that a model has", [
    Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: -20, maximum: 20 }))), {
      maxLength: 20
    })
  ], ([amounts]) =>
    Effect.gen(function*() {
      let model = 0
      for (const amount of amounts) {
        if (amount >= 0) {
          model += amount
          const { state } = yield* Balance.transact("1", () => deposited(amount))
          assert.deepStrictEqual(state.balance, model)
        } else {
          const outcome = yield* Effect.result(withdraw("1", -amount))
          assert.strictEqual(outcome._tag, model < -amount ? "Failure" : "Success")
          if (model >= -amount) model += amount
        }
        assert.deepStrictEqual((yield* Balance.load("1")).state, { balance: model })
      }
    }).pipe(onMemory))
})

const defect = (reason: Cause.Reason<unknown>) => Cause.isDieReason(reason) ? reason.defect : undefined

describe("a refusal", () => {
  const refusals: ReadonlyArray<
    readonly [
      name: string,
      decide: (state: { readonly balance: number }) => Effect.Effect<never, InsufficientFunds>
    ]
  > = [
    ["as an effect", ({ balance }) => Effect.fail(new InsufficientFunds({ balance }))],
    ["as the tagged error itself", ({ balance }) => new InsufficientFunds({ balance })]
  ]

  it.effect.each(refusals)("%s fails the call, at once, with nothing written", ([, decide]) =>
    Effect.gen(function*() {
      let decided = 0
      yield* Account.append("1", deposited(5))
      const error = yield* Effect.flip(Balance.transact("1", (state) => {
        decided++
        return decide(state)
      }))
      assert.deepStrictEqual(error, new InsufficientFunds({ balance: 5 }))
      assert.strictEqual(decided, 1)
      assert.deepStrictEqual(yield* events("1"), [deposited(5)])
    }).pipe(onMemory))

  it.effect("or an event, from one function", () =>
    Effect.gen(function*() {
      const take = (amount: number) =>
        Balance.transact("1", ({ balance }) =>
          balance < amount ? new InsufficientFunds({ balance }) : Account.events.Withdrawn({ amount }))
      yield* Account.append("1", deposited(5))
      assert.deepStrictEqual((yield* take(3)).state, { balance: 2 })
      assert.deepStrictEqual(yield* Effect.flip(take(3)), new InsufficientFunds({ balance: 2 }))
    }).pipe(onMemory))

  it.effect("may be any value, also undefined, and is not decided again", () =>
    Effect.gen(function*() {
      let decided = 0
      const refuse = Effect.suspend(() => {
        decided++
        return Effect.fail(undefined)
      })
      for (const commandId of [undefined, "refused"]) {
        const options = { retry: Schedule.recurs(2), commandId }
        assert.isUndefined(yield* Effect.flip(Balance.transact("1", () => refuse, options)))
      }
      assert.strictEqual(decided, 2)
    }).pipe(onMemory))

  it.effect("an event that does not fit its schema is one, and is not decided again", () =>
    Effect.gen(function*() {
      let decided = 0
      const error = yield* Effect.flip(Balance.transact("1", () => {
        decided++
        return [deposited(1), deposited(1.5)]
      }))
      assert.instanceOf(error, StoreError.InvalidMessage)
      assert.deepStrictEqual([error.index, error.path, decided], [1, ["data", "amount"], 1])
      assert.deepStrictEqual(yield* events("1"), [])
    }).pipe(onMemory))

  it.effect("an id that is taken is one, and is not decided again", () =>
    Effect.gen(function*() {
      const id = "0190163d-8694-739b-aea5-966c26f8ad90"
      let decided = 0
      yield* Account.append("2", Account.events.Deposited({ amount: 1 }, { id }))
      const error = yield* Effect.flip(Balance.transact("1", () => {
        decided++
        return Account.events.Deposited({ amount: 1 }, { id })
      }))
      assert.deepStrictEqual(error, new StoreError.DuplicateMessageId({ id, streamName: "account-1" }))
      assert.strictEqual(decided, 1)
    }).pipe(onMemory))

  it.effect("what decide throws is a defect, with nothing written", () =>
    Effect.gen(function*() {
      const bug = new Error("a bug")
      const exit = yield* Effect.exit(Balance.transact("1", () => {
        throw bug
      }))
      assert.deepStrictEqual(Exit.isFailure(exit) && exit.cause.reasons.map(defect), [bug])
      assert.deepStrictEqual(yield* events("1"), [])
    }).pipe(onMemory))
})

describe("on a conflict", () => {
  it.effect("decides again, on the new state, and reads only what is new", () =>
    Effect.gen(function*() {
      const { reads, store } = yield* observed
      const { decide, states } = overtaken(2)
      const program = Effect.gen(function*() {
        yield* Account.append("1", [deposited(1), deposited(2), deposited(3)])
        return yield* Balance.transact("1", decide, { retry: Schedule.recurs(2) })
      })
      const result = yield* Effect.provideService(program, MessageStore.MessageStore, store)
      assert.deepStrictEqual(states, [6, 106, 206])
      assert.deepStrictEqual(result, {
        state: { balance: 207 },
        version: Option.some(5),
        events: [deposited(1)],
        reply: undefined,
        globalPosition: Option.some(6)
      })
      assert.deepStrictEqual(reads, [
        { from: 0, messages: 3 },
        { from: 3, messages: 1 },
        { from: 4, messages: 1 }
      ])
    }))

  it.effect("on a stream that did not exist, too", () =>
    Effect.gen(function*() {
      const { decide, states } = overtaken(1)
      const { version } = yield* Balance.transact("1", decide, { retry: Schedule.recurs(1) })
      assert.deepStrictEqual(states, [0, 100])
      assert.deepStrictEqual(version, Option.some(1))
    }).pipe(onMemory))

  it.effect("may refuse what it would have done before", () =>
    Effect.gen(function*() {
      yield* Account.append("1", deposited(5))
      const overdrawn = yield* Effect.flip(
        Balance.transact("1", ({ balance }) =>
          Effect.gen(function*() {
            if (balance < 5) return yield* new InsufficientFunds({ balance })
            yield* Account.append("1", Account.events.Withdrawn({ amount: 1 }))
            return Account.events.Withdrawn({ amount: 5 })
          }), { retry: Schedule.recurs(3) })
      )
      assert.deepStrictEqual(overdrawn, new InsufficientFunds({ balance: 4 }))
    }).pipe(onMemory))

  it.effect.each([0, 1, 3])("fails with the last one after %s more attempts", (retries) =>
    Effect.gen(function*() {
      const { decide, states } = overtaken(Number.POSITIVE_INFINITY)
      const error = yield* Effect.flip(Balance.transact("1", decide, { retry: Schedule.recurs(retries) }))
      assert(error instanceof StoreError.WrongExpectedVersion && "attempts" in error)
      assert.deepStrictEqual([error.streamName, error.expected, error.actual, error.attempts], [
        "account-1",
        retries === 0 ? "noStream" : retries - 1,
        Option.some(retries),
        retries + 1
      ])
      assert.deepStrictEqual(error.missed.map(({ data, position }) => [position, data]), [
        [retries, { amount: 100 }]
      ])
      assert.strictEqual(states.length, retries + 1)
    }).pipe(onMemory))

  it.effect("waits by default: ten times, longer and longer, at most a quarter of a second", () =>
    Effect.gen(function*() {
      const { decide, states } = overtaken(Number.POSITIVE_INFINITY)
      const times: Array<number> = []
      const fiber = yield* Balance.transact("1", (state) =>
        Effect.andThen(
          Effect.map(Clock.currentTimeMillis, (millis) => times.push(millis)),
          decide(state)
        )).pipe(Effect.flip, Effect.forkChild)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "WrongExpectedVersion")
      assert.strictEqual(states.length, 11)
      const waits = times.slice(1).map((time, i) => time - (times[i] ?? 0))
      for (const [i, wait] of waits.entries()) {
        const about = Math.min(2 * 2 ** i, 250)
        // Jitter is a fifth up or down, and the clock counts in milliseconds.
        assert.closeTo(wait, about, about / 5 + 1, `wait ${i}`)
      }
    }).pipe(onMemory))

  it.effect("of decide's own with another stream it does not decide again", () =>
    Effect.gen(function*() {
      let decided = 0
      const foreign = new StoreError.WrongExpectedVersion({
        streamName: "account-1",
        expected: "noStream",
        actual: Option.some(7)
      })
      const error = yield* Effect.flip(Balance.transact("1", () => {
        decided++
        return foreign
      }))
      assert.strictEqual(error, foreign)
      assert.strictEqual(decided, 1)
    }).pipe(onMemory))

  it.effect("of decide's own after one of this append: only the first is retried", () =>
    Effect.gen(function*() {
      const { decide, states } = overtaken(1)
      const inner = Balance.transact("2", () => Effect.as(Account.append("2", deposited(100)), deposited(1)), {
        retry: Schedule.recurs(0)
      })
      const error = yield* Effect.flip(
        Balance.transact("1", (state) => Effect.tap(decide(state), states.length > 0 ? inner : Effect.void), {
          retry: Schedule.recurs(5)
        })
      )
      assert.instanceOf(error, StoreError.WrongExpectedVersion)
      assert.deepStrictEqual([error.streamName, error.expected, error.actual], [
        "account-2",
        "noStream",
        Option.some(0)
      ])
      assert.deepStrictEqual(states, [0, 100])
    }).pipe(onMemory))
})

describe("at the same time", () => {
  it.effect("64 transactions on one stream all get in, exactly once", () =>
    Effect.gen(function*() {
      const amounts = Array.from({ length: 64 }, (_, i) => i + 1)
      const attempts = yield* Ref.make(0)
      yield* Effect.forEach(amounts, (amount) =>
        Balance.transact("1", () =>
          Ref.update(attempts, (n) => n + 1).pipe(
            // So that all of them have decided before the first one appends.
            Effect.andThen(Effect.yieldNow),
            Effect.as(deposited(amount))
            // A conflict means that another transaction got in, so none has more than 63 of them.
          ), { retry: Schedule.recurs(63) }), { concurrency: "unbounded" })
      const written = yield* Stream.runCollect(Account.readStream("1"))
      assert.isAbove(yield* Ref.get(attempts), 64)
      assert.deepStrictEqual(written.map(({ recorded }) => recorded.position), amounts.map((amount) => amount - 1))
      assert.deepStrictEqual(
        written.map(({ data }) => "amount" in data ? data.amount : 0).sort((a, b) => a - b),
        amounts
      )
      assert.deepStrictEqual(yield* Balance.load("1"), { state: { balance: 64 * 65 / 2 }, version: Option.some(63) })
    }).pipe(onMemory))

  it.effect("with the default retry as well", () =>
    Effect.gen(function*() {
      const ready = yield* Deferred.make<void>()
      const fiber = yield* Effect.forEach(
        Array.from({ length: 11 }),
        () => Balance.transact("1", () => Effect.as(Deferred.await(ready), deposited(1))),
        { concurrency: "unbounded" }
      ).pipe(Effect.forkChild)
      yield* Deferred.succeed(ready, undefined)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual((yield* Balance.load("1")).state, { balance: 11 })
    }).pipe(onMemory))

  it.effect("never overdraws", () =>
    Effect.gen(function*() {
      yield* Account.append("1", deposited(10))
      const take = Balance.transact("1", ({ balance }) =>
        Effect.andThen(
          Effect.yieldNow,
          balance < 3
            ? Effect.fail(new InsufficientFunds({ balance }))
            : Effect.succeed(Account.events.Withdrawn({ amount: 3 }))
        ), { retry: Schedule.recurs(8) })
      const outcomes = yield* Effect.all(Array.from({ length: 8 }, () => Effect.result(take)), {
        concurrency: "unbounded"
      })
      const refused = outcomes.flatMap((outcome) => outcome._tag === "Failure" ? [outcome.failure] : [])
      assert.deepStrictEqual(refused, Array.from({ length: 5 }, () => new InsufficientFunds({ balance: 1 })))
      assert.deepStrictEqual((yield* Balance.load("1")).state, { balance: 1 })
    }).pipe(onMemory))

  it.effect("an interruption, whenever it comes, leaves whole appends only", () =>
    Effect.gen(function*() {
      const outcomes: Array<number> = []
      for (let step = 0; step < 40; step++) {
        const id = String(step)
        const fiber = yield* Effect.forkChild(
          Balance.transact(id, () => Effect.as(Effect.yieldNow, [deposited(1), deposited(2), deposited(3)]))
        )
        for (let i = 0; i < step; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        const { length } = yield* events(id)
        assert.include(Exit.isSuccess(exit) ? [3] : [0, 3], length, `interrupted after ${step} steps`)
        outcomes.push(length)
      }
      // The steps have to reach from before the append to after it, or nothing has been tried.
      assert.deepStrictEqual([...new Set(outcomes)], [0, 3])
    }).pipe(onMemory))
})

it.effect("decide may need services", () =>
  Effect.gen(function*() {
    class Rate extends Context.Service<Rate, { readonly percent: number }>()("test/Rate") {}
    const addInterest = Balance.transact("1", ({ balance }) =>
      Effect.map(Rate, ({ percent }) => deposited(balance * percent / 100)))
    yield* Account.append("1", deposited(200))
    const { state } = yield* Effect.provideService(addInterest, Rate, { percent: 5 })
    assert.deepStrictEqual(state, { balance: 210 })
  }).pipe(onMemory))

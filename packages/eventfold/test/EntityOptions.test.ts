import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Entity, EntityCache, StoreError } from "eventfold"
import {
  Account,
  amounts,
  Balance,
  balance,
  deposited,
  InsufficientFunds,
  logged,
  onMemory,
  storeOver,
  take,
  watched,
  write
} from "./support/account.ts"

const never = Schedule.recurs(0)
const once = Schedule.recurs(1)

describe("a reply", () => {
  it.effect("goes with an event, with several, with none, plain or as an effect", () =>
    Effect.gen(function*() {
      const plain = yield* Balance.transact("1", ({ balance }) => Entity.reply(deposited(5), { before: balance }))
      assert.deepStrictEqual(plain, {
        state: { balance: 5 },
        version: Option.some(0),
        events: [deposited(5)],
        reply: { before: 0 },
        globalPosition: Option.some(1)
      })
      const several = yield* Balance.transact("1", () => Effect.succeed(Entity.reply([deposited(1), deposited(2)], 7n)))
      assert.deepStrictEqual([several.state.balance, several.reply], [8, 7n])
      const none = yield* Balance.transact("1", ({ balance }) => Entity.reply([], balance))
      assert.deepStrictEqual([none.events, none.reply], [[], 8])
      assert.deepStrictEqual(yield* amounts("1"), [5, 1, 2])
    }).pipe(onMemory))

  it.effect("is undefined where a branch has none", () =>
    Effect.gen(function*() {
      const draw = Balance.transact("1", ({ balance }) => balance < 2 ? Entity.reply(deposited(1), balance) : [])
      const replies = [(yield* draw).reply, (yield* draw).reply, (yield* draw).reply]
      assert.deepStrictEqual(replies, [0, 1, undefined])
    }).pipe(onMemory))

  it.effect("is that of the attempt that got in", () =>
    Effect.gen(function*() {
      let attempts = 0
      const { reply } = yield* Balance.transact("1", ({ balance }) =>
        Effect.gen(function*() {
          if (attempts++ === 0) yield* Account.append("1", deposited(100))
          return Entity.reply(deposited(1), balance)
        }), { retry: once })
      assert.strictEqual(reply, 100)
    }).pipe(onMemory))

  it.effect("may itself be what a decision is", () =>
    Effect.gen(function*() {
      const { reply } = yield* Balance.transact("1", () => Entity.reply([], Entity.reply([], 1)))
      assert.strictEqual(reply.reply, 1)
    }).pipe(onMemory))
})

const loadedAt = (millis: number) =>
  Effect.map(
    Balance.loadAt("1", { time: DateTime.makeUnsafe(millis) }),
    ({ state, version }) => [state.balance, Option.getOrUndefined(version)]
  )

describe("loadAt", () => {
  it.effect("a version is the state after its event", () =>
    Effect.gen(function*() {
      yield* Account.append("1", [deposited(1), deposited(2)])
      yield* write("account-1", { type: "Foreign", data: null })
      yield* Account.append("1", deposited(3))
      const states = yield* Effect.forEach([0, 1, 2, 3, 4, 1_000], (version) => Balance.loadAt("1", { version }))
      assert.deepStrictEqual(states.map(({ state, version }) => [state.balance, Option.getOrThrow(version)]), [
        [1, 0],
        [3, 1],
        [3, 2],
        [6, 3],
        [6, 3],
        [6, 3]
      ])
      assert.deepStrictEqual(yield* Balance.loadAt("2", { version: 0 }), {
        state: { balance: 0 },
        version: Option.none()
      })
    }).pipe(onMemory))

  it.effect("a time is the state that there was then, to the millisecond", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_000)
      yield* Account.append("1", deposited(1))
      yield* TestClock.setTime(2_000)
      yield* Account.append("1", [deposited(2), deposited(3)])
      assert.deepStrictEqual(yield* loadedAt(999), [0, undefined])
      assert.deepStrictEqual(yield* loadedAt(1_000), [1, 0])
      assert.deepStrictEqual(yield* loadedAt(1_999), [1, 0])
      assert.deepStrictEqual(yield* loadedAt(2_000), [6, 2])
      assert.deepStrictEqual(yield* loadedAt(9_999), [6, 2])
    }).pipe(onMemory))

  it.effect("does not read on, nor decode what came later", () =>
    Effect.gen(function*() {
      yield* Account.append("1", deposited(1))
      yield* write("account-1", { type: "Deposited", data: "much" })
      assert.deepStrictEqual((yield* Balance.loadAt("1", { version: 0 })).state, { balance: 1 })
      assert.strictEqual((yield* Effect.flip(Balance.loadAt("1", { version: 1 })))._tag, "DecodeError")
    }).pipe(onMemory))

  it.effect.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60])(
    "refuses the version %s",
    (version) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* Effect.flip(Balance.loadAt("1", { version })),
          new StoreError.InvalidArgument({
            argument: "version",
            value: String(version),
            expected: "a whole number from 0"
          })
        )
      }).pipe(onMemory)
  )
})

describe("freshness", () => {
  it.effect("without a cache is always the latest", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      for (const freshness of ["latest", "cached", { maxAge: "1 day" }] as const) {
        assert.deepStrictEqual(yield* during(Balance.load("1", { freshness })), ["read account-1 from 0: 0"])
      }
      assert.deepStrictEqual(yield* during(Balance.transact("1", () => deposited(1), { freshness: "cached" })), [
        "read account-1 from 0: 0",
        "append account-1: 1"
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect("assumeEmpty decides on the initial state, without a read", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      const Snapshotted = Entity.make(Account, { ...balance, snapshots: { version: 1, every: 100 } })
      const open = (id: string) =>
        Snapshotted.transact(id, ({ balance }, version) => {
          assert.deepStrictEqual([balance, version], [0, Option.none()])
          return deposited(5)
        }, { freshness: "assumeEmpty" })
      assert.deepStrictEqual(yield* during(open("1")), ["append account-1: 1"])
      assert.deepStrictEqual(yield* Snapshotted.load("1"), { state: { balance: 5 }, version: Option.some(0) })
    }).pipe(Effect.provide(layer))
  })

  it.effect("assumeEmpty on a stream that exists is a conflict, and then it is known", () =>
    Effect.gen(function*() {
      yield* Account.append("1", deposited(100))
      const seen: Array<readonly [number, Option.Option<number>]> = []
      const decide = ({ balance }: { readonly balance: number }, version: Option.Option<number>) => {
        seen.push([balance, version])
        return deposited(1)
      }
      const error = yield* Effect.flip(
        Balance.transact("1", decide, { freshness: "assumeEmpty", retry: never })
      )
      assert(error._tag === "WrongExpectedVersion")
      assert.deepStrictEqual([error.expected, error.actual, error.missed.map(({ data }) => data)], [
        "noStream",
        Option.some(0),
        [{ amount: 100 }]
      ])
      const { state } = yield* Balance.transact("1", decide, { freshness: "assumeEmpty", retry: once })
      assert.deepStrictEqual(state, { balance: 101 })
      assert.deepStrictEqual(seen, [[0, Option.none()], [0, Option.none()], [100, Option.some(0)]])
    }).pipe(onMemory))

  it.effect("assumeEmpty continues from a snapshot after a conflict", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      const Snapshotted = Entity.make(Account, { ...balance, snapshots: { version: 1, every: 3 } })
      yield* Snapshotted.transact("1", () => [deposited(1), deposited(2), deposited(3)])
      const again = Snapshotted.transact("1", () => deposited(1), { freshness: "assumeEmpty", retry: once })
      // A refused append is not noted.
      assert.deepStrictEqual(yield* during(again), [
        "last account:snapshot-1: 1",
        "read account-1 from 2: 1",
        "append account-1: 1"
      ])
    }).pipe(Effect.provide(layer))
  })
})

describe("alwaysCheck", () => {
  const cache = EntityCache.layer({ capacity: 10 })

  /** A decision on a state that the cache has, while another has written. */
  const stale = Effect.gen(function*() {
    yield* Account.append("1", deposited(5))
    yield* Balance.load("1")
    yield* Account.append("1", deposited(100))
  })

  it.effect("decides again when nothing was to be done on a state that is not the latest", () =>
    Effect.gen(function*() {
      yield* stale
      const seen: Array<number> = []
      const look = (alwaysCheck: boolean) =>
        Balance.transact("1", ({ balance }) => {
          seen.push(balance)
          return []
        }, { freshness: "cached", alwaysCheck, retry: once })
      assert.deepStrictEqual((yield* look(false)).state, { balance: 5 })
      const { state, version } = yield* look(true)
      assert.deepStrictEqual([state, version], [{ balance: 105 }, Option.some(1)])
      assert.deepStrictEqual(seen, [5, 5, 105])
    }).pipe(onMemory, Effect.provide(cache)))

  it.effect("and when it was refused", () =>
    Effect.gen(function*() {
      yield* stale
      const options = { freshness: "cached", retry: once } as const
      assert.deepStrictEqual(
        yield* Effect.flip(Balance.transact("1", take(50), options)),
        new InsufficientFunds({ balance: 5 })
      )
      const { state } = yield* Balance.transact("1", take(50), { ...options, alwaysCheck: true })
      assert.deepStrictEqual(state, { balance: 55 })
      assert.deepStrictEqual(
        yield* Effect.flip(Balance.transact("1", take(500), { ...options, alwaysCheck: true })),
        new InsufficientFunds({ balance: 55 })
      )
    }).pipe(onMemory, Effect.provide(cache)))

  it.effect("fails with the conflict when attempts are used up", () =>
    Effect.gen(function*() {
      yield* stale
      const options = { freshness: "cached", retry: never, alwaysCheck: true } as const
      for (const transact of [Balance.transact("1", () => [], options), Balance.transact("1", take(50), options)]) {
        const error = yield* Effect.flip(Effect.asVoid(transact))
        assert(error._tag === "WrongExpectedVersion")
        assert.deepStrictEqual([error.expected, error.actual, error.attempts, error.missed.length], [
          0,
          Option.some(1),
          1,
          1
        ])
      }
    }).pipe(onMemory, Effect.provide(cache)))

  it.effect("costs one read more, when there are no events", () => {
    const { during, layer } = watched()
    return Effect.gen(function*() {
      const options = { alwaysCheck: true }
      assert.deepStrictEqual(yield* during(Balance.transact("1", () => [], options)), [
        "read account-1 from 0: 0",
        "version account-1"
      ])
      assert.deepStrictEqual(yield* during(Balance.transact("1", () => deposited(1), options)), [
        "read account-1 from 0: 0",
        "append account-1: 1"
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect("of several streams fails with one conflict, though more are not as expected", () =>
    Effect.gen(function*() {
      yield* stale
      yield* Balance.load("2")
      yield* Account.append("2", deposited(1_000))
      const targets = { a: Balance.at("1"), b: Balance.at("2") }
      const options = { freshness: "cached", alwaysCheck: true } as const
      const error = yield* Effect.flip(Entity.transactAll(targets, () => ({}), { ...options, retry: never }))
      assert(error._tag === "WrongExpectedVersion" && "attempts" in error)
      assert.deepStrictEqual([error.streamName, error.attempts], ["account-1", 1])
      yield* Balance.load("1").pipe(Effect.provideService(EntityCache.EntityCache, Option.none()))
      const { entities } = yield* Entity.transactAll(targets, () => ({}), { ...options, retry: once })
      assert.deepStrictEqual([entities.a.state.balance, entities.b.state.balance], [105, 1_000])
    }).pipe(onMemory, Effect.provide(cache)))
})

/** A decision that another writer is always faster than, by so many events. */
const overtaken = (events: number, retry = never) =>
  Balance.transact("1", () =>
    Effect.as(
      Effect.orDie(Account.append("1", Array.from({ length: events }, (_, i) => deposited(i)))),
      deposited(1)
    ), { retry })

describe("a conflict", () => {
  it.effect("says what was expected, what was there, how often, and what was missed at last", () =>
    Effect.gen(function*() {
      yield* Account.append("1", deposited(7))
      const error = yield* Effect.flip(overtaken(2, once))
      assert(error._tag === "WrongExpectedVersion")
      assert.instanceOf(error, StoreError.WrongExpectedVersion)
      assert.deepStrictEqual([error.streamName, error.expected, error.actual, error.attempts], [
        "account-1",
        2,
        Option.some(4),
        2
      ])
      assert.deepStrictEqual(error.missed.map(({ data, position }) => [position, data]), [
        [3, { amount: 0 }],
        [4, { amount: 1 }]
      ])
      assert.strictEqual(
        error.message,
        "stream account-1 is at version 4; the append expected version 2; the transaction gave up after 2 attempts"
      )
      assert.match((yield* Effect.flip(overtaken(1))).message, /; the transaction gave up after 1 attempt$/)
    }).pipe(onMemory))

  it.effect("has the first hundred of the events that were missed", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(overtaken(150))
      assert(error._tag === "WrongExpectedVersion")
      assert.deepStrictEqual(
        error.missed.map(({ data }) => data),
        Array.from({ length: 100 }, (_, amount) => ({ amount }))
      )
    }).pipe(onMemory))

  it.effect("has the messages as they are stored, and their category decodes them", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Balance.transact("1", () =>
        write(
          "account-1",
          { type: "Foreign", data: null },
          { type: "Opened", data: { owner: "o" } },
          { type: "Deposited", data: { amount: "much" } }
        ).pipe(Effect.orDie, Effect.as(deposited(1))), { retry: never }))
      assert(error._tag === "WrongExpectedVersion")
      assert.deepStrictEqual(error.missed.map(({ type }) => type), ["Foreign", "Opened", "Deposited"])
      const [foreign, opened, wrong] = yield* Effect.forEach(
        error.missed,
        (message) => Effect.result(Account.decode(message))
      )
      assert(foreign?._tag === "Success" && opened?._tag === "Success" && wrong?._tag === "Failure")
      assert.deepStrictEqual(foreign.success, Option.none())
      assert.deepStrictEqual(Option.getOrThrow(opened.success).data, { owner: "o" })
      assert.strictEqual(wrong.failure._tag, "DecodeError")
    }).pipe(onMemory))

  it.effect("is encoded with its messages", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Balance.transact("1", () => Effect.as(Effect.orDie(Account.append("1", deposited(2))), deposited(1)), {
          retry: never
        })
      )
      assert(error._tag === "WrongExpectedVersion")
      const json = yield* Schema.encodeEffect(Schema.toCodecJson(Entity.Conflict))(error)
      assert.deepStrictEqual(yield* Schema.decodeUnknownEffect(Schema.toCodecJson(Entity.Conflict))(json), error)
    }).pipe(onMemory))

  it.effect("is the conflict also when what was missed can't be read, with a warning", () => {
    const { layer, lines } = logged()
    const failed = new StoreError.StoreError({ operation: "readStream", reason: "disk full", isRetryable: false })
    let isFull = false
    const store = storeOver((backend) => ({
      readStream: (page) => isFull ? Effect.fail(failed) : backend.readStream(page)
    }))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(
        Balance.transact("1", () =>
          Effect.map(Effect.orDie(Account.append("1", deposited(2))), () => {
            isFull = true
            return deposited(1)
          }), { retry: never })
      )
      assert(error._tag === "WrongExpectedVersion")
      assert.deepStrictEqual([error.actual, error.missed], [Option.some(0), []])
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /^Warn: "transaction could not read the messages that it missed"/)
    }).pipe(Effect.provide(Layer.merge(store, layer)))
  })
})

describe("an append that fails otherwise", () => {
  it.effect("fails the call at once", () => {
    const full = new StoreError.StoreError({ operation: "append", reason: "disk full", isRetryable: true })
    return Effect.gen(function*() {
      let decisions = 0
      const failed = yield* Effect.flip(Balance.transact("1", () => {
        decisions++
        return deposited(1)
      }))
      assert.strictEqual(failed, full)
      assert.strictEqual(decisions, 1)
    }).pipe(Effect.provide(storeOver(() => ({ append: () => Effect.fail(full) }))))
  })
})

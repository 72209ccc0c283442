import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Result, Schedule, Stream } from "effect"
import { Entity, EntityCache, type MessageStore, StoreError } from "eventfold"
import {
  Account,
  type AccountEvent,
  amounts,
  Balance,
  balance,
  deposited,
  InsufficientFunds,
  onMemory,
  storeOver,
  take,
  takeSlowly,
  withdrawn
} from "./support/account.ts"

const command = { commandId: "command 1" }

/** A result without what a repeat adds to its events: the ids that the command gave them. */
const comparable = <S, R>(
  { events, globalPosition, reply, state, version }: Entity.Transacted<S, typeof Account, R>
) => ({
  state,
  version,
  reply,
  globalPosition,
  events: events.map(({ data, type }) => ({ type, data }))
})

const reply = (seen: { readonly balance: number; readonly version: Option.Option<number> }) =>
  Entity.reply(withdrawn(1), seen)

describe("a command that is sent again", () => {
  /** An entity with all that could come between. */
  const Cached = Entity.make(Account, { ...balance, snapshots: { version: 1, every: 2 } })
  const cache = EntityCache.layer({ capacity: 10 })

  for (
    const [name, Entity, layer] of [
      ["", Balance, Layer.empty],
      [" (with a cache and snapshots)", Cached, cache]
    ] as const
  ) {
    const provide = <A, E>(effect: Effect.Effect<A, E, MessageStore.MessageStore>) =>
      effect.pipe(onMemory, Effect.provide(layer))

    it.effect(`has one effect, and the same result${name}`, () =>
      Effect.gen(function*() {
        const send = Entity.transact("1", () => [deposited(5), deposited(6)], command)
        const first = yield* send
        assert.deepStrictEqual(first.state, { balance: 11 })
        assert.deepStrictEqual(comparable(yield* send), comparable(first))
        assert.deepStrictEqual(yield* amounts("1"), [5, 6])
        assert.deepStrictEqual(yield* Entity.load("1"), { state: { balance: 11 }, version: Option.some(1) })
      }).pipe(provide))

    it.effect(`also when others have come in between: the state is the one after its own events${name}`, () =>
      Effect.gen(function*() {
        yield* Account.append("1", deposited(100))
        const send = Entity.transact("1", () => deposited(5), command)
        const first = yield* send
        yield* Entity.transact("1", () => deposited(1_000))
        yield* Account.append("1", deposited(10_000))
        assert.deepStrictEqual(comparable(yield* send), comparable(first))
        assert.deepStrictEqual(yield* amounts("1"), [100, 5, 1_000, 10_000])
        assert.deepStrictEqual((yield* Entity.load("1")).state, { balance: 11_105 })
      }).pipe(provide))

    it.effect(`also when it would now be refused${name}`, () =>
      Effect.gen(function*() {
        yield* Account.append("1", deposited(5))
        const send = Entity.transact("1", take(5), command)
        const first = yield* send
        assert.deepStrictEqual(first.state, { balance: 0 })
        assert.deepStrictEqual(comparable(yield* send), comparable(first))
        assert.deepStrictEqual(
          yield* Effect.flip(Entity.transact("1", take(5), { commandId: "command 2" })),
          new InsufficientFunds({ balance: 0 })
        )
      }).pipe(provide))

    it.effect(`also when it would now do nothing, or something else${name}`, () =>
      Effect.gen(function*() {
        const next: Record<number, ReadonlyArray<AccountEvent>> = {
          0: [deposited(5), deposited(6)],
          11: [],
          111: [deposited(5)],
          211: [deposited(5), deposited(6), deposited(7)],
          311: [withdrawn(5), deposited(6)]
        }
        const send = Entity.transact("1", ({ balance }) => next[balance] ?? [], command)
        const first = yield* send
        for (const _ of [11, 111, 211, 311]) {
          assert.deepStrictEqual(comparable(yield* send), comparable(first))
          yield* Account.append("1", deposited(100))
        }
        assert.deepStrictEqual(yield* amounts("1"), [5, 6, 100, 100, 100, 100])
      }).pipe(provide))

    it.effect(`gives the reply of the first time${name}`, () =>
      Effect.gen(function*() {
        yield* Account.append("1", deposited(100))
        const send = Entity.transact(
          "1",
          ({ balance }, version) => Effect.succeed({ balance, version }).pipe(Effect.map((seen) => reply(seen))),
          command
        )
        const first = yield* send
        assert.deepStrictEqual(first.reply, { balance: 100, version: Option.some(0) })
        assert.deepStrictEqual((yield* send).reply, first.reply)
      }).pipe(provide))

    it.effect(`at the same time as the first has one effect, and one result${name}`, () =>
      Effect.gen(function*() {
        yield* Account.append("1", deposited(5))
        const send = Entity.transact("1", takeSlowly(5), {
          ...command,
          retry: Schedule.recurs(20)
        })
        const results = yield* Effect.all(Array.from({ length: 20 }, () => send), { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* amounts("1"), [5, -5])
        for (const result of results) {
          assert.deepStrictEqual(comparable(result), {
            state: { balance: 0 },
            version: Option.some(1),
            reply: undefined,
            events: [withdrawn(5)],
            globalPosition: Option.some(2)
          })
        }
      }).pipe(provide))
  }

  it.effect("at the same time, and with other content each time, has one effect", () =>
    Effect.gen(function*() {
      let count = 0
      const send = Balance.transact("1", () => Effect.as(Effect.yieldNow, [deposited(++count), deposited(++count)]), {
        ...command,
        retry: Schedule.recurs(20)
      })
      const results = yield* Effect.all(Array.from({ length: 20 }, () => send), { concurrency: "unbounded" })
      const written = yield* amounts("1")
      assert.lengthOf(written, 2)
      for (const { events } of results) {
        assert.deepStrictEqual(events.map((event) => "amount" in event.data ? event.data.amount : 0), written)
      }
    }).pipe(onMemory))

  it.effect("is recognised by its events, however many there are, with their metadata", () =>
    Effect.gen(function*() {
      const options = { id: undefined, metadata: { correlationStreamName: "order-7" } }
      const many = Array.from({ length: 250 }, (_, i) => Account.events.Deposited({ amount: i }, options))
      const send = Balance.transact("1", () => many, command)
      yield* send
      yield* Account.append("1", deposited(1))
      const { events, version } = yield* send
      assert.deepStrictEqual(version, Option.some(249))
      assert.deepStrictEqual<unknown>(
        events.map(({ data, metadata, type }) => ({ id: undefined, metadata, type, data })),
        many
      )
    }).pipe(onMemory))

  it.effect("when it was refused, or had done nothing, is another try", () =>
    Effect.gen(function*() {
      const send = Balance.transact("1", take(5), command)
      assert.deepStrictEqual(yield* Effect.flip(send), new InsufficientFunds({ balance: 0 }))
      yield* Account.append("1", deposited(5))
      assert.deepStrictEqual((yield* send).state, { balance: 0 })
      const other = Balance.transact("2", ({ balance }) => balance === 0 ? [] : withdrawn(1), command)
      assert.deepStrictEqual((yield* other).events, [])
      yield* Account.append("2", deposited(5))
      assert.deepStrictEqual((yield* other).state, { balance: 4 })
    }).pipe(onMemory))

  it.effect("is not retried into a conflict: the first outcome is found", () =>
    Effect.gen(function*() {
      let amount = 0
      const send = Balance.transact("1", () => deposited(++amount), {
        ...command,
        freshness: "cached",
        retry: Schedule.recurs(0)
      })
      // The cache does not know of this one.
      yield* Balance.load("1")
      yield* Account.append("1", deposited(100))
      assert.strictEqual((yield* Effect.flip(send))._tag, "WrongExpectedVersion")
      yield* Balance.load("1")
      const elsewhere = Balance.transact("1", () => deposited(7), command)
      const first = yield* Effect.provideService(elsewhere, EntityCache.EntityCache, Option.none())
      assert.deepStrictEqual(comparable(yield* send), comparable(first))
      assert.deepStrictEqual(yield* amounts("1"), [100, 7])
    }).pipe(onMemory, Effect.provide(cache)))
})

describe("a command id", () => {
  it.effect("is any text, and is of one stream", () =>
    Effect.gen(function*() {
      for (const commandId of ["", "ü😀", "\u0000", "x".repeat(10_000)]) {
        yield* Balance.transact("1", () => deposited(1), { commandId })
        yield* Balance.transact("2", () => deposited(1), { commandId })
        yield* Balance.transact("1", () => deposited(1), { commandId })
      }
      assert.deepStrictEqual(yield* amounts("1"), [1, 1, 1, 1])
      assert.deepStrictEqual(yield* amounts("2"), [1, 1, 1, 1])
    }).pipe(onMemory))

  it.effect("takes the place of the ids of the events", () =>
    Effect.gen(function*() {
      const id = "0190163d-8694-739b-aea5-966c26f8ad90"
      yield* Balance.transact("1", () => Account.events.Deposited({ amount: 1 }, { id }), command)
      const [event] = yield* Stream.runCollect(Account.readStream("1"))
      // Computed apart: it is in stores, so it stays what it is.
      assert.strictEqual<string | undefined>(event?.recorded.id, "1e3bd607-0004-3cb8-9dc7-17030b4cd614")
    }).pipe(onMemory))
})

describe("a command whose outcome was lost", () => {
  const lost = new StoreError.StoreError({ operation: "append", reason: "the connection was lost", isRetryable: true })

  /** A store that fails after, or instead of, its first write. */
  const losing = (isWritten: boolean) => {
    let losses = 1
    const once = <A, E>(writing: Effect.Effect<A, E>) =>
      Effect.suspend((): Effect.Effect<A, E | StoreError.StoreError> =>
        losses-- > 0 ? Effect.andThen(isWritten ? writing : Effect.void, Effect.fail(lost)) : writing
      )
    return storeOver((backend) => ({
      append: (append) => once(backend.append(append)),
      writeAll: (appends) => once(backend.writeAll(appends))
    }))
  }

  it.effect("is found to have been done, at once", () =>
    Effect.gen(function*() {
      const send = Balance.transact("1", ({ balance }) => Entity.reply(deposited(5), balance), command)
      const first = yield* send
      assert.deepStrictEqual(comparable(first), {
        state: { balance: 5 },
        version: Option.some(0),
        reply: 0,
        events: [deposited(5)],
        globalPosition: Option.some(1)
      })
      assert.deepStrictEqual(comparable(yield* send), comparable(first))
      assert.deepStrictEqual(yield* amounts("1"), [5])
    }).pipe(Effect.provide(losing(true))))

  it.effect("or not, and then fails, and can be sent again", () =>
    Effect.gen(function*() {
      const send = Balance.transact("1", () => deposited(5), command)
      assert.strictEqual(yield* Effect.flip(send), lost)
      assert.deepStrictEqual((yield* send).state, { balance: 5 })
      assert.deepStrictEqual(yield* amounts("1"), [5])
    }).pipe(Effect.provide(losing(false))))

  it.effect("is not without an id: what was written is not known", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(Balance.transact("1", () => deposited(5))), lost)
      assert.deepStrictEqual(yield* amounts("1"), [5])
    }).pipe(Effect.provide(losing(true))))

  it.effect("of several streams is found as well", () =>
    Effect.gen(function*() {
      const send = Entity.transactAll(
        { a: Balance.at("1"), b: Balance.at("2") },
        () => ({ a: deposited(1), b: deposited(2) }),
        command
      )
      const first = yield* send
      assert.deepStrictEqual(first.entities.b.state, { balance: 2 })
      assert.deepStrictEqual((yield* send).entities.b.version, first.entities.b.version)
      assert.deepStrictEqual([yield* amounts("1"), yield* amounts("2")], [[1], [2]])
    }).pipe(Effect.provide(losing(true))))
})

describe("a command to several streams", () => {
  const targets = { a: Balance.at("1"), b: Balance.at("2") }

  it.effect("has one effect, and the same result, whatever came in between", () =>
    Effect.gen(function*() {
      yield* Account.append("1", deposited(100))
      const send = Entity.transactAll(
        targets,
        ({ a, b }) =>
          Entity.reply({ a: withdrawn(a.balance / 2), b: deposited(a.balance / 2) }, [a.balance, b.balance]),
        command
      )
      const first = yield* send
      yield* Account.append("2", deposited(1_000))
      const second = yield* send
      assert.deepStrictEqual(second.reply, [100, 0])
      assert.deepStrictEqual([first.globalPosition, second.globalPosition], [Option.some(3), Option.some(3)])
      for (const name of ["a", "b"] as const) {
        const { globalPosition } = first
        assert.deepStrictEqual(
          comparable({ ...second.entities[name], reply: undefined, globalPosition }),
          comparable({ ...first.entities[name], reply: undefined, globalPosition })
        )
      }
      assert.deepStrictEqual([yield* amounts("1"), yield* amounts("2")], [[100, -50], [50, 1_000]])
    }).pipe(onMemory))

  it.effect("has one effect also when it would now be on another stream", () =>
    Effect.gen(function*() {
      const send = Entity.transactAll(
        targets,
        ({ a }) => a.balance === 0 ? { a: deposited(5) } : { b: deposited(5) },
        command
      )
      const first = yield* send
      const second = yield* send
      assert.deepStrictEqual([yield* amounts("1"), yield* amounts("2")], [[5], []])
      assert.deepStrictEqual(second.entities.a.version, first.entities.a.version)
      assert.deepStrictEqual(second.entities.b, first.entities.b)
    }).pipe(onMemory))

  it.effect("sees of the streams that it did not write what was there when it wrote", () =>
    Effect.gen(function*() {
      yield* Account.append("2", deposited(1))
      const send = Entity.transactAll(targets, ({ b }) => Entity.reply({ a: deposited(5) }, b.balance), command)
      const first = yield* send
      yield* Account.append("2", deposited(10))
      const second = yield* send
      assert.strictEqual(second.reply, 1)
      assert.deepStrictEqual(second.entities.b, first.entities.b)
    }).pipe(onMemory))

  it.effect("at the same time has one effect", () =>
    Effect.gen(function*() {
      yield* Account.append("1", deposited(5))
      const send = Entity.transactAll(
        targets,
        ({ a }) => Effect.map(takeSlowly(5)(a), (a) => ({ a, b: deposited(5) })),
        { ...command, retry: Schedule.recurs(20) }
      )
      const results = yield* Effect.all(Array.from({ length: 20 }, () => Effect.result(send)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual([yield* amounts("1"), yield* amounts("2")], [[5, -5], [5]])
      assert.lengthOf(results.filter(Result.isSuccess), 20)
    }).pipe(onMemory))
})

import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import * as EntityCache from "eventfold/EntityCache"
import { nextId } from "eventfold/Message"
import { independently, MessageStore, transaction } from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import { DuplicateMessageId, StoreError, Unsupported, WrongExpectedVersion } from "eventfold/StoreError"
import { newAccount } from "./account.ts"
import {
  dataOf,
  type It,
  newCategory,
  newStream,
  numbered,
  positions,
  readCategory,
  readStream,
  type Supports,
  upTo,
  versionOf,
  withIds
} from "./fixtures.ts"

/** What the application fails with in its transaction. */
class Cancelled extends Schema.TaggedError<Cancelled>()("Cancelled", {}) {}

const together = { concurrency: "unbounded" } as const

const retry = Schedule.recurs(200)

const cache = Effect.provide(EntityCache.layer({ capacity: 1_000 }))

/** Runs a transaction that is rolled back at its end. */
const rolledBack = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(transaction(Effect.andThen(effect, Effect.fail(new Cancelled()))))
    assert.instanceOf(error, Cancelled)
  })

/**
 * Runs a transaction beside a fiber outside of it, which looks again and again until the transaction is about to commit. A store
 * with one connection lets that fiber wait for the commit.
 */
const besideAnother = <A, E, R, E2, R2>(
  look: Effect.Effect<void, E2, R2>,
  run: (written: Effect.Effect<void>) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function*() {
    const begun = yield* Deferred.make<void>()
    let isCommitting = false
    const other = yield* Deferred.await(begun).pipe(
      Effect.andThen(Effect.exit(look)),
      Effect.flatMap((seen) => isCommitting ? Effect.void : seen),
      Effect.tap(Effect.yieldNow),
      Effect.repeat({ until: () => isCommitting }),
      Effect.forkChild
    )
    const result = yield* run(Deferred.succeed(begun, undefined)).pipe(
      Effect.tap(() => Effect.forEach(upTo(10), () => Effect.andThen(Effect.yieldNow, versionOf("none-1")))),
      Effect.tap(() => Effect.sync(() => isCommitting = true)),
      transaction
    )
    yield* Fiber.join(other)
    return result
  })

const committing = (it: It) => {
  it.effect("commit what they append to several streams together", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [one, other] = [yield* newStream, yield* newStream]
      const look = Effect.gen(function*() {
        assert.strictEqual(yield* versionOf(one), -1)
        assert.deepStrictEqual(yield* readStream(other), [])
      })
      const reply = yield* besideAnother(look, (written) =>
        Effect.gen(function*() {
          const first = yield* store.append(one, numbered(2), { expectedVersion: "noStream" })
          yield* written
          const [second, third] = yield* store.writeAll([
            { streamName: other, messages: numbered(1), expectedVersion: "noStream" },
            { streamName: one, messages: numbered(1, 2), expectedVersion: 1 }
          ])
          assert.deepStrictEqual([first.version, second?.version, third?.version], [1, 0, 2])
          return third?.globalPosition
        }))
      assert.deepStrictEqual(dataOf(yield* readStream(one)), [0, 1, 2])
      assert.deepStrictEqual(dataOf(yield* readStream(other)), [0])
      assert.strictEqual((yield* readStream(one)).at(-1)?.globalPosition, reply)
    }))

  it.effect("see what they have written themselves, in every read", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const streamName = `${category}-1`
      const id = yield* nextId
      yield* store.append(streamName, numbered(1))
      yield* transaction(Effect.gen(function*() {
        const { globalPosition } = yield* store.append(streamName, [...numbered(1, 1), { id, type: "Last", data: 2 }])
        const data = Option.map(({ data }: { readonly data: unknown }) => data)
        assert.deepStrictEqual(dataOf(yield* readStream(streamName)), [0, 1, 2])
        assert.deepStrictEqual(dataOf(yield* readStream(streamName, { from: 1, limit: 1 })), [1])
        assert.deepStrictEqual(dataOf(yield* readCategory(category)), [0, 1, 2])
        assert.deepStrictEqual(dataOf((yield* store.readCategoryPage(category)).messages), [0, 1, 2])
        assert.deepStrictEqual(data(yield* store.lastMessage(streamName)), Option.some(2))
        assert.deepStrictEqual(data(yield* store.lastMessage(streamName, { type: "Numbered" })), Option.some(1))
        assert.deepStrictEqual(data(yield* store.findMessage(streamName, id)), Option.some(2))
        assert.deepStrictEqual(data(yield* store.messageAt(globalPosition)), Option.some(2))
        assert.deepStrictEqual(data(yield* store.lastCategoryMessage(category)), Option.some(2))
        assert.strictEqual(yield* store.countCategory(category), 3)
        assert.isAtLeast(yield* store.lastPosition, globalPosition)
        assert.strictEqual(yield* versionOf(streamName), 2)
      }))
    }))

  it.effect("see what others have committed since they began", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const streamName = yield* newStream
      yield* transaction(Effect.gen(function*() {
        assert.strictEqual(yield* versionOf(streamName), -1)
        const before = yield* Effect.result(independently(store.append(streamName, numbered(1))))
        const version = Result.isSuccess(before) ? 0 : -1
        assert.strictEqual(yield* versionOf(streamName), version)
        yield* store.append(streamName, numbered(1, 1), { expectedVersion: version === -1 ? "noStream" : version })
      }))
    }))

  it.effect("let other writers through when they end, however many wait", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const { balance, category, deposited } = yield* newAccount
      const streamName = `${category.categoryName}-1`
      const inTransaction = (i: number) =>
        transaction(Effect.gen(function*() {
          yield* store.append(`${category.categoryName}-other${i}`, numbered(1))
          yield* balance.transact("1", () => deposited(1), { retry })
        }))
      const write = (i: number) => i % 2 === 0 ? inTransaction(i) : balance.transact("1", () => deposited(1), { retry })
      yield* Effect.forEach(upTo(32), write, together).pipe(Effect.timeoutOrElse({
        duration: "2 minutes",
        orElse: () => Effect.die(new Error("the transactions wait for one another"))
      }))
      assert.strictEqual((yield* balance.load("1")).state.balance, 32)
      assert.deepStrictEqual(positions(yield* readStream(streamName)), upTo(32))
    }))
}

const rollingBack = (it: It) => {
  it.effect("leave nothing when they fail, with the error as it is", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [one, other] = [yield* newStream, yield* newStream]
      yield* store.append(one, numbered(1))
      const [message] = yield* withIds(numbered(1, 1))
      assert.isDefined(message)
      yield* rolledBack(Effect.gen(function*() {
        yield* store.append(one, message)
        yield* store.writeAll([{ streamName: one, messages: numbered(2) }, {
          streamName: other,
          messages: numbered(1)
        }])
        assert.strictEqual(yield* versionOf(one), 3)
      }))
      const died = yield* Effect.exit(
        transaction(Effect.andThen(store.append(other, numbered(1)), Effect.die("broken")))
      )
      assert.isTrue(Exit.hasDies(died))
      assert.deepStrictEqual([yield* versionOf(one), yield* versionOf(other)], [0, -1])
      assert.deepStrictEqual(yield* store.findMessage(one, message.id), Option.none())
      // The id is free again, and positions go on where they were.
      assert.strictEqual((yield* store.append(one, message)).version, 1)
      assert.strictEqual((yield* store.append(other, numbered(1))).version, 0)
    }))

  it.effect("leave nothing when they are interrupted, and keep no other writer waiting", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const streamName = yield* newStream
      const appended = yield* Deferred.make<void>()
      const fiber = yield* store.append(streamName, numbered(1)).pipe(
        Effect.andThen(Deferred.succeed(appended, undefined)),
        Effect.andThen(Effect.never),
        transaction,
        Effect.forkChild
      )
      yield* Deferred.await(appended)
      const waiting = yield* Effect.forkChild(store.append(streamName, numbered(1, 1)), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      assert.strictEqual((yield* Fiber.join(waiting)).version, 0)
      assert.deepStrictEqual(dataOf(yield* readStream(streamName)), [1])
    }))

  it.effect("do not take writes of a fiber that outlives them", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [streamName, late] = [yield* newStream, yield* newStream]
      const ended = yield* Deferred.make<void>()
      const fiber = yield* transaction(Effect.gen(function*() {
        yield* store.append(streamName, numbered(1))
        return yield* Effect.forkDetach(Effect.andThen(Deferred.await(ended), store.append(late, numbered(1))))
      }))
      yield* Deferred.succeed(ended, undefined)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
      assert.deepStrictEqual([yield* versionOf(streamName), yield* versionOf(late)], [0, -1])
    }))
}

const refusals = (it: It) => {
  it.effect("stay usable after a refused append, which writes nothing", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [one, other] = [yield* newStream, yield* newStream]
      const [taken] = yield* withIds(numbered(1))
      assert.isDefined(taken)
      yield* store.append(one, taken)
      yield* transaction(Effect.gen(function*() {
        yield* store.append(one, numbered(1, 1))
        const stale = yield* Effect.flip(store.append(one, numbered(1, 9), { expectedVersion: 0 }))
        assert(stale instanceof WrongExpectedVersion)
        assert.deepStrictEqual(stale.actual, Option.some(1))
        const duplicate = yield* Effect.flip(store.append(other, [...numbered(1), { ...taken, data: "other" }]))
        assert.instanceOf(duplicate, DuplicateMessageId)
        const all = yield* Effect.flip(store.writeAll([
          { streamName: other, messages: numbered(1, 9) },
          { streamName: one, messages: numbered(1, 9), expectedVersion: "noStream" }
        ]))
        assert.instanceOf(all, WrongExpectedVersion)
        assert.deepStrictEqual([yield* versionOf(one), yield* versionOf(other)], [1, -1])
        yield* store.append(other, numbered(1))
        yield* store.append(one, numbered(1, 2), { expectedVersion: 1 })
      }))
      assert.deepStrictEqual(dataOf(yield* readStream(one)), [0, 1, 2])
      assert.deepStrictEqual(dataOf(yield* readStream(other)), [0])
    }))

  it.effect("take an append again under the same ids, and give where it was written", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const streamName = yield* newStream
      const [before, within] = [yield* withIds(numbered(2)), yield* withIds(numbered(2, 2))]
      const original = yield* store.append(streamName, before)
      const [first, second] = yield* transaction(Effect.gen(function*() {
        assert.deepStrictEqual(yield* store.append(streamName, before, { expectedVersion: "noStream" }), original)
        const first = yield* store.append(streamName, within)
        return [first, yield* store.append(streamName, within, { expectedVersion: 0 })] as const
      }))
      assert.deepStrictEqual(first, second)
      assert.deepStrictEqual(yield* store.append(streamName, within), first)
      assert.deepStrictEqual(dataOf(yield* readStream(streamName)), [0, 1, 2, 3])
    }))
}

const nesting = (it: It) => {
  it.effect("roll back only the part of a transaction in them that fails", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [one, other] = [yield* newStream, yield* newStream]
      yield* transaction(Effect.gen(function*() {
        yield* store.append(one, numbered(1))
        yield* rolledBack(Effect.gen(function*() {
          yield* store.append(one, numbered(1, 9))
          yield* transaction(store.append(other, numbered(1, 9)))
        }))
        assert.deepStrictEqual([yield* versionOf(one), yield* versionOf(other)], [0, -1])
        yield* transaction(store.append(one, numbered(1, 1), { expectedVersion: 0 }))
      }))
      assert.deepStrictEqual(dataOf(yield* readStream(one)), [0, 1])
      assert.strictEqual(yield* versionOf(other), -1)

      yield* rolledBack(transaction(store.append(other, numbered(1))))
      yield* transaction(rolledBack(store.append(other, numbered(1))))
      assert.strictEqual(yield* versionOf(other), -1)
    }))

  it.effect("take transactions of several of their fibers, one at a time", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const streamName = yield* newStream
      yield* transaction(Effect.forEach(upTo(12), (i) => {
        const append = store.append(streamName, numbered(2, i))
        if (i % 3 === 1) return append
        const slow = Effect.tap(append, () => Effect.yieldNow)
        return i % 3 === 2 ? transaction(slow) : rolledBack(slow)
      }, together))
      const written = upTo(12).flatMap((i) => i % 3 === 0 ? [] : [i, i + 1])
      const messages = yield* readStream(streamName)
      assert.deepStrictEqual(dataOf(messages).map(Number).toSorted((a, b) => a - b), written.toSorted((a, b) => a - b))
      assert.deepStrictEqual(positions(messages), upTo(written.length))
    }))
}

/** What an independent append came to: a store with one connection, or one lock, refuses it in words. */
const independent = Effect.fnUntraced(function*(streamName: string) {
  const store = yield* MessageStore
  const result = yield* Effect.result(independently(store.append(streamName, numbered(1))))
  if (Result.isSuccess(result)) return 0
  assert(result.failure instanceof StoreError)
  assert.isFalse(result.failure.isRetryable)
  return -1
})

const independence = (it: It) => {
  it.effect("keep what is appended independently of them, or refuse it in words", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [own, first, second] = [yield* newStream, yield* newStream, yield* newStream]
      let kept: ReadonlyArray<number> = []
      yield* rolledBack(Effect.gen(function*() {
        const before = yield* independent(first)
        yield* store.append(own, numbered(1))
        kept = [before, yield* independent(second)]
        // A refusal leaves the transaction usable.
        assert.strictEqual((yield* store.append(own, numbered(1))).version, 1)
      }))
      assert.deepStrictEqual([yield* versionOf(first), yield* versionOf(second)], [...kept])
      assert.strictEqual(yield* versionOf(own), -1)
    }).pipe(Effect.timeoutOrElse({
      duration: "20 seconds",
      orElse: () => Effect.die(new Error("an independent append waits for the transaction around it"))
    })))

  it.effect("change nothing for an independent append outside of a transaction", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const streamName = yield* newStream
      yield* independently(store.append(streamName, numbered(1)))
      yield* independently(transaction(store.append(streamName, numbered(1, 1))))
      yield* independently(rolledBack(store.append(streamName, numbered(1, 2))))
      assert.deepStrictEqual(dataOf(yield* readStream(streamName)), [0, 1])
    }))
}

const entities = (it: It) => {
  it.effect("take transactions of entities", () =>
    Effect.gen(function*() {
      const { amounts, balance, deposited, withdrawn } = yield* newAccount
      const other = yield* newAccount
      const move = Effect.gen(function*() {
        yield* balance.transact("1", () => deposited(10))
        const { state } = yield* balance.transact("1", ({ balance }) => withdrawn(balance - 4))
        assert.strictEqual(state.balance, 4)
        const { entities } = yield* Entity.transactAll(
          { from: balance.at("1"), to: other.balance.at("1") },
          ({ from }) => ({ from: withdrawn(from.balance), to: other.deposited(from.balance) })
        )
        assert.deepStrictEqual([entities.from.state.balance, entities.to.state.balance], [0, 4])
        assert.strictEqual((yield* balance.load("1")).state.balance, 0)
      })
      yield* rolledBack(move)
      assert.deepStrictEqual([yield* amounts("1"), yield* other.amounts("1")], [[], []])
      yield* transaction(move)
      assert.deepStrictEqual([yield* amounts("1"), yield* other.amounts("1")], [[10, 6, 4], [4]])
    }))

  it.effect("decide again after a conflict", () =>
    Effect.gen(function*() {
      const { amounts, balance, category, deposited } = yield* newAccount
      yield* transaction(Effect.gen(function*() {
        let decisions = 0
        const { state } = yield* balance.transact("1", ({ balance }) =>
          Effect.gen(function*() {
            decisions += 1
            if (decisions === 1) yield* Effect.orDie(category.append("1", deposited(5)))
            return deposited(balance + 1)
          }), { retry: Schedule.recurs(1) })
        assert.deepStrictEqual([decisions, state.balance], [2, 11])
        const conflict = yield* Effect.flip(
          balance.transact("1", () => Effect.as(Effect.orDie(category.append("1", deposited(7))), deposited(1)), {
            retry: Schedule.recurs(0)
          })
        )
        assert(conflict instanceof WrongExpectedVersion)
      }))
      assert.deepStrictEqual(yield* amounts("1"), [5, 6, 7])
    }))

  it.effect("queue for no stream that a transaction of an entity elsewhere waits to write", () =>
    Effect.gen(function*() {
      const { amounts, balance, category, deposited } = yield* newAccount
      const [isQueued, isLocked] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      let decisions = 0
      const other = yield* balance.transact("1", () =>
        Effect.gen(function*() {
          decisions += 1
          if (decisions === 1) yield* Effect.orDie(category.append("1", deposited(1)))
          if (decisions === 2) yield* Effect.andThen(Deferred.succeed(isQueued, undefined), Deferred.await(isLocked))
          return deposited(2)
        }), { retry }).pipe(Effect.forkChild)
      yield* Deferred.await(isQueued)
      yield* transaction(Effect.gen(function*() {
        yield* category.append("2", deposited(1))
        yield* Deferred.succeed(isLocked, undefined)
        yield* Effect.yieldNow
        yield* balance.transact("1", () => deposited(3), { retry })
      })).pipe(Effect.timeoutOrElse({
        duration: "2 minutes",
        orElse: () => Effect.die(new Error("the transaction waits for one that waits for it"))
      }))
      yield* Fiber.join(other)
      assert.deepStrictEqual([yield* amounts("1"), decisions], [[1, 3, 2], 3])
    }))

  it.effect("give a command one effect", () =>
    Effect.gen(function*() {
      const { amounts, balance, deposited } = yield* newAccount
      const send = (commandId: string) => balance.transact("1", ({ balance }) => deposited(balance + 1), { commandId })
      yield* send("before")
      yield* rolledBack(send("rolled back"))
      yield* transaction(Effect.forEach(["before", "within", "within", "rolled back"], send))
      yield* Effect.forEach(["within", "rolled back"], send)
      assert.deepStrictEqual(yield* amounts("1"), [1, 2, 4])
    }))
}

const caching = (it: It) => {
  it.effect("give the cache what they wrote when they commit, and nothing before", () =>
    Effect.gen(function*() {
      const { balance, category, deposited } = yield* newAccount
      const cached = Effect.map(balance.load("1", { freshness: "cached" }), ({ state }) => state.balance)
      yield* category.append("1", deposited(1))
      assert.strictEqual(yield* cached, 1)
      const look = Effect.gen(function*() {
        assert.strictEqual(yield* cached, 1)
        assert.strictEqual((yield* balance.load("1")).state.balance, 1)
      })
      yield* besideAnother(look, (written) =>
        Effect.gen(function*() {
          yield* balance.transact("1", () => deposited(10))
          yield* written
          assert.strictEqual(yield* cached, 11)
          assert.strictEqual((yield* balance.load("1")).state.balance, 11)
          yield* balance.transact("1", () => deposited(100))
        }))
      assert.strictEqual(yield* cached, 111)
      assert.strictEqual((yield* balance.transact("1", () => [])).state.balance, 111)
    }).pipe(cache))

  it.effect("leave nothing in the cache when they are rolled back", () =>
    Effect.gen(function*() {
      const { balance, category, deposited } = yield* newAccount
      const cached = (id: string) => Effect.map(balance.load(id, { freshness: "cached" }), ({ state }) => state.balance)
      yield* category.append("1", deposited(1))
      assert.strictEqual(yield* cached("1"), 1)
      const spend = Effect.gen(function*() {
        for (const id of ["1", "2"]) {
          yield* balance.transact(id, () => deposited(10))
          assert.isAtLeast((yield* balance.load(id)).state.balance, 10)
        }
      })
      yield* rolledBack(spend)
      assert.deepStrictEqual([yield* cached("1"), yield* cached("2")], [1, 0])
      yield* transaction(Effect.gen(function*() {
        yield* rolledBack(spend)
        assert.deepStrictEqual([yield* cached("1"), yield* cached("2")], [1, 0])
        yield* balance.transact("1", () => deposited(100))
      }))
      assert.deepStrictEqual([yield* cached("1"), yield* cached("2")], [101, 0])
      const { version } = yield* balance.transact("1", ({ balance }) => deposited(balance))
      assert.deepStrictEqual(version, Option.some(2))
    }).pipe(cache))

  it.effect("write snapshots with the events, or not at all", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const { category, deposited } = yield* newAccount
      const counting = Entity.make(category, {
        state: Schema.Int,
        initial: 0,
        evolve: { Opened: (n) => n, Deposited: (n) => n + 1, Withdrawn: (n) => n },
        snapshots: { version: 1, every: 2 }
      })
      const deposit = counting.transact("1", () => [deposited(1), deposited(1)])
      const snapshot = store.lastMessage(`${category.categoryName}:snapshot-1`)
      yield* rolledBack(Effect.andThen(deposit, Effect.map(snapshot, (found) => assert.isTrue(Option.isSome(found)))))
      assert.deepStrictEqual(yield* snapshot, Option.none())
      assert.strictEqual((yield* counting.load("1")).state, 0)
      yield* transaction(deposit)
      assert.isTrue(Option.isSome(yield* snapshot))
      assert.strictEqual((yield* counting.load("1")).state, 2)
    }))
}

const waking = (it: It) => {
  it.effect("wake readers by each commit", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [one, other] = [yield* newCategory, yield* newCategory]
      const wakeUps = yield* Effect.forEach([one, other, undefined], (category) => store.wakeUps(category))
      for (const _ of upTo(20)) {
        yield* transaction(
          Effect.andThen(store.append(`${one}-1`, numbered(1)), store.append(`${other}-1`, numbered(1)))
        )
        yield* Effect.forEach(wakeUps, (own) => own.await)
      }
    }))

  // A store may wake once too often, above all at the beginning. One that wakes wrongly does so in every round.
  it.effect("wake no reader before they commit, nor when they are rolled back", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const wakeUps = yield* store.wakeUps(category)
      let count = 0
      for (const _ of upTo(10)) {
        yield* rolledBack(Effect.gen(function*() {
          yield* store.append(`${category}-1`, numbered(1))
          yield* store.writeAll([{ streamName: `${category}-2`, messages: numbered(1) }])
          if (yield* wakeUps.awaitAtMost("50 millis")) count += 1
        }))
        if (yield* wakeUps.awaitAtMost("50 millis")) count += 1
      }
      assert.isBelow(count, 5)
    }))
}

const assertRefused = (error: unknown) => {
  assert(error instanceof StoreError)
  assert.isFalse(error.isRetryable)
  assert.include(error.message, "MessageStore.independently")
}

const readModels = (it: It) => {
  it.effect("an append in a handler of a read model is refused, unless it is independent", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const source = Category.make((yield* newCategory) as "source", { Happened: { n: Schema.Int } })
      const [plain, several, alone] = [yield* newStream, yield* newStream, yield* newStream]
      yield* source.append("1", source.events.Happened({ n: 1 }))
      const messages = yield* Stream.runCollect(store.readCategory(source.name))
      const model = ReadModel.batch("appending", {
        version: 1,
        from: source,
        handle: () =>
          Effect.gen(function*() {
            assertRefused(yield* Effect.flip(store.append(plain, numbered(1))))
            assertRefused(yield* Effect.flip(store.writeAll([{ streamName: several, messages: numbered(1) }])))
            assertRefused(yield* Effect.flip(transaction(store.append(plain, numbered(1)))))
            yield* independently(store.append(alone, numbered(1)))
            yield* independently(transaction(store.append(alone, numbered(1, 1))))
            yield* ReadModel.sideEffect(Effect.orDie(store.append(alone, numbered(1, 2))))
          })
      })
      yield* ReadModel.apply(model, messages)
      yield* ReadModel.afterCommit(ReadModel.apply(model, messages))
      assert.deepStrictEqual([yield* versionOf(plain), yield* versionOf(several)], [-1, -1])
      assert.deepStrictEqual(dataOf(yield* readStream(alone)), [0, 1, 2, 0, 1, 2])
    }))
}

export const tests = (it: It, supports: Supports): void => {
  describe("transactions of the application", () => {
    if (!supports("transactions")) {
      it.effect("are refused by a store without them", () =>
        Effect.gen(function*() {
          assert.instanceOf(yield* Effect.flip(transaction(Effect.void)), Unsupported)
        }))
      return
    }
    committing(it)
    rollingBack(it)
    refusals(it)
    nesting(it)
    independence(it)
    entities(it)
    caching(it)
    waking(it)
    readModels(it)
  })
}

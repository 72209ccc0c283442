/**
 * Transactions of one entity that wait for their turn are written together. Nothing else of them may be shared.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Option, Result, Schedule, Schema, SchemaGetter, Stream } from "effect"
import {
  Category,
  Entity,
  EntityCache,
  MessageStore,
  Metadata,
  type StoreBackend,
  StoreError,
  TraceContext
} from "eventfold"
import type { MessageId } from "eventfold/Message"
import { randomUUID } from "node:crypto"
import {
  Account,
  type AccountEvent,
  amounts,
  Balance,
  balance,
  deposited,
  type InsufficientFunds,
  storeOver,
  take,
  withdrawn
} from "./support/account.ts"

const cache = EntityCache.layer({ capacity: 100 })

const together = { concurrency: "unbounded" } as const

const once = { retry: Schedule.recurs(0) } as const

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

const newId = () => randomUUID() as MessageId

/** A store whose writes take a moment, in which other transactions queue, and how many appends each of them had. */
const slow = (change: (backend: StoreBackend.StoreBackend) => Partial<StoreBackend.StoreBackend> = () => ({})) => {
  const sizes: Array<number> = []
  const layer = storeOver((backend) => {
    const { append, writeAll } = { ...backend, ...change(backend) }
    return {
      append: (request) => {
        sizes.push(1)
        return Effect.andThen(Effect.yieldNow, append(request))
      },
      writeAll: (requests) => {
        sizes.push(requests.length)
        return Effect.andThen(Effect.yieldNow, writeAll(requests))
      }
    }
  })
  return { layer: Layer.merge(layer, cache), sizes }
}

const messagesOf = (streamName: string) =>
  MessageStore.MessageStore.use((store) => Stream.runCollect(store.readStream(streamName)))

describe("transactions of one entity at the same time", () => {
  it.effect("are written together, each decided on what the one before it leads to", () => {
    const { layer, sizes } = slow()
    return Effect.gen(function*() {
      yield* Balance.load("1")
      const seen: Array<number> = []
      const transact = Balance.transact("1", ({ balance }) => {
        seen.push(balance)
        return deposited(1)
      }, once)
      yield* Effect.forEach(range(50), () => transact, together)
      assert.deepStrictEqual([seen, sizes], [range(50), [1, 49]])
    }).pipe(Effect.provide(layer))
  })

  it.effect("keep each its events, version, position, metadata and command", () =>
    Effect.gen(function*() {
      yield* Balance.load("1")
      const results = yield* Effect.forEach(range(20), (n) =>
        Balance.transact("1", () => [deposited(n), deposited(-n)], { ...once, commandId: `c-${n}` }).pipe(
          Metadata.with({ caller: n }),
          Effect.withSpan(`caller ${n}`)
        ), together)
      const messages = yield* messagesOf("account-1")
      assert.lengthOf(messages, 40)
      for (const [n, { events, globalPosition, version }] of results.entries()) {
        const [first, second] = messages.slice(2 * n, 2 * n + 2)
        assert.deepStrictEqual(
          events.map(({ data }) =>
            data
          ),
          [first?.data, second?.data]
        )
        assert.deepStrictEqual(first?.data, { amount: n })
        assert.deepStrictEqual(Metadata.fromJson(second?.metadata ?? null).caller, n)
        assert.deepStrictEqual(version, Option.some(2 * n + 1))
        assert.deepStrictEqual(globalPosition, Option.fromNullishOr(second?.globalPosition))
      }
      const traces = messages.map(({ metadata }) =>
        String(Metadata.fromJson(metadata).traceparent)
      )
      assert.strictEqual(new Set(traces).size, 20)
      // Sent again, each is found.
      const repeated = yield* Balance.transact("1", () => deposited(7), { ...once, commandId: "c-3" })
      assert.deepStrictEqual(repeated.version, Option.some(7))
      assert.lengthOf(yield* messagesOf("account-1"), 40)
    }).pipe(Effect.provide([slow().layer, TraceContext.layer])))

  it.effect("a refusal, a defect, a bad event and a taken id are those of one", () =>
    Effect.gen(function*() {
      yield* Account.append("2", deposited(1))
      const [taken] = yield* messagesOf("account-2")
      yield* Balance.load("1")
      type Decision = Entity.Decision<AccountEvent>
      type Decide = (state: { readonly balance: number }) => Decision | Effect.Effect<Decision, InsufficientFunds>
      const decisions: ReadonlyArray<Decide> = [
        () => deposited(10),
        take(1_000),
        () => Effect.die("none"),
        () => deposited(0.5),
        () => ({ ...deposited(3), id: taken?.id }),
        () => []
      ]
      const exits = yield* Effect.forEach(
        range(60),
        (n) => Effect.exit(Balance.transact("1", decisions[n % 6] ?? (() => []), once)),
        together
      )
      const outcomes = exits.map(Exit.isSuccess)
      assert.deepStrictEqual(outcomes, range(60).map((n) => n % 6 === 0 || n % 6 === 5))
      assert.deepStrictEqual(yield* amounts("1"), range(10).map(() => 10))
    }).pipe(Effect.provide(slow().layer)))

  it.effect("come through when another program writes in between", () => {
    let foreign = 3
    let written = 0
    const { layer } = slow((backend) => ({
      // Another writer is faster than the first five of the rounds.
      writeAll: (appends) => {
        const [first] = appends
        return first === undefined || foreign === written
          ? backend.writeAll(appends)
          : Effect.andThen(
            backend.append({
              ...first,
              expectedVersion: ++written && "any",
              messages: first.messages.map(({ data, metadata, type }) => ({ id: newId(), type, data, metadata }))
            }),
            backend.writeAll(appends)
          )
      }
    }))
    return Effect.gen(function*() {
      yield* Balance.load("1")
      const results = yield* Effect.forEach(
        range(100),
        (n) => Balance.transact("1", () => deposited(n + 1)),
        together
      )
      const all = yield* amounts("1")
      assert.strictEqual(new Set(results.map(({ version }) => Option.getOrThrow(version))).size, 100)
      for (const n of range(100)) assert.isAtLeast(all.filter((amount) => amount === n + 1).length, 1)
      assert.isAtLeast(written, 2)
      assert.lengthOf(all, 100 + written)
      for (const { events, version } of results) {
        assert.deepStrictEqual(events.map((event) => event.type === "Deposited" ? event.data.amount : 0), [
          all[Option.getOrThrow(version)]
        ])
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("get the failure of the store, since their events may be written", () => {
    const lost = new StoreError.StoreError({ operation: "writeAll", reason: "connection lost", isRetryable: true })
    let failures = 1
    const { layer } = slow((backend) => ({
      writeAll: (appends) =>
        failures-- > 0 ? Effect.andThen(backend.writeAll(appends), Effect.fail(lost)) : backend.writeAll(appends)
    }))
    return Effect.gen(function*() {
      yield* Balance.load("1")
      const exits = yield* Effect.forEach(
        range(10),
        () => Effect.result(Balance.transact("1", () => deposited(1), once)),
        together
      )
      assert.deepStrictEqual(exits.slice(1), range(9).map(() => Result.fail(lost)))
      assert.lengthOf(yield* amounts("1"), 10)
      assert.deepStrictEqual((yield* Balance.transact("1", () => deposited(1), once)).state, { balance: 11 })
    }).pipe(Effect.provide(layer))
  })

  it.effect("what the store does not take of one, as an inline read model may refuse it, is the failure of that one", () => {
    const refused = new StoreError.StoreError({ operation: "append", reason: "taken", isRetryable: false })
    const unless13 = <A, E>(appends: ReadonlyArray<StoreBackend.EncodedAppend>, write: Effect.Effect<A, E>) =>
      appends.some(({ messages }) => messages.some(({ data }) => data === `{"amount":13}`))
        ? Effect.fail(refused)
        : write
    const { layer } = slow(({ append, writeAll }) => ({
      append: (request) => unless13([request], append(request)),
      writeAll: (requests) => unless13(requests, writeAll(requests))
    }))
    return Effect.gen(function*() {
      yield* Balance.load("1")
      const exits = yield* Effect.forEach(
        range(40),
        (n) => Effect.result(Balance.transact("1", () => deposited(n % 20), once)),
        together
      )
      assert.deepStrictEqual(exits.map(Result.isFailure), range(40).map((n) => n % 20 === 13))
      assert.deepStrictEqual(exits[13], Result.fail(refused))
      assert.lengthOf(yield* amounts("1"), 38)
    }).pipe(Effect.provide(layer))
  })

  it.effect("one that is interrupted before its turn adds nothing, and the others go on", () => {
    let begun = 0
    const { layer } = slow((backend) => ({
      append: (append) => Effect.andThen(Deferred.await(gate), backend.append(append))
    }))
    const gate = Deferred.makeUnsafe<void>()
    return Effect.gen(function*() {
      yield* Balance.load("1")
      const fibers = yield* Effect.forEach(range(10), (n) =>
        Effect.forkChild(
          Balance.transact("1", () => {
            begun += 1
            return deposited(n + 1)
          }, once),
          { startImmediately: true }
        ))
      assert.strictEqual(begun, 1)
      yield* Fiber.interruptAll(fibers.filter((_, n) => [1, 5, 9].includes(n)))
      yield* Deferred.succeed(gate, undefined)
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      assert.deepStrictEqual(exits.map(Exit.isSuccess), range(10).map((n) => ![1, 5, 9].includes(n)))
      assert.deepStrictEqual(yield* amounts("1"), [1, 3, 4, 5, 7, 8, 9])
    }).pipe(Effect.provide(layer))
  })

  it.effect("one that is interrupted while the round is written is written with it", () => {
    const isWriting = Deferred.makeUnsafe<void>()
    const gate = Deferred.makeUnsafe<void>()
    const { layer } = slow((backend) => ({
      writeAll: (appends) =>
        Effect.andThen(
          Deferred.succeed(isWriting, undefined),
          Effect.andThen(Deferred.await(gate), backend.writeAll(appends))
        )
    }))
    return Effect.gen(function*() {
      yield* Balance.load("1")
      const fibers = yield* Effect.forEach(
        range(5),
        (n) => Effect.forkChild(Balance.transact("1", () => deposited(n + 1), once), { startImmediately: true })
      )
      yield* Deferred.await(isWriting)
      yield* Fiber.interruptAll(fibers.slice(1, 2))
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach(fibers.filter((_, n) => n !== 1), Fiber.join)
      assert.deepStrictEqual(yield* amounts("1"), [1, 2, 3, 4, 5])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a decision that takes time holds up no other", () => {
    const gate = Deferred.makeUnsafe<void>()
    return Effect.gen(function*() {
      yield* Balance.load("1")
      const slow = Balance.transact("1", () => Effect.as(Deferred.await(gate), deposited(100)))
      const quick = Balance.transact("1", () => deposited(1))
      const slowOnes = yield* Effect.forEach(range(3), () => Effect.forkChild(slow, { startImmediately: true }))
      yield* Effect.forEach(range(20), () => quick, together)
      assert.lengthOf(yield* amounts("1"), 20)
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach(slowOnes, Fiber.join)
      assert.strictEqual((yield* Balance.load("1")).state.balance, 320)
    }).pipe(Effect.provide(slow().layer))
  })

  it.effect("two entities of one stream decide each on its own state", () => {
    const Count = Entity.make(Account, {
      ...balance,
      evolve: {
        Opened: (state) => state,
        Deposited: ({ balance }) => ({ balance: balance + 1 }),
        Withdrawn: ({ balance }) => ({ balance: balance + 1 })
      }
    })
    return Effect.gen(function*() {
      yield* Effect.all([Balance.load("1"), Count.load("1")])
      yield* Effect.forEach(range(60), (n) =>
        n % 2 === 0
          ? Balance.transact("1", ({ balance }) => balance >= 30 ? withdrawn(10) : deposited(10))
          : Count.transact("1", ({ balance }) => deposited(balance)), together)
      const all = yield* amounts("1")
      let sum = 0
      for (const [n, amount] of all.entries()) {
        assert.isTrue(amount === n || amount === (sum >= 30 ? -10 : 10), `${amount} at ${n}`)
        sum += amount
      }
      assert.lengthOf(all, 60)
    }).pipe(Effect.provide(slow().layer))
  })

  it.effect("a repeated command is found, and leaves no state that never was", () =>
    Effect.gen(function*() {
      yield* Balance.transact("1", () => deposited(5), { commandId: "c-1" })
      const repeated = Balance.transact("1", () => deposited(5), { ...once, commandId: "c-1" })
      // The only one of its round, which follows the first.
      const [, alone] = yield* Effect.all([Balance.transact("1", () => deposited(1), once), repeated], together)
      assert.deepStrictEqual([alone.state, alone.version], [{ balance: 5 }, Option.some(0)])
      assert.deepStrictEqual((yield* Balance.load("1")).state, { balance: 6 })

      const seen: Array<number> = []
      const [, , , last] = yield* Effect.all([
        Balance.transact("1", () => deposited(10), once),
        repeated,
        Balance.transact("1", () => deposited(5), { ...once, commandId: "c-1" }),
        Balance.transact("1", ({ balance }) => {
          seen.push(balance)
          return Entity.reply(deposited(100), balance)
        }, once)
      ], together)
      assert.strictEqual(last.reply, 16)
      assert.deepStrictEqual(yield* amounts("1"), [5, 1, 10, 100])
      assert.deepStrictEqual((yield* Balance.load("1")).state, { balance: 116 })
    }).pipe(Effect.provide(slow().layer)))

  it.effect("commands that another program has handled in another order get each its own answer", () =>
    Effect.gen(function*() {
      const command = (n: number) =>
        Balance.transact("1", ({ balance }) => Entity.reply(deposited(n), balance), { ...once, commandId: `c-${n}` })
      const elsewhere = Effect.provideService(EntityCache.EntityCache, Option.none())
      yield* elsewhere(command(1))
      yield* Balance.load("1")
      yield* elsewhere(Balance.transact("1", () => deposited(50), once))
      yield* elsewhere(command(2))
      const [, first, second] = yield* Effect.all([
        Balance.transact("2", () => deposited(1)),
        command(1),
        command(2),
        Balance.transact("1", () => [], once)
      ], together)
      assert.deepStrictEqual([first.reply, first.state], [0, { balance: 1 }])
      assert.deepStrictEqual([second.reply, second.state], [51, { balance: 53 }])
      assert.deepStrictEqual((yield* Balance.load("1")).state, { balance: 53 })
      assert.deepStrictEqual(yield* amounts("1"), [1, 50, 2])
    }).pipe(Effect.provide(slow().layer)))

  it.effect("none waits for ever when a state can't be kept", () => {
    const Heavy = Entity.make(Account, {
      ...balance,
      weight: ({ balance }) => {
        if (balance > 2) throw new Error("too heavy")
        return 1
      }
    })
    return Effect.gen(function*() {
      yield* Heavy.load("1")
      const exits = yield* Effect.forEach(
        range(4),
        () => Effect.exit(Heavy.transact("1", () => deposited(1), once)),
        together
      )
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, true, false, false])
      assert.lengthOf(yield* amounts("1"), 4)
    }).pipe(Effect.provide(slow().layer))
  })

  it.effect("are more than one round when there are many, or when they have much to write", () => {
    const { layer, sizes } = slow()
    const long = { ...deposited(1), metadata: { note: "long" } }
    return Effect.gen(function*() {
      yield* Balance.load("1")
      yield* Effect.forEach(range(600), () => Balance.transact("1", () => deposited(1), once), together)
      assert.deepStrictEqual(sizes.splice(0), [1, 256, 256, 87])
      yield* Effect.forEach(range(11), () => Balance.transact("1", () => range(500).map(() => long), once), together)
      assert.isAtMost(Math.max(...sizes), 4)
      assert.isAtMost(sizes.length, 4)
      assert.lengthOf(yield* amounts("1"), 6_100)
    }).pipe(Effect.provide(layer))
  })

  it.effect("encoding that takes time holds up no other", () => {
    const gate = Deferred.makeUnsafe<void>()
    const Sealed = Category.make("sealed", {
      Written: {
        text: Schema.String.pipe(
          Schema.decodeTo(Schema.String, {
            decode: SchemaGetter.passthrough(),
            encode: SchemaGetter.transformEffect((text: string) =>
              text === "slow" ? Effect.as(Deferred.await(gate), text) : Effect.succeed(text)
            )
          })
        )
      }
    })
    const Texts = Entity.make(Sealed, {
      state: Schema.Array(Schema.String),
      initial: [],
      evolve: { Written: (texts, { text }) => [...texts, text] }
    })
    const written = (text: string) => Texts.transact("1", () => Sealed.events.Written({ text }), once)
    return Effect.gen(function*() {
      yield* Texts.load("1")
      const first = yield* Effect.forkChild(written("a"), { startImmediately: true })
      const slow = yield* Effect.forkChild(written("slow"), { startImmediately: true })
      yield* Effect.forEach(["b", "c"], written, together)
      yield* Fiber.join(first)
      assert.deepStrictEqual((yield* Texts.load("1")).state, ["a", "b", "c"])
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.ignore(Fiber.join(slow))
    }).pipe(Effect.provide(slow().layer))
  })

  it.effect("a store that can't write several appends together writes each by itself", () => {
    const unsupported = new StoreError.Unsupported({ operation: "writeAll", remedy: "install the eventfold schema" })
    return Effect.gen(function*() {
      yield* Balance.load("1")
      for (const _ of range(2)) {
        yield* Effect.forEach(range(10), () => Balance.transact("1", () => deposited(1)), together)
      }
      assert.strictEqual((yield* Balance.load("1")).state.balance, 20)
    }).pipe(Effect.provide(slow(() => ({ writeAll: () => Effect.fail(unsupported) })).layer))
  })
})

import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import { MessageStore } from "eventfold/MessageStore"
import * as ReadModel from "eventfold/ReadModel"
import { newCategory, numbered, upTo } from "../messageStoreSuite/fixtures.ts"
import { assertExact, counter, type Counting, countMessage, type It, newName, quietly } from "./counter.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { data: Schema.Json }) {}

const positionOf = (model: ReadModel.ReadModel<unknown, unknown>) =>
  Effect.map(
    ReadModel.status(model),
    ({ live }) => Option.match(live, { onNone: () => 0, onSome: ({ checkpoint }) => checkpoint.position })
  )

const sources = <R>(it: It<R>, counting: Counting<R>) => {
  it.effect("catch up, then follow, and resume where they stopped", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [name, category] = [yield* newName, yield* newCategory]
      const model = counter(counting, name, category, { batchSize: 4, atOnce: 3 })
      yield* store.append(`${category}-1`, numbered(13))
      yield* store.append(`${category}-2`, [{ type: "Other", data: "without a handler" }, ...numbered(2, 3)])
      const fiber = yield* Effect.forkChild(ReadModel.run(model))
      for (const i of upTo(6)) {
        const { globalPosition } = yield* store.append(`${category}-${i}`, numbered(1, 100 + i))
        yield* ReadModel.waitFor(model, globalPosition)
        yield* assertExact(counting, name, category)
      }
      yield* Fiber.interrupt(fiber)
      const { globalPosition } = yield* store.append(`${category}-1`, numbered(3, 13))
      assert.isBelow(yield* positionOf(model), globalPosition)
      const { lag } = Option.getOrThrow((yield* ReadModel.status(model)).live)
      assert.strictEqual(lag.messages, 3)
      const running = yield* ReadModel.start(model)
      yield* running.waitFor(globalPosition)
      yield* assertExact(counting, name, category)
      assert.strictEqual(yield* positionOf(model), globalPosition)
    }))

  it.effect("read several categories together by global position, decoded or as recorded, or everything", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const names = [yield* newName, yield* newName, yield* newName]
      const Account = Category.make(yield* newCategory, { Deposited: { amount: Schema.Int }, Closed: {} })
      const raw = yield* newCategory
      const seen: Record<string, Array<number>> = {}
      const noting = (name: string, globalPosition: number) =>
        Effect.andThen(
          Effect.sync(() => (seen[name] ??= []).push(globalPosition)),
          counting.add(name, "all", 1)
        )
      const [some = "", each = "", together = ""] = names
      const options = { version: 1, tables: counting.tables, batchSize: 3 }
      const models = [
        ReadModel.make(some, options)
          .on(Account, { Deposited: ({ recorded }) => noting(some, recorded.globalPosition) })
          .on(raw, (message) => noting(some, message.globalPosition)),
        ReadModel.make(each, options).on(ReadModel.all, {
          [`${Account.categoryName} only`]: (message) => noting(each, message.globalPosition)
        }),
        ReadModel.batch(together, {
          ...options,
          from: [Account, raw],
          handle: (events) =>
            Effect.forEach(
              events,
              (event) => noting(together, "recorded" in event ? event.recorded.globalPosition : event.globalPosition)
            )
        })
      ]
      for (const i of upTo(10)) {
        yield* Account.append(String(i), [Account.events.Deposited({ amount: i }), Account.events.Closed({})])
        yield* store.append(`${raw}-${i}`, [{ type: `${Account.categoryName} only`, data: i }])
      }
      const end = yield* store.lastPosition
      for (const model of models) {
        const fiber = yield* Effect.forkChild(ReadModel.run(model))
        yield* ReadModel.waitFor(model, end)
        yield* Fiber.interrupt(fiber)
      }
      assert.deepStrictEqual(yield* Effect.forEach(names, counting.counts), [{ all: 20 }, { all: 10 }, { all: 30 }])
      for (const globalPositions of Object.values(seen)) {
        assert.deepStrictEqual(
          globalPositions,
          globalPositions.toSorted((a, b) => a - b)
        )
      }
    }))
}

const failures = <R>(it: It<R>, counting: Counting<R>) => {
  it.effect("stop at a message that can't be handled and store nothing of it, or skip it", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const [stopping, skipping] = [yield* newName, yield* newName]
      yield* store.append(`${category}-1`, numbered(10))
      const end = yield* store.lastPosition
      let isMended = false
      const define = (name: string, onFailure: "stop" | "skip") =>
        ReadModel.make(name, { version: 1, tables: counting.tables, onFailure, retry: Schedule.recurs(1), atOnce: 4 })
          .on(category, {
            Numbered: (message) =>
              Effect.andThen(
                countMessage(counting, name, message),
                message.data === 6 && !isMended ? new Refused({ data: message.data }) : Effect.void
              )
          })
      const error = yield* Effect.flip(quietly(ReadModel.run(define(stopping, "stop"))))
      assert.deepStrictEqual(error, new Refused({ data: 6 }))
      const stream = `${category}-1`
      assert.deepStrictEqual({ ...yield* counting.counts(stopping) }, { [stream]: 6, [`sum of ${stream}`]: 15 })
      const fiber = yield* Effect.forkChild(quietly(ReadModel.run(define(skipping, "skip"))))
      yield* ReadModel.waitFor(define(skipping, "skip"), end)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual({ ...yield* counting.counts(skipping) }, { [stream]: 9, [`sum of ${stream}`]: 39 })
      isMended = true
      yield* ReadModel.start(define(stopping, "stop"))
      yield* ReadModel.waitFor(define(stopping, "stop"), end)
      yield* assertExact(counting, stopping, category)
    }))

  it.effect("handlers that take too long are interrupted, leave nothing, and the policy decides about their message", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const category = yield* newCategory
      const [stopping, skipping] = [yield* newName, yield* newName]
      yield* store.append(`${category}-1`, numbered(4))
      const options = {
        version: 1,
        tables: counting.tables,
        retry: Schedule.recurs(0),
        timeout: "1500 millis"
      } as const
      const define = (name: string, onFailure: "stop" | "skip") =>
        ReadModel.make(name, { ...options, onFailure }).on(category, {
          Numbered: (message) =>
            Effect.andThen(countMessage(counting, name, message), message.data === 2 ? Effect.never : Effect.void)
        })
      const error = yield* Effect.flip(quietly(ReadModel.run(define(stopping, "stop"))))
      assert.instanceOf(error, ReadModel.HandlerTimeout)
      if (error instanceof ReadModel.HandlerTimeout) {
        assert.deepStrictEqual([error.handledBy, error.millis, error.messages], [stopping, 1_500, 1])
        assert.include(error.message, `the handler of the read model ${stopping} took longer than 1s 500ms`)
      }
      const stream = `${category}-1`
      assert.deepStrictEqual({ ...yield* counting.counts(stopping) }, { [stream]: 2, [`sum of ${stream}`]: 1 })
      yield* quietly(ReadModel.start(define(skipping, "skip")))
      yield* ReadModel.waitFor(define(skipping, "skip"), yield* store.lastPosition)
      assert.deepStrictEqual({ ...yield* counting.counts(skipping) }, { [stream]: 3, [`sum of ${stream}`]: 4 })
    }))

  it.effect("an interrupted transaction leaves nothing", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [name, category] = [yield* newName, yield* newCategory]
      yield* store.append(`${category}-1`, numbered(4))
      const isIn = yield* Deferred.make<void>()
      let hangs = true
      const model = ReadModel.make(name, { version: 1, tables: counting.tables, grace: "20 millis" }).on(category, {
        Numbered: (message) =>
          Effect.andThen(
            countMessage(counting, name, message),
            message.data === 2 && hangs
              ? Effect.andThen(Deferred.succeed(isIn, undefined), Effect.never)
              : Effect.void
          )
      })
      const fiber = yield* Effect.forkChild(ReadModel.run(model))
      yield* Deferred.await(isIn)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual({ ...yield* counting.counts(name) }, {})
      hangs = false
      yield* ReadModel.start(model)
      yield* ReadModel.waitFor(model, yield* store.lastPosition)
      yield* assertExact(counting, name, category)
    }))
}

const sideEffects = <R>(it: It<R>, counting: Counting<R>) => {
  it.effect("side effects run after the commit, once, and not for messages from before the start", () =>
    Effect.gen(function*() {
      const store = yield* MessageStore
      const [name, category] = [yield* newName, yield* newCategory]
      yield* store.append(`${category}-1`, numbered(3))
      const sent: Array<unknown> = []
      let failures = 2
      const model = ReadModel.make(name, { version: 1, tables: counting.tables, retry: Schedule.recurs(3) })
        .on(category, {
          Numbered: (message) =>
            Effect.gen(function*() {
              yield* countMessage(counting, name, message)
              // The transaction is over: a query has a connection of its own.
              yield* ReadModel.sideEffect(
                Effect.andThen(Effect.orDie(store.lastPosition), Effect.sync(() => sent.push(message.data)))
              )
              if (message.data === 4 && failures-- > 0) return yield* new Refused({ data: 4 })
            })
        })
      yield* quietly(ReadModel.start(model))
      yield* ReadModel.waitFor(model, yield* store.lastPosition)
      const { globalPosition } = yield* store.append(`${category}-1`, numbered(2, 3))
      yield* ReadModel.waitFor(model, globalPosition)
      const last = yield* store.append(`${category}-1`, numbered(1, 5))
      yield* ReadModel.waitFor(model, last.globalPosition)
      yield* assertExact(counting, name, category)
      assert.deepStrictEqual(sent.slice(0, 2), [3, 4])
    }))
}

export const tests = <R>(it: It<R>, counting: Counting<R>) =>
  describe("read models", () => {
    sources(it, counting)
    failures(it, counting)
    sideEffects(it, counting)
  })

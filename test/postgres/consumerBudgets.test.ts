/**
 * What consumers cost the server, counted on the wire. The consumers are on a clock of the test, so that they poll when it
 * says so; the store is on the real one.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { SqlClient } from "effect/sql/SqlClient"
import { TestClock } from "effect/testing"
import * as Consumer from "eventfold/Consumer"
import { MessageStore } from "eventfold/MessageStore"
import * as Database from "../support/Database.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Store from "../support/Store.ts"
import { until, within } from "../support/Until.ts"

/** A store whose round trips are counted, and another one that writes beside it. */
const open = Effect.gen(function*() {
  const live = TestClock.withLive
  const { url } = yield* Database.Database
  const proxy = yield* Proxy.start(url)
  const store = yield* live(Store.open(proxy.url, { applicationName: "counted" }))
  const writer = yield* live(Store.open(url))
  const woken = within("for a wake-up")
  // The listener is connected, which wakes everybody once.
  yield* live(woken((yield* store.wakeUps()).await))
  yield* live(Store.warmUp(store, 10))
  /** Writes to the category, and waits until the first store has heard of it. */
  const write = (category: string, count: number) =>
    Effect.scoped(Effect.gen(function*() {
      const wakeUps = yield* store.wakeUps(category)
      yield* writer.append(`${category}-1`, Store.numbered(count))
      yield* live(woken(wakeUps.await))
    }))

  const became = (count: number) =>
    live(until(`there were ${count} round trips`, Effect.map(proxy.roundTrips, (now) => now >= count)))
  /** How many round trips there are meanwhile that are none of the test's own. */
  const meanwhile = Effect.gen(function*() {
    const before = yield* proxy.roundTrips
    for (const _ of Store.upTo(30)) yield* live(store.streamVersion("none-1"))
    return (yield* proxy.roundTrips) - before - 30
  })
  const quiet = Effect.repeat(meanwhile, { until: (count) => count === 0 })
  /** Asserts that the effect costs so many, `spare` more at most, and that no more come after it. */
  const costs = Effect.fnUntraced(function*<A, E, R>(count: number, effect: Effect.Effect<A, E, R>, spare = 0) {
    const before = yield* proxy.roundTrips
    yield* effect
    yield* became(before + count)
    const taken = (yield* proxy.roundTrips) - before + (yield* meanwhile)
    assert.isAtMost(taken, count + spare)
    assert.isAtLeast(taken, count)
  })
  return { proxy, store, write, costs, quiet }
})

/** Runs a consumer that counts what it handles. */
const counting = Effect.fnUntraced(function*(
  store: Store.Store,
  id: string,
  from: string | Consumer.All,
  options: Consumer.Options = {}
) {
  const counter = { handled: 0 }
  const consumer = Consumer.make(id, { ...options }).on(from, { Numbered: () => Effect.sync(() => counter.handled++) })
  const fiber = yield* Consumer.run(consumer).pipe(
    Effect.provideService(MessageStore, store),
    Effect.forkScoped({ startImmediately: true })
  )
  const handled = (count: number) =>
    TestClock.withLive(until(`${id} has handled ${count}`, Effect.sync(() => counter.handled === count)))
  return { fiber, handled }
})

const withTestClock = Effect.provide(TestClock.layer())

layer(Database.layer(), { excludeTestServices: true })("a consumer's round trips", (it) => {
  it.effect("to come up with 1,000 messages: its position, one read, and one position", () =>
    Effect.gen(function*() {
      const { costs, proxy, store, write } = yield* open
      yield* write("up", 1_000)
      yield* costs(3, Effect.flatMap(counting(store, "test", "up"), ({ handled }) => handled(1_000)))
      // A connection, and with it the lease of another one.
      const before = yield* proxy.leases
      yield* costs(3, Effect.flatMap(counting(store, "other", "up"), ({ handled }) => handled(1_000)))
      assert.isAtMost((yield* proxy.leases) - before, 2, "its lock, and perhaps a sign of life")
    }).pipe(withTestClock))

  it.effect("while it is idle: one query a poll, and nothing else", () =>
    Effect.gen(function*() {
      const { costs, quiet, store, write } = yield* open
      yield* write("idle", 5)
      const { handled } = yield* counting(store, "test", "idle")
      yield* handled(5)
      // The position is written, and polls come more often at first.
      for (const _ of Store.upTo(20)) yield* Effect.andThen(TestClock.adjust("1 second"), quiet)
      for (const _ of Store.upTo(5)) yield* costs(1, TestClock.adjust("5 seconds"))
      yield* costs(0, TestClock.adjust("4 seconds"))
    }).pipe(withTestClock))

  it.effect("for what comes: one read a wake-up, and positions by count, by time, and at the end", () =>
    Effect.gen(function*() {
      const { costs, quiet, store, write } = yield* open
      const options = {
        checkpoint: { every: 100, interval: "10 seconds" },
        poll: { min: "1 hour", max: "1 hour" }
      } as const
      const { fiber, handled } = yield* counting(store, "test", "coming", options)
      const come = (count: number, total: number) => Effect.andThen(write("coming", count), handled(total))
      yield* come(1, 1)
      yield* quiet
      // A wake-up is a hint: on a busy machine a write may give two of them, and so a read that finds nothing.
      const spare = 1
      yield* costs(1, come(98, 99), spare)
      yield* costs(2, come(1, 100), spare)
      yield* costs(1, come(99, 199), spare)
      yield* costs(2, come(1, 200), spare)
      yield* costs(1, come(3, 203), spare)
      yield* costs(1, TestClock.adjust("10 seconds"))
      yield* costs(0, TestClock.adjust("10 seconds"))
      yield* costs(1, come(3, 206), spare)
      yield* costs(1, Fiber.interrupt(fiber))
    }).pipe(withTestClock))

  it.effect.each(
    [
      ["several categories", Consumer.allOf({ categories: ["first", "second"] })],
      ["everything", Consumer.allOf({ types: ["Numbered"] })]
    ] as const
  )(
    "of %s: its position, one read for all there is, and one position; then one query a poll",
    ([name, from]) =>
      Effect.gen(function*() {
        const { costs, quiet, store, write } = yield* open
        const { globalPosition: start } = yield* TestClock.withLive(store.append("start-1", Store.numbered(1)))
        yield* write("first", 300)
        yield* write("second", 700)
        const options = { start: { position: start + 1 } }
        // One position more, for where it starts.
        yield* costs(
          4,
          Effect.flatMap(counting(store, name, from, options), (one) => one.handled(1_000))
        )
        for (const _ of Store.upTo(20)) yield* Effect.andThen(TestClock.adjust("1 second"), quiet)
        for (const _ of Store.upTo(3)) yield* costs(1, TestClock.adjust("5 seconds"))
        yield* costs(0, TestClock.adjust("4 seconds"))
      }).pipe(withTestClock)
  )

  it.effect("of ten on one category: one read for all, one listener, one connection for all leases", () =>
    Effect.gen(function*() {
      const { costs, quiet, store, write } = yield* open
      const sql = yield* SqlClient
      yield* write("ten", 3)
      const consumers = yield* Effect.forEach(Store.upTo(10), (i) =>
        Effect.tap(
          counting(store, `test${i}`, "ten", { poll: { min: "100 millis", max: "5 seconds" } }),
          ({ handled }) =>
            // They begin at different times.
            Effect.andThen(handled(3), TestClock.adjust("730 millis"))
        ))
      // Until all of them wait for 5 seconds, and no position is to be written.
      for (const _ of Store.upTo(40)) yield* Effect.andThen(TestClock.adjust("500 millis"), quiet)
      for (const _ of Store.upTo(3)) yield* costs(1, TestClock.adjust("5 seconds"))
      yield* costs(
        1,
        Effect.andThen(
          write("ten", 2),
          Effect.forEach(consumers, ({ handled }) => handled(5))
        )
      )
      const rows = yield* sql<{ readonly listeners: number; readonly sessions: number; readonly leases: number }>`SELECT
        (SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database()
          AND application_name = 'counted' AND query IN ('LISTEN "eventfold"', 'SELECT 1')) AS listeners,
        count(DISTINCT pid)::int AS sessions, count(*)::int AS leases
        FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'advisory' AND objsubid = 2 AND application_name = 'counted' AND datname = current_database()`
      assert.deepStrictEqual(rows, [{ listeners: 1, sessions: 1, leases: 10 }])
    }).pipe(withTestClock))

  it.effect("of ten that are idle, telling included: one statement a second at most, and none for their messages", () =>
    Effect.gen(function*() {
      const live = TestClock.withLive
      const { url } = yield* Database.Database
      const proxy = yield* Proxy.start(url)
      // The store tells when the clock of the test says so, too.
      const store = yield* Store.open(proxy.url)
      yield* Store.warmUp(store, 10)
      const second = Effect.andThen(
        TestClock.adjust("1 second"),
        // What was asked for in it is answered.
        Effect.forEach(Store.upTo(30), () => live(store.streamVersion("none-1")))
      )
      /** How many tellings there are meanwhile, and how many other round trips that are none of the test's own. */
      const during = Effect.fnUntraced(function*(seconds: number) {
        const before = [yield* proxy.tellings, yield* proxy.roundTrips] as const
        for (const _ of Store.upTo(seconds)) yield* second
        return [(yield* proxy.tellings) - before[0], (yield* proxy.roundTrips) - before[1] - 30 * seconds] as const
      })
      assert.deepStrictEqual(yield* during(3), [0, 0])
      const consumers = yield* Effect.forEach(Store.upTo(10), (i) => counting(store, `told${i}`, "told"))
      for (const round of [1, 2, 3]) {
        yield* live(store.append("told-1", Store.numbered(500)))
        yield* Effect.forEach(consumers, ({ handled }) => handled(500 * round))
        const [tellings] = yield* during(1)
        assert.isAtMost(tellings, 1)
      }
      yield* live(until("it has told", Effect.map(proxy.tellings, (count) => count > 0)))
      // The rates are means over the last ten seconds, or so.
      yield* during(20)
      const [tellings, others] = yield* during(30)
      assert.isAtMost(tellings, 3)
      assert.isAtMost(tellings + others, 30)
    }).pipe(withTestClock))
})

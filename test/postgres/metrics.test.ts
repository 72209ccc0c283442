/** The metrics that only a store with a database has: the size of groups, and attempts after failures that pass. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Message } from "eventfold/Message"
import * as Database from "../support/Database.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Store from "../support/Store.ts"

const together = { concurrency: "unbounded" } as const

const message: Message = { type: "Noted", data: {} }

/** The series of a metric. */
const seriesOf = (name: string) => Effect.map(Metric.snapshot, (all) => all.filter(({ id }) => id === name))

const withOwnMetrics = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, Metric.MetricRegistry, new Map())

layer(Database.layer(), { excludeTestServices: true })("metrics of the store on PostgreSQL", (it) => {
  it.effect("the size of groups is how many appends are committed together", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const store = yield* Store.openWarm(url, 4)
      const before = yield* seriesOf("eventfold.store.group.size")
      yield* Effect.forEach(Store.upTo(40), (n) => store.append(`grouped-${n}`, [message, message]), together)
      const [group, ...others] = yield* seriesOf("eventfold.store.group.size")
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(group?.attributes, { "db.system.name": "postgresql", unit: "{append}" })
      assert(group?.type === "Histogram")
      const { count: countBefore = 0, sum: sumBefore = 0 } = before[0]?.type === "Histogram" ? before[0].state : {}
      assert.strictEqual(group.state.sum - sumBefore, 40, "appends, and not messages")
      assert.isBelow(group.state.count - countBefore, 40)
      assert.isAtLeast(group.state.max, 2)
    }).pipe(Effect.scoped, withOwnMetrics))

  it.effect("an attempt after a lost connection is a retry, by the error before it", () =>
    Effect.gen(function*() {
      const { url } = yield* Database.Database
      const proxy = yield* Proxy.start(url)
      const store = yield* Store.open(proxy.url)
      yield* store.append("retried-1", message)
      assert.deepStrictEqual(yield* seriesOf("eventfold.store.retries"), [])
      // The second time, the retry is cut as well.
      yield* proxy.cut("before the request", "retried-1", 2)
      yield* store.append("retried-1", message)
      const retries = yield* seriesOf("eventfold.store.retries")
      const total = retries.reduce((sum, one) => one.type === "Counter" ? sum + Number(one.state.count) : sum, 0)
      assert.strictEqual(total, 2)
      for (const { attributes } of retries) {
        assert.deepStrictEqual(attributes, {
          "db.system.name": "postgresql",
          "error.type": "ConnectionError",
          unit: "{attempt}"
        })
      }
      const appends = (yield* seriesOf("db.client.operation.duration")).find(({ attributes }) =>
        attributes?.["db.operation.name"] === "append"
      )
      assert(appends?.type === "Histogram")
      assert.deepInclude(appends.attributes, { "db.system.name": "postgresql" })
      assert.strictEqual(appends.state.count, 2, "an append that is tried again is one")
    }).pipe(Effect.scoped, withOwnMetrics))
})

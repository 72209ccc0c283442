/**
 * docs/observability.md lists every metric, as it is, and no other one; and the dashboard asks only for metrics of the list, by
 * the names that Effect's exporter for Prometheus gives them.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Metric, Schedule, Schema, Stream } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"
import {
  Category,
  Consumer,
  Entity,
  EntityCache,
  MessageStore,
  ProgressGauges,
  ReadModel,
  StoreBackend
} from "eventfold"
import { globSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")
const docs = join(root, "docs")

interface Listed {
  readonly kind: string
  readonly unit: string
  readonly attributes: ReadonlyArray<string>
}

/** The metrics of the page, by name. */
const listed = new Map(
  readFileSync(join(docs, "observability.md"), "utf8").split("\n").flatMap((line): ReadonlyArray<[string, Listed]> => {
    const [, name, kind, unit, attributes] = /^\| `([a-z_.]+)` +\| (counter|gauge|histogram) +\| `([^`]+)` +\|([^|]*)\|/
      .exec(line) ?? []
    return name === undefined || kind === undefined || unit === undefined
      ? []
      : [[name, {
        kind,
        unit,
        attributes: [...(attributes ?? "").matchAll(/`([^`]+)`/g)].flatMap(([, one]) => one ?? [])
      }]]
  })
)

const Account = Category.make("account", { Deposited: { amount: Schema.Int } })

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { amount }) => balance + amount }
})

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

const ofAccounts = { retry: Schedule.recurs(1), onFailure: "skip" } as const

const handle = ({ data }: { readonly data: { readonly amount: number } }) =>
  data.amount < 0 ? new Refused() : Effect.void

const consumer = Consumer.make("consumer", { ...ofAccounts, group: { size: 1, members: [0] } }).on(Account, {
  Deposited: handle
})

const model = ReadModel.make("model", { ...ofAccounts, version: 1 }).on(Account, { Deposited: handle })

/** Makes each metric, and an error in each that has an error type, and gives what is seen then. */
const everything = Effect.gen(function*() {
  yield* Effect.all([
    Layer.build(ProgressGauges.layer({ consumers: [consumer], readModels: [model] })),
    // What a store with a database updates by itself, and test/postgres/metrics.test.ts sees updated.
    Effect.map(StoreBackend.makeMetrics("postgresql"), ({ group, retried }) => {
      group(2)
      retried("ConnectionError")
    })
  ])
  const store = yield* MessageStore.MessageStore
  yield* Balance.transact("1", () => Account.events.Deposited({ amount: 1 }))
  yield* Balance.transact("1", () => Account.events.Deposited({ amount: -1 }))
  yield* Effect.flip(Balance.transact("1", () => new Refused()))
  yield* Effect.flip(store.append("account-1", { type: "Noted", data: {} }, { expectedVersion: 7 }))
  yield* Stream.runDrain(store.readStream("account-1"))
  const last = yield* store.lastPosition
  const running = yield* Consumer.start(consumer)
  const filling = yield* ReadModel.start(model)
  yield* Effect.forkScoped(Effect.forever(TestClock.adjust("1 second")))
  yield* running.waitFor(last)
  yield* filling.waitFor(last)
  return [yield* Metric.snapshot, yield* PrometheusMetrics.format()] as const
}).pipe(
  Effect.scoped,
  Effect.provide(
    Layer.mergeAll(MessageStore.layerMemory, ReadModel.layerMemory, EntityCache.layer({ capacity: 10 }))
  ),
  Effect.provideService(Metric.MetricRegistry, new Map())
)

it.effect("the page lists the metrics that there are, with kind, unit and attributes", () =>
  Effect.gen(function*() {
    const [all] = yield* everything
    const found = new Map<string, Listed>()
    for (const { attributes: { unit = "", ...attributes } = {}, id, type } of all) {
      const before = found.get(id)?.attributes ?? []
      const together = new Set([...before, ...Object.keys(attributes)])
      found.set(id, { kind: type.toLowerCase(), unit, attributes: [...together].toSorted() })
    }
    const sorted = ([name, one]: readonly [string, Listed]) =>
      [name, { ...one, attributes: one.attributes.toSorted() }] as const
    assert.deepStrictEqual(
      Object.fromEntries([...found].toSorted().map(sorted)),
      Object.fromEntries([...listed].toSorted().map(sorted))
    )
  }))

const Target = Schema.Struct({ expr: Schema.String })
const Dashboard = Schema.Struct({
  templating: Schema.Struct({ list: Schema.Array(Schema.Struct({ query: Schema.String })) }),
  panels: Schema.Array(Schema.Struct({ targets: Schema.optionalKey(Schema.Array(Target)) }))
})

/** What looks like the name of a metric of ours in a query. */
const metricNames = (query: string): ReadonlyArray<string> =>
  (query.match(/\b(?:eventfold|messaging|db)_[a-z_]+/g) ?? []).filter((name) => !labels.has(name))

const labels = new Set(
  [...listed.values()].flatMap(({ attributes }) => attributes.map((one) => one.replaceAll(".", "_")))
)

it.effect("each query of the dashboard names metrics and labels that the exporter writes", () =>
  Effect.gen(function*() {
    const [, exported] = yield* everything
    const written = new Set(exported.split("\n").flatMap((line) => /^([a-z_]+)[{ ]/.exec(line)?.[1] ?? []))
    const json: unknown = JSON.parse(readFileSync(join(docs, "dashboards/eventfold.json"), "utf8"))
    const { panels, templating } = yield* Schema.decodeUnknownEffect(Dashboard)(json)
    const queries = [
      ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
      ...templating.list.map(({ query }) => query).filter((query) => query.startsWith("label_values("))
    ]
    assert.isAtLeast(queries.length, 20)
    for (const query of queries) {
      const names = metricNames(query)
      assert.isNotEmpty(names, query)
      for (const name of names) assert.isTrue(written.has(name), `${name} in ${query}`)
      // Labels of other names would select nothing.
      for (const [, label = ""] of query.matchAll(/([a-z_]+)(?:=~|!=|=)"/g)) {
        assert.isTrue(labels.has(label) || label === "__name__", `${label} in ${query}`)
      }
    }
    // And it shows each of them, but the ones that say the same in another way.
    const shown = new Set(queries.flatMap(metricNames).map((name) => name.replace(/_(bucket|sum|count)$/, "")))
    const missing = [...listed.keys()].filter((name) => !shown.has(name.replaceAll(".", "_")))
    assert.deepStrictEqual(missing.filter((name) => !/pending|read_model\.in_flight/.test(name)), [])
  }))

/** The names of spans in a row of the page: `A.b`, and `.c` after it for `A.c`. */
const spansOf = (row: string): ReadonlyArray<string> => {
  let module = ""
  return [...row.matchAll(/`([A-Z][A-Za-z]*)?\.([a-z][A-Za-z]*)`/g)].map(([, before = module, name = ""]) => {
    module = before
    return `${module}.${name}`
  })
}

it("the page lists the spans that there are", () => {
  const [, section = ""] = readFileSync(join(docs, "observability.md"), "utf8").split("## Spans")
  const rows = section.split("\n").filter((line) => line.startsWith("| `"))
  const spans = rows.flatMap((row) => spansOf(row.split("|")[1] ?? ""))
  const sources = globSync("packages/eventfold/src/**/*.ts", { cwd: root })
    .map((file) => readFileSync(join(root, file), "utf8"))
    .join("\n")
    // Examples are of the user's own.
    .replaceAll(/^ *\*.*$/gm, "")
  const made = [
    ...sources.matchAll(
      /(?:Effect\.fn\(\s*|withSpan\([^"]*?,\s*|withSpan\(\s*|span\(\s*)"([A-Z][A-Za-z]*\.[a-z][A-Za-z]*)"/g
    )
  ].flatMap(([, name]) => name ?? [])
  assert.isAtLeast(made.length, 40)
  assert.deepStrictEqual([...new Set(made)].filter((name) => !spans.includes(name)).toSorted(), [])
  // And of those that it lists, each is in the code: some are put together, but all of them are named.
  assert.deepStrictEqual(
    spans.filter((name) => !sources.includes(`"${name}"`) && !name.startsWith("MessageStore.")),
    []
  )
})

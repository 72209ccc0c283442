import { assert, describe, layer } from "@effect/vitest"
import { Pglite } from "@eventfold/pglite"
import { Effect, Layer, Option } from "effect"
import { StreamName } from "eventfold"
import { makeChecker } from "./Answers.ts"
import { address, inMemory, serveOpen } from "./Served.ts"

const message = (type: string, correlation?: string) => ({
  type,
  data: {},
  ...(correlation === undefined ? {} : { metadata: { correlationStreamName: correlation } })
})

/** The global positions of places. */
const positionsOf = (found: unknown) =>
  (found as ReadonlyArray<{ message: { globalPosition: number } }>).map(({ message }) => message.globalPosition)

const fieldOf = (json: unknown, key: string) =>
  (json as { messages: ReadonlyArray<Record<string, unknown>> }).messages.map((one) => one[key])

describe.each([
  ["memory", Layer.provideMerge(serveOpen(), inMemory)],
  ["PGlite", Layer.provideMerge(serveOpen(), Pglite.layer())]
])("the log on %s", (_, served) =>
  layer(served, { excludeTestServices: true })((it) => {
    it.effect("reads everything by pages, by category and by type", () =>
      Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        yield* call("/streams/red-1/messages", { body: { messages: [message("A"), message("B"), message("A")] } })
        yield* call("/streams/blue-1/messages", { body: { messages: [message("A"), message("B")] } })
        yield* call("/streams/green-1/messages", { body: message("A") })
        const first = yield* call("/messages?limit=4")
        assert.deepStrictEqual(fieldOf(first.json, "streamName"), ["red-1", "red-1", "red-1", "blue-1"])
        assert.deepInclude(first.json, { hasMore: true, through: 4 })
        const rest = yield* call("/messages?limit=4&from=5")
        assert.deepStrictEqual(fieldOf(rest.json, "streamName"), ["blue-1", "green-1"])
        assert.deepInclude(rest.json, { hasMore: false, through: 6 })
        const some = yield* call("/messages?category=red&category=green&type=A")
        assert.deepStrictEqual(fieldOf(some.json, "streamName"), ["red-1", "red-1", "green-1"])
        assert.deepStrictEqual(fieldOf((yield* call("/messages?from=100")).json, "type"), [])
        assert.strictEqual((yield* call("/messages?category=red-1")).status, 400)
        assert.strictEqual((yield* call("/messages?from=0")).status, 400)
        assert.strictEqual((yield* call("/messages?limit=1001")).status, 400)
        assert.deepInclude((yield* call("/messages/4")).json, { streamName: "blue-1", globalPosition: 4 })
        assert.strictEqual((yield* call("/messages/4000")).status, 404)
        assert.strictEqual((yield* call("/messages/none")).status, 400)
        assert.strictEqual((yield* call("/messages/0")).status, 400)
      }))

    it.effect("reads a category by pages, types, correlation and member", () =>
      Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        const streams = ["job-a", "job-b", "job-c", "job-d"]
        for (const name of streams) {
          yield* call(`/streams/${name}/messages`, {
            body: { messages: [message("Begun", "order-1"), message("Done")] }
          })
        }
        const path = "/categories/job/messages"
        const page = yield* call(`${path}?limit=3`)
        assert.deepStrictEqual(fieldOf(page.json, "streamName"), ["job-a", "job-a", "job-b"])
        const { hasMore, through } = page.json as { hasMore: boolean; through: number }
        assert.isTrue(hasMore)
        const next = yield* call(`${path}?from=${through + 1}`)
        assert.deepStrictEqual(fieldOf(next.json, "streamName"), ["job-b", "job-c", "job-c", "job-d", "job-d"])
        assert.deepStrictEqual(fieldOf((yield* call(`${path}?type=Done`)).json, "streamName"), streams)
        assert.deepStrictEqual(
          fieldOf((yield* call(`${path}?correlation=order`)).json, "type"),
          streams.map(() => "Begun")
        )
        const members = yield* Effect.forEach([0, 1], (member) => call(`${path}?member=${member}&size=2`))
        const read = members.map(({ json }) => fieldOf(json, "streamName"))
        for (const [member, names] of read.entries()) {
          for (const name of names) {
            assert.strictEqual(Option.getOrThrow(StreamName.groupMember(String(name), 2)), member)
          }
        }
        assert.sameMembers([...new Set(read.flat())], streams)
        for (const query of ["member=0", "size=2", "member=2&size=2", "member=-1&size=2", "member=0&size=0"]) {
          assert.strictEqual((yield* call(`${path}?${query}`)).status, 400, query)
        }
        assert.strictEqual((yield* call("/categories/job-a/messages")).status, 400)
        assert.deepStrictEqual(fieldOf((yield* call("/categories/nothing/messages")).json, "type"), [])
      }))

    it.effect("lists categories and their streams by pages, with links", () =>
      Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        for (const name of ["list-1", "list-10", "list-2", "listed-1", "listed:position-1"]) {
          yield* call(`/streams/${name}/messages`, { body: { messages: [message("A"), message("B")] } })
        }
        const first = yield* call("/categories?prefix=list&limit=2")
        const { categories } = first.json as { categories: ReadonlyArray<{ category: string; last: object }> }
        assert.deepStrictEqual(categories.map(({ category }) => category), ["list", "listed"])
        assert.deepInclude(categories[0]?.last, { streamName: "list-2", position: 1, type: "B" })
        assert.deepInclude(first.json, { next: "listed" })
        const [, query] = /^<([?][^>]+)>; rel="next"$/.exec(first.headers["link"] ?? "") ?? []
        const second = yield* call(`/categories${query}`)
        assert.deepStrictEqual(
          (second.json as { categories: ReadonlyArray<{ category: string }> }).categories.map(({ category }) =>
            category
          ),
          ["listed:position"]
        )
        assert.notProperty(second.json, "next")
        assert.notProperty(second.headers, "link")

        const path = "/categories/list/streams"
        const streams = yield* call(`${path}?prefix=list-1&limit=1`)
        assert.deepInclude(streams.json, { next: "list-1" })
        assert.strictEqual(streams.headers["link"], `<?prefix=list-1&limit=1&after=list-1>; rel="next"`)
        const rest = yield* call(`${path}?after=list-1`)
        assert.deepStrictEqual(fieldOf({ messages: (rest.json as { streams: unknown }).streams }, "streamName"), [
          "list-10",
          "list-2"
        ])
        assert.deepStrictEqual((yield* call("/categories/nothing/streams")).json, { streams: [] })
        assert.strictEqual((yield* call("/categories/list-1/streams")).status, 400)
        assert.strictEqual((yield* call(`${path}?limit=0`)).status, 400)
        assert.strictEqual((yield* call(`${path}?limit=1001`)).status, 400)
        assert.strictEqual((yield* call(`${path}?after=%00`)).status, 400)
        // The problem names the part that is wrong.
        const wrong = (path: string) =>
          Effect.map(call(path), ({ json }) => (json as { detail: string }).detail.split(":")[0])
        assert.strictEqual(yield* wrong("/messages?category=%00"), "query.category")
        assert.strictEqual(yield* wrong("/categories/list/messages?correlation=%00"), "query.correlation")
        assert.strictEqual(yield* wrong("/categories/list-1/messages"), "params.category")
      }))

    it.effect("gives the effects of a message, and the messages of a correlation", () =>
      Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        const write = (name: string, metadata: object) =>
          Effect.map(
            call(`/streams/${name}/messages`, { body: { type: "T", data: null, metadata } }),
            ({ json }) => (json as { globalPosition: number }).globalPosition
          )
        const correlationStreamName = "traced-1"
        const cause = yield* write("traced-1", { correlationStreamName })
        const causation = { causationMessageStreamName: "traced-1", causationMessageGlobalPosition: cause }
        const first = yield* write("traced-2", { correlationStreamName, ...causation })
        const second = yield* write("traced-3", causation)

        const effects = yield* call(`/messages/${cause}/effects?limit=1`)
        const page = effects.json as { effects: unknown; lookedThrough: number }
        assert.deepStrictEqual(positionsOf(page.effects), [first])
        assert.deepInclude(effects.json, { lookedFrom: cause + 1, lookedThrough: first, isComplete: false })
        const rest = (yield* call(`/messages/${cause}/effects?after=${page.lookedThrough}`)).json
        assert.deepStrictEqual(positionsOf((rest as { effects: unknown }).effects), [second])
        assert.deepInclude(rest, { isComplete: true })

        const correlated = (yield* call("/correlations/traced-1")).json as { messages: ReadonlyArray<object> }
        assert.deepStrictEqual(positionsOf(correlated.messages), [cause, first])
        assert.notProperty(correlated.messages[0], "cause")
        assert.deepInclude(correlated.messages[1], { cause: { globalPosition: cause, streamName: "traced-1" } })

        assert.strictEqual((yield* call("/messages/1000000/effects")).status, 404)
        for (const query of ["limit=0", "limit=1001", "window=0", "window=100001", "after=-1"]) {
          assert.strictEqual((yield* call(`/messages/${cause}/effects?${query}`)).status, 400, query)
          assert.strictEqual((yield* call(`/correlations/traced-1?${query}`)).status, 400, query)
        }
        // No message is there, and none can be.
        for (const path of [`/messages/${cause}/effects`, "/correlations/traced-1"]) {
          const answer = yield* call(`${path}?after=${Number.MAX_SAFE_INTEGER}`)
          assert.strictEqual(answer.status, 200, answer.text)
        }
      }))

    it.effect("appends to several streams, all or none", () =>
      Effect.gen(function*() {
        const { call } = yield* makeChecker(yield* address)
        const write = (body: unknown, headers: Record<string, string> = {}) => call("/appends", { body, headers })
        const both = yield* write([
          { streamName: "from-1", messages: [message("Withdrawn")], expectedVersion: "noStream" },
          { streamName: "to-1", messages: [message("Deposited"), message("Noted")] }
        ])
        assert.strictEqual(both.status, 201)
        const { results } = both.json as { results: ReadonlyArray<{ version: number; ids: ReadonlyArray<string> }> }
        assert.deepStrictEqual(results.map(({ version }) => version), [0, 1])
        assert.deepStrictEqual(results.map(({ ids }) => ids.length), [1, 2])
        const checked = yield* write([
          { streamName: "from-1", messages: [], expectedVersion: 0 },
          { streamName: "to-1", messages: [message("Deposited")], expectedVersion: 1 }
        ])
        assert.strictEqual(checked.status, 201)
        const refused = yield* write([
          { streamName: "from-1", messages: [message("Withdrawn")] },
          { streamName: "to-1", messages: [message("Deposited")], expectedVersion: 7 }
        ])
        assert.strictEqual(refused.status, 409)
        assert.deepInclude(refused.json, { streamName: "to-1", expected: 7, actual: 2 })
        assert.deepInclude((yield* call("/streams/from-1")).json, { version: 0 })

        const keyed = [{ streamName: "from-2", messages: [message("A")] }, {
          streamName: "to-2",
          messages: [message("A")]
        }]
        const key = { "idempotency-key": "transfer-7" }
        const once = yield* write(keyed, key)
        assert.deepStrictEqual((yield* write(keyed, key)).json, once.json)
        assert.strictEqual((yield* write([{ streamName: "from-2", messages: [message("B")] }], key)).status, 422)
        assert.strictEqual((yield* write([])).status, 400)
        assert.strictEqual((yield* write([{ streamName: "from-3", messages: [] }])).status, 422)
        assert.strictEqual((yield* write([{ streamName: "from-3", messages: [{ type: "" }] }])).status, 400)
      }))
  }))

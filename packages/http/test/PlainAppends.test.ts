import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Tracer } from "effect"
import { makeChecker } from "./Answers.ts"
import { address, as, inMemory, type secrets, serve } from "./Served.ts"

/** The short way takes the first content type alone, so the same request goes the long way with the second. */
const ways = { short: "application/json", long: "application/json; charset=utf-8" } as const

type Way = keyof typeof ways

const id = (way: Way, n: number) => `0${way === "short" ? 1 : 2}000000-0000-7000-8000-${String(n).padStart(12, "0")}`

const opened = { type: "Opened", data: { owner: "ada" } }

interface Case {
  readonly body: (way: Way) => unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly sender?: keyof typeof secrets
  readonly category?: string
}

const body = (value: unknown): Case => ({ body: () => value })
const text = (value: string): Case => ({ body: () => value })

/** In this order, to one stream. */
const requests: ReadonlyArray<Case> = [
  { ...body(opened), headers: { "if-match": "*" } },
  { body: (way) => ({ ...opened, id: id(way, 1) }), headers: { "if-none-match": "*" } },
  { body: (way) => ({ ...opened, id: id(way, 1) }), headers: { "if-none-match": "*" } },
  { body: (way) => ({ ...opened, data: { owner: "bob" }, id: id(way, 1) }) },
  { body: (way) => ({ ...opened, id: id(way, 2).toUpperCase() }) },
  body({ messages: [opened, { type: "Closed", data: null, metadata: { properties: { a: [1, 2] }, own: true } }] }),
  body({ messages: [opened], expectedVersion: 3 }),
  body({ messages: [opened], expectedVersion: 3 }),
  body({ messages: [opened], expectedVersion: "noStream" }),
  body({ messages: [opened], expectedVersion: "sometimes" }),
  { ...body({ messages: [opened], expectedVersion: 4 }), headers: { "if-match": "\"4\"" } },
  { ...body(opened), headers: { "if-match": "\"4\"" } },
  { ...body(opened), headers: { "if-match": "\"4\"" } },
  { ...body(opened), headers: { "if-match": "4" } },
  { ...body(opened), headers: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" } },
  { ...body(opened), headers: { traceparent: "none" } },
  body({ ...opened, metadata: { correlationStreamName: 7 } }),
  body({ ...opened, id: "7" }),
  body({ ...opened, type: "" }),
  body({ ...opened, metdata: {} }),
  body({ type: "Opened" }),
  body({ messages: [] }),
  body({ messages: [opened], ...opened }),
  body({ messages: "none" }),
  body([opened]),
  text("null"),
  text("12"),
  text("{"),
  text(""),
  text("{\"type\":\"Opened\",\"data\":{\"__proto__\":{\"a\":1},\"constructor\":2,\"a\\nb\":1,\"c\\td\":2}}"),
  text("{\"type\":\"Opened\",\"type\":\"Twice\",\"data\":9007199254740993}"),
  body({ type: "Opened\u0000", data: {} }),
  body({ type: "Opened", data: { text: "a\u0000b" } }),
  body({ type: "\ud800", data: {} }),
  { ...body(opened), sender: "reader" },
  { ...body(opened), sender: "orders" },
  { ...body(opened), sender: "orders", category: "order" },
  { ...body(opened), category: "eventfold:administration" },
  { ...body(opened), category: "account:command" },
  { ...body(opened), headers: { authorization: "Bearer ef_nobody" } },
  { ...body(opened), headers: { authorization: "Basic bm9ib2R5" } },
  { ...body("x".repeat(3_000)) }
]

const withoutWay = (value: string, way: Way) =>
  value.replaceAll(`-${way}`, "-way").replaceAll(/0[12](000000-0000)/g, "0$1").replaceAll(/"globalPosition":\d+/g, "")

layer(Layer.provideMerge(serve({ limits: { bodyBytes: 2_000 } }), inMemory), { excludeTestServices: true })((it) => {
  it.effect("an append gets the same answer the short way and the long way", () =>
    Effect.gen(function*() {
      const { call } = yield* makeChecker(yield* address)

      const send = (way: Way, { body, category = "account", headers: given, sender = "writer" }: Case) =>
        Effect.map(
          call(`/streams/${category}-${way}/messages`, {
            method: "POST",
            body: body(way),
            headers: { ...as(sender), "content-type": ways[way], ...given }
          }),
          ({ headers, json, status, text }) => {
            const written = status === 201
              ? { ...json as { ids: ReadonlyArray<string> }, globalPosition: 0 }
              : undefined
            // Ids that the server has made differ.
            const ids = written?.ids.map((one) => one.endsWith(id(way, 1).slice(-12)) ? one.slice(-12) : "new")
            return {
              status,
              headers: { ...headers, date: "", "content-length": "" },
              body: written === undefined ? withoutWay(text, way) : { ...written, ids }
            }
          }
        )

      const stored = (way: Way) =>
        Effect.map(
          call(`/streams/account-${way}/messages`, { headers: as("writer") }),
          ({ json }) =>
            (json as { messages: ReadonlyArray<Record<string, unknown>> }).messages.map((
              { data, metadata, position, type }
            ) => ({ data, metadata, position, type }))
        )

      for (const request of requests) {
        assert.deepStrictEqual(
          yield* send("short", request),
          yield* send("long", request),
          JSON.stringify(request.body("short"))
        )
      }
      const short = yield* stored("short")
      assert.deepStrictEqual(short, yield* stored("long"))
      assert.isAtLeast(short.length, 10)
    }))
})

const routes: Array<unknown> = []

/** Notes the route that each span of a request has at its end. */
const Traced = Layer.succeed(
  Tracer.Tracer,
  Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      const end = span.end.bind(span)
      span.end = (time, exit) => {
        const route = span.attributes.get("http.route")
        if (route !== undefined) routes.push(route)
        end(time, exit)
      }
      return span
    }
  })
)

layer(Layer.provideMerge(serve(), Layer.merge(inMemory, Traced)), { excludeTestServices: true })((it) => {
  it.effect("the span of a request has the route of an append, whichever way it goes", () =>
    Effect.gen(function*() {
      const { call } = yield* makeChecker(yield* address)
      const path = "/streams/account-1/messages"
      for (const type of Object.values(ways)) {
        for (const sender of ["writer", "reader"] as const) {
          routes.length = 0
          yield* call(path, { method: "POST", body: opened, headers: { ...as(sender), "content-type": type } })
          assert.deepStrictEqual(routes, ["/streams/:streamName/messages"], `${type}, ${sender}`)
        }
      }
    }))
})

/**
 * Sends requests over loopback as any client would, and holds each answer against the OpenAPI document that the server serves: its
 * status, content type, body and headers must be documented for that operation.
 */
import { assert } from "@effect/vitest"
import addFormatsModule from "ajv-formats"
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js"
import { Data, Effect, Schema } from "effect"
import { request as send } from "node:http"

/** What a test sends. */
export interface Sent {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** What came back. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** The body as JSON; undefined when it is none. */
  readonly json: unknown
}

/** The server gave no answer, or half of one. */
export class NoAnswer extends Data.TaggedError("NoAnswer")<{ readonly reason: string; readonly cause: unknown }> {}

const Operation = Schema.Struct({
  responses: Schema.Record(
    Schema.String,
    Schema.Struct({
      content: Schema.optionalKey(Schema.Record(Schema.String, Schema.Struct({ schema: Schema.Unknown }))),
      headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))
    })
  )
})

const Document = Schema.Struct({
  openapi: Schema.String,
  paths: Schema.Record(Schema.String, Schema.Record(Schema.String, Operation))
})

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const parse = (text: string, type: string | undefined): unknown =>
  type?.includes("json") === true && text !== "" && !type.includes("ndjson") ? JSON.parse(text) : undefined

/** Sends a request, and waits for the whole answer. */
export const ask = (url: string, { body, headers = {}, method = body === undefined ? "GET" : "POST" }: Sent = {}) =>
  Effect.callback<Answer, NoAnswer>((resume) => {
    const text = body === undefined || typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body)
    const given = typeof body === "object" && !Buffer.isBuffer(body) ? { "content-type": "application/json" } : {}
    const length = text === undefined ? {} : { "content-length": String(Buffer.byteLength(text)) }
    const outgoing = send(url, { method, headers: { ...given, ...length, ...headers } }, (incoming) => {
      const chunks: Array<Buffer> = []
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
      incoming.on(
        "error",
        (error) => resume(Effect.fail(new NoAnswer({ reason: "the connection broke", cause: error })))
      )
      incoming.on("end", () => {
        const whole = Buffer.concat(chunks).toString("utf8")
        resume(Effect.try({
          try: () => ({
            status: incoming.statusCode ?? 0,
            headers: Object.fromEntries(
              Object.entries(incoming.headers).map(([name, value]) => [name, String(value)])
            ),
            text: whole,
            json: method === "HEAD" ? undefined : parse(whole, incoming.headers["content-type"])
          }),
          catch: (cause) => new NoAnswer({ reason: `not JSON: ${whole}`, cause })
        }))
      })
    })
    outgoing.on("error", (error) => resume(Effect.fail(new NoAnswer({ reason: "the connection broke", cause: error }))))
    outgoing.end(text)
    return Effect.sync(() => outgoing.destroy())
  })

/** What holds answers against the document of a server. */
export const makeChecker = Effect.fnUntraced(function*(url: string) {
  const { json } = yield* ask(`${url}/openapi.json`)
  const { openapi, paths } = Schema.decodeUnknownSync(Document)(json)
  assert.isTrue(openapi.startsWith("3.1"), openapi)
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormatsModule.default(ajv)
  ajv.addSchema(isRecord(json) ? { ...json, $id: "document" } : {})

  const compiled = new Map<string, ValidateFunction>()
  const validatorOf = (pointer: ReadonlyArray<string>): ValidateFunction => {
    const path = pointer.map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))).join("/")
    const validate = compiled.get(path) ?? ajv.compile({ $ref: `document#/${path}` })
    compiled.set(path, validate)
    return validate
  }

  const templateOf = (path: string): string => {
    const matching = Object.keys(paths).filter((template) =>
      new RegExp(`^${template.replaceAll(".", "\\.").replace(/\{\w+\}/g, "[^/]+")}$`).test(path)
    )
    // A path that is written out comes before one with parameters.
    const template = matching.toSorted((a, b) => a.split("{").length - b.split("{").length)[0]
    assert.isDefined(template, `${path} is not documented`)
    return template
  }

  const seen = new Set<string>()

  const check = (method: string, path: string, { headers, json, status, text }: Answer): void => {
    // HEAD is GET without the body.
    const verb = method === "HEAD" ? "get" : method.toLowerCase()
    const template = templateOf(path.replace(/\?.*$/, ""))
    const response = paths[template]?.[verb]?.responses[String(status)]
    const what = `${method} ${template} ${status}`
    assert.isDefined(response, `${what} is not documented: ${text}`)
    seen.add(what)
    if (method === "HEAD" || status === 304) return assert.strictEqual(text, "", what)
    if (response.content === undefined) return assert.strictEqual(text, "", what)
    const type = headers["content-type"] ?? ""
    const documented = Object.keys(response.content ?? {}).find((one) => one.toLowerCase() === type.toLowerCase())
    assert.isDefined(documented, `${what} with ${type} is not documented`)
    if (!type.includes("json")) return
    const validate = validatorOf([
      "paths",
      template,
      verb,
      "responses",
      String(status),
      "content",
      documented,
      "schema"
    ])
    assert.isTrue(validate(json), `${what}: ${ajv.errorsText(validate.errors)}: ${text}`)
    // What Messagestore answered with 404 is documented as such.
    if (status >= 400 && documented !== "application/json") {
      assert.strictEqual(type, "application/problem+json", what)
      assert.propertyVal(json, "status", status)
      assert.match(isRecord(json) ? String(json["type"]) : "", /^urn:eventfold:problem:[a-z-]+$/)
    }
  }

  /** Sends a request to a path of the API, and checks the answer. */
  const call = (path: string, sent: Sent = {}): Effect.Effect<Answer> =>
    Effect.map(Effect.orDie(ask(url + path, sent)), (answer) => {
      check(sent.method ?? (sent.body === undefined ? "GET" : "POST"), path, answer)
      return answer
    })

  /** Every operation and status of the document. */
  const documented = Object.entries(paths).flatMap(([template, verbs]) =>
    Object.entries(verbs).flatMap(([verb, { responses }]) =>
      Object.keys(responses).map((status) => `${verb.toUpperCase()} ${template} ${status}`)
    )
  )

  return { call, seen, documented, url }
})

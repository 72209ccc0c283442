/**
 * An hour at the notice board, as its users' browsers see it: `npx pnpm board`.
 */
import * as Main from "@eventfold/example-command-line/Main"
import { Console, Effect, Schema } from "effect"
import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest, HttpServer } from "effect/http"
import { MessageStore } from "eventfold"
import * as App from "./App.ts"
import { cookie } from "./Sessions.ts"

const Page = Schema.fromJsonString(Schema.Struct({
  messages: Schema.Array(Schema.Struct({ streamName: Schema.String, data: Schema.Struct({ text: Schema.String }) }))
}))

const Problem = Schema.fromJsonString(Schema.Struct({ detail: Schema.String }))

/** What an answer of the store's routes says. */
const summary = (text: string, status: number) =>
  status === 200
    ? Effect.map(Schema.decodeEffect(Page)(text), ({ messages }) =>
      messages.map(({ data, streamName }) => `${streamName}: ${data.text}`).join(", "))
    : Effect.map(Schema.decodeEffect(Problem)(text), ({ detail }) =>
      detail)

const hour = Effect.gen(function*() {
  const url = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
  const client = HttpClient.mapRequest(yield* HttpClient.HttpClient, HttpClientRequest.prependUrl(url))

  const logIn = Effect.fnUntraced(function*(name: string, password: string) {
    const answer = yield* client.post("/login", { body: yield* HttpBody.json({ name, password }) })
    yield* Console.log(`${name} logs in: ${answer.status}`)
    return { name, headers: { cookie: `${cookie}=${answer.cookies.cookies[cookie]?.value ?? ""}` } }
  })
  type Browser = Effect.Success<ReturnType<typeof logIn>>

  const pin = Effect.fnUntraced(function*({ headers, name }: Browser, text: string) {
    const { status } = yield* client.post("/notes", { headers, body: yield* HttpBody.json({ text }) })
    yield* Console.log(`${name} pins a note: ${status}`)
  })
  const get = Effect.fnUntraced(function*({ headers, name }: Browser, path: string) {
    const answer = yield* client.get(path, { headers })
    yield* Console.log(`${name} gets ${path}: ${answer.status} ${yield* summary(yield* answer.text, answer.status)}`)
  })

  yield* get({ name: "a stranger", headers: { cookie: "" } }, "/events/categories/board/messages")
  const ann = yield* logIn("ann", "teapot")
  yield* pin(ann, "The kettle is broken")
  yield* get(ann, "/events/categories/board/messages")
  yield* get(ann, "/events/messages")
  yield* get(yield* logIn("eve", "ledger"), "/events/messages")
})

hour.pipe(
  Effect.provide([App.layer(0), FetchHttpClient.layer]),
  Effect.provide(MessageStore.layerMemory),
  Main.run
)

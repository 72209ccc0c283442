/**
 * The HTTP API: appends beside what else could serve them, and a category as lines of JSON. Server and clients are processes of their
 * own.
 */
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import { fileURLToPath } from "node:url"
import { fork } from "./Child.ts"
import { Databases } from "./Databases.ts"
import * as MessageDbClient from "./MessageDbClient.ts"
import { account, ledger } from "./Messages.ts"
import { readCategory } from "./ReadRows.ts"
import type { Row, Side } from "./Rounds.ts"

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url))

type Kind = "eventfold" | "nothing" | "express" | "node"

/** Starts a server on a database. Gives its port, and the token that it lets in. */
export const serve = Effect.fnUntraced(function*(kind: Kind, url = "") {
  const token = randomUUID()
  const server = yield* fork(script("HttpServerProcess.ts"), [kind, url, token])
  return { port: yield* server.next, token }
})

/** Measures a server with the load of another process. */
const load = Effect.fnUntraced(function*(what: "append" | "category", kind: Kind, url?: string) {
  const { port, token } = yield* serve(kind, url)
  const client = yield* fork(script("HttpLoadProcess.ts"), [what, String(port), token])
  yield* client.next
  return (millis: number) => client.ask(millis)
})

const onOurs = (what: "append" | "category", dataset = account): Side<Databases> =>
  Effect.gen(function*() {
    const ours = yield* (yield* Databases).ours
    yield* ours.load(dataset)
    return yield* load(what, "eventfold", ours.url)
  })

const onMessageDb: Side<Databases> = Effect.gen(function*() {
  const messageDb = yield* (yield* Databases).messageDb
  yield* messageDb.load(account)
  return yield* load("append", "express", messageDb.url)
})

const decoded: Side<Databases> = Effect.gen(function*() {
  const { load, store } = yield* (yield* Databases).ours
  yield* load(ledger)
  return readCategory(store, ledger)
})

export const rows: ReadonlyArray<Row<Databases>> = [
  {
    name: "http-append",
    description:
      "single messages to one category over HTTP, from 256 connections that are kept open, with authentication",
    unit: "messages/s",
    millis: 2_000,
    warmUp: 8_000,
    slow: true,
    ours: onOurs("append"),
    peers: [
      { name: "the same, storing nothing", budget: 0.7, side: load("append", "nothing") },
      { name: `Express 5 with pg and ${MessageDbClient.name}`, budget: 4, side: onMessageDb },
      { name: "node:http alone, storing nothing", side: load("append", "node") }
    ]
  },
  {
    name: "http-category",
    description: "30,000 messages of a category as lines of JSON over HTTP",
    unit: "messages/s",
    millis: 1_000,
    warmUp: 5_000,
    slow: true,
    ours: onOurs("category", ledger),
    peers: [{ name: "read in the process, decoded", budget: 0.5, side: decoded }]
  }
]

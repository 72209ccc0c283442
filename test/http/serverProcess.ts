/**
 * Not a test: a server of the HTTP API in a process of its own, for tests that kill it. `serverProcess.ts PORT STORE PLACE TOKENS` serves on
 * `pglite` in a folder, or on `postgres` at a URL, for the tokens of a file, or for everyone without one; port 0 is any that is free. Prints its
 * address when it answers, and stops on SIGTERM.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Authentication, Server, Tokens } from "@eventfold/http"
import { Pglite } from "@eventfold/pglite"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"

const [, , port = "0", kind = "pglite", place = "", tokens] = process.argv

// The standard output is for the address alone.
const Quiet = Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])

const Store = kind === "postgres" ? Postgres.layer({ url: Redacted.make(place) }) : Pglite.layer({ dataDir: place })

const limits = { openLive: 1_000, requestsPerSecond: 100_000, heartbeat: "200 millis" } as const

const Ready = Layer.effectDiscard(Effect.map(HttpServer.HttpServer, ({ address }) => {
  process.stdout.write(`${HttpServer.formatAddress(address)}\n`)
}))

const App = Ready.pipe(
  Layer.provide(Server.layer({ port: Number(port), limits, accessLog: false })),
  Layer.provide(tokens === undefined ? Authentication.layerOpen : Tokens.layerFile(tokens)),
  Layer.provide(Store),
  Layer.provide(Quiet)
)

NodeRuntime.runMain(Layer.launch(App))

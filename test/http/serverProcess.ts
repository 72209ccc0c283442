/**
 * Not a test: a server of its own, which a test kills. `serverProcess.ts FOLDER TOKENS` serves a store on PGlite, prints its address,
 * and stops on SIGTERM.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Server, Tokens } from "@eventfold/http"
import { Pglite } from "@eventfold/pglite"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"

const [, , dataDir = "", tokens = ""] = process.argv

const Served = Server.layer({ port: 0, accessLog: false }).pipe(
  Layer.provide(Tokens.layerFile(tokens)),
  Layer.provide(Pglite.layer({ dataDir }))
)

const printed = Layer.effectDiscard(
  Effect.flatMap(
    HttpServer.HttpServer,
    ({ address }) => Effect.sync(() => process.stdout.write(`address ${HttpServer.formatAddress(address)}\n`))
  )
)

NodeRuntime.runMain(Layer.launch(Layer.provide(printed, Served)))

/**
 * Serves the history of a repository over HTTP: listens until it is stopped, and records what is new meanwhile.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CommandLine from "@eventfold/example-command-line/CommandLine"
import * as Main from "@eventfold/example-command-line/Main"
import { Authentication, Server } from "@eventfold/http"
import { Console, Effect, Layer, References, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { HttpServer } from "effect/http"
import { Consumer } from "eventfold"
import * as Git from "./Git.ts"
import * as GitHistory from "./GitHistory.ts"
import * as History from "./History.ts"

class NotListening extends Schema.TaggedError<NotListening>()("NotListening", {
  port: Schema.Int,
  cause: Schema.Defect()
}) {
  override get message() {
    const reason = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `port ${this.port} can't be listened on (${reason}): end the program that has it, or name another with --port`
  }
}

const howTo = (url: string) =>
  `${url} serves the history: open it in a browser. The reference of all routes is at ${url}/docs
Only this machine reaches it, so requests need no token. Try it:

  curl '${url}/categories/${History.File.categoryName}/messages?limit=2'
  curl -N '${url}/live?from=end' &
  curl ${url}/streams/greeting-1/messages -H 'Content-Type: application/json' -d '{"type":"Greeted","data":{"name":"Ann"}}'

Ctrl-C ends it.`

const Announced = Layer.effectDiscard(
  Effect.flatMap(HttpServer.HttpServer, ({ address }) => Console.log(howTo(HttpServer.formatAddress(address))))
)

const served = (port: number) =>
  Announced.pipe(
    Layer.provide(Server.layer({ port, accessLog: false })),
    Layer.provide(Authentication.layerOpen)
  )

const command = Command.make("serve", {
  repository: GitHistory.repositoryArgument,
  ...CommandLine.storeFlags,
  port: Flag.Int("port").pipe(
    Flag.withDescription("The port to listen on, on this machine only; 0 for any that is free"),
    Flag.filter((port) => port >= 0 && port < 65_536, () => "must be from 0 to 65535"),
    Flag.withDefault(8080)
  )
}, ({ port, repository, ...storeOptions }) =>
  Git.open(repository).pipe(
    Effect.flatMap((git) =>
      // It listens at once: the first history takes a second, and arrives while one looks.
      Layer.build(served(port)).pipe(
        Effect.andThen(GitHistory.record(git)),
        Effect.andThen(Effect.never),
        Effect.scoped,
        Effect.provide(CommandLine.storeLayer(storeOptions))
      )
    ),
    Effect.catchTag("ServeError", ({ cause }) => Effect.fail(new NotListening({ port, cause }))),
    Effect.catch(CommandLine.report),
    // What the server says of itself is said above.
    Effect.provideService(References.MinimumLogLevel, "Warn")
  )).pipe(Command.withDescription("Serves the history of a git repository over HTTP"))

Command.run(command, { version: "0.1.0" }).pipe(
  Effect.provide(NodeServices.layer),
  // Ctrl-C is how it is meant to end.
  (program) => Main.run(program, { teardown: Consumer.teardown })
)

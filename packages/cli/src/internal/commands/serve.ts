/**
 * The command that serves a store over HTTP.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Application from "../application/load.ts"
import * as Stores from "../connection/stores.ts"

/** The store, with the definitions of the application where it is named. */
const served = Layer.unwrap(Effect.map(
  Application.isNamed,
  (isNamed) =>
    isNamed
      ? Layer.provideMerge(Application.required, Stores.database())
      : Layer.provideMerge(Application.nothing, Stores.messageStore())
))

/** Serves the HTTP API. */
export const serve = Command.make("serve", {
  port: Flag.Int("port").pipe(
    Flag.withAlias("p"),
    Flag.filter((port) => port >= 0 && port < 65_536, () => "must be from 0 to 65535"),
    Flag.withDescription("The port to listen on; 0 for any that is free"),
    Flag.withDefault(8_080)
  ),
  host: Flag.String("host").pipe(
    Flag.withDefault("127.0.0.1"),
    Flag.withDescription("The address to listen on; one that others reach needs --tokens")
  ),
  tokens: Flag.String("tokens").pipe(
    Flag.optional,
    Flag.withDescription("A JSON file with the tokens of those who may use it; without it everyone on this machine may")
  ),
  write: Flag.Boolean("write").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Let administrators, by their tokens, act in the page; without it the page only shows")
  ),
  accessLog: Flag.Boolean("access-log").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Log each request on stderr")
  )
}, ({ accessLog, host, port, tokens, write }) =>
  Effect.gen(function*() {
    const { server } = yield* Effect.promise(() => import("./server.ts"))
    return yield* Layer.launch(server({ accessLog, host, port, write, tokens: Option.getOrUndefined(tokens) }))
  }).pipe(Effect.provide(served))).pipe(
    Command.withDescription(
      "Serves the store over HTTP until Ctrl-C: a page to look at, and the API with a reference at /docs"
    ),
    Command.withShortDescription("Serve the store over HTTP"),
    Command.withExamples([
      { command: "eventfold serve --data .eventfold", description: "On http://127.0.0.1:8080, for this machine alone" },
      {
        command: "eventfold serve --host 0.0.0.0 --tokens tokens.json -m src/observe.ts",
        description: "For others, with tokens"
      }
    ])
  )

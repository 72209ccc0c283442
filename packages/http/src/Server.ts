/**
 * Serves the HTTP API alone, with safe defaults: on loopback, with limits, an access log and a graceful stop.
 *
 * @since 0.1.0
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import type { ServeError } from "effect/http/HttpServerError"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { MessageStore } from "eventfold/MessageStore"
import { createServer, type Server as NodeServer } from "node:http"
import { Authentication } from "./Authentication.ts"
import { unrouted } from "./internal/problems/answers.ts"
import { logged } from "./internal/server/accessLog.ts"
import { isLoopback, onlyFor } from "./internal/server/hosts.ts"
import { answerMalformed } from "./internal/server/malformed.ts"
import * as Routes from "./Routes.ts"

/**
 * The options of a server.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends Omit<Routes.Options, "closing"> {
  /** The port to listen on; 0 for any that is free. */
  readonly port: number
  /**
   * The address to listen on. Defaults to `127.0.0.1`: only this machine reaches the server. The layer fails with {@link UnsafeHost}
   * for another than a loopback address when the authentication lets everyone in.
   */
  readonly host?: string | undefined
  /**
   * The hosts that requests may name in `Host`, without ports. On loopback these are `localhost` and loopback addresses, to which this
   * option adds; elsewhere it defaults to all, because the server does not know its names.
   */
  readonly allowedHosts?: ReadonlyArray<string> | undefined
  /**
   * Whether each request is logged: its method, path, status, time and sender. Defaults to true. The log has no queries, headers or
   * bodies.
   */
  readonly accessLog?: boolean | undefined
  /**
   * How long requests in progress may still run when the server stops. Defaults to 10 seconds, below the time after which systems that
   * run servers kill them. Live answers end at once.
   */
  readonly gracePeriod?: Duration.Input | undefined
}

/**
 * The server would let everyone in who reaches this address. Provide `Tokens` or an `Authentication` of your own, or listen on
 * loopback.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsafeHost extends Schema.TaggedError<UnsafeHost>()("UnsafeHost", {
  host: Schema.String
}) {
  override get message(): string {
    return `the server has no authentication and would listen on ${this.host}, where others reach it: provide tokens, or listen on ` +
      "127.0.0.1"
  }
}

/**
 * Serves the routes.
 *
 * **Details**
 *
 * When the layer closes, the server takes no more connections, ends live answers at once, lets other requests finish within
 * `gracePeriod`, and closes the connections. A server with live clients alone stops in well under a second.
 *
 * A request must arrive within 30 seconds and its headers within 10, so that slow senders hold no connections.
 *
 * @example
 * ```ts no-run
 * import { NodeRuntime } from "@effect/platform-node"
 * import { Server, Tokens } from "@eventfold/http"
 * import { Layer } from "effect"
 * import { MessageStore } from "eventfold"
 *
 * Server.layer({ port: 8080, host: "0.0.0.0" }).pipe(
 *   Layer.provide(Tokens.layerFile("tokens.json")),
 *   Layer.provide(MessageStore.layerMemory),
 *   Layer.launch,
 *   NodeRuntime.runMain
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  { accessLog = true, allowedHosts, gracePeriod = "10 seconds", host = "127.0.0.1", port, ...options }: Options
): Layer.Layer<HttpServer.HttpServer, UnsafeHost | ServeError, MessageStore | Authentication> =>
  Layer.unwrap(Effect.gen(function*() {
    const { isOpen } = yield* Authentication
    if (isOpen && !isLoopback(host)) return yield* new UnsafeHost({ host })
    const closing = yield* Latch.make()
    // Slow senders are cut off, and idle connections kept for a while: most clients send more.
    const node = answerMalformed(
      createServer({ requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout: 5_000 })
    )

    const isAllowed = isLoopback(host)
      ? (name: string) => isLoopback(name) || (allowedHosts?.includes(name) ?? false)
      : (name: string) => allowedHosts?.includes(name) ?? true
    const middleware = [
      HttpRouter.middleware(unrouted, { global: true }),
      HttpRouter.middleware(onlyFor(isAllowed), { global: true }),
      ...(accessLog ? [HttpRouter.middleware(logged, { global: true })] : [])
    ]

    const served = HttpRouter.serve(
      Layer.mergeAll(Routes.layer({ ...options, closing: closing.await }), ...middleware),
      { disableListenLog: true, disableLogger: true }
    ).pipe(
      Layer.provideMerge(NodeHttpServer.layer(() => node, { port, host, gracefulShutdownTimeout: gracePeriod }))
    )
    return stopping(closing, node, gracePeriod).pipe(Layer.provideMerge(announced), Layer.provideMerge(served))
  }))

const announced = Layer.effectDiscard(
  Effect.flatMap(
    HttpServer.HttpServer,
    ({ address }) => Effect.annotateLogs(Effect.logInfo("server listens"), { url: HttpServer.formatAddress(address) })
  )
)

/**
 * Outermost, so that it stops first: it ends what has no end, and closes connections as they become idle, which would hold the server
 * for seconds otherwise.
 */
const stopping = (closing: Latch.Latch, node: NodeServer, gracePeriod: Duration.Input) =>
  Layer.effectDiscard(Effect.addFinalizer(() =>
    Effect.andThen(
      closing.open,
      Effect.sync(() => node.closeIdleConnections()).pipe(
        Effect.repeat(Schedule.spaced("20 millis")),
        Effect.timeoutOption(Duration.sum(Duration.fromInputUnsafe(gracePeriod), Duration.seconds(1))),
        Effect.forkDetach
      )
    )
  ))

/**
 * The routes of the HTTP API as a layer, for the router of a program.
 *
 * `Server` serves them alone. An application mounts them among its own routes, below a prefix.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiScalar from "effect/http-api/HttpApiScalar"
import * as OpenApi from "effect/http-api/OpenApi"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as StreamName from "eventfold/StreamName"
import { Api } from "./Api.ts"
import * as Access from "./internal/authentication/access.ts"
import { Closing } from "./internal/limits/closing.ts"
import * as Live from "./internal/live/routes.ts"
import * as Log from "./internal/messages/log.ts"
import * as Streams from "./internal/messages/streams.ts"
import { Answers } from "./internal/problems/answers.ts"
import * as UnknownRoutes from "./internal/problems/unknownRoutes.ts"
import * as System from "./internal/system/system.ts"
import * as Limits from "./Limits.ts"

/**
 * The options of the routes.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The path below which the routes are, such as `/events`. Defaults to none. */
  readonly prefix?: `/${string}` | undefined
  /** Defaults to `Limits.defaults`, one by one. */
  readonly limits?: Partial<Limits.Limits> | undefined
  /**
   * Completes when the program begins to stop. Live answers end then: they would hold up the stop of the program's server. Defaults to
   * never.
   */
  readonly closing?: Effect.Effect<void> | undefined
}

/**
 * All routes, for the `HttpRouter` of the program.
 *
 * **Details**
 *
 * They take every path below the prefix, or every path that no other route of the program takes when there is none.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({ closing, limits, prefix }: Options = {}) => {
  const api = prefix === undefined ? Api : Api.annotate(OpenApi.Servers, [{ url: prefix }])
  const routes = Layer.mergeAll(
    HttpApiBuilder.layer(api, { openapiPath: "/openapi.json" }),
    docs(api),
    UnknownRoutes.layer
  ).pipe(
    Layer.provide([Streams.layer, Log.layer, Live.layer, System.layer]),
    Layer.provide(Access.layer),
    Layer.provide(Answers.layer),
    Layer.provide(Layer.succeed(Limits.Limits, { ...Limits.defaults, ...limits })),
    Layer.provide(closing === undefined ? Layer.empty : Layer.succeed(Closing, closing))
  )
  return Layer.provide(routes, own(prefix))
}

/** The reference page works without requests to other servers, and may load nothing from them. */
const DocsPolicy = HttpRouter.middleware((answer) =>
  Effect.map(
    answer,
    HttpServerResponse.setHeader(
      "content-security-policy",
      "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; " +
        "connect-src 'self'; frame-ancestors 'none'"
    )
  )
)

const docs = (api: typeof Api) =>
  HttpApiScalar.layer(api, { path: "/docs", scalar: { withDefaultFonts: false } }).pipe(Layer.provide(DocsPolicy.layer))

/** Names of streams are longer than a router expects of a path. What is too long for the store gets its refusal. */
const routerConfig = { maxParamLength: 4 * StreamName.maxBytes, ignoreDuplicateSlashes: false }

/**
 * A router of the API's own, to which that of the program hands over what is below the prefix: so the program's need not be
 * configured for names of streams.
 */
const own = (prefix: `/${string}` | undefined) =>
  Layer.effect(
    HttpRouter.HttpRouter,
    Effect.gen(function*() {
      const program = yield* HttpRouter.HttpRouter
      const router = yield* Effect.provideService(HttpRouter.make, HttpRouter.RouterConfig, routerConfig)
      // Its routes answer everything, so that there is no failure left.
      const answer = Effect.orDie(router.asHttpEffect())
      const path = prefix === undefined ? "*" as const : "/*" as const
      const mounted = prefix === undefined ? program : program.prefixed(prefix)
      yield* mounted.addAll(UnknownRoutes.methods.map((method) => HttpRouter.route(method, path, answer)))
      return router
    })
  )

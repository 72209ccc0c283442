/**
 * The routes of the HTTP API as a layer, for the router of a program.
 *
 * `Server` serves them alone. An application mounts them among its own routes, below a prefix.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiScalar from "effect/http-api/HttpApiScalar"
import * as OpenApi from "effect/http-api/OpenApi"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Observe } from "eventfold/Observe"
import * as StreamName from "eventfold/StreamName"
import { Api, ApiWithoutMessagestore, MessagestoreApi } from "./Api.ts"
import * as Access from "./internal/authentication/access.ts"
import * as Definitions from "./internal/authentication/definitions.ts"
import { Closing } from "./internal/limits/closing.ts"
import * as OpenAnswers from "./internal/limits/openAnswers.ts"
import * as Live from "./internal/live/routes.ts"
import * as Log from "./internal/messages/log.ts"
import * as Streams from "./internal/messages/streams.ts"
import * as MessagestoreRoutes from "./internal/messagestore/routes.ts"
import * as NowRoutes from "./internal/now/routes.ts"
import * as ApplicationDocument from "./internal/observe/document.ts"
import * as ObserveRoutes from "./internal/observe/routes.ts"
import * as Page from "./internal/page/routes.ts"
import { Answers } from "./internal/problems/answers.ts"
import * as UnknownRoutes from "./internal/problems/unknownRoutes.ts"
import * as About from "./internal/system/about.ts"
import * as System from "./internal/system/system.ts"
import * as Limits from "./Limits.ts"
import * as Messagestore from "./Messagestore.ts"

/**
 * The options of the routes.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The path below which the routes are, such as `/events`. Defaults to none. */
  readonly prefix?: `/${string}` | undefined
  /**
   * The streams that Messagestore's routes serve, or false to leave those routes out. Defaults to the streams of the category `stream`,
   * with any attributes. Streams with a schema for theirs are `Messagestore.make(streams)`.
   */
  readonly messagestore?: Messagestore.Messagestore | false | undefined
  /**
   * Whether the OpenAPI document and its reference have the schemas of the application: the names and fields of its events, entities and
   * commands. Both are for everyone who reaches the server, without a token. Defaults to true.
   */
  readonly describesApplication?: boolean | undefined
  /**
   * The page to look at, which browsers get at the addresses of the API, or false to leave it out. With `write` it offers administrators
   * what the API lets them do; without, which is the default, it only shows. The page itself has no data and needs no token: it asks the
   * API, which decides what a sender may see and do.
   */
  readonly page?: { readonly write?: boolean | undefined } | false | undefined
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
 * They take every path below the prefix, or every path that no other route of the program takes when there is none. Each layer has the
 * authentication, the store and the limits that it is provided with, also when a program has several below several prefixes.
 *
 * With the service `Observe` in the context, the routes of entities, commands, processes and schemas answer about its definitions,
 * and the OpenAPI document has their schemas. Without it these answer `definition-not-loaded`, and the others what the store knows.
 * With a `ReadModelStore` in the context, the read models that it knows are listed too.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({ closing, messagestore = Messagestore.defaultStreams, ...options }: Options = {}) =>
  (messagestore === false
    ? served(ApiWithoutMessagestore, options)
    : Layer.provide(served(Api, options), MessagestoreRoutes.layer(messagestore))).pipe(
      Layer.provide(
        Layer.mergeAll(
          Streams.layer,
          Log.layer,
          Live.layer,
          ObserveRoutes.layer,
          NowRoutes.layer,
          About.layer,
          System.layer
        ).pipe(Layer.provide(Definitions.layer))
      ),
      Layer.provide(shared(options)),
      Layer.provide(closing === undefined ? Layer.empty : Layer.succeed(Closing, closing)),
      // Those below another prefix have an authentication, a store and limits of their own.
      Layer.fresh
    )

/**
 * Messagestore's routes alone, below `/messagestore`, with a reference and an OpenAPI document of their own.
 *
 * **When to use**
 *
 * To serve the streams of a second category, or those of a store to programs that know Messagestore alone. Below one prefix there can
 * be one layer of routes.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMessagestore = (
  { streams = Messagestore.defaultStreams, ...options }:
    & Omit<Options, "closing" | "describesApplication" | "messagestore" | "page">
    & {
      /** The streams to serve. Defaults to those of the category `stream`. */
      readonly streams?: Messagestore.Messagestore | undefined
    } = {}
) =>
  served(MessagestoreApi, { ...options, page: false }).pipe(
    Layer.provide(MessagestoreRoutes.layer(streams)),
    Layer.provide(shared(options)),
    Layer.fresh
  )

/** What all groups of routes need. */
const shared = ({ limits }: Pick<Options, "limits">) =>
  Access.layer.pipe(
    Layer.merge(Answers.layer),
    Layer.merge(OpenAnswers.layer),
    Layer.provideMerge(Layer.succeed(Limits.Limits, { ...Limits.defaults, ...limits }))
  )

/** The routes of an API, its document and reference, and the answers to all other paths. */
const served = <Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<"eventfold", Groups>,
  { describesApplication = true, page = {}, prefix }: Pick<Options, "describesApplication" | "page" | "prefix">
) => {
  const placed = prefix === undefined ? api : api.annotate(OpenApi.Servers, [{ url: prefix }])
  const routes = Layer.unwrap(Effect.map(Effect.serviceOption(Observe), (loaded) => {
    const described = Option.match(describesApplication ? loaded : Option.none(), {
      onNone: () => placed,
      onSome: ({ definitions }) => ApplicationDocument.describing(placed, definitions)
    })
    return Layer.mergeAll(
      HttpApiBuilder.layer(described, { openapiPath: "/openapi.json" }),
      docs(described),
      UnknownRoutes.layer(described)
    )
  }))
  return Layer.provide(routes, own(prefix, page))
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

const docs = <Groups extends HttpApiGroup.Constraint>(api: HttpApi.HttpApi<"eventfold", Groups>) =>
  HttpApiScalar.layer(api, { path: "/docs", scalar: { withDefaultFonts: false } }).pipe(Layer.provide(DocsPolicy.layer))

/** Names of streams are longer than a router expects of a path. What is too long for the store gets its refusal. */
const routerConfig = { maxParamLength: 4 * StreamName.maxBytes, ignoreDuplicateSlashes: false }

/**
 * A router of the API's own, to which that of the program hands over what is below the prefix: so the program's need not be
 * configured for names of streams.
 */
const own = (prefix: `/${string}` | undefined, page: Page.Options | false) =>
  Layer.effect(
    HttpRouter.HttpRouter,
    Effect.gen(function*() {
      const program = yield* HttpRouter.HttpRouter
      const router = yield* Effect.provideService(HttpRouter.make, HttpRouter.RouterConfig, routerConfig)
      // Its routes answer everything, so that there is no failure left.
      const ofApi = Effect.orDie(router.asHttpEffect())
      const answer = page === false ? ofApi : (yield* Page.serving(page))(ofApi)
      const path = prefix === undefined ? "*" as const : "/*" as const
      const mounted = prefix === undefined ? program : program.prefixed(prefix)
      yield* mounted.addAll(UnknownRoutes.methods.map((method) => HttpRouter.route(method, path, answer)))
      return router
    })
  )

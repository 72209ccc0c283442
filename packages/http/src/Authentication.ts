/**
 * Says whom a request comes from. `Tokens` does so by bearer tokens, and an application can do so in its own way.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import type { Principal } from "./Principal.ts"
import type { Unauthorized } from "./Problem.ts"

/**
 * Finds the principal of a request, or refuses the request.
 *
 * **When to use**
 *
 * Provide one of your own where the application authenticates already, by a session's cookie for instance. For bearer tokens
 * use `Tokens`.
 *
 * **Details**
 *
 * It is asked for each request but those for `/healthz`, `/readyz`, `/openapi.json` and `/docs`. A defect of it is answered with 500,
 * and nothing of the request is done.
 *
 * @example
 * ```ts
 * import { Authentication, Problem } from "@eventfold/http"
 * import { Effect, Layer } from "effect"
 *
 * // A proxy in front of this server has authenticated the user, and is the only one that reaches it.
 * const ByProxy = Layer.succeed(Authentication.Authentication, {
 *   isOpen: false,
 *   authenticate: ({ headers }) =>
 *     headers["x-user"] === undefined
 *       ? Effect.fail(new Problem.Unauthorized({ detail: "the request has no x-user" }))
 *       : Effect.succeed({ name: headers["x-user"], scopes: ["read"] })
 * })
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Authentication extends Context.Service<Authentication, {
  /** Whether every request is let in. `Server` then refuses to listen anywhere but on loopback. */
  readonly isOpen: boolean
  readonly authenticate: (request: HttpServerRequest) => Effect.Effect<Principal["Service"], Unauthorized>
}>()("@eventfold/http/Authentication") {}

const anyone: Principal["Service"] = { name: "anyone", scopes: ["admin"] }

/**
 * Lets every request in, with all scopes. For a server on loopback on a machine of your own, and for tests.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOpen: Layer.Layer<Authentication> = Layer.succeed(Authentication, {
  isOpen: true,
  authenticate: () => Effect.succeed(anyone)
})

/**
 * Answers what no route takes: 405 for a path that has routes for other methods, 404 for the rest.
 */
import * as Effect from "effect/Effect"
import * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Problem from "../../Problem.ts"

interface Known {
  readonly path: RegExp
  readonly methods: ReadonlyArray<string>
}

const knownPaths = <Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<string, Groups>
): ReadonlyArray<Known> => {
  const methods = new Map<string, ReadonlyArray<string>>([["/openapi.json", ["GET", "HEAD"]], ["/docs", [
    "GET",
    "HEAD"
  ]]])
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint: { method, path } }) => {
      const all = method === "GET" ? ["GET", "HEAD"] : [method]
      methods.set(path, [...methods.get(path) ?? [], ...all])
    }
  })
  return [...methods].map(([path, of]) => ({
    path: new RegExp(`^${path.replace(/:\w+/g, "[^/]+").replaceAll(".", "\\.")}/?$`),
    methods: of
  }))
}

/** The methods of routes. Not HEAD, which the router takes for GET where it has no route of its own. */
export const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"] as const

/** Routes for everything that no other route takes. */
export const layer = <Groups extends HttpApiGroup.Constraint>(api: HttpApi.HttpApi<string, Groups>) =>
  HttpRouter.use((router) => {
    const known = knownPaths(api)
    const answer = ({ method, url }: HttpServerRequest) => {
      const path = url.replace(/[?#].*$/, "")
      const allowed = known.filter((one) => one.path.test(path)).flatMap(({ methods }) => methods)
      if (allowed.length === 0 || allowed.includes(method)) {
        return HttpServerRespondable.toResponse(new Problem.RouteNotFound({}))
      }
      return Effect.map(
        HttpServerRespondable.toResponse(
          new Problem.MethodNotAllowed({ detail: `the route takes ${allowed.join(", ")}` })
        ),
        HttpServerResponse.setHeader("allow", allowed.join(", "))
      )
    }
    return router.addAll(methods.map((method) => HttpRouter.route(method, "*", answer)))
  })

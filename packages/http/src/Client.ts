/**
 * The typed client of the HTTP API.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as Redacted from "effect/Redacted"
import { Api } from "./Api.ts"

/**
 * The options of a client.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The address of the server, with the prefix if the routes are mounted below one. */
  readonly baseUrl: string
  /** The bearer token. Defaults to none. */
  readonly token?: Redacted.Redacted | undefined
}

/**
 * A function for each route, by its group and name.
 *
 * @category models
 * @since 0.1.0
 */
export type Client = HttpApiClient.ForApi<typeof Api>

/**
 * Makes a client. The functions fail with the problems of their routes, with `HttpClientError` when the server can't be reached, and
 * with `SchemaError` when its answer is not one of this API.
 *
 * @example
 * ```ts
 * import { Client } from "@eventfold/http"
 * import { Effect, Redacted } from "effect"
 * import { FetchHttpClient } from "effect/http"
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* Client.make({ baseUrl: "http://127.0.0.1:8080", token: Redacted.make("ef_...") })
 *   const { body } = yield* client.streams.append({
 *     params: { streamName: "account-123" },
 *     headers: { "if-none-match": "*" },
 *     payload: { type: "Opened", data: { owner: "ada" } }
 *   })
 *   yield* Effect.log(body.version)
 * }).pipe(Effect.provide(FetchHttpClient.layer))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = ({ baseUrl, token }: Options): Effect.Effect<Client, never, HttpClient.HttpClient> =>
  HttpApiClient.make(Api, {
    baseUrl,
    ...(token === undefined
      ? {}
      : { transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token)) })
  })

/**
 * The hosts that a server answers to.
 */
import * as Effect from "effect/Effect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Problem from "../../Problem.ts"
import { respond } from "../problems/answers.ts"

/** Whether a host is this machine alone. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host)

/** The host of a `Host` header, without its port and brackets. */
export const hostOf = (header: string): string => header.replace(/:\d*$/, "").replace(/^\[(.*)\]$/, "$1").toLowerCase()

const wrongHost = new Problem.HostNotAllowed({
  detail: "a server on loopback answers to localhost, to loopback addresses, and to its allowedHosts"
})

/** Refuses requests that name another host. Of a request without a host Node disposes. */
export const onlyFor = (isAllowed: (host: string) => boolean) =>
<E, R>(
  answer: Effect.Effect<HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse, E, R | HttpServerRequest> =>
  Effect.flatMap(
    HttpServerRequest,
    ({ headers }) => isAllowed(hostOf(headers["host"] ?? "")) ? answer : respond(wrongHost)
  )

/**
 * Makes a problem of everything that goes wrong on the way: requests that don't decode, bodies that are too large, defects, and
 * answers that the framework gives without a body. Adds the headers that every answer has.
 */
import * as ByteSize from "effect/ByteSize"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as Types from "effect/Types"
import { Limits } from "../../Limits.ts"
import * as Problem from "../../Problem.ts"
import * as Metrics from "./metrics.ts"

/** An answer of the server. */
export type Answer = HttpServerResponse.HttpServerResponse

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

/** A segment of the path of an issue. */
export const segmentOf = (segment: PropertyKey | { readonly key: PropertyKey }): string | number => {
  const key = typeof segment === "object" ? segment.key : segment
  return typeof key === "number" ? key : String(key)
}

interface Wrong {
  readonly path: ReadonlyArray<string | number>
  readonly message: string
}

/** How far a value is from a form: by its own keys, and not by what is within them. */
const distance = (wrongs: ReadonlyArray<Wrong>): number => wrongs.filter(({ path }) => path.length <= 1).length

/**
 * What an issue says. Of several forms that a value may have, the one that it comes closest to counts: the others would only say that
 * the value has another form.
 */
const wrongsOf = (issue: SchemaIssue.Issue): ReadonlyArray<Wrong> => {
  switch (issue._tag) {
    case "Pointer":
      return wrongsOf(issue.issue).map(({ message, path }) => ({
        path: [...issue.path.map(segmentOf), ...path],
        message
      }))
    case "Encoding":
      return wrongsOf(issue.issue)
    case "Composite":
      return issue.issues.flatMap(wrongsOf)
    case "AnyOf": {
      const [first, ...others] = issue.issues.map(wrongsOf)
      if (first !== undefined) return others.reduce((best, one) => distance(one) < distance(best) ? one : best, first)
    }
  }
  return formatIssues(issue).issues.map(({ message, path = [] }) => ({ path: path.map(segmentOf), message }))
}

/** The parts of a request that its schema refuses, without their values. */
export const issuesOf = (
  issue: SchemaIssue.Issue,
  place: ReadonlyArray<string | number>
): ReadonlyArray<typeof Problem.Issue.Type> =>
  wrongsOf(issue).map(({ message, path }) => ({ path: [...place, ...path], message }))

/** As many as a person reads: an answer must not be much larger than the request that it refuses. */
const maxErrors = 100

/** The problem of a request that its schema refuses. */
export const ofIssues = (errors: ReadonlyArray<typeof Problem.Issue.Type>): Problem.InvalidRequest => {
  const [first] = errors
  const others = errors.length > 1 ? `, and ${errors.length - 1} more` : ""
  return new Problem.InvalidRequest({
    ...(first === undefined ? {} : { detail: `${first.path.join(".")}: ${first.message}${others}` }),
    errors: errors.slice(0, maxErrors)
  })
}

/** What went wrong on the way, as a problem. The rest is a defect, which only the log may tell. */
const problemOfDefect = (defect: unknown, bodyBytes: number): HttpServerRespondable.Respondable | undefined => {
  if (HttpApiError.HttpApiSchemaError.is(defect)) {
    return defect.kind === "Body" || defect.kind === "ResponseHeaders"
      ? undefined
      : ofIssues(issuesOf(defect.cause.issue, [defect.kind.toLowerCase()]))
  }
  if (!HttpServerError.isHttpServerError(defect)) return undefined
  if (defect.reason._tag === "RouteNotFound") return new Problem.RouteNotFound({})
  if (defect.reason._tag === "RequestParseError") {
    return defect.reason.reason === "BodyTooLarge" ? tooLarge(bodyBytes) : ofIssues([{
      path: ["payload"],
      message: "could not be read"
    }])
  }
  return undefined
}

const tooLarge = (limit: number): Problem.PayloadTooLarge =>
  new Problem.PayloadTooLarge({ detail: `the body is larger than ${limit} bytes`, limit })

const withoutType = new Problem.UnsupportedMediaType({ detail: "the request has a body and no content-type" })

const fromElsewhere = new Problem.UnsupportedMediaType({
  detail:
    "a page of another site sends this request: it needs a token in Authorization, or the content-type application/json"
})

const failed = new Problem.InternalError({ detail: "the log of the server says why" })

/** What the framework answers without a problem of ours. */
const problemOfStatus = (status: number, bodyBytes: number): HttpServerRespondable.Respondable => {
  switch (status) {
    case 404:
      return new Problem.RouteNotFound({})
    case 413:
      return tooLarge(bodyBytes)
    case 415:
      return new Problem.UnsupportedMediaType({ detail: "the route does not take a body of this content-type" })
    default:
      return status < 500 ? ofIssues([]) : failed
  }
}

/** Whether the answer is a problem of ours, the JSON that a route answers with a 404, or the page. The framework gives texts, or nothing. */
const isOurs = (answer: Answer): boolean =>
  answer.body._tag !== "Empty" &&
  /^(application\/(problem\+)?json|text\/html; charset=utf-8)$/.test(answer.body.contentType ?? "")

const secure = {
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "x-frame-options": "DENY",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'"
}

const headersOfStatus = (status: number): Readonly<Record<string, string>> => {
  switch (status) {
    case 401:
      return { ...secure, "www-authenticate": "Bearer" }
    case 429:
    case 503:
      // A second: rates are counted by the second, and a store that is away is usually back soon.
      return { ...secure, "retry-after": "1" }
    default:
      return secure
  }
}

/** The answer with the headers that it lacks. */
const finish = (answer: Answer): Answer =>
  HttpServerResponse.setHeaders(answer, { ...headersOfStatus(answer.status), ...answer.headers })

/** A problem as an answer with the headers that every answer has. */
export const respond = (problem: HttpServerRespondable.Respondable): Effect.Effect<Answer> =>
  Effect.map(Effect.orDie(problem[HttpServerRespondable.symbol]()), finish)

const ofCause = (cause: Cause.Cause<unknown>, bodyBytes: number): Effect.Effect<Answer> => {
  // The client has gone, or the server ends: nobody waits for an answer.
  if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
  for (const reason of cause.reasons) {
    const problem = reason._tag === "Die"
      ? problemOfDefect(reason.defect, bodyBytes)
      : reason._tag === "Fail"
      ? problemOfDefect(reason.error, bodyBytes)
      : undefined
    if (problem !== undefined) return respond(problem)
  }
  return Effect.andThen(Effect.logError("request failed", cause), respond(failed))
}

const hasBody = ({ headers, method }: HttpServerRequest.HttpServerRequest): boolean =>
  method !== "GET" && method !== "HEAD" &&
  ((headers["content-length"] ?? "0") !== "0" || headers["transfer-encoding"] !== undefined)

/** What forms have, and what a page may send without asking. */
const simpleTypes = new Set(["", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"])

/** The site of an `Origin`; nothing for a page that has none, such as a file. */
const siteOf = (origin: string): string | undefined => URL.canParse(origin) ? new URL(origin).host : undefined

/**
 * Whether a page of another site can send it without asking the browser's permission. Routes that take a body refuse such content
 * types anyway; those that take none would not.
 */
const isForgeable = ({ headers, method }: HttpServerRequest.HttpServerRequest): boolean => {
  const { authorization, "content-type": type = "", host, origin } = headers
  return method === "POST" && origin !== undefined && authorization === undefined &&
    simpleTypes.has(type.replace(/;.*$/, "").trim().toLowerCase()) && siteOf(origin) !== host?.toLowerCase()
}

/** The router takes a semicolon for the beginning of the query, and so a name with one for another name. */
const cutShort = /^[^?#]*;/

const withSemicolon = ofIssues([{ path: ["path"], message: "has a semicolon: write it as %3B" }])

/**
 * Makes problems of whatever goes wrong in an answer, and bounds the body of the request.
 *
 * A body without a content type is refused, because a page of any site can send one to a server on this machine without asking the
 * browser's permission.
 */
const guard = (bodyBytes: number) => {
  const maxBodySize = ByteSize.bytes(bodyBytes)
  // No failure is left. The type says otherwise, because a middleware has to declare by name what it handles.
  return (
    answer: Effect.Effect<Answer, Types.unhandled>
  ): Effect.Effect<Answer, Types.unhandled, HttpServerRequest.HttpServerRequest> =>
    Effect.matchCauseEffect(
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
        const { headers, url } = request
        if (cutShort.test(url)) return respond(withSemicolon)
        if (isForgeable(request)) return respond(fromElsewhere)
        if (hasBody(request)) {
          if (headers["content-type"] === undefined) return respond(withoutType)
          if (Number(headers["content-length"] ?? 0) > bodyBytes) return respond(tooLarge(bodyBytes))
        }
        return Effect.provideService(answer, HttpIncomingMessage.MaxBodySize, maxBodySize)
      }),
      {
        onSuccess: (response) =>
          response.status < 400 || isOurs(response)
            ? Effect.succeed(finish(response))
            : respond(problemOfStatus(response.status, bodyBytes)),
        onFailure: (cause) => ofCause(cause, bodyBytes)
      }
    )
}

/** Answers what no route takes at all, such as a method that the router does not know. */
export const unrouted = (
  answer: Effect.Effect<Answer, Types.unhandled>
): Effect.Effect<Answer, Types.unhandled> => Effect.catchCause(answer, (cause) => ofCause(cause, 0))

/** The middleware of all routes of the API. */
export const Answers = HttpRouter.middleware(Effect.gen(function*() {
  const { bodyBytes } = yield* Limits
  const guarded = guard(bodyBytes)
  const count = yield* Metrics.make
  return (answer) =>
    Effect.gen(function*() {
      const { method } = yield* HttpServerRequest.HttpServerRequest
      const { route: { path: route } } = yield* HttpRouter.RouteContext
      const start = yield* Clock.currentTimeNanos
      const response = yield* guarded(answer)
      const end = yield* Clock.currentTimeNanos
      count({ method, route, status: response.status }, Number(end - start) / 1e9)
      return response
    })
}))

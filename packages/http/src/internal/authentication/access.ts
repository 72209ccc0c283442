/**
 * Lets requests in: whom they come from, how many there are, and what they may do.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Administration from "eventfold/Administration"
import * as StreamName from "eventfold/StreamName"
import { Access } from "../../Api.ts"
import { Authentication } from "../../Authentication.ts"
import { Limits } from "../../Limits.ts"
import * as Principal from "../../Principal.ts"
import * as Problem from "../../Problem.ts"
import * as Rates from "../limits/rates.ts"
import { respond } from "../problems/answers.ts"
import { Sender } from "./sender.ts"

const away = new Problem.Unavailable({ detail: "the store did not answer in time; send the request again" })

/** Lets requests in. */
export class Admission extends Context.Service<Admission, {
  /** Whom the request comes from, when it may come in. It counts for the rate of its sender. */
  readonly admit: (
    request: HttpServerRequest
  ) => Effect.Effect<Principal.Principal["Service"], Problem.Unauthorized | Problem.TooManyRequests>
  /** Answers with a problem when the store takes longer than the server has patience. */
  readonly inTime: <E, R>(answer: Effect.Effect<HttpServerResponse, E, R>) => Effect.Effect<HttpServerResponse, E, R>
}>()("@eventfold/http/Admission") {}

const admission = Layer.effect(
  Admission,
  Effect.gen(function*() {
    const { authenticate } = yield* Authentication
    const count = yield* Rates.make
    const { patience } = yield* Limits
    return {
      admit: (request) =>
        Effect.flatMap(authenticate(request), (principal) =>
          Effect.flatMap(Sender, (sender) => {
            if (sender !== undefined) sender.name = principal.name
            return Effect.as(count(principal.name), principal)
          })),
      inTime: Effect.timeoutOrElse({ duration: patience, orElse: () => respond(away) })
    }
  })
)

/** Whom a request comes from that was let in before its route was known. */
export const Admitted = Context.Reference<Principal.Principal["Service"] | undefined>("@eventfold/http/Admitted", {
  defaultValue: () => undefined
})

/** The middleware of the routes that are not for everyone. */
const middleware = Layer.effect(
  Access,
  Effect.map(Admission, ({ admit, inTime }) => ({
    bearer: (answer) =>
      Effect.gen(function*() {
        const principal = (yield* Admitted) ?? (yield* admit(yield* HttpServerRequest))
        return yield* inTime(Effect.provideService(answer, Principal.Principal, principal))
      })
  }))
)

export const layer = Layer.provideMerge(middleware, admission)

const verbs = { read: "read", append: "append to", admin: "administer" } as const

/** Whoever could append to the records of administration could forge them. */
const onlyServer = new Problem.Forbidden({
  detail: "only the server appends to the records of administration",
  scope: "append",
  category: Administration.Records.categoryName
})

/** Fails unless the principal has the scope, for the category or for all of them. */
export const permit = (
  principal: Principal.Principal["Service"],
  scope: Principal.Scope,
  category?: string | undefined
): Effect.Effect<void, Problem.Forbidden> => {
  if (scope === "append" && category === Administration.Records.categoryName) return Effect.fail(onlyServer)
  if (Principal.allows(principal, scope, category)) return Effect.void
  const what = category === undefined ? "all categories" : `the category ${category}`
  const detail = `${principal.name} may not ${verbs[scope]} ${what}`
  return Effect.fail(new Problem.Forbidden({ detail, scope, ...(category === undefined ? {} : { category }) }))
}

/** Fails unless the sender has the scope, for the category or for all of them. */
export const authorize = (
  scope: Principal.Scope,
  category?: string | undefined
): Effect.Effect<void, Problem.Forbidden, Principal.Principal> =>
  Effect.flatMap(Principal.Principal, (principal) => permit(principal, scope, category))

/** Fails unless the sender has the scope for some category. */
export const authorizeSome = (scope: Principal.Scope): Effect.Effect<void, Problem.Forbidden, Principal.Principal> =>
  Effect.flatMap(Principal.Principal, (principal) =>
    Principal.hasScope(principal, scope)
      ? Effect.void
      : Effect.fail(new Problem.Forbidden({ detail: `${principal.name} may not ${verbs[scope]} anything`, scope })))

/** Fails unless the sender has the scope for the category of a stream. */
export const authorizeStream = (scope: Principal.Scope, streamName: string) =>
  authorize(scope, StreamName.category(streamName))

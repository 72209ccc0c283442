/**
 * Lets requests in: whom they come from, how many there are, and what they may do.
 */
import * as Effect from "effect/Effect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
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

/** The middleware of the routes that are not for everyone. */
export const layer = Layer.effect(
  Access,
  Effect.gen(function*() {
    const { authenticate } = yield* Authentication
    const count = yield* Rates.make
    const { patience } = yield* Limits
    const inTime = Effect.timeoutOrElse({ duration: patience, orElse: () => respond(away) })
    const admit = (name: string) =>
      Effect.flatMap(Sender, (sender) => {
        if (sender !== undefined) sender.name = name
        return count(name)
      })
    return {
      bearer: (answer) =>
        Effect.flatMap(
          HttpServerRequest,
          (request) =>
            Effect.flatMap(authenticate(request), (principal) =>
              Effect.andThen(
                admit(principal.name),
                inTime(Effect.provideService(answer, Principal.Principal, principal))
              ))
        )
    }
  })
)

const verbs = { read: "read", append: "append to", admin: "administer" } as const

/** Whoever could append to the records of administration could forge them. */
const onlyServer = new Problem.Forbidden({
  detail: "only the server appends to the records of administration",
  scope: "append",
  category: Administration.Records.categoryName
})

/** Fails unless the sender has the scope, for the category or for all of them. */
export const authorize = (
  scope: Principal.Scope,
  category?: string | undefined
): Effect.Effect<void, Problem.Forbidden, Principal.Principal> =>
  Effect.flatMap(Principal.Principal, (principal) => {
    if (scope === "append" && category === Administration.Records.categoryName) return Effect.fail(onlyServer)
    if (Principal.allows(principal, scope, category)) return Effect.void
    const what = category === undefined ? "all categories" : `the category ${category}`
    const detail = `${principal.name} may not ${verbs[scope]} ${what}`
    return Effect.fail(new Problem.Forbidden({ detail, scope, ...(category === undefined ? {} : { category }) }))
  })

/** Fails unless the sender has the scope for some category. */
export const authorizeSome = (scope: Principal.Scope): Effect.Effect<void, Problem.Forbidden, Principal.Principal> =>
  Effect.flatMap(Principal.Principal, (principal) =>
    Principal.hasScope(principal, scope)
      ? Effect.void
      : Effect.fail(new Problem.Forbidden({ detail: `${principal.name} may not ${verbs[scope]} anything`, scope })))

/** Fails unless the sender has the scope for the category of a stream. */
export const authorizeStream = (scope: Principal.Scope, streamName: string) =>
  authorize(scope, StreamName.category(streamName))

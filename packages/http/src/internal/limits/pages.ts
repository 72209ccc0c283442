import * as Effect from "effect/Effect"
import type { Limits } from "../../Limits.ts"
import type * as Problem from "../../Problem.ts"
import { invalid } from "../problems/failures.ts"

/** How many messages a page has unless the request says otherwise. */
const defaultLimit = 100

/** How many messages the page may have. */
export const pageLimit = (
  { page }: Limits,
  limit: number | undefined
): Effect.Effect<number, Problem.InvalidRequest> => {
  if (limit === undefined) return Effect.succeed(Math.min(defaultLimit, page))
  return limit > page
    ? Effect.fail(invalid(["query", "limit"], `must be at most ${page}`))
    : Effect.succeed(limit)
}

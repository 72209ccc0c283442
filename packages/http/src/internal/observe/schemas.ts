/**
 * The routes of schemas.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Observe } from "eventfold/Observe"
import { Api } from "../../Api.ts"
import { Limits } from "../../Limits.ts"
import { authorize, authorizeSome } from "../authentication/access.ts"
import { maySee } from "../authentication/sight.ts"
import { invalid, orProblem } from "../problems/failures.ts"
import { ofStoredTypes } from "./failures.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "schemas",
  Effect.fnUntraced(function*(handlers) {
    const observe = yield* Observe
    const { page } = yield* Limits
    const { categories } = observe.definitions

    return handlers.handleAll({
      list: Effect.fnUntraced(function*() {
        yield* authorizeSome("read")
        const isSeen = yield* maySee
        return {
          schemas: categories.filter(({ category }) => isSeen([category])).map(({ category, events }) => ({
            category,
            types: events.map(({ type }) => type)
          }))
        }
      }),

      check: Effect.fnUntraced(function*({ params: { category }, query: { sample = page } }) {
        yield* authorize("read", category)
        if (sample > page) return yield* invalid(["query", "sample"], `must be at most ${page}`)
        return yield* orProblem(ofStoredTypes)(observe.storedTypes(category, { sample }))
      })
    })
  })
)

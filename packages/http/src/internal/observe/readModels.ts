/**
 * The routes of read models.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Option from "effect/Option"
import { Observe, type ObservedReadModel } from "eventfold/Observe"
import { Api } from "../../Api.ts"
import * as Problem from "../../Problem.ts"
import { authorize } from "../authentication/access.ts"
import { orProblem } from "../problems/failures.ts"
import { ofReaders } from "./failures.ts"
import { withoutSessions } from "./sight.ts"

const shown = (model: ObservedReadModel): ObservedReadModel => ({
  ...model,
  status: Option.map(model.status, (status) => ({ ...status, heldBack: withoutSessions(status.heldBack) }))
})

export const layer = HttpApiBuilder.group(
  Api,
  "readModels",
  Effect.fnUntraced(function*(handlers) {
    const observe = yield* Observe

    return handlers.handleAll({
      list: Effect.fnUntraced(function*() {
        yield* authorize("read")
        return { readModels: (yield* orProblem(ofReaders)(observe.readModels)).map(shown) }
      }),

      one: Effect.fnUntraced(function*({ params: { readModel } }) {
        yield* authorize("read")
        const found = yield* orProblem(ofReaders)(observe.readModel(readModel))
        if (Option.isSome(found)) return shown(found.value)
        return yield* new Problem.ReadModelNotFound({ detail: `there is no read model ${readModel}`, readModel })
      })
    })
  })
)

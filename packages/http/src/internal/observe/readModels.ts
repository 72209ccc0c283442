/**
 * The routes of read models.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Option from "effect/Option"
import { MessageStore } from "eventfold/MessageStore"
import { Observe, type ObservedReadModel } from "eventfold/Observe"
import { ReadModelStore } from "eventfold/ReadModelStore"
import * as Steering from "eventfold/Steering"
import { Api } from "../../Api.ts"
import * as Problem from "../../Problem.ts"
import { authorize } from "../authentication/access.ts"
import { withoutSessions } from "../authentication/sight.ts"
import { orProblem } from "../problems/failures.ts"
import { author } from "./author.ts"
import { ofAccept, ofDropBuild, ofReaders, ofRewindReadModel } from "./failures.ts"
import * as Rebuilds from "./rebuilds.ts"

const shown = (model: ObservedReadModel): ObservedReadModel => ({
  ...model,
  status: Option.map(model.status, (status) => ({ ...status, heldBack: withoutSessions(status.heldBack) }))
})

const withoutStore = new Problem.Unsupported({ detail: "the program of this server has no store of read models" })

export const layer = HttpApiBuilder.group(
  Api,
  "readModels",
  Effect.fnUntraced(function*(handlers) {
    const observe = yield* Observe
    const messageStore = yield* MessageStore
    // A program without read models has no store for them.
    const readModelStore = yield* Effect.serviceOption(ReadModelStore)
    const answer = yield* Rebuilds.make

    /** Gives what steers a read model its stores, when the sender may steer it. */
    const steering = <A, E, R>(self: Effect.Effect<A, E, R>) =>
      Effect.gen(function*() {
        yield* authorize("admin")
        if (Option.isNone(readModelStore)) return yield* withoutStore
        return yield* self.pipe(
          Effect.provideService(Observe, observe),
          Effect.provideService(MessageStore, messageStore),
          Effect.provideService(ReadModelStore, readModelStore.value)
        )
      })

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
      }),

      rebuild: Effect.fnUntraced(function*({ params: { readModel }, payload }) {
        return yield* answer(Steering.rebuild(readModel, { ...payload, ...yield* author }))
      }, steering),

      switch: Effect.fnUntraced(function*({ params: { readModel }, payload }) {
        return yield* answer(Steering.switchTo(readModel, { ...payload, ...yield* author }))
      }, steering),

      rewind: Effect.fnUntraced(function*({ params: { readModel }, payload: { expected, ...payload } }) {
        const live = { ...expected, state: "live" as const }
        yield* Steering.rewindReadModel(readModel, { ...payload, expected: live, ...yield* author }).pipe(
          orProblem(ofRewindReadModel)
        )
      }, steering),

      accept: Effect.fnUntraced(function*({ params: { readModel }, payload: { expected, ...payload } }) {
        const live = { ...expected, state: "live" as const }
        yield* Steering.accept(readModel, { ...payload, expected: live, ...yield* author }).pipe(orProblem(ofAccept))
      }, steering),

      dropBuild: Effect.fnUntraced(function*({ params: { number, readModel }, query: { reason, ...seen } }) {
        const expected = { number, ...seen }
        yield* Steering.dropBuild(readModel, { expected, reason, ...yield* author }).pipe(orProblem(ofDropBuild))
      }, steering)
    })
  })
)

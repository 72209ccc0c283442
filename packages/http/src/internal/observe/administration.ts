/**
 * The route of what administrators have done.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Stream from "effect/Stream"
import * as Administration from "eventfold/Administration"
import type * as Category from "eventfold/Category"
import { MessageStore } from "eventfold/MessageStore"
import { Api } from "../../Api.ts"
import { Limits } from "../../Limits.ts"
import { authorizeStream } from "../authentication/access.ts"
import { pageLimit } from "../limits/pages.ts"
import { orProblem } from "../problems/failures.ts"
import { ofRecords } from "./failures.ts"

type Recorded = Category.RecordedEvent<typeof Administration.Records>

const recordOf = ({ data, recorded: { globalPosition, position, time } }: Recorded) => ({
  position,
  globalPosition,
  time,
  ...data
})

export const layer = HttpApiBuilder.group(
  Api,
  "administration",
  Effect.fnUntraced(function*(handlers) {
    const store = yield* MessageStore
    const limits = yield* Limits

    return handlers.handleAll({
      records: Effect.fnUntraced(function*({ query: { direction = "backwards", from, limit } }) {
        yield* authorizeStream("read", Administration.streamName)
        const most = yield* pageLimit(limits, limit)
        // One more tells whether there is a next page.
        const found = yield* Stream.runCollect(Administration.history({ direction, from, limit: most + 1 })).pipe(
          Effect.provideService(MessageStore, store),
          orProblem(ofRecords)
        )
        const next = found[most]?.recorded.position
        return {
          records: found.slice(0, most).map(recordOf),
          ...(next === undefined ? {} : { next })
        }
      })
    })
  })
)

/**
 * The routes of processes.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Option from "effect/Option"
import type { MessagePlace } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import { DefinitionNotLoaded, Observe, type ObservedProcess } from "eventfold/Observe"
import * as Process from "eventfold/Process"
import * as StreamName from "eventfold/StreamName"
import { Api } from "../../Api.ts"
import { Limits } from "../../Limits.ts"
import { authorizeSome, authorizeStream } from "../authentication/access.ts"
import { authorizeEach, maySee, withoutSessions } from "../authentication/sight.ts"
import { pageLimit } from "../limits/pages.ts"
import { orProblem } from "../problems/failures.ts"
import { ofNamed, ofNotLoaded, ofProcess, ofProcessHistory, ofReaders } from "./failures.ts"

/** What an answer tells of: the process's own category, those that it reads, and that of its deadlines. */
const categoriesOf = ({ process, status }: ObservedProcess): ReadonlyArray<string> => [
  process,
  ...status.consumers.map(({ category }) => category)
]

const shown = (process: ObservedProcess): ObservedProcess => ({
  ...process,
  status: {
    ...process.status,
    consumers: process.status.consumers.map((one) => ({ ...one, heldBack: withoutSessions(one.heldBack) }))
  }
})

export const layer = HttpApiBuilder.group(
  Api,
  "processes",
  Effect.fnUntraced(function*(handlers) {
    const observe = yield* Observe
    const store = yield* MessageStore
    const limits = yield* Limits

    return handlers.handleAll({
      list: Effect.fnUntraced(function*() {
        yield* authorizeSome("read")
        const isSeen = yield* maySee
        const all = yield* orProblem(ofReaders)(observe.processes)
        return { processes: all.filter((one) => isSeen(categoriesOf(one))).map(shown) }
      }),

      one: Effect.fnUntraced(function*({ params }) {
        yield* authorizeEach("read", [params.process])
        const isSeen = yield* maySee
        const found = yield* orProblem(ofProcess)(observe.process(params.process))
        if (isSeen(categoriesOf(found))) return shown(found)
        // A refusal would tell what it reads.
        return yield* ofNotLoaded(
          new DefinitionNotLoaded({ kind: "process", definition: params.process, loaded: [] })
        )
      }),

      instances: Effect.fnUntraced(function*({ params: { process }, query: { limit, state } }) {
        yield* authorizeEach("read", [process, `${process}:deadline`])
        const most = yield* pageLimit(limits, limit)
        const instances = yield* Process.waiting({ name: process }, { limit: most, overdue: state === "overdue" }).pipe(
          orProblem(ofNamed(["params", "process"])),
          Effect.provideService(MessageStore, store)
        )
        return { instances }
      }),

      history: Effect.fnUntraced(function*({ params: { id, process }, query }) {
        yield* authorizeEach("read", [process])
        const isSeen = yield* maySee
        const isReadable = ({ streamName }: MessagePlace) => isSeen([StreamName.category(streamName)])
        const found = yield* observe.processHistory(process, id, query).pipe(orProblem(ofProcessHistory))
        // Its own stream may be in a category of another name.
        yield* authorizeStream("read", found.streamName)
        const reactions = found.reactions.map(({ deadlines, events, message, sent, trigger }) => ({
          trigger,
          message: Option.filter(message, isReadable),
          events,
          sent: sent.filter(isReadable),
          deadlines: deadlines.filter((one) => isReadable(one.message))
        }))
        return { ...found, reactions }
      }),

      deadlines: Effect.fnUntraced(function*({ params: { process }, query: { id, limit } }) {
        yield* authorizeEach("read", [process, `${process}:deadline`])
        const most = yield* pageLimit(limits, limit)
        const deadlines = yield* Process.deadlines({ name: process }, { id, limit: most }).pipe(
          orProblem(ofNamed(["params", "process"])),
          Effect.provideService(MessageStore, store)
        )
        return { deadlines }
      })
    })
  })
)

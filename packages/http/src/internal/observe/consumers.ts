/**
 * The routes of consumers, of what is parked for them, and of what runs where.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { MessageStore } from "eventfold/MessageStore"
import { Observe, type ObservedConsumer } from "eventfold/Observe"
import * as Parking from "eventfold/Parking"
import * as Runners from "eventfold/Runners"
import * as Steering from "eventfold/Steering"
import { Api } from "../../Api.ts"
import { Limits } from "../../Limits.ts"
import type { Scope } from "../../Principal.ts"
import * as Problem from "../../Problem.ts"
import { authorizeSome } from "../authentication/access.ts"
import { authorizeEach, maySee, withoutSessions } from "../authentication/sight.ts"
import { pageLimit } from "../limits/pages.ts"
import { invalid, ofStoreError, orProblem } from "../problems/failures.ts"
import { author } from "./author.ts"
import { ofNamed, ofReaders, ofRewind, ofSteering } from "./failures.ts"
import { timeOf } from "./moment.ts"

/** How many of the messages of a parked stream an answer has. */
const shownMessages = 100

const shown = (consumer: ObservedConsumer): ObservedConsumer => ({
  ...consumer,
  status: Option.map(consumer.status, (status) => ({ ...status, heldBack: withoutSessions(status.heldBack) }))
})

/** The sources of a read model are joined by commas. */
const categoriesOf = ({ category, kind }: Runners.Run): ReadonlyArray<string> =>
  kind === "read model" ? category.split(",") : [category]

const shownRun = (run: Runners.Run): Runners.Run => ({
  ...run,
  status: { ...run.status, heldBack: withoutSessions(run.status.heldBack) }
})

/** A program with those of its runs whose categories are seen. */
const shownRunner = (
  runner: Runners.Runner,
  isSeen: (categories: ReadonlyArray<string>) => boolean
): Runners.Runner => ({
  ...runner,
  runs: runner.runs.filter((run) => isSeen(categoriesOf(run))).map(shownRun)
})

export const layer = HttpApiBuilder.group(
  Api,
  "consumers",
  Effect.fnUntraced(function*(handlers) {
    const observe = yield* Observe
    const store = yield* MessageStore
    const limits = yield* Limits
    const onStore = Effect.provideService(MessageStore, store)

    /** The consumer that is meant: by its category too, where the id has several. The sender has the scope for it. */
    const find = Effect.fnUntraced(function*(id: string, category: string | undefined, scope: Scope = "read") {
      yield* authorizeSome(scope)
      if (category !== undefined) yield* authorizeEach(scope, [category])
      const isSeen = yield* maySee
      const known = yield* orProblem(ofReaders)(observe.consumer(id))
      const found = category === undefined
        ? known.filter((one) => isSeen([one.category]))
        : known.filter((one) => one.category === category)
      const [first, ...others] = found
      if (first === undefined) {
        const of = category === undefined ? "" : ` of ${category}`
        return yield* new Problem.ConsumerNotFound({ detail: `there is no consumer ${id}${of}`, consumer: id })
      }
      if (others.length === 0) return first
      const message = `must say which one: ${found.map(({ category }) => category).join(", ")}`
      return yield* invalid(["query", "category"], message)
    })

    /** The consumer that is to be steered. */
    const owner = (id: string, category: string | undefined) =>
      Effect.map(find(id, category, "admin"), ({ category, consumer }): Parking.Owner => ({ id: consumer, category }))

    return handlers.handleAll({
      list: Effect.fnUntraced(function*() {
        yield* authorizeSome("read")
        const isSeen = yield* maySee
        const all = yield* orProblem(ofReaders)(observe.consumers)
        return { consumers: all.filter(({ category }) => isSeen([category])).map(shown) }
      }),

      one: ({ params, query }) => Effect.map(find(params.consumer, query.category), shown),

      parked: Effect.fnUntraced(function*({ params, query: { after, category: given, limit } }) {
        const most = yield* pageLimit(limits, limit)
        const { category, consumer: id } = yield* find(params.consumer, given)
        // One more tells whether there is a next page.
        const found = yield* Stream.runCollect(Parking.list({ id, category }, { after, limit: most + 1 })).pipe(
          orProblem(ofNamed(["query", "category"]))
        )
        const streams = found.slice(0, most).map(({ messages, parkedAt, stream }) => ({
          stream,
          parkedAt,
          waiting: messages.length,
          last: (messages.at(-1) ?? messages[0]).globalPosition,
          messages: messages.slice(0, shownMessages)
        }))
        const next = found.length > most ? streams.at(-1)?.parkedAt : undefined
        return { streams, ...(next === undefined ? {} : { next }) }
      }, onStore),

      replay: Effect.fnUntraced(function*({ params, payload, query }) {
        const consumer = yield* owner(params.consumer, query.category)
        const by = yield* author
        const request = "stream" in payload
          ? Steering.replay(consumer, { ...payload, ...by })
          : Steering.replayAll(consumer, { ...payload, ...by })
        yield* orProblem(ofSteering)(request)
      }, onStore),

      drop: Effect.fnUntraced(function*({ params, payload, query }) {
        const consumer = yield* owner(params.consumer, query.category)
        const dropped = yield* Steering.drop(consumer, { ...payload, ...yield* author }).pipe(orProblem(ofSteering))
        return { dropped }
      }, onStore),

      rewind: Effect.fnUntraced(function*({ params, payload: { to, ...payload }, query }) {
        const consumer = yield* owner(params.consumer, query.category)
        const start = to === "beginning" || "position" in to
          ? to
          : { time: yield* timeOf(["payload", "to", "time"], to.time) }
        const rewound = yield* Steering.rewind(consumer, { ...payload, to: start, ...yield* author }).pipe(
          orProblem(ofRewind)
        )
        return { rewound: rewound.map(({ from, member = null, position }) => ({ member, from, position })) }
      }, onStore),

      runners: Effect.fnUntraced(function*() {
        yield* authorizeSome("read")
        const isSeen = yield* maySee
        const all = yield* orProblem(ofStoreError)(Runners.list)
        const runners = all.map((runner) => shownRunner(runner, isSeen))
        return { runners: runners.filter(({ runs }) => runs.length > 0) }
      }, onStore)
    })
  })
)

/**
 * The routes of categories and of the whole store.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { HeldBack } from "eventfold/HeldBack"
import type { CategorySummary } from "eventfold/Listing"
import { MessageStore } from "eventfold/MessageStore"
import { Observe } from "eventfold/Observe"
import type { ConsumerGroup, ReadPageResult } from "eventfold/StoreBackend"
import { Api, type LogPage } from "../../Api.ts"
import { Limits } from "../../Limits.ts"
import * as Principal from "../../Principal.ts"
import type * as Problem from "../../Problem.ts"
import { authorize, authorizeSome, authorizeStream } from "../authentication/access.ts"
import { maySee } from "../authentication/sight.ts"
import { pageLimit } from "../limits/pages.ts"
import { invalid, ofAppends, ofReadStream, ofReadWith, ofStoreError, orProblem } from "../problems/failures.ts"
import { linkTo } from "./links.ts"
import * as NewMessages from "./newMessages.ts"
import * as Traces from "./traces.ts"

/** The writers without their statements, users and addresses, which are not for every reader. */
const heldBackOf = ({ position, writers }: HeldBack): NonNullable<typeof LogPage.Type["heldBack"]> => ({
  position,
  writers: writers.map(({ applicationName, pid, preparedAs, since, state }) => ({
    ...(pid === undefined ? {} : { pid }),
    ...(preparedAs === undefined ? {} : { preparedAs }),
    ...(state === undefined ? {} : { state }),
    ...(since === undefined ? {} : { since }),
    ...(applicationName === undefined ? {} : { applicationName })
  }))
})

const pageOf = ({ hasMore, heldBack, messages, through }: ReadPageResult): typeof LogPage.Type => ({
  messages,
  through,
  hasMore,
  ...(Option.isNone(heldBack) ? {} : { heldBack: heldBackOf(heldBack.value) })
})

/** The member of a consumer group that reads, by both of its parts. */
export const groupOf = (
  member: number | undefined,
  size: number | undefined
): Effect.Effect<ConsumerGroup | undefined, Problem.InvalidRequest> => {
  if (member === undefined && size === undefined) return Effect.undefined
  if (member === undefined) return Effect.fail(invalid(["query", "member"], "is missing beside size"))
  if (size === undefined) return Effect.fail(invalid(["query", "size"], "is missing beside member"))
  return member < size
    ? Effect.succeed({ member, size })
    : Effect.fail(invalid(["query", "member"], `must be below ${size}, which is size`))
}

/** Fails unless the sender may read all of the categories, or everything when none is named. */
export const authorizeCategories = (categories: ReadonlyArray<string> | undefined) =>
  categories === undefined
    ? authorize("read")
    : Effect.forEach(categories, (category) => authorize("read", category), { discard: true })

/** A page of names, with a link to the next one. */
const withNext = Effect.fnUntraced(function*<Page extends object>(next: Option.Option<string>, page: Page) {
  const after = Option.getOrUndefined(next)
  const { url } = yield* HttpServerRequest.HttpServerRequest
  return HttpApiSchema.withHeaders({
    body: after === undefined ? page : { ...page, next: after },
    headers: after === undefined ? {} : { link: linkTo(url, "next", { after }) }
  })
})

const categories = HttpApiBuilder.group(
  Api,
  "categories",
  Effect.fnUntraced(function*(handlers) {
    const store = yield* MessageStore
    const limits = yield* Limits
    return handlers.handleAll({
      list: Effect.fnUntraced(function*({ query }) {
        yield* authorizeSome("read")
        const principal = yield* Principal.Principal
        const limit = yield* pageLimit(limits, query.limit)
        // A category that the sender may not read is not told of, nor is its name where the next page begins.
        const found: Array<CategorySummary> = []
        let after = query.after
        do {
          const page = yield* orProblem(ofReadStream)(store.categories({ ...query, after, limit }))
          found.push(...page.categories.filter(({ category }) => Principal.allows(principal, "read", category)))
          after = Option.getOrUndefined(page.next)
        } while (after !== undefined && found.length < limit)
        const listed = found.slice(0, limit)
        const isLast = after === undefined && found.length <= limit
        const next = isLast ? Option.none() : Option.fromUndefinedOr(listed.at(-1)?.category)
        return yield* withNext(next, {
          categories: listed.map(({ category, last, size }) =>
            Option.isNone(size) ? { category, last } : { category, size: size.value, last }
          )
        })
      }),

      streams: Effect.fnUntraced(function*({ params: { category }, query }) {
        yield* authorize("read", category)
        const limit = yield* pageLimit(limits, query.limit)
        const { next, streams } = yield* orProblem(ofReadStream)(store.streams({ ...query, category, limit }))
        return yield* withNext(next, { streams })
      }),

      changed: Effect.fnUntraced(function*({ params: { category }, query }) {
        yield* authorize("read", category)
        const limit = yield* pageLimit(limits, query.limit)
        return yield* orProblem(ofReadStream)(store.changedStreams(category, { limit }))
      }),

      read: Effect.fnUntraced(function*({ params: { category }, query }) {
        yield* authorize("read", category)
        const limit = yield* pageLimit(limits, query.limit)
        const { correlation, from, member, size, type: types } = query
        const consumerGroup = yield* groupOf(member, size)
        const page = store.readCategoryPage(category, { from, limit, types, correlation, consumerGroup })
        const placeOf = (name: string) => name === category ? ["params", "category"] : ["query", "correlation"]
        return pageOf(yield* orProblem(ofReadWith(placeOf))(page))
      })
    })
  })
)

const messages = HttpApiBuilder.group(
  Api,
  "messages",
  Effect.fnUntraced(function*(handlers) {
    const store = yield* MessageStore
    const observe = yield* Observe
    const limits = yield* Limits
    return handlers.handleAll({
      read: Effect.fnUntraced(function*({ query: { category, from, limit, type } }) {
        yield* authorizeCategories(category)
        const options = { from, limit: yield* pageLimit(limits, limit), categories: category, types: type }
        return pageOf(yield* orProblem(ofReadWith(() => ["query", "category"]))(store.readAllPage(options)))
      }),

      at: ({ params: { globalPosition } }) => Traces.readableAt(store, globalPosition),

      byId: ({ params: { messageId } }) => Traces.readableById(store, messageId),

      decoded: Effect.fnUntraced(function*({ params: { globalPosition } }) {
        return yield* observe.decode(yield* Traces.readableAt(store, globalPosition))
      }),

      readers: Effect.fnUntraced(function*({ params: { globalPosition } }) {
        const message = yield* Traces.readableAt(store, globalPosition)
        const isSeen = yield* maySee
        const all = yield* orProblem(ofStoreError)(observe.readersOf(message))
        return { readers: all.filter(({ category }) => isSeen([category])) }
      }),

      effects: ({ params: { globalPosition }, query }) => Traces.effects(store, limits, globalPosition, query),

      correlated: ({ params: { streamName }, query }) => Traces.correlated(store, limits, streamName, query),

      writeAll: Effect.fnUntraced(function*({ headers, payload }) {
        yield* Effect.forEach(payload, ({ streamName }) => authorizeStream("append", streamName), { discard: true })
        const { name } = yield* Principal.Principal
        const idSource = { sender: name, key: headers["idempotency-key"] }
        let firstIndex = 0
        const appends = yield* Effect.forEach(
          payload,
          Effect.fnUntraced(function*(append) {
            const withIds = yield* NewMessages.identified(append.messages, append.streamName, idSource, firstIndex)
            firstIndex += withIds.length
            return { ...append, messages: yield* NewMessages.traced(withIds, headers.traceparent) }
          })
        )
        const results = yield* orProblem(ofAppends)(store.writeAll(appends))
        return {
          results: results.map(({ globalPosition, version }, index) => ({
            version,
            globalPosition,
            ids: appends[index]?.messages.map(({ id }) => id) ?? []
          }))
        }
      })
    })
  })
)

export const layer = Layer.mergeAll(categories, messages)

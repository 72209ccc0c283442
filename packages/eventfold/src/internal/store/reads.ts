import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { RecordedMessage } from "../../Message.ts"
import { messagePage, type ReadAllResult, type ReadPageResult, type StoreBackend } from "../../StoreBackend.ts"
import * as StreamName from "../../StreamName.ts"
import * as Coalescer from "../runtime/coalescer.ts"
import { checkInt } from "./argumentChecks.ts"
import { isOnItsOwn } from "./independence.ts"
import { readSpan } from "./measured.ts"
import {
  defaultBatchSize,
  type ReadAllError,
  type ReadAllOptions,
  type ReadAllPageOptions,
  type ReadCategoryError,
  type ReadCategoryOptions,
  type ReadCategoryPageOptions,
  type ReadStreamError,
  type ReadStreamOptions
} from "./options.ts"
import { fullPageContinues, pagedStream } from "./pagedStream.ts"
import { allRange, categoryRange, checkReadOptions } from "./readRanges.ts"

/** The operations that give a stream of messages, read page by page. */
export const makeStreams = (backend: Pick<StoreBackend, "systemName" | "readStream" | "readCategory" | "readAll">) => {
  const ofStream = readSpan(backend, "readStream")
  const ofCategory = readSpan(backend, "readCategory")
  const ofAll = readSpan(backend, "readAll")

  const readStream = (
    name: string,
    options: ReadStreamOptions = {}
  ): Stream.Stream<RecordedMessage, ReadStreamError> =>
    pagedStream({
      span: "MessageStore.readStream",
      ...ofStream,
      attributes: { ...ofStream.attributes, "eventfold.stream": name },
      limit: options.limit,
      batchSize: options.batchSize ?? defaultBatchSize,
      start: Effect.flatMapEager(StreamName.parseWithId(name), (streamName) =>
        Effect.map(checkReadOptions(options), () => {
          const direction = options.direction ?? "forwards"
          const step = direction === "forwards" ? 1 : -1
          return {
            from: options.from,
            read: (from: number | undefined, limit: number) =>
              Effect.map(
                backend.readStream({ streamName, direction, from, limit }),
                fullPageContinues(limit, ({ position }): number | undefined =>
                  position + step < 0 ? undefined : position + step)
              )
          }
        }))
    })

  const readCategory = (
    name: string,
    options: ReadCategoryOptions = {}
  ): Stream.Stream<RecordedMessage, ReadCategoryError> =>
    pagedStream({
      span: "MessageStore.readCategory",
      ...ofCategory,
      attributes: { ...ofCategory.attributes, "messaging.destination.name": name },
      limit: options.limit,
      batchSize: options.batchSize ?? defaultBatchSize,
      start: Effect.gen(function*() {
        const range = yield* categoryRange(name, options)
        yield* checkReadOptions(options)
        return {
          from: range.from,
          read: (from: number, limit: number) =>
            Effect.map(
              backend.readCategory({ ...range, from, limit }),
              fullPageContinues(limit, ({ globalPosition }): number | undefined => globalPosition + 1)
            )
        }
      })
    })

  const readAll = (options: ReadAllOptions = {}): Stream.Stream<RecordedMessage, ReadAllError> =>
    pagedStream({
      span: "MessageStore.readAll",
      ...ofAll,
      limit: options.limit,
      batchSize: options.batchSize ?? defaultBatchSize,
      start: Effect.gen(function*() {
        yield* checkReadOptions(options)
        const range = yield* allRange(options)
        return {
          from: range.from,
          read: (from: number, limit: number) =>
            Effect.map(backend.readAll({ ...range, from, limit }), ({ hasMore, messages, through }) => ({
              ...messagePage(messages),
              next: hasMore ? through + 1 : undefined
            }))
        }
      })
    })

  return { readStream, readCategory, readAll }
}

/** The operations that give one page. Calls for the same page share one read. */
export const makePages = (backend: Pick<StoreBackend, "systemName" | "readCategory" | "readAll" | "transactions">) => {
  const ofCategory = Effect.fn("MessageStore.readCategoryPage", readSpan(backend, "readCategory"))(
    function*(name: string, options: ReadCategoryPageOptions) {
      yield* Effect.annotateCurrentSpan("messaging.destination.name", name)
      const range = yield* categoryRange(name, options)
      yield* checkInt("limit", options.limit, 1)
      const { limit = defaultBatchSize } = options
      const { last, length, slice } = yield* backend.readCategory({ ...range, limit })
      return {
        messages: yield* slice(0, length),
        through: last?.globalPosition ?? range.from - 1,
        hasMore: length === limit,
        heldBack: Option.none()
      } satisfies ReadPageResult
    }
  )

  const ofAll = Effect.fn("MessageStore.readAllPage", readSpan(backend, "readAll"))(
    function*(options: ReadAllPageOptions) {
      yield* checkInt("limit", options.limit, 1)
      const range = yield* allRange(options)
      return yield* backend.readAll({ ...range, limit: options.limit ?? defaultBatchSize })
    }
  )

  const { share } = Coalescer.make<string, ReadPageResult, ReadCategoryError | ReadAllError>()

  /** Lets the fibers that are about to ask for the same page do so before it is read. */
  const shared = <E extends ReadCategoryError | ReadAllError>(
    key: ReadonlyArray<unknown>,
    read: Effect.Effect<ReadPageResult, E>
  ) =>
    Effect.contextWith((context: Context.Context<never>) =>
      isOnItsOwn(backend.transactions, context) ? read : share(JSON.stringify(key), Effect.yieldNow, read)
    )

  return {
    readCategoryPage: (
      name: string,
      options: ReadCategoryPageOptions = {}
    ): Effect.Effect<ReadPageResult, ReadCategoryError> =>
      shared(["category", name, options], ofCategory(name, options)),
    readAllPage: (options: ReadAllPageOptions = {}): Effect.Effect<ReadAllResult, ReadAllError> =>
      shared(["all", options], ofAll(options))
  }
}

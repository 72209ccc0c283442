import * as Effect from "effect/Effect"
import type { AllRange, CategoryRange, ConsumerGroup } from "../../StoreBackend.ts"
import { InvalidArgument } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { checkInt, checkNotEmpty, checkTypes } from "./argumentChecks.ts"
import type { AllOptions, CountAllOptions, CountCategoryOptions, ReadOptions } from "./options.ts"

/** Checks what all reads that give a stream have in common. */
export const checkReadOptions = (options: ReadOptions & { readonly from?: number | undefined }) =>
  checkInt("from", options.from, 0).pipe(
    Effect.flatMapEager(() => checkInt("limit", options.limit, 0)),
    Effect.flatMapEager(() => checkInt("batchSize", options.batchSize, 1))
  )

const checkConsumerGroup = Effect.fnUntraced(function*(group: ConsumerGroup | undefined) {
  if (group === undefined) return
  yield* checkInt("consumerGroup.size", group.size, 1)
  yield* checkInt("consumerGroup.member", group.member, 0)
  if (group.member >= group.size) {
    return yield* new InvalidArgument({
      argument: "consumerGroup.member",
      value: String(group.member),
      expected: `less than the group's size, ${group.size}`
    })
  }
})

const checkCorrelation = ({ correlation }: { readonly correlation?: string | undefined }) =>
  correlation === undefined ? Effect.undefined : StreamName.parseCategory(correlation)

/** No message has a lower global position than 1: a reader that began lower would wait for a gap to be filled. */
const atLeastOne = (from: number | undefined): number => Math.max(1, from ?? 1)

/** The global position to begin with, from 1. */
export const globalFrom = (from: number | undefined): Effect.Effect<number, InvalidArgument> =>
  Effect.as(checkInt("from", from, 0), atLeastOne(from))

/** The checked range of a category. */
export const categoryRange = Effect.fnUntraced(function*(
  name: string,
  options: CountCategoryOptions
): Effect.fn.Return<CategoryRange, StreamName.InvalidCategory | InvalidArgument> {
  const category = yield* StreamName.parseCategory(name)
  const from = yield* globalFrom(options.from)
  yield* checkConsumerGroup(options.consumerGroup)
  const types = yield* checkTypes(options.types)
  const correlation = yield* checkCorrelation(options)
  return { category, from, types, correlation, consumerGroup: options.consumerGroup }
})

/** The checked range of the whole store. */
export const allRange = Effect.fnUntraced(function*(
  options: AllOptions
): Effect.fn.Return<AllRange, StreamName.InvalidCategory | InvalidArgument> {
  const types = yield* checkTypes(options.types)
  const from = yield* globalFrom(options.from)
  if (options.categories === undefined) return { from, categories: undefined, types }
  yield* checkNotEmpty("categories", options.categories)
  const categories = yield* Effect.forEach(new Set(options.categories), StreamName.parseCategory)
  return { from, categories, types }
})

/** The checked range of messages to count in the whole store. */
export const countAllRange = Effect.fnUntraced(function*(options: CountAllOptions) {
  const range = yield* allRange(options)
  const correlation = yield* checkCorrelation(options)
  yield* checkConsumerGroup(options.consumerGroup)
  return {
    ...range,
    correlation,
    consumerGroup: options.consumerGroup,
    bookkeeping: options.bookkeeping ?? true
  }
})

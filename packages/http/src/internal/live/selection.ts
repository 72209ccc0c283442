/** What a live client asks for: a source and filters. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Message from "eventfold/Message"
import type { ConsumerGroup } from "eventfold/StoreBackend"
import { InvalidArgument } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import { PositionAhead } from "../../Problem.ts"
import type { IdOf } from "./frames.ts"

/** Where the messages come from. */
export type Source =
  | { readonly _tag: "Stream"; readonly streamName: string }
  | {
    readonly _tag: "Category"
    readonly category: string
    readonly correlation?: string | undefined
    readonly consumerGroup?: ConsumerGroup | undefined
  }
  | { readonly _tag: "All"; readonly categories?: ReadonlyArray<string> | undefined }

/** A source and the types of messages that pass; all types when there are none. */
export interface Selection {
  readonly source: Source
  readonly types?: ReadonlyArray<string> | undefined
}

/**
 * What one follower reads for many clients: a category, or the whole store, perhaps only some of its categories. A stream is
 * followed as a part of its category, so that clients of a thousand streams cost one read and not a thousand.
 */
export type Scan =
  | { readonly _tag: "Category"; readonly category: string }
  | { readonly _tag: "All"; readonly categories: ReadonlyArray<string> | undefined }

/** The distinct names, in a fixed order, so that the same filters have the same key. */
const sorted = (names: ReadonlyArray<string> | undefined): ReadonlyArray<string> | undefined =>
  names === undefined ? undefined : [...new Set(names)].toSorted()

export const scanOf = ({ source }: Selection): Scan => {
  switch (source._tag) {
    case "Stream":
      return { _tag: "Category", category: StreamName.category(source.streamName) }
    case "Category":
      return { _tag: "Category", category: source.category }
    case "All":
      return { _tag: "All", categories: sorted(source.categories) }
  }
}

/** The same for two selections exactly when they select the same messages. */
export const keyOf = ({ source, types }: Selection): string =>
  JSON.stringify([
    source._tag,
    source._tag === "Stream" ? source.streamName : undefined,
    source._tag === "Category"
      ? [source.correlation, source.consumerGroup?.member, source.consumerGroup?.size]
      : undefined,
    sorted(types)
  ])

/** A client of a stream counts by positions of the stream; all others by global positions. */
export const idOf = ({ source }: Selection): IdOf =>
  source._tag === "Stream" ? ({ position }) => position : ({ globalPosition }) => globalPosition

/** The position before the first message: what a client has looked through that begins at the beginning. */
export const beforeFirst = ({ source }: Selection): number => source._tag === "Stream" ? -1 : 0

const hasCorrelation = ({ metadata }: Message.RecordedMessage, correlation: string): boolean =>
  typeof metadata === "object" && metadata !== null && "correlationStreamName" in metadata &&
  StreamName.category(String(metadata["correlationStreamName"])) === correlation

/** Whether a message of the source passes the filters, as the store decides it. */
export const filterOf = ({ source, types }: Selection): (message: Message.RecordedMessage) => boolean => {
  const ofTypes = types === undefined ? undefined : new Set(types)
  const { consumerGroup, correlation } = source._tag === "Category" ? source : {}
  return (message) =>
    (ofTypes === undefined || ofTypes.has(message.type)) &&
    (correlation === undefined || hasCorrelation(message, correlation)) &&
    (consumerGroup === undefined ||
      Option.contains(StreamName.groupMember(message.streamName, consumerGroup.size), consumerGroup.member))
}

/** A position that is beyond the end of a source, although a client has it from there. */
export const ahead = (position: number, end: number): PositionAhead =>
  new PositionAhead({
    detail: `position ${position} is beyond the end, which is ${end}: messages were lost`,
    position,
    end
  })

const wrong = (argument: string, value: unknown, expected: string) =>
  new InvalidArgument({ argument, value: JSON.stringify(value) ?? "undefined", expected })

/** Checks what is not checked by a read of the store, because a client may need none. */
export const check = Effect.fnUntraced(function*({ source, types }: Selection) {
  if (types?.length === 0) return yield* wrong("types", types, "at least one type, or absent for all")
  if (source._tag === "Stream") {
    yield* StreamName.parseWithId(source.streamName)
    return
  }
  if (source._tag === "All") {
    if (source.categories?.length === 0) {
      return yield* wrong("categories", source.categories, "at least one category, or absent for all")
    }
    yield* Effect.forEach(source.categories ?? [], StreamName.parseCategory, { discard: true })
    return
  }
  yield* StreamName.parseCategory(source.category)
  if (source.correlation !== undefined) yield* StreamName.parseCategory(source.correlation)
  if (source.consumerGroup === undefined) return
  const { member, size } = source.consumerGroup
  if (!Number.isSafeInteger(size) || size < 1) return yield* wrong("size", size, "a whole number from 1")
  if (!Number.isSafeInteger(member) || member < 0 || member >= size) {
    return yield* wrong("member", member, `a whole number from 0 to ${size - 1}`)
  }
})

import type { Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Message, RecordedMessage } from "eventfold/Message"
import { nextId } from "eventfold/Message"
import { MessageStore, type ReadCategoryOptions, type ReadStreamOptions } from "eventfold/MessageStore"

/** The `it` that a suite declares its tests with. */
export type It = Vitest.MethodsNonLive<MessageStore>

/**
 * A feature that a store may lack: reading a stream backwards (`backwards`), consumer groups of more than 32,767 members
 * (`largeGroups`), the module `Streams` with its deletions (`streams`) and rows for the positions of consumers (`positions`), as a
 * stock Message DB does, and transactions of the
 * application (`transactions`).
 *
 * @category models
 * @since 0.1.0
 */
export type Feature = "backwards" | "largeGroups" | "positions" | "streams" | "transactions"

/** Whether the suite's store has a feature that a store may lack. */
export type Supports = (feature: Feature) => boolean

/** A category that no other test has. */
export const newCategory: Effect.Effect<string> = Effect.map(nextId, (id) => `test${id.replaceAll("-", "")}`)

/** The name of a stream that no other test has. */
export const newStream: Effect.Effect<string> = Effect.map(newCategory, (category) => `${category}-1`)

/** Numbered messages, with their numbers as data. */
export const numbered = (count: number, first = 0): ReadonlyArray<Message> =>
  Array.from({ length: count }, (_, i) => ({ type: "Numbered", data: first + i }))

/** The same messages with ids. */
export const withIds = (messages: ReadonlyArray<Message>) =>
  Effect.forEach(messages, (message) => Effect.map(nextId, (id) => ({ ...message, id })))

export const readStream = (streamName: string, options?: ReadStreamOptions) =>
  Effect.flatMap(MessageStore, (store) => Stream.runCollect(store.readStream(streamName, options)))

export const readCategory = (category: string, options?: ReadCategoryOptions) =>
  Effect.flatMap(MessageStore, (store) => Stream.runCollect(store.readCategory(category, options)))

export const positions = (messages: ReadonlyArray<RecordedMessage>): ReadonlyArray<number> =>
  messages.map((message) => message.position)

export const dataOf = (messages: ReadonlyArray<RecordedMessage>): ReadonlyArray<unknown> =>
  messages.map((message) => message.data)

export const upTo = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)

/** The version of a stream, -1 when the stream does not exist. */
export const versionOf = (streamName: string) =>
  Effect.flatMap(MessageStore, (store) => Effect.map(store.streamVersion(streamName), Option.getOrElse(() => -1)))

/**
 * Changes of a stream's attributes that depend on what they are.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { MessageStore } from "eventfold/MessageStore"
import type * as Streams from "eventfold/Streams"
import { createHash } from "node:crypto"
import type { Messagestore } from "../../Messagestore.ts"
import * as Problem from "../../Problem.ts"

/** The entity tag of a stream. It has no version of its attributes, so the tag is made of them. */
export const etag = ({ attributes, id }: Streams.Stream<Streams.Attributes>): string =>
  `"${createHash("sha256").update(JSON.stringify([id, attributes])).digest("base64url")}"`

/** Whether one of the entity tags of `If-Match` or `If-None-Match` is that of the stream. */
export const isOf = (tags: string, stream: Streams.Stream<Streams.Attributes>): boolean =>
  tags.split(",").map((tag) => tag.trim().replace(/^W\//, "")).some((tag) => tag === "*" || tag === etag(stream))

/**
 * Takes the lock of the category in the transaction of the caller: a check of the stream's version does. A message that comes
 * between the two statements makes the check fail, and the next one is right.
 */
const lock = Effect.fnUntraced(function*(streamName: string) {
  const store = yield* MessageStore
  const version = yield* store.streamVersion(streamName)
  const expectedVersion = Option.getOrElse(version, () => "noStream" as const)
  return yield* store.writeAll([{ streamName, messages: [], expectedVersion }])
}, Effect.retry({ while: (error) => error._tag === "WrongExpectedVersion", schedule: Schedule.recurs(10) }))

/** Makes a change when the stream is as `If-Match` says, in one transaction; whatever it is when the request has no such header. */
export const guarded = <A, E, R>(
  streams: Messagestore,
  id: string,
  ifMatch: string | undefined,
  change: Effect.Effect<A, E, R>
) =>
  ifMatch === undefined ? change : MessageStore.use(({ transaction }) =>
    transaction(Effect.gen(function*() {
      yield* lock(`${streams.category}-${id}`)
      // What is stored and does not fit its schema is no fault of the request, whose attributes may not fit either.
      const found = yield* Effect.catchTag(streams.get(id), "InvalidAttributes", Effect.die)
      if (Option.isSome(found) && isOf(ifMatch, found.value)) return yield* change
      const detail = "if-match: the stream has other attributes, or does not exist; nothing was changed"
      return yield* new Problem.AttributesChanged({ detail, id })
    }))
  )

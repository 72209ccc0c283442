import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import { deriveId, type Message } from "../../Message.ts"
import { canonicalJson } from "../runtime/storableJson.ts"
import type { Boundary } from "./boundary.ts"
import type { AnyRecorded, EntityStream } from "./entityStream.ts"

/** The key in the metadata of a command's first event. */
const key = "commandDigest"

/**
 * What tells a command from another one under the same id. The id is a part of it: who does not know the id can't try out
 * payloads until one fits.
 */
export const commandDigest = (commandId: string, command: string, payload: Schema.Json): string =>
  deriveId("command", commandId, command, canonicalJson(payload))

const withDigest = (message: Message, digest: string): Message => ({
  ...message,
  metadata: { ...message.metadata, [key]: digest }
})

/** A stream whose writes record the digest of the command, with the first event. */
export const recordingDigest = <S, Event, Recorded extends AnyRecorded, R>(
  stream: EntityStream<S, Event, Recorded, R>,
  digest: string
): EntityStream<S, Event, Recorded, R> => ({
  ...stream,
  encode: (events) =>
    Effect.map(stream.encode(events), ({ events, messages: [first, ...rest] }) => ({
      events,
      messages: first === undefined ? [] : [withDigest(first, digest), ...rest]
    }))
})

/** A boundary in which a command is only the same as one before when its digest is. Without a digest there, it is. */
export const comparingDigests = <Found, Event extends { readonly metadata?: unknown }, E, R, E2>(
  boundary: Boundary<Found, ReadonlyArray<Event>, E, R>,
  digest: string,
  other: () => E2
): Boundary<Found, ReadonlyArray<Event>, E | E2, R> => ({
  ...boundary,
  handledBefore: (commandId) =>
    Effect.tap(boundary.handledBefore(commandId), (before) => {
      const first = Option.isSome(before) ? before.value.events[0]?.metadata : undefined
      const recorded = typeof first === "object" && first !== null ? Reflect.get(first, key) : undefined
      return recorded === undefined || recorded === digest ? Effect.void : Effect.fail(other())
    })
})

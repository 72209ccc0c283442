/**
 * Appends the messages of a request to a stream.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { MessageId } from "eventfold/Message"
import type { MessageStore } from "eventfold/MessageStore"
import * as StreamName from "eventfold/StreamName"
import type { Appended } from "../../Api.ts"
import type { Principal } from "../../Principal.ts"
import * as Problem from "../../Problem.ts"
import { permit } from "../authentication/access.ts"
import { ofAppend, ofRead, orProblem } from "../problems/failures.ts"
import * as NewMessages from "./newMessages.ts"
import { type Conditions, expected } from "./preconditions.ts"

/** A request to append, decoded. */
export interface Request {
  readonly sender: Principal["Service"]
  readonly streamName: string
  readonly headers: Conditions & {
    readonly "idempotency-key"?: string | undefined
    readonly traceparent?: string | undefined
  }
  readonly body: NewMessages.Body
}

export const make = (store: MessageStore["Service"]) => {
  /**
   * Fails when the key of the request was used with more messages. To the store these would be a part of what it has, so it is asked
   * for the one that would follow them. Nothing else is written meanwhile: if that one is there, so are those of the request.
   */
  const refuseShortened = (streamName: string, id: MessageId) =>
    Effect.flatMap(
      orProblem(ofRead)(store.findMessage(streamName, id)),
      (found) =>
        Option.isNone(found) ? Effect.void : Effect.fail(
          new Problem.DuplicateMessageId({
            detail: "the Idempotency-Key was used with more messages; nothing was written",
            streamName,
            id
          })
        )
    )

  return Effect.fnUntraced(function*({ body: { expectedVersion, messages }, headers, sender, streamName }: Request) {
    yield* permit(sender, "append", StreamName.category(streamName))
    const { byHeader, version } = yield* expected(headers, expectedVersion)
    const idSource = { sender: sender.name, key: headers["idempotency-key"] }
    const withIds = yield* NewMessages.identified(messages, streamName, idSource)
    const toWrite = yield* NewMessages.traced(withIds, headers.traceparent)
    const write = store.append(streamName, toWrite, { expectedVersion: version }).pipe(
      orProblem(ofAppend({ streamName: ["params", "streamName"], byHeader }))
    )
    const id = NewMessages.following(messages.length, streamName, idSource)
    // Without a key there is nothing to ask for, and most requests have none: they need no fibers of their own.
    const result = id === undefined
      ? yield* write
      : (yield* Effect.all([write, refuseShortened(streamName, id)], { concurrency: "unbounded" }))[0]
    return { ...result, ids: withIds.map(({ id }) => id) } satisfies typeof Appended.Type
  })
}

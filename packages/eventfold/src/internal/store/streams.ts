import * as Effect from "effect/Effect"
import { mayHaveWritten, type StoreBackend } from "../../StoreBackend.ts"
import * as StreamName from "../../StreamName.ts"
import type { DeletionRequest, StreamsBackend } from "../../StreamsBackend.ts"
import type { Forgetting, Selects } from "./forgetting.ts"
import { unlessHandling } from "./independence.ts"
import type { WakeUpHub } from "./wakeUpHub.ts"

/**
 * The streams of a backend, whose deletions also wake readers and make this process forget. `undefined` when the backend has
 * none.
 */
export const makeStreams = (
  { streams, transactions }: Pick<StoreBackend, "streams" | "transactions">,
  { wakingCategories }: Pick<WakeUpHub, "wakingCategories">,
  { forget }: Forgetting
): StreamsBackend | undefined => {
  if (streams === undefined) return undefined

  /**
   * Forgets also when the outcome of a deletion is unknown: its answer was lost, or its caller was interrupted. In a transaction it
   * forgets after the commit too: until then, other fibers may read and keep what the transaction deletes.
   */
  const deleting = <A, E extends { readonly _tag: string }>(
    operation: string,
    category: string,
    { copies }: DeletionRequest,
    selects: Selects,
    deletion: Effect.Effect<A, E>
  ) => {
    const forgotten = Effect.sync(() => forget(selects))
    const run = Effect.onExit(wakingCategories([category, copies.snapshots], deletion), (exit) => {
      if (!mayHaveWritten(exit)) return Effect.void
      return transactions === undefined || exit._tag === "Failure"
        ? forgotten
        : Effect.andThen(forgotten, transactions.afterCommit(forgotten))
    })
    return unlessHandling(operation, run)
  }

  return {
    ...streams,
    add: (...args) => unlessHandling("Streams.add", streams.add(...args)),
    set: (stream, attributes) => unlessHandling("Streams.set", streams.set(stream, attributes)),
    deleteMessage: (stream, id, request) =>
      deleting(
        "Streams.deleteMessage",
        stream.category,
        request,
        (name) => name === stream.streamName,
        streams.deleteMessage(stream, id, request)
      ),
    deleteStream: (stream, request) =>
      deleting(
        "Streams.delete",
        stream.category,
        request,
        (name) => name === stream.streamName,
        streams.deleteStream(stream, request)
      ),
    purge: (category, request) =>
      deleting(
        "Streams.purge",
        category,
        request,
        (name) => StreamName.category(name) === category,
        streams.purge(category, request)
      )
  }
}

/**
 * Records of what administrators do: who did it, what, and when, as messages of the store.
 *
 * {@link recorded} runs an operation and writes its record in one transaction: what was done has a record, and what was refused or
 * failed has none. All records are in the stream {@link streamName}; {@link history} reads them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as EffectStream from "effect/Stream"
import * as Category from "./Category.ts"
import { Administered } from "./internal/observe/administered.ts"
import * as MessageStore from "./MessageStore.ts"
import type { Unsupported } from "./StoreError.ts"

/** @since 0.1.0 */
export { Administered } from "./internal/observe/administered.ts"

/**
 * The category of the records, `eventfold:administration`: they have the type `Administered`.
 *
 * @category constants
 * @since 0.1.0
 */
export const Records = Category.make("eventfold:administration", { Administered })

const id = "log"

/**
 * The stream of the records. It is one, so that their order is that in which things were done.
 *
 * @category constants
 * @since 0.1.0
 */
export const streamName = `${Records.categoryName}-${id}`

/**
 * Runs an operation, and writes what was done, both or none.
 *
 * **When to use**
 *
 * Use it where people steer a program: for deletions, replays, rewinds, rebuilds. A deletion of `Streams` leaves a notice in its
 * stream anyway, which says who and why to those who follow the stream. The record says so to those who look after the store.
 *
 * **Details**
 *
 * `record` gets the result of the operation. It gives what to record; or nothing when nothing was done, as for the deletion of a
 * stream that does not exist. The operation and the record are one transaction, or a part of the caller's. So when the operation
 * fails there is no record, and when the record can't be written the operation is undone, and the failure is that of the append.
 *
 * Fails with `Unsupported`, before the operation, on a store without transactions.
 *
 * **Gotchas**
 *
 * What the operation does outside of the store is not undone.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Administration, MessageStore, Streams } from "eventfold"
 *
 * const Accounts = Streams.make({ category: "account" })
 *
 * const close = (id: string, by: string, reason: string) =>
 *   Administration.recorded(
 *     Accounts.delete(id, { by, reason }),
 *     (wasThere) => wasThere ? { by, action: "Streams.delete", subject: `account-${id}`, reason } : undefined
 *   )
 *
 * const program = close("123", "ann", "the owner asked for it").pipe(Effect.provide(MessageStore.layerMemory))
 * ```
 *
 * @category recording
 * @since 0.1.0
 */
export const recorded = <A, E, R>(
  operation: Effect.Effect<A, E, R>,
  record: (result: A) => Administered | undefined
): Effect.Effect<A, E | MessageStore.AppendError | Unsupported, R | MessageStore.MessageStore> =>
  MessageStore.transaction(Effect.tap(operation, (result) => {
    const administered = record(result)
    return administered === undefined
      ? Effect.void
      : Records.append(id, Records.events.Administered(administered))
  }))

/**
 * The records, in the order in which things were done; the newest first with `direction: "backwards"`. It reads as
 * `Category.readStream` does.
 *
 * @category reading
 * @since 0.1.0
 */
export const history = (
  options?: MessageStore.ReadStreamOptions
): EffectStream.Stream<
  Category.RecordedEvent<typeof Records>,
  MessageStore.ReadStreamError | Category.DecodeError,
  MessageStore.MessageStore
> => Records.readStream(id, options)

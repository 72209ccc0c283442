import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { RecordedMessage } from "../Message.ts"
import type { MessageStore, ReadCategoryError, ReadCategoryOptions } from "../MessageStore.ts"

type Page = ReadonlyArray<RecordedMessage>

/** Reads that have not begun, by what they are to read. */
const coming = new WeakMap<object, Map<string, Deferred.Deferred<Page, ReadCategoryError>>>()

/**
 * A page of a category, read once for all who ask for the same before the read begins: consumers of one category that have
 * come up with it wake at one moment, and would all send the same query. When the one who reads is interrupted, another
 * one does.
 */
export const sharedPage = (
  store: MessageStore["Service"],
  category: string,
  options: ReadCategoryOptions
): Effect.Effect<Page, ReadCategoryError> =>
  Effect.suspend(() => {
    const reads = coming.get(store) ?? new Map<string, Deferred.Deferred<Page, ReadCategoryError>>()
    coming.set(store, reads)
    const key = JSON.stringify([category, options])

    const found = reads.get(key)
    if (found !== undefined) {
      return Effect.flatMap(Effect.exit(Deferred.await(found)), (exit) =>
        Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? sharedPage(store, category, options) : exit)
    }
    const promise = Deferred.makeUnsafe<Page, ReadCategoryError>()
    reads.set(key, promise)
    const begun = () =>
      reads.get(key) === promise && reads.delete(key)
    return Effect.yieldNow.pipe(
      Effect.andThen(Effect.suspend(() => {
        begun()
        return Stream.runCollect(store.readCategory(category, options))
      })),
      Effect.onExit((exit) => {
        begun()
        return Deferred.done(promise, exit)
      })
    )
  })

import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { RecordedMessage } from "../../Message.ts"
import type {
  MessageStore,
  ReadAllError,
  ReadAllPageOptions,
  ReadCategoryError,
  ReadCategoryOptions
} from "../../MessageStore.ts"
import type { ReadAllResult } from "../../StoreBackend.ts"

type Store = MessageStore["Service"]

/**
 * Runs an effect once for all who ask for the same on one store before it begins, which it does after `before`. When the
 * one who does so is interrupted, another one does.
 */
const sharing = <A, E>() => {
  const stores = new WeakMap<Store, Map<string, Deferred.Deferred<A, E>>>()
  const share = (
    store: Store,
    key: string,
    before: Effect.Effect<void>,
    run: Effect.Effect<A, E>
  ): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      const coming = stores.get(store) ?? new Map<string, Deferred.Deferred<A, E>>()
      stores.set(store, coming)
      const found = coming.get(key)
      if (found !== undefined) {
        return Effect.flatMap(Effect.exit(Deferred.await(found)), (exit) =>
          Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? share(store, key, before, run) : exit)
      }
      const promise = Deferred.makeUnsafe<A, E>()
      coming.set(key, promise)
      const begin = Effect.sync(() =>
        coming.get(key) === promise && coming.delete(key)
      )
      return Effect.andThen(before, Effect.andThen(begin, run)).pipe(
        Effect.onExit((exit) => Effect.andThen(begin, Deferred.done(promise, exit)))
      )
    })
  return share
}

const pages = sharing<ReadonlyArray<RecordedMessage>, ReadCategoryError>()
const allPages = sharing<ReadAllResult, ReadAllError>()
const pauses = sharing<void, never>()

/**
 * A page of a category, read once for all who ask for the same at one moment, as consumers do that have come up with the
 * category and are woken together.
 */
export const sharedPage = (store: Store, category: string, options: ReadCategoryOptions) =>
  pages(
    store,
    JSON.stringify([category, options]),
    Effect.yieldNow,
    Effect.suspend(() => Stream.runCollect(store.readCategory(category, options)))
  )

/** The same of several categories, or of everything. */
export const sharedAllPage = (store: Store, options: ReadAllPageOptions) =>
  allPages(store, JSON.stringify(options), Effect.yieldNow, Effect.suspend(() => store.readAllPage(options)))

/**
 * Waits so many milliseconds, or less together with somebody who began to wait so long for the same before: so consumers
 * that poll at times of their own come to poll together. `what` is the name of a category, or another text for more than
 * one.
 */
export const sharedPause = (store: Store, what: string, millis: number): Effect.Effect<void> =>
  pauses(store, JSON.stringify([what, millis]), Effect.sleep(millis), Effect.void)

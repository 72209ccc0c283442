import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Transactions } from "../../StoreBackend.ts"
import { StoreError } from "../../StoreError.ts"

/**
 * Whether the calling fiber has asked, by `MessageStore.independently`, that the store reads and writes outside of the fiber's
 * transaction. Only backends use it.
 *
 * @category transactions
 * @since 0.1.0
 */
export const Independence = Context.Reference<boolean>("eventfold/MessageStore/Independence", {
  defaultValue: () => false
})

/**
 * Whether a fiber must not wait for what other fibers of the process do, such as a read that they share or their turn in a queue.
 * They may wait for a connection or a lock that the transaction of the fiber holds, which goes on holding it when the fiber works
 * outside of it for a while.
 */
export const isOnItsOwn = (transactions: Transactions | undefined, context: Context.Context<never>): boolean =>
  transactions !== undefined && (transactions.isActive(context) || Context.get(context, Independence))

/** The read model whose handlers the calling fiber runs; `undefined` when it runs none. */
export const Handling = Context.Reference<string | undefined>("eventfold/MessageStore/HandlingReadModel", {
  defaultValue: () => undefined
})

export const independently = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, Independence, true)

/** Marks the handlers of a read model, which must not write to the store. */
export const handling = <A, E, R>(readModel: string, handlers: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(handlers, Handling, readModel)

/** The services of a handler of a read model, for what runs when the handler has ended. */
export const notHandling = <R>(context: Context.Context<R>): Context.Context<R> =>
  Context.add(context, Handling, undefined)

/** The refusal of a write that a handler of a read model makes; `undefined` when a fiber with this context may write. */
export const refusalInHandler = (operation: string, context: Context.Context<never>): StoreError | undefined => {
  const readModel = Context.get(context, Handling)
  if (readModel === undefined || Context.get(context, Independence)) return undefined
  const reason = `a handler of the read model ${readModel} can't append: a rebuild would append again. Append in a ` +
    "consumer or a process, or wrap the append in MessageStore.independently"
  return new StoreError({ operation, reason, isRetryable: false })
}

/** Runs a write, unless a handler of a read model makes it. */
export const unlessHandling = <A, E, R>(
  operation: string,
  write: Effect.Effect<A, E, R>
): Effect.Effect<A, E | StoreError, R> =>
  Effect.contextWith((context: Context.Context<R>): Effect.Effect<A, E | StoreError, R> => {
    const refusal = refusalInHandler(operation, context)
    return refusal === undefined ? write : Effect.fail(refusal)
  })

/** Marks the inside of a transaction, in which writes take part even when the transaction itself is independent of another. */
export const inside = <A, E, R>(transaction: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    Context.get(context, Independence)
      ? Effect.provideContext(transaction, Context.add(notHandling(context), Independence, false))
      : transaction
  )

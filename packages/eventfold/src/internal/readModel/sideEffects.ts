import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { logFailure } from "../runtime/log.ts"
import { handling, notHandling } from "../store/independence.ts"

/** Collects the side effects of handlers, which run when the transaction of the handlers is committed. */
interface Collector {
  /** The services outside of the transaction. */
  readonly outside: Context.Context<never>
  /** The services inside of it, before a handler provides its own. */
  readonly inside: Context.Context<never>
  readonly add: (effect: Effect.Effect<unknown>) => void
  /** The read model of the handlers, as log lines name it. */
  readonly logged: Readonly<Record<string, string>>
}

const Collector = Context.Reference<Collector | undefined>("eventfold/ReadModel/SideEffects", {
  defaultValue: () => undefined
})

/** The services of a handler, with those of the transaction replaced, because it has ended when a side effect runs. */
const withoutTransaction = <R>(context: Context.Context<R>, { inside, outside }: Collector): Context.Context<R> => {
  const services = new Map(context.mapUnsafe)
  for (const [key, service] of inside.mapUnsafe) {
    const before = outside.mapUnsafe.get(key)
    if (before === service || services.get(key) !== service) continue
    if (before === undefined) services.delete(key)
    else services.set(key, before)
  }
  return Context.makeUnsafe(services)
}

export const sideEffect = <R>(effect: Effect.Effect<unknown, never, R>): Effect.Effect<void, never, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    const collector = Context.get(context, Collector)
    if (collector === undefined) return Effect.asVoid(Effect.provideContext(effect, notHandling(context)))
    return Effect.sync(() => {
      const provided = Effect.provideContext(effect, notHandling(withoutTransaction(context, collector)))
      collector.add(logDefect(provided, collector))
    })
  })

/** Marks where a transaction begins: the services that handlers have there, and nowhere else, belong to it. */
export const inTransaction = <A, E, R>(readModel: string, handle: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWith((inside: Context.Context<never>) => {
    const collector = Context.get(inside, Collector)
    const handlers = handling(readModel, handle)
    if (collector === undefined) return handlers
    return Effect.provideService(handlers, Collector, { ...collector, inside, logged: { readModel } })
  })

/**
 * Runs a transaction, and after it, when it has succeeded, the side effects of its handlers. A replay drops them. A transaction
 * that is a part of another one has them run later, by `whenCommitted`.
 */
export const runningSideEffects = <A, E, R>(
  transaction: Effect.Effect<A, E, R>,
  isReplay: boolean,
  whenCommitted = (sideEffects: Effect.Effect<void>): Effect.Effect<void> => sideEffects
): Effect.Effect<A, E, R> =>
  Effect.contextWith((outside: Context.Context<never>) => {
    const effects: Array<Effect.Effect<unknown>> = []
    const add = (effect: Effect.Effect<unknown>) => {
      if (!isReplay) effects.push(effect)
    }
    return Effect.tap(
      Effect.provideService(transaction, Collector, { outside, inside: outside, add, logged: {} }),
      () =>
        effects.length === 0
          ? Effect.void
          : whenCommitted(Effect.forEach(effects, (effect) => effect, { discard: true }))
    )
  })

/** The messages are handled and committed, so a defect of a side effect must not count as their failure. */
const logDefect = (effect: Effect.Effect<unknown>, { logged }: Collector) =>
  Effect.catchCause(effect, (cause) => logFailure("Error", "read model side effect failed", logged, cause))

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** Who runs the side effects of handlers, when what they are about is stored. */
interface Collector {
  /** What there is outside of the transaction. */
  readonly outside: Context.Context<never>
  /** What there is inside of it before a handler begins. */
  readonly inside: Context.Context<never>
  readonly add: (effect: Effect.Effect<unknown>) => void
}

const Collector = Context.Reference<Collector | undefined>("eventfold/ReadModel/SideEffects", {
  defaultValue: () => undefined
})

/** What a handler has, without the transaction, which is over when a side effect runs. */
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
    if (collector === undefined) return Effect.asVoid(effect)
    return Effect.sync(() => collector.add(Effect.provideContext(effect, withoutTransaction(context, collector))))
  })

/** Tells handlers where the transaction that they run in begins. */
export const inTransaction = <A, E, R>(handle: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWith((inside: Context.Context<never>) => {
    const collector = Context.get(inside, Collector)
    return collector === undefined ? handle : Effect.provideService(handle, Collector, { ...collector, inside })
  })

/** Runs a transaction, and when it has succeeded the side effects of the handlers in it; or leaves them out. */
export const runningSideEffects = <A, E, R>(
  transaction: Effect.Effect<A, E, R>,
  isReplay: boolean
): Effect.Effect<A, E, R> =>
  Effect.contextWith((outside: Context.Context<never>) => {
    const effects: Array<Effect.Effect<unknown>> = []
    const add = (effect: Effect.Effect<unknown>) => {
      if (!isReplay) effects.push(effect)
    }
    return Effect.tap(
      Effect.provideService(transaction, Collector, { outside, inside: outside, add }),
      () => Effect.forEach(effects, reported, { discard: true })
    )
  })

/** What is stored is stored, so that nothing that a side effect does can be the failure of a message. */
const reported = (effect: Effect.Effect<unknown>) =>
  Effect.catchCause(effect, (cause) => Effect.logError("a side effect of a read model has failed", cause))

/**
 * Which machines are there. Each holds a lease of the store as long as it runs, with the session that has the leases of its consumers:
 * when that session ends, so do all of them. So a machine that was killed is known to be gone as soon as what it ran can be run again,
 * and not when some time without a sign of it has passed.
 *
 * Each machine looks after the next one in the order of addresses. Who can take the lease of another knows that it is gone, and strikes it
 * off the list that all read.
 */
import type * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { MessageStore } from "eventfold/MessageStore"
import type { StoreError, Unsupported } from "eventfold/StoreError"

/** The pause between two attempts at the own lease. */
const ownPause = "100 millis"

/** How long a machine that starts waits for one that had its address. A frozen one keeps its lease for a quarter of a minute. */
const addressLimit = "20 seconds"

export const textOf = ({ host, port }: RunnerAddress.RunnerAddress): string => `${host}:${port}`

const leaseOf = (address: string): string => `machine ${address}`

/** The machines after one, in the order of their addresses, around to the one before it. */
const after = (self: string, addresses: ReadonlyArray<string>): ReadonlyArray<string> => {
  const others = addresses.filter((address) => address !== self).toSorted()
  const next = others.findIndex((address) => address > self)
  return next === -1 ? others : [...others.slice(next), ...others.slice(0, next)]
}

/** Holds the lease of this machine until the scope closes. Gives none when another machine keeps it. */
export const hold = Effect.fnUntraced(function*(
  address: string
): Effect.fn.Return<Option.Option<Latch.Latch>, Unsupported | StoreError, MessageStore | Scope.Scope> {
  const store = yield* MessageStore
  const held = yield* Latch.make()
  const scoped = Effect.scoped(
    Effect.gen(function*() {
      const lease = yield* store.lease(leaseOf(address))
      if (Option.isNone(lease)) return
      yield* held.open
      yield* lease.value.lost
    }).pipe(Effect.ensuring(held.close))
  )
  yield* Effect.forkScoped(
    scoped.pipe(Effect.ignore, Effect.andThen(Effect.sleep(ownPause)), Effect.forever)
  )
  // What can hold no leases at all is known at once.
  yield* Effect.scoped(store.lease(`${leaseOf(address)} can be held`))
  const told = Effect.logInfo("machine waits: another one has its address, or had it a moment ago").pipe(
    Effect.annotateLogs({ address }),
    Effect.delay("1 second"),
    Effect.andThen(Effect.never)
  )
  return Option.as(yield* Effect.timeoutOption(Effect.raceFirst(held.await, told), addressLimit), held)
})

/** A storage of runners that lists only machines that are there, and says which ones these are each time it is asked. */
export const living = Effect.fnUntraced(function*(
  storage: RunnerStorage.RunnerStorage["Service"],
  self: string,
  held: Latch.Latch,
  onList: (addresses: ReadonlyArray<string>) => Effect.Effect<void>
) {
  const store = yield* MessageStore

  /** Whether a machine is gone: then it is off the list. */
  const isGone = (address: RunnerAddress.RunnerAddress) =>
    Effect.scoped(Effect.gen(function*() {
      const lease = yield* store.lease(leaseOf(textOf(address)))
      if (Option.isNone(lease)) return false
      yield* storage.unregister(address)
      return true
    })).pipe(
      // Whether it is there can't be told right now.
      Effect.catch(() => Effect.succeed(false))
    )

  const getRunners = Effect.gen(function*() {
    const listed = yield* storage.getRunners
    const byAddress = new Map(listed.map((one) => [textOf(one[0].address), one]))
    for (const next of after(self, [...byAddress.keys()])) {
      const one = byAddress.get(next)
      if (one === undefined || !(yield* isGone(one[0].address))) break
      byAddress.delete(next)
    }
    yield* onList([...byAddress.keys()])
    return [...byAddress.values()]
    // Four times a second, for ever.
  }).pipe(Effect.withTracerEnabled(false))

  return RunnerStorage.RunnerStorage.of({
    ...storage,
    getRunners,
    // Nobody may be on the list without a lease: it would be struck off.
    register: (runner, healthy) => Effect.andThen(held.await, storage.register(runner, healthy)),
    unregister: (address) =>
      Effect.andThen(textOf(address) === self ? onList([]) : Effect.void, storage.unregister(address))
  })
})

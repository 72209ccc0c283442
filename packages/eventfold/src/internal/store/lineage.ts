import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Lineage, StoreIdentity } from "../../StoreBackend.ts"
import type { StoreError } from "../../StoreError.ts"

const keys = ["system", "database", "timeline"] as const

/** Whether two identities are of the same store, as far as both know. */
export const isSame = (a: StoreIdentity, b: StoreIdentity): boolean =>
  keys.every((key) => a[key] === undefined || b[key] === undefined || a[key] === b[key])

/** Whether two identities are of the same store and both know all that it takes to tell. */
const isCertainlySame = (a: StoreIdentity, b: StoreIdentity): boolean =>
  keys.every((key) => a[key] !== undefined && a[key] === b[key])

/** How many looks one need may take: other users of the pool open connections meanwhile. */
const maxLooks = 3

/**
 * Makes the lineage of a store from the signs that its database may have become another one, and from a look at which one it is.
 *
 * **Details**
 *
 * `signs` counts: a connection that was opened, a statement that failed because its connection was lost. It only rises. There is
 * one look for all signs until it, and users who need it at the same time share it.
 *
 * An identity without its system or its timeline, which the role may not read, can't show that the database is the same. Then
 * each look counts as another generation, but not as a replacement: what was remembered is read again, which is only slower, and
 * no write is refused.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeLineage = (signs: () => number, identity: Effect.Effect<StoreIdentity, StoreError>): Lineage => {
  let known: StoreIdentity | undefined
  let lookedAt = -1
  let generation = 0
  let replacements = 0
  const isDue = () => signs() !== lookedAt
  const lookOnce = Effect.suspend(() => {
    const at = signs()
    return Effect.map(identity, (found) => {
      if (known !== undefined && !isCertainlySame(known, found)) generation += 1
      if (known !== undefined && !isSame(known, found)) replacements += 1
      known = found
      lookedAt = at
    })
  })
  // A look may open a connection itself, which is a sign: the next one then finds it open.
  const look = Effect.suspend(() => {
    let looks = 0
    return Effect.whileLoop({ while: () => isDue() && looks++ < maxLooks, body: () => lookOnce, step: () => {} })
  })
  // All who need a look while one is under way get what it gives, its failure included: a server that is silent keeps none waiting
  // for the looks of others.
  let underWay: Deferred.Deferred<void, StoreError> | undefined
  const shared: Effect.Effect<void, StoreError> = Effect.suspend(() => {
    if (underWay !== undefined) {
      return Effect.flatMap(
        Effect.exit(Deferred.await(underWay)),
        (exit) => Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? shared : exit
      )
    }
    const result = Deferred.makeUnsafe<void, StoreError>()
    underWay = result
    return Effect.onExit(look, (exit) =>
      Effect.suspend(() => {
        underWay = undefined
        return Deferred.done(result, exit)
      }))
  })
  return { isDue, generation: () => generation, replacements: () => replacements, look: shared }
}

/** Looks if it is due. Gives whether what was known in a generation still holds. */
export const stillHolds = (lineage: Lineage, generation: number): Effect.Effect<boolean, StoreError> =>
  lineage.isDue()
    ? Effect.map(lineage.look, () => lineage.generation() === generation)
    : Effect.succeed(lineage.generation() === generation)

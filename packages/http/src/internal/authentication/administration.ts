/**
 * Records what administrators do.
 */
import * as Effect from "effect/Effect"
import * as Administration from "eventfold/Administration"
import { Principal } from "../../Principal.ts"

/** What is recorded beside the sender. */
export type Done = Omit<Administration.Administered, "by" | "token">

/** Runs an operation in one transaction with the record that the sender has done it; with none when nothing was done. */
export const recorded = <A, E, R>(operation: Effect.Effect<A, E, R>, done: (result: A) => Done | undefined) =>
  Effect.flatMap(Principal, ({ name, token }) =>
    Administration.recorded(operation, (result) => {
      const what = done(result)
      return what === undefined ? undefined : { by: name, ...(token === undefined ? {} : { token }), ...what }
    }))

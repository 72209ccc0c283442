/**
 * What a sender may see of an application: what is of categories that it may read.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { HeldBack } from "eventfold/HeldBack"
import * as Principal from "../../Principal.ts"
import { authorize } from "./access.ts"

/** What stands for the category of a reader of several. */
export const all = "$all"

const categoryOf = (name: string): string | undefined => name === all ? undefined : name

/** Whether the sender may read all of these categories. */
export const maySee: Effect.Effect<
  (categories: ReadonlyArray<string>) => boolean,
  never,
  Principal.Principal
> = Effect.map(
  Principal.Principal,
  (principal) => (categories) => categories.every((name) => Principal.allows(principal, "read", categoryOf(name)))
)

/** Fails unless the sender has the scope for all of these categories. */
export const authorizeEach = (scope: Principal.Scope, categories: ReadonlyArray<string>) =>
  Effect.forEach(categories, (name) => authorize(scope, categoryOf(name)), { discard: true })

/** What holds a reader back, without the statements, users and addresses of the writers, which are not for every reader. */
export const withoutSessions = (heldBack: Option.Option<HeldBack>): Option.Option<HeldBack> =>
  Option.map(heldBack, ({ position, writers }) => ({
    position,
    writers: writers.map((writer) => ({ ...writer, user: undefined, clientAddress: undefined, query: undefined }))
  }))

/**
 * Who steers and why, as the record of it has it.
 */
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { userInfo } from "node:os"
import { lookup } from "../connection/environment.ts"
import { UsageError } from "../failures/errors.ts"

const by = Flag.String("by").pipe(
  Flag.optional,
  Flag.withDescription("Who does it, for the record; the user of this machine by default")
)

/** The flags of what can be done again. */
export const authorFlags = {
  by,
  reason: Flag.String("reason").pipe(Flag.optional, Flag.withDescription("Why, for the record"))
}

/** The flags of what gives something up. */
export const reasonFlags = { by, reason: Flag.String("reason").pipe(Flag.withDescription("Why, for the record")) }

/** The name for the record. */
export const authorOf = Effect.fnUntraced(function*(given: Option.Option<string>) {
  if (Option.isSome(given)) return given.value
  const variable = yield* Effect.flatMap(lookup, (lookup) => lookup("EVENTFOLD_BY"))
  if (Option.isSome(variable)) return variable.value
  return yield* Effect.try({
    try: () => userInfo().username,
    catch: () => new UsageError({ message: "the user of this machine has no name", hint: "say who does it: --by NAME" })
  })
})

import * as Effect from "effect/Effect"
import { InvalidArgument } from "../StoreError.ts"

/** Fails unless the value is a whole number from the minimum on, or absent. */
export const checkInt = (
  argument: string,
  value: number | undefined,
  minimum: number
): Effect.Effect<void, InvalidArgument> =>
  value === undefined || (Number.isSafeInteger(value) && value >= minimum)
    ? Effect.void
    : Effect.fail(new InvalidArgument({ argument, value: String(value), expected: `a whole number from ${minimum}` }))

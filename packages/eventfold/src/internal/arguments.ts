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

/** Fails unless an id is one that a consumer can have: a `+` would begin another part of the ids that are made of it. */
export const checkConsumerId = (id: string): Effect.Effect<void, InvalidArgument> =>
  id === "" || id.includes("+")
    ? Effect.fail(new InvalidArgument({ argument: "id", value: id, expected: "a name that is not empty and has no +" }))
    : Effect.void

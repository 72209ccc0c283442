import * as Effect from "effect/Effect"
import { InvalidArgument } from "../../StoreError.ts"
import { textProblem } from "../runtime/json.ts"

/** Fails unless the value is a whole number from the minimum on, or absent. */
export const checkInt = (
  argument: string,
  value: number | undefined,
  minimum: number
): Effect.Effect<void, InvalidArgument> =>
  value === undefined || (Number.isSafeInteger(value) && value >= minimum)
    ? Effect.void
    : Effect.fail(new InvalidArgument({ argument, value: String(value), expected: `a whole number from ${minimum}` }))

/** The distinct values of a filter; fails when it is empty, or has a message type that no message can have. */
export const checkTypes = (
  types: ReadonlyArray<string> | undefined
): Effect.Effect<ReadonlyArray<string> | undefined, InvalidArgument> =>
  Effect.gen(function*() {
    if (types === undefined) return undefined
    yield* checkNotEmpty("types", types)
    for (const type of types) {
      const problem = type === "" ? "is empty" : textProblem(type)
      if (problem !== undefined) {
        return yield* new InvalidArgument({
          argument: "types",
          value: JSON.stringify(types),
          expected: `types of messages; ${JSON.stringify(type)} ${problem}`
        })
      }
    }
    return [...new Set(types)]
  })

/** Fails when a filter would let nothing through. */
export const checkNotEmpty = (
  argument: string,
  values: ReadonlyArray<string>
): Effect.Effect<void, InvalidArgument> =>
  values.length > 0
    ? Effect.void
    : Effect.fail(new InvalidArgument({ argument, value: "[]", expected: "at least one, or absent for all" }))

/** Fails unless an id is one that a consumer can have: a `+` would begin another part of the ids that are made of it. */
export const checkConsumerId = (id: string): Effect.Effect<void, InvalidArgument> =>
  id === "" || id.includes("+")
    ? Effect.fail(new InvalidArgument({ argument: "id", value: id, expected: "a name that is not empty and has no +" }))
    : Effect.void

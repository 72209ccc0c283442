import * as Effect from "effect/Effect"
import { InvalidArgument } from "../../StoreError.ts"
import { textProblem } from "../runtime/storableJson.ts"

/** The value of an argument in an error: a text in quotes, so that "1" is not taken for 1. */
export const formatArgument = (value: unknown): string =>
  typeof value === "string" ? JSON.stringify(value) : String(value)

/** Fails unless the value is an integer of at least the minimum, or absent. */
export const checkInt = (
  argument: string,
  value: number | undefined,
  minimum: number
): Effect.Effect<void, InvalidArgument> =>
  value === undefined || (Number.isSafeInteger(value) && value >= minimum)
    ? Effect.void
    : Effect.fail(
      new InvalidArgument({ argument, value: formatArgument(value), expected: `an integer of at least ${minimum}` })
    )

/** The distinct types of a filter. Fails when the filter is empty, or names a type that no message can have. */
export const checkTypes = (
  types: ReadonlyArray<string> | undefined
): Effect.Effect<ReadonlyArray<string> | undefined, InvalidArgument> =>
  Effect.gen(function*() {
    if (types === undefined) return undefined
    yield* checkNotEmpty("types", types)
    for (const type of types) {
      const problem = textProblem(type)
      if (type !== "" && problem === undefined) continue
      const expected = problem === undefined
        ? "message types that are not empty"
        : `message types that a store can keep: ${JSON.stringify(type)} ${problem}`
      return yield* new InvalidArgument({ argument: "types", value: JSON.stringify(types), expected })
    }
    return [...new Set(types)]
  })

/** Fails when a filter is empty: no message would pass it. */
export const checkNotEmpty = (
  argument: string,
  values: ReadonlyArray<string>
): Effect.Effect<void, InvalidArgument> =>
  values.length > 0
    ? Effect.void
    : Effect.fail(new InvalidArgument({ argument, value: "[]", expected: "at least one, or absent to read all" }))

/** Fails unless a consumer can have this id. A `+` would begin another part of the stream ids that contain it. */
export const checkConsumerId = (id: string): Effect.Effect<void, InvalidArgument> =>
  id === "" || id.includes("+")
    ? Effect.fail(
      new InvalidArgument({ argument: "id", value: JSON.stringify(id), expected: "a non-empty name without a +" })
    )
    : Effect.void

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/**
 * The global position to wait for: of an append, or of a transaction, which has none when it wrote nothing. Then there is nothing
 * to wait for.
 *
 * @since 0.1.0
 * @category models
 */
export type Written = number | Option.Option<number>

/** Waits for a position, if there is one. */
export const whenWritten = <E, R>(
  written: Written,
  waitFor: (globalPosition: number) => Effect.Effect<void, E, R>
): Effect.Effect<void, E, R> =>
  typeof written === "number" ? waitFor(written) : Option.match(written, { onNone: () => Effect.void, onSome: waitFor })

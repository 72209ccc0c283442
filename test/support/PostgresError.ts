/**
 * The error texts of the server, which clients of Message DB compare word for word.
 */
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"

export interface Refusal {
  readonly code: string | undefined
  readonly message: string
  readonly detail?: string
  readonly constraint?: string
}

/** The server's error for a statement. Fails with the result when there is none. */
export const refusal = <A, R>(statement: Effect.Effect<A, SqlError, R>): Effect.Effect<Refusal, A, R> =>
  Effect.map(Effect.flip(statement), (error) => {
    const { code, constraint, detail, message } = error.reason.cause as Error & Partial<Refusal>
    return {
      code,
      message,
      ...(detail === undefined ? {} : { detail }),
      ...(constraint === undefined ? {} : { constraint })
    }
  })

import * as Effect from "effect/Effect"
import type { Author } from "eventfold/Steering"
import { Principal } from "../../Principal.ts"

/** The sender as the author of what is steered. */
export const author: Effect.Effect<Pick<Author, "by" | "token">, never, Principal> = Effect.map(
  Principal,
  ({ name: by, token }) => ({ by, token })
)

/**
 * Asks before something is done that can't be undone.
 */
import * as Prompt from "effect/cli/Prompt"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import type * as Terminal from "effect/Terminal"
import { NotConfirmed } from "../failures/errors.ts"
import { NoInput, Yes } from "./settings.ts"

/** What asking needs. */
export type Asking = Prompt.Environment | typeof Yes.Identifier | typeof NoInput.Identifier

/**
 * Goes on when a person says yes to the question, or has said so with `--yes`. Without a terminal nobody can be asked, and nothing is
 * done.
 */
export const confirm = Effect.fnUntraced(function*(
  question: string
): Effect.fn.Return<void, NotConfirmed | Terminal.QuitError, Asking> {
  if (yield* Yes) return
  const { canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
  if ((yield* NoInput) || !canPrompt) {
    return yield* new NotConfirmed({
      message: `nothing was done: nobody was asked "${question}"`,
      hint: "--yes does it without asking"
    })
  }
  const isConfirmed = yield* Prompt.run(Prompt.Confirm({ message: question, initial: false }))
  if (!isConfirmed) return yield* new NotConfirmed({ message: "nothing was done: it was not confirmed" })
})

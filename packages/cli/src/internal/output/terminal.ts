/**
 * Writes text for programs and people: answers to stdout, everything else to stderr.
 */
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"

/** Writes texts to stdout, no faster than their reader takes them. */
export const write = <E, R>(
  texts: Stream.Stream<string, E, R>
): Effect.Effect<void, E | PlatformError, R | Stdio.Stdio> =>
  Effect.flatMap(Stdio.Stdio, (stdio) => Stream.run(texts, stdio.stdout()))

/** Writes a text to stdout, with the end of its last line. */
export const print = (text: string): Effect.Effect<void, PlatformError, Stdio.Stdio> => write(Stream.make(`${text}\n`))

/** Tells a person something that is no part of the answer. */
export const tell = (text: string): Effect.Effect<void, never, Stdio.Stdio> =>
  Effect.flatMap(Stdio.Stdio, (stdio) => Stream.run(Stream.make(`${text}\n`), stdio.stderr())).pipe(
    // A reader of stderr that has left changes nothing about the command.
    Effect.ignore
  )

/** Whether a person reads stdout. */
export const isTerminal: Effect.Effect<boolean, never, Stdio.Stdio> = Effect.flatMap(
  Stdio.Stdio,
  (stdio) => stdio.stdoutIsTerminal
)

/** The styles of texts on stdout; none where they would be read by a program. */
export const styles = Effect.map(TerminalCapabilities.TerminalCapabilities, ({ canColor }) => {
  const style = (code: number) => (text: string): string => canColor ? `\u001b[${code}m${text}\u001b[0m` : text
  return { bold: style(1), dim: style(2), red: style(31), green: style(32), yellow: style(33) }
})

/** Texts from a store may have characters that move the cursor or change the colours of a terminal. */
export const shown = (text: string): string =>
  text.replace(
    /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`
  )

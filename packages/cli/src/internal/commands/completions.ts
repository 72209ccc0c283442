/**
 * Completion scripts for shells.
 *
 * `effect/cli` makes them of the flags of each command, without those of all commands. Here each command has both.
 */
import * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import { print } from "../output/terminal.ts"

/** A command and all below it, with flags that all have. Its own flag of a name comes first. */
const withFlags = (
  command: Completions.CommandDescriptor,
  shared: ReadonlyArray<Completions.FlagDescriptor>
): Completions.CommandDescriptor => {
  const own = new Set(command.flags.map(({ name }) => name))
  return {
    ...command,
    flags: command.flags.concat(shared.filter(({ name }) => !own.has(name))),
    subcommands: command.subcommands.map((one) => withFlags(one, shared))
  }
}

/** Prints the script for a shell. */
export const completions = (settings: ReadonlyArray<Flag.Flag<unknown>>) =>
  Effect.map(Stdio.Stdio, (stdio) =>
    GlobalFlag.Action({
      flag: Flag.Literals("completions", ["bash", "zsh", "fish", "powershell"]).pipe(
        Flag.optional,
        Flag.withDescription("Print a completion script for a shell")
      ),
      run: (shell, { command }) => {
        if (Option.isNone(shell)) return Effect.void
        const flags = Object.fromEntries(settings.map((flag, index) => [`flag${index}`, flag]))
        const shared = Completions.fromCommand(Command.make("eventfold", flags)).flags
        const script = Completions.generate(
          "eventfold",
          shell.value,
          withFlags(Completions.fromCommand(command), shared)
        )
        return print(script).pipe(Effect.ignore, Effect.provideService(Stdio.Stdio, stdio))
      }
    }))

/**
 * The flag of the commands that need definitions of an application.
 */
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"

/** The module that registers the definitions. */
export const Module = GlobalFlag.Setting("module")({
  flag: Flag.String("module").pipe(
    Flag.withAlias("m"),
    Flag.optional,
    Flag.withDescription("The application's module, which exports `observe`, a layer of Observe with its definitions")
  )
})

/** The flags of this room. */
export const settings = [Module] as const

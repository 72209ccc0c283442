/**
 * Variables of the environment, those of the file `.env` behind them.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { UsageError } from "../failures/errors.ts"
import { unreadable } from "../failures/files.ts"

/** A variable that is set, and not empty. */
export type Lookup = (name: string) => Effect.Effect<Option.Option<string>, UsageError>

const lookIn = (provider: ConfigProvider.ConfigProvider): Lookup => (name) =>
  Config.option(Config.String(name)).pipe(
    Effect.map(Option.filter((value) => value !== "")),
    Effect.provideService(ConfigProvider.ConfigProvider, provider),
    Effect.mapError((error) => new UsageError({ message: `the variable ${name} can't be read: ${error.message}` }))
  )

/** Looks variables up in the environment, and in `.env` of the folder that the command is run in. */
export const lookup: Effect.Effect<Lookup, UsageError, FileSystem.FileSystem> = Effect.gen(function*() {
  const environment = lookIn(yield* ConfigProvider.ConfigProvider)
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.readFileString(".env").pipe(
    Effect.asSome,
    Effect.catch((error) =>
      error.reason._tag === "NotFound"
        ? Effect.succeedNone
        : Effect.fail(unreadable("the file .env")(error))
    )
  )
  if (Option.isNone(file)) return environment
  const behind = lookIn(ConfigProvider.fromDotEnvContents(file.value))
  return (name) => Effect.filterOrElse(environment(name), Option.isSome, () => behind(name))
})

/** The folder of the user, by the variable of Unix or of Windows. */
export const home = (lookup: Lookup): Effect.Effect<Option.Option<string>, UsageError> =>
  Effect.filterOrElse(lookup("HOME"), Option.isSome, () => lookup("USERPROFILE"))
